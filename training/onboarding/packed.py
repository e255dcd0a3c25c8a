"""Cells with several items: lists of objects, JSON text of them, packed text or ids, told by their values and laid out as rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import polars as pl

from recsys.settings.shapes import Unnest
from recsys.tables.checks.several import several_ids
from recsys.tables.shapes.nested import inner_of, named_fields, unnested
from recsys.tables.sources import FILE, MORE, ROW
from recsys.types import DataError
from training.onboarding.files import ROWS, Seen
from training.onboarding.values import share, texts

_PACKED = r"^[^|;:]+:[^|]*\|[^|:;]+:"
_JSON = r"^\s*\[?\s*\{\s*\""
_IDS = r"^\s*\[\s*[\"'\d].*\]\s*$"
_HALF, _LEAST = 0.5, 0.01
_MOST_FIELDS = 60
_CELLS = 200
"""Cells in which names of fields are looked for."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Files with a row for each item of their cells: `unnest` as in the settings, and what it was told by."""

    seen: Seen
    column: str
    unnest: str | dict[str, str]
    evidence: str


def unpacked(seen: Seen) -> Unpacked | None:
    """The files with one row for each item, if a column of theirs holds several; its fields are named with a point."""
    for name, dtype in seen.source.schema.items():
        if isinstance(dtype, pl.List) and isinstance(inner := inner_of(dtype), pl.Struct):
            return _laid_out(seen, name, name, [field.name for field in inner.fields], "holds lists of objects")
        text = texts(seen.rows, name)
        if len(text) < 2:
            continue
        if (held := share(text, _JSON)) >= _HALF:
            return _laid_out(seen, name, name, _keys(text), f"holds JSON text of items in {held:.0%} of its values")
        if (held := share(text, _PACKED)) >= _HALF:
            told = {"column": name, "between": ";", "fields": "|", "names": ":"}
            return _laid_out(
                seen, name, told, _fields(text), f"holds items packed as name:value|…;… in {held:.0%} of its values"
            )
    return None


def several(seen: Seen, column: str) -> Unpacked | None:
    """The files with a row for each id, if cells of a column hold the ids of several items."""
    if seen.source.schema.get(column) != pl.String:
        return None
    text = texts(seen.rows, column)
    lists, found = share(text, _IDS), several_ids(text, pl.Series([], dtype=pl.String))
    if lists >= _HALF:
        told: str | dict[str, str] = column
        evidence = f"holds lists of ids as JSON text in {lists:.0%} of its values"
    elif found and (held := int(text.is_in(found.cells.implode()).sum()) / len(text)) >= _LEAST:
        told = {"column": column, "between": found.between}
        evidence = (
            f"holds several ids with {found.between} between them in {held:.0%} of its values, and they stand alone, too"
        )
    else:
        return None
    unnest = Unnest(column=told) if isinstance(told, str) else msgspec.convert(told, Unnest)
    [source] = unnested("events", seen.source, unnest, [column], must=True).sources
    rows = source.frame.head(ROWS).drop(ROW, FILE, MORE, strict=False).collect(engine="streaming")
    return Unpacked(replace(seen, rows=rows, source=source), column, told, f"{column} {evidence}: each becomes a row")


def _laid_out(seen: Seen, column: str, told: str | dict[str, str], fields: list[str], evidence: str) -> Unpacked | None:
    unnest = Unnest(column=told) if isinstance(told, str) else msgspec.convert(told, Unnest)
    names = [f"{column}.{field}" for field in fields[:_MOST_FIELDS]]
    if not names:
        return None
    try:
        shaped = named_fields(unnested("events", seen.source, unnest, names, must=True).sources[0], names)
    except DataError:
        return None
    rows = shaped.frame.head(ROWS).drop(ROW, FILE, MORE, column, strict=False).collect(engine="streaming")
    source = replace(shaped, schema={name: dtype for name, dtype in shaped.schema.items() if name != column})
    return Unpacked(replace(seen, rows=rows, source=source), column, told, f"{column} {evidence}: each becomes a row")


def _keys(text: pl.Series) -> list[str]:
    counted: Counter[str] = Counter()
    for cell in text.head(_CELLS):
        try:
            found: Any = msgspec.json.decode(cell)
        except msgspec.DecodeError:
            continue
        for each in found if isinstance(found, list) else [found]:
            counted.update(each if isinstance(each, dict) else ())
    return list(counted)


def _fields(text: pl.Series) -> list[str]:
    parts = [part for cell in text.head(_CELLS) for line in cell.split(";") for part in line.split("|")]
    return list(Counter(part.partition(":")[0].strip() for part in parts if ":" in part))
