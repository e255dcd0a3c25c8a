"""Rows written while serving, as frames in the canonical schema: the live log and the compacted files of its old events.

An event is in the log, in one compacted file, or for the moment of its moving in both: then the file counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import polars as pl

from recsys.item_updates import ItemUpdate
from recsys.live.databases import open_log
from recsys.live.erasure import Tombstone
from recsys.live.joins import JoinChange
from recsys.live.log import EventLog
from recsys.settings import Settings
from recsys.tables.checks.duplicates import event_id
from recsys.tables.reader import NARROW, Counts, Read
from recsys.tables.schema import EVENT_TYPE, TIME, schema
from recsys.tables.sources import ROW
from recsys.tables.values.ids import made_alike
from recsys.types import DataError, Event, Link

ENDS = pl.Schema({"anonymous_id": pl.String(), "timestamp": TIME})
"""From when on an anonymous id belongs to nobody, until its next link."""
EVENTS_FOLDER = "events"
"""Folder of the compacted events, in that of the state."""
SEQ, RECEIVED = "seq", "received_at"
STORED = pl.Schema({SEQ: pl.Int64(), RECEIVED: TIME, **schema("events"), "event_type": pl.String()})
"""Columns of a compacted file: number, when it was received, and the canonical ones, the event type as its word."""
WHOLE = "whole_item"
"""Column of item updates: the whole item as JSON (`item_updates.WholeItem`), null where only something of it changed."""
CARRIED = frozenset({"price", "category", "currency"})
"""What live events say of their items, where the shop's tables do not."""
_FILE = re.compile(r"events-(\d+)-(\d+)\.parquet")
_HIGHEST = 2**63 - 1
_FIRST_ROW = 1 << 62
"""Live rows are numbered after those of every source; see `sources.ROW`."""
Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


@dataclass(frozen=True, slots=True)
class Compacted:
    """A file of events with first ≤ seq ≤ last, all that there were."""

    path: Path
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class LiveRows:
    """All that was written down up to one number of the log.

    events: lazy, `ROW` and canonical columns by number, None without any · links: as the identities table · updates: item_id,
    available, stock, price and received_at, oldest first · ends: since when anonymous ids are nobody's (`ENDS`) ·
    joins: as the identities table, of accounts and those that their history belongs to · before: the moment before which events and
    links are read, of the shop's tables too; None: all are.
    """

    events: pl.LazyFrame | None
    links: pl.DataFrame
    updates: pl.DataFrame
    tombstones: tuple[Tombstone, ...]
    sequence: int
    file: str
    ends: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ENDS))
    joins: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=schema("identities")))
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """Live events that the shop's own table lacks: lazy as `LiveRows.events`, with what was counted, and `ROW` and timestamp of the
    others."""

    events: pl.LazyFrame
    counts: Counts
    doubles: pl.DataFrame


def read_live(settings: Settings, *, before: datetime | None = None, until: datetime | None = None) -> LiveRows:
    """Read the log as it is at this moment, and the files beside it; events and links before `before` only.

    It is read up to the first event or link later than `until`: what follows is not folded in, so the service must still see it.

    Raises:
        StateError: if the log cannot be read.
        DataError: if the log was replaced by a younger one, whose numbers mean other events.
    """
    folder, ids = settings.path(settings.state.folder), settings.data.ids
    with closing(open_log(settings)) as state:
        with state.reading():
            last = state.last()
            batches = [event_frame(batch) for batch in state.events_between(0, last)]
            links, updates = state.links(last), state.item_updates(last)
            tombstones, joins = tuple(state.tombstones()), state.joins.changes(0)
        # Only now: what moved out of the log since then is in a file that is already there.
        files = compacted_files(folder / EVENTS_FOLDER)
        moved = last_moved(state, files)
    stored = [pl.scan_parquet([each.path for each in files], glob=False)] if files else []
    frames = [*stored, *(batch.filter(pl.col(SEQ) > moved).lazy() for batch in batches)]
    events, linked = pl.concat(frames) if frames else None, _links(links)
    last = min(last, _last_before(events, linked, until))
    return LiveRows(
        events=None if events is None else made_alike(_canonical(events.filter(pl.col(SEQ) <= last), before), ids),
        links=made_alike(_before(linked.filter(pl.col(SEQ) <= last), before).drop(SEQ), ids),
        updates=made_alike(_updates([(received, update) for seq, received, update in updates if seq <= last]), ids),
        tombstones=tombstones,
        sequence=last,
        file=state.name,
        joins=made_alike(_before(_joins([each for each in joins if each.seq <= last]), before), ids),
        before=before,
    )


def compacted_files(folder: Path) -> list[Compacted]:
    """The files of compacted events, oldest first; what is still being written is none."""
    named = [(path, _FILE.fullmatch(path.name)) for path in folder.glob("events-*.parquet")]
    found = [Compacted(path, int(name[1]), int(name[2])) for path, name in named if name]
    return sorted(found, key=lambda each: each.first)


def last_moved(state: EventLog, files: Sequence[Compacted]) -> int:
    """The last number of a log whose event was moved to a file: its rows up to there count no more.

    Raises:
        DataError: if the log was replaced by a younger one, whose numbers mean other events.
    """
    moved, last = max((each.last for each in files), default=0), state.last()
    if moved > last:
        raise DataError(
            f"{files[-1].path} holds events up to number {moved}, but the log beside it ends with {last}: it is another log; "
            "put the right one back, or move the file elsewhere and name it in `data.events.paths`"
        )
    return moved


def event_frame(rows: Sequence[tuple[int, int, Event]]) -> pl.DataFrame:
    """Lay (number, received at, event) out with the columns of a compacted file."""
    columns = {name: [getattr(event, name) for _, _, event in rows] for name in schema("events")}
    numbers, received = [row[0] for row in rows], [row[1] for row in rows]
    raw = dict(STORED) | {"timestamp": pl.Int64(), RECEIVED: pl.Int64()}
    return pl.DataFrame({SEQ: numbers, RECEIVED: received, **columns}, schema=raw).cast(STORED)


def fold_in(read: Read, live: pl.LazyFrame) -> Folded:
    """Leave out the live events that the shop's table has, and those that came a second time after the log had forgotten."""
    ids = live.select(ROW, "timestamp", pl.col("event_id").hash()).collect(engine="streaming").sort(ROW)
    known = _known(read, ids)
    double = ids.filter(~pl.col("event_id").is_first_distinct() | pl.col("event_id").is_in(known.implode())).select(
        ROW, "timestamp"
    )
    kept = live.join(double.lazy().select(ROW), on=ROW, how="anti", maintain_order="left") if double.height else live
    return Folded(kept, Counts(read=ids.height, duplicates=double.height), double)


def merged(read: Read, live: pl.LazyFrame) -> Read:
    """The shop's events, then the live ones, as one table; the counts stay the shop's."""
    frame = pl.concat([read.frame.with_columns(event_id()), live], how="diagonal")
    narrow = pl.concat([read.narrow, live.select(ROW, *NARROW)])
    return replace(read, frame=frame, narrow=narrow, present=read.present | CARRIED)


def _known(read: Read, ids: pl.DataFrame) -> pl.Series:
    """Hashed ids of the shop's events that are among the live ones; a derived id can only be where the time is the same."""
    first, last = ids["timestamp"].min(), ids["timestamp"].max()
    if first is None:
        return ids["event_id"]
    own, near = pl.col("event_id").is_not_null(), pl.col("timestamp").is_between(first, last)
    theirs = read.frame.filter(own | near).select(event_id().hash())
    return theirs.join(ids.lazy(), on="event_id", how="semi").collect(engine="streaming")["event_id"]


def _canonical(stored: pl.LazyFrame, before: datetime | None) -> pl.LazyFrame:
    """Number the rows, and read refunds and prices as those of a table are read."""
    refund, counted = pl.col("event_type") == "refund", pl.col("quantity").is_null() | (pl.col("quantity") > 0)
    signed = [
        pl.when(refund).then(pl.col(name).abs()).otherwise(name).alias(name) for name in ("quantity", "price", "discount")
    ]
    kind = pl.col("event_type").cast(EVENT_TYPE)
    frame = stored.with_columns(signed).with_columns(kind, pl.when(counted).then("price").alias("price"))
    row = (pl.col(SEQ) + _FIRST_ROW).cast(pl.UInt64).alias(ROW)
    return _before(frame.select(row, *schema("events")), before)


def _last_before(events: pl.LazyFrame | None, links: pl.DataFrame, until: datetime | None) -> int:
    """The number before the first event or link that is later."""
    if until is None:
        return _HIGHEST
    each = [links.lazy(), *([] if events is None else [events])]
    later = pl.concat([frame.filter(pl.col("timestamp") > until).select(pl.col(SEQ).min()) for frame in each])
    first = later.collect(engine="streaming")[SEQ].min()
    return _HIGHEST if first is None else int(str(first)) - 1


def _links(links: Sequence[tuple[int, int, Link]]) -> pl.DataFrame:
    wanted = {SEQ: pl.Int64(), **schema("identities")}
    rows = [(seq, link.anonymous_id, link.user_id, link.timestamp) for seq, _, link in links]
    return pl.DataFrame(rows, schema=wanted | {"timestamp": pl.Int64()}, orient="row").cast(pl.Schema(wanted))


def _joins(changes: Sequence[JoinChange]) -> pl.DataFrame:
    """Joined accounts, each with the one at the end of its way."""
    joins = {each.account_id: each.join for each in changes if each.join is not None}
    owners = {each: join.user_id for each, join in joins.items()}
    rows = [(each, _owner(owners, each), join.timestamp) for each, join in joins.items()]
    wanted = schema("identities")
    return pl.DataFrame(rows, schema={**wanted, "timestamp": pl.Int64()}, orient="row").cast(pl.Schema(wanted))


def _owner(owners: Mapping[str, str], user_id: str) -> str:
    while user_id in owners:
        user_id = owners[user_id]
    return user_id


def _updates(updates: Sequence[tuple[int, ItemUpdate]]) -> pl.DataFrame:
    names = ("item_id", "available", "stock", "price")
    rows = [(*(getattr(update, name) for name in names), _whole(update), received) for received, update in updates]
    stated = {name: schema("items")[name] for name in names}
    return pl.DataFrame(rows, schema={**stated, WHOLE: pl.Binary(), RECEIVED: pl.Int64()}, orient="row")


def _whole(update: ItemUpdate) -> bytes | None:
    return None if update.item is None else msgspec.json.encode(update.item)


def _before(frame: Frame, before: datetime | None) -> Frame:
    return frame if before is None else frame.filter(pl.col("timestamp") < before)
