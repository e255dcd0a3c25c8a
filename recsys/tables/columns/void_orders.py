"""Orders that count in nothing: found by any row that says so, and known again by number, shopper and about when it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

ORDER, USER, TIME = "__order", "__user", "__time"
"""Columns of a row's order: its number, its shopper, its moment in microseconds; null where the row does not say."""
SAME_SHOPPER = timedelta(days=180)
"""How far apart rows of one order of one shopper may be: numbers may begin anew each year, and a state may be told months later."""
SAME_NUMBER = timedelta(days=1)
"""How far apart rows may be where one does not say whose the order is: stores and tills may give the same number."""
_FIRST, _LAST = "__first", "__last"
_OF_NOBODY, _OF_ALL = "__of_nobody", "__of_all"
_EARLIEST, _LATEST = -(2**62), 2**62


@dataclass(frozen=True, slots=True)
class VoidOrders:
    """The orders of a table that count in nothing, with the first and the last moment that rows tell of them, in microseconds.

    by_shopper: a row for each number and shopper · by_number: a row for each number, with the span of the rows that do not say whose
    it is, and that of all
    """

    by_shopper: pl.LazyFrame
    by_number: pl.LazyFrame

    @classmethod
    def of(cls, rows: Sequence[pl.LazyFrame]) -> VoidOrders:
        """Take rows that take their orders out; one without a number takes none."""
        first, last = pl.col(TIME).fill_null(_EARLIEST).min(), pl.col(TIME).fill_null(_LATEST).max()
        told = pl.concat(rows).drop_nulls(ORDER).group_by(ORDER, USER)
        found = told.agg(first.alias(_FIRST), last.alias(_LAST)).collect(engine="streaming")
        of_nobody = pl.col(USER).is_null()
        by_number = found.group_by(ORDER).agg(
            pl.col(_FIRST).filter(of_nobody).min().alias(_OF_NOBODY + _FIRST),
            pl.col(_LAST).filter(of_nobody).max().alias(_OF_NOBODY + _LAST),
            pl.col(_FIRST).min().alias(_OF_ALL + _FIRST),
            pl.col(_LAST).max().alias(_OF_ALL + _LAST),
        )
        return cls(found.filter(~of_nobody).lazy(), by_number.lazy())

    def told(self, frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
        """Add a column that tells of each row whether its order counts in nothing, in place of the columns of its order."""
        frame = frame.join(self.by_shopper, on=[ORDER, USER], how="left", maintain_order="left")
        frame = frame.join(self.by_number, on=ORDER, how="left", maintain_order="left")
        spans = [prefix + end for prefix in ("", _OF_NOBODY, _OF_ALL) for end in (_FIRST, _LAST)]
        gone = _within("", SAME_SHOPPER) | _within(_OF_NOBODY, SAME_NUMBER)
        gone |= pl.col(USER).is_null() & _within(_OF_ALL, SAME_NUMBER)
        return frame.with_columns(gone.alias(name)).drop(ORDER, USER, TIME, *spans)


def _within(prefix: str, margin: timedelta) -> pl.Expr:
    """Rows near the span of an order that was found; one that does not say when is."""
    moment, room = pl.col(TIME), margin // timedelta(microseconds=1)
    near = (moment >= pl.col(prefix + _FIRST) - room) & (moment <= pl.col(prefix + _LAST) + room)
    return pl.col(prefix + _FIRST).is_not_null() & (moment.is_null() | near)
