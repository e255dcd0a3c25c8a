"""Rows of forgotten shoppers in a shop's tables and among live rows: found before anything is counted or written down.

A row is theirs if its user, or the user whom it is resolved to, is forgotten for its time. An event that only names a forgotten
anonymous id beside its own user stays, with that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl

from recsys.ids.user_ids import NullUsers
from recsys.live.erasure import Tombstones
from recsys.snapshot.identity_links import FOREVER
from recsys.tables import identities
from recsys.tables.identities import KNOWN, SINCE, UNTIL
from recsys.tables.live_rows import LiveRows
from recsys.tables.mapping import GIVEN
from recsys.tables.reader import Erased, MappedTable, reading
from recsys.tables.schema import TIME, schema
from recsys.tables.sources import MORE, ROW

NAMING: Mapping[str, tuple[str, ...]] = {
    "events": ("user_id",),
    "users": ("user_id",),
    "identities": ("anonymous_id", "user_id"),
}
"""Columns that name a shopper, by table."""
_PERIODS = pl.Schema({"id": pl.String(), SINCE: TIME, UNTIL: TIME})


class ErasedRows:
    """Whose rows of which time must not be seen: of the shop's mapped tables, and of live rows."""

    def __init__(
        self, tombstones: Tombstones, mapped: Mapping[str, MappedTable], live: LiveRows, null_users: NullUsers
    ) -> None:
        """Hash every id in them once.

        Raises:
            DataError: if a file cannot be read.
        """
        self._mapped = {name: table.sources for name, table in mapped.items()}
        self._null_users = null_users
        ids = [self._ids(name) for name in NAMING if name in mapped]
        ids.append(_distinct([live.links.lazy()], NAMING["identities"]))
        ids += [] if live.events is None else [_distinct([live.events], NAMING["events"])]
        self._own = _own_periods(tombstones, pl.concat(ids).unique())
        self._linked = self._periods_by_link(live.links)

    def of_table(self, name: str) -> Erased | None:
        """The rows of one of the shop's tables; None if it names nobody."""
        if name not in NAMING:
            return None
        with reading(name, [each.source for each in self._mapped[name]]):
            rows = [self._rows(name, each.frame) for each in self._mapped[name]]
            unstated = [
                each.frame.filter(_unstated(name)).select(ROW).collect(engine="streaming") for each in self._mapped[name]
            ]
        return Erased(pl.concat(rows), pl.concat(unstated))

    def of_events(self, events: pl.LazyFrame) -> pl.DataFrame:
        """`ROW` of live or compacted events."""
        return self._rows("events", events)

    def without(self, live: LiveRows) -> LiveRows:
        """Return what is live, without theirs."""
        links = live.links.with_row_index(ROW)
        left = links.join(self._rows("identities", links.lazy()), on=ROW, how="anti", maintain_order="left").drop(ROW)
        events = live.events
        if events is not None and len(theirs := self.of_events(events)):
            events = events.join(theirs.lazy(), on=ROW, how="anti", maintain_order="left")
        return replace(live, events=events, links=left, ends=self._ends())

    def _ends(self) -> pl.DataFrame:
        """Since when anonymous ids are nobody's: they became those of somebody who is forgotten."""
        return self._own.drop_nulls(SINCE).select(pl.col("id").alias("anonymous_id"), pl.col(SINCE).alias("timestamp"))

    def _rows(self, name: str, frame: pl.LazyFrame) -> pl.DataFrame:
        time = pl.col("timestamp") if name != "users" else pl.lit(None, TIME)
        untimed = name == "events"
        found = [_hits(frame, column, time, self._own, untimed) for column in NAMING[name]]
        found += [_hits(frame, "user_id", time, self._linked, untimed)] if name == "events" else []
        return pl.concat(found).unique().collect(engine="streaming")

    def _ids(self, name: str) -> pl.Series:
        with reading(name, [each.source for each in self._mapped[name]]):
            return _distinct([each.frame for each in self._mapped[name]], NAMING[name])

    def _periods_by_link(self, live: pl.DataFrame) -> pl.DataFrame:
        """Return when anonymous ids belonged to somebody who is forgotten for that time; all links count, refused ones apart."""
        users = self._collected("users").select("user_id")
        links = pl.concat([self._collected("identities"), live])
        valid = identities.periods(links.filter(~identities.refused(links, users, self._null_users)), self._ends())
        since = pl.max_horizontal(SINCE, f"{SINCE}_right")
        until = pl.min_horizontal(pl.col(UNTIL) - timedelta(microseconds=1), f"{UNTIL}_right")
        theirs = valid.join(self._own, left_on=KNOWN, right_on="id")
        spans = theirs.select(pl.col("anonymous_id").alias("id"), since.alias(SINCE), until.alias(UNTIL))
        return spans.filter(pl.col(SINCE).is_null() | (pl.col(SINCE) <= pl.col(UNTIL)))

    def _collected(self, name: str) -> pl.DataFrame:
        """A table's rows that name somebody in every place."""
        wanted = [name for name in schema(name) if name in ("user_id", "anonymous_id", "timestamp")]
        frames = [each.frame.select(wanted).drop_nulls(NAMING[name]) for each in self._mapped.get(name, ())]
        empty = pl.LazyFrame(schema={column: schema(name)[column] for column in wanted})
        with reading(name, [each.source for each in self._mapped.get(name, ())]):
            return pl.concat([empty, *frames]).collect(engine="streaming")


def _distinct(frames: Iterable[pl.LazyFrame], columns: Sequence[str]) -> pl.Series:
    named = [frame.select(pl.col(column).alias("id")) for frame in frames for column in columns]
    return pl.concat(named).drop_nulls().unique().collect(engine="streaming")["id"]


def _own_periods(tombstones: Tombstones, ids: pl.Series) -> pl.DataFrame:
    rows = [(each, *span) for each in ids for span in tombstones.spans(each)]
    found = pl.DataFrame(rows, schema={"id": pl.String(), SINCE: pl.Int64(), UNTIL: pl.Int64()}, orient="row")
    ever = pl.when(pl.col(SINCE) > FOREVER.min).then(SINCE)
    return found.with_columns(ever.alias(SINCE)).cast(_PERIODS)


def _hits(frame: pl.LazyFrame, column: str, time: pl.Expr, periods: pl.DataFrame, untimed: bool) -> pl.LazyFrame:
    """Rows whose id is in a period then. A row without a time is as old as can be, or, if `untimed`, of any time."""
    when, ever = pl.col("__time"), pl.col(SINCE).is_null()
    inside = (ever | (when >= pl.col(SINCE))) & (when <= pl.col(UNTIL))
    named = frame.select(ROW, pl.col(column).alias("id"), time.alias("__time"))
    return (
        named.join(periods.lazy(), on="id")
        .filter(pl.when(when.is_null()).then(ever | untimed).otherwise(inside))
        .select(ROW)
    )


def _unstated(name: str) -> pl.Expr:
    """Rows that do not tell whom they name: an id is missing or unusable, or the line's fields may have moved."""
    return pl.any_horizontal(pl.col(GIVEN + MORE), *(pl.col(column).is_null() for column in _needed(name)))


def _needed(name: str) -> tuple[str, ...]:
    return NAMING[name][:1] if name == "events" else NAMING[name]
