"""Lists that go on: each page is answered like any other, without what the pages before it showed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from recsys.engine.serving_state import ServingState
from recsys.engine.slate_json import attribute_ends, slate_json
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.id_index import IdMap
from recsys.snapshot.store import item_ids
from recsys.types import Query, Rows, Slate, SnapshotError
from recsys.web.http.cursors import START, Cursor, read_cursor
from recsys.web.http.parameters import ALLOWED
from recsys.web.http.problems import Problem, invalid
from recsys.web.serving.service import Service

SNAPSHOTS_KEPT = 4
"""Earlier snapshots whose item ids a worker keeps mapped for cursors."""


def slate_page(
    service: Service, serving: ServingState, query: Query, cursor: str | UnsetType, with_attributes: bool = False
) -> tuple[Slate, bytes]:
    """Answer one page of a list, as a slate and its JSON; with a cursor it says where the list goes on.

    No item and no group comes twice, whatever happened meanwhile: what was shown is left out of an answer of this moment.

    Raises:
        Problem: 400 if the cursor is none of this list; 410 if it is of a snapshot that is gone.
    """
    catalog = serving.engine.catalog
    if cursor is UNSET:
        slate = service.recommend(serving, query)
        return slate, _json(catalog, slate, with_attributes)
    shown = np.empty(0, np.int32) if cursor == START else _shown(service, serving, query, cursor)
    left_out = tuple(map(catalog.item_id, _with_groups(catalog, shown).tolist()))
    slate = service.recommend(serving, msgspec.structs.replace(query, exclude=(*query.exclude, *left_out)))
    body = _json(catalog, slate, with_attributes)
    following = _following(serving, query, shown, slate)
    return slate, b'%b,"next_cursor":%b}' % (body[:-1], msgspec.json.encode(following))


def _json(catalog: Catalog, slate: Slate, with_attributes: bool) -> bytes:
    return slate_json(catalog, slate, attribute_ends(catalog, slate) if with_attributes else ())


def _following(serving: ServingState, query: Query, shown: Rows, slate: Slate) -> str | None:
    """Return where the list goes on; None at its end. Items that the question excludes stay excluded."""
    if len(slate.items) < query.limit:
        return None
    excluded = [row for row in map(serving.engine.catalog.row, query.exclude) if row >= 0]
    rows = np.unique(np.concatenate([shown, np.array([*slate.items, *excluded], np.int32)]))
    return Cursor(serving.engine.snapshot.version, rows).text(query)


def _shown(service: Service, serving: ServingState, query: Query, text: str) -> Rows:
    """The rows, in the catalogue that serves now, of what a cursor says was shown."""
    cursor = read_cursor(text, query)
    if cursor is None:
        raise invalid("cursor", text, ALLOWED["cursor"])
    catalog = serving.engine.catalog
    if cursor.version == serving.engine.snapshot.version:
        if len(cursor.rows) and cursor.rows[-1] >= catalog.n_items:
            raise invalid("cursor", text, ALLOWED["cursor"])
        return cursor.rows[cursor.rows < catalog.n_known]
    ids = _ids_of(service, cursor.version)
    rows = [catalog.row(ids.text(row)) for row in cursor.rows.tolist() if row < len(ids)]  # a later one was put since
    return np.unique(np.array([row for row in rows if row >= 0], np.int32))


def _ids_of(service: Service, version: str) -> IdMap:
    try:
        return _mapped_ids(service.settings.artifacts, version)
    except SnapshotError:
        detail = f"cursor: the list was begun on the snapshot {version}, which is gone; begin again with cursor={START}"
        raise Problem(410, detail, parameter="cursor") from None


@lru_cache(SNAPSHOTS_KEPT)
def _mapped_ids(artifacts: Path, version: str) -> IdMap:
    return item_ids(artifacts, version)


def _with_groups(catalog: Catalog, rows: Rows) -> Rows:
    """These items and all that share a group with one of them."""
    if not catalog.has_groups:
        return rows
    groups = np.unique(catalog.group[rows])
    mates = np.flatnonzero(np.isin(catalog.group, groups[groups >= 0])).astype(np.int32)
    return np.union1d(rows, mates)
