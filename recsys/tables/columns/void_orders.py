"""Orders that count in nothing: found by any row that says so, and known again by number, shopper and about when it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from recsys.ids.user_ids import NullUsers
from recsys.tables.values.nobody import is_nobody

SAME_SHOPPER = timedelta(days=180)
"""How far apart rows of one order of one shopper may be: numbers may begin anew each year, and a state may be told months later."""
SAME_NUMBER = timedelta(days=1)
"""How far apart rows may be where one does not say whose the order is: stores and tills may give the same number."""
_ORDER, _USER, _TIME = "__order", "__user", "__time"
"""Columns of a row's order: its number, its shopper, its moment in microseconds; null where the row does not say."""
_OF_SHOPPER, _OF_NOBODY, _OF_ALL = "__of_shopper", "__of_nobody", "__of_all"
_UNTIMED = "__untimed"


@dataclass(frozen=True, slots=True)
class VoidOrders:
    """The orders of a table that count in nothing, with the moments of the rows that say so, in microseconds.

    by_shopper: a row for each number and shopper, and whether one of its rows has no moment · by_number: a row for each number, with
    the moments of the rows that do not say whose it is, and those of all
    """

    by_shopper: pl.LazyFrame
    by_number: pl.LazyFrame
    null_users: NullUsers

    @classmethod
    def of(cls, rows: Sequence[pl.LazyFrame], null_users: NullUsers) -> VoidOrders:
        """Take rows that take their orders out, in the columns of events; one without a number takes none."""
        told = pl.concat([_with_order(each, null_users).select(_ORDER, _USER, _TIME) for each in rows])
        moments = pl.col(_TIME).drop_nulls().unique().sort().alias(_OF_SHOPPER)
        found = (
            told.drop_nulls(_ORDER)
            .group_by(_ORDER, _USER)
            .agg(moments, pl.col(_TIME).is_null().any().alias(_UNTIMED))
            .collect(engine="streaming")
        )
        of_nobody, each = pl.col(_USER).is_null(), pl.col(_OF_SHOPPER)
        by_number = (
            found.explode(_OF_SHOPPER)
            .group_by(_ORDER)
            .agg(
                each.filter(of_nobody).drop_nulls().unique().sort().alias(_OF_NOBODY),
                each.drop_nulls().unique().sort().alias(_OF_ALL),
            )
        )
        return cls(found.filter(~of_nobody).lazy(), by_number.lazy(), null_users)

    def told(self, events: pl.LazyFrame, name: str) -> pl.LazyFrame:
        """Add a column that tells of each row of events whether its order counts in nothing."""
        frame = _with_order(events, self.null_users)
        frame = frame.join(self.by_shopper, on=[_ORDER, _USER], how="left", maintain_order="left")
        frame = frame.join(self.by_number, on=_ORDER, how="left", maintain_order="left")
        gone = pl.col(_UNTIMED).fill_null(False) | _near(_OF_SHOPPER, SAME_SHOPPER) | _near(_OF_NOBODY, SAME_NUMBER)
        gone |= pl.col(_USER).is_null() & _near(_OF_ALL, SAME_NUMBER)
        added = (_ORDER, _USER, _TIME, _OF_SHOPPER, _UNTIMED, _OF_NOBODY, _OF_ALL)
        return frame.with_columns(gone.alias(name)).drop(added)


def _with_order(events: pl.LazyFrame, null_users: NullUsers) -> pl.LazyFrame:
    """Add the columns of a row's order: the same shopper may be written in two ways in two files."""
    user = pl.when(~is_nobody("user_id", null_users)).then("user_id")
    other = pl.when(~is_nobody("anonymous_id", null_users)).then("anonymous_id")
    return events.with_columns(
        pl.col("order_id").alias(_ORDER),
        pl.coalesce(user, other).str.strip_chars().str.to_lowercase().alias(_USER),
        pl.col("timestamp").dt.epoch("us").alias(_TIME),
    )


def _near(moments: str, margin: timedelta) -> pl.Expr:
    """Rows near one of the moments; one that does not say when it was is near any."""
    moment = pl.col(_TIME)
    nearest = (pl.col(moments) - moment).list.eval(pl.element().abs()).list.min()
    untimed = moment.is_null() & (pl.col(moments).list.len() > 0)
    return (untimed | (nearest <= margin // timedelta(microseconds=1))).fill_null(False)
