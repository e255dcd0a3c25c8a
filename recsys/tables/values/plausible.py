"""Plausible times, told over a whole column: `24.05.12` is a day of a shop, or an article number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from recsys.tables.values.times import SHORT_YEAR, TimeNotation, read_times

_FIRST, _AFTER = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_YEARS = "20y"
"""Times of a shop are no further from their median; article numbers span all of a century."""
_ALMOST_ALL = 0.9
_ZERO = r"^(?:00?\D+00?\D+00|0?1\D+0?1\D+70)$"
"""What databases write for no day: it tells nothing of the others."""


@dataclass(frozen=True, slots=True)
class ShortYears:
    """Values with a year of two digits: how many are given, and how many of them are plausible days."""

    given: int
    plausible: int

    @property
    def are_times(self) -> bool:
        """Tell whether nearly all of them are plausible."""
        return self.plausible >= _ALMOST_ALL * self.given


def short_years(columns: Sequence[tuple[pl.LazyFrame, pl.Expr]], notation: TimeNotation, *, any_year: bool) -> ShortYears:
    """Look at the different days with a year of two digits in a column of texts.

    any_year: they are birthdays, which are of any year.
    """
    day = [(frame, value.str.strip_chars().str.extract(SHORT_YEAR).alias("day")) for frame, value in columns]
    each = [
        frame.select(text).drop_nulls().filter(~pl.col("day").str.contains(_ZERO)).group_by("day").len()
        for frame, text in day
    ]
    distinct = pl.concat([frame.collect(engine="streaming") for frame in each])
    read = distinct.with_columns(read_times(distinct["day"], notation).alias("time")).drop_nulls("time")
    kept = read if any_year else _near(read.filter(pl.col("time").is_between(_FIRST, _AFTER, closed="left")))
    return ShortYears(int(distinct["len"].sum()), int(kept["len"].sum()))


def plausible_share(text: pl.Series, notation: TimeNotation) -> float:
    """Share of some texts that are times of a shop in this notation, 0…1: none of antiquity, and near the median of all."""
    times = read_times(text, notation).alias("time").to_frame().with_columns(pl.lit(1).alias("len"))
    return _near(times.filter(pl.col("time").is_between(_FIRST, _AFTER, closed="left"))).height / max(1, len(text))


def _near(read: pl.DataFrame) -> pl.DataFrame:
    """Values that are near the median of all."""
    until = pl.col("len").cum_sum()
    middle = read.sort("time").filter(until * 2 >= pl.col("len").sum())["time"].head(1)
    if middle.is_empty():
        return read
    return read.filter(pl.col("time").is_between(*(middle.dt.offset_by(sign + _YEARS).item() for sign in ("-", ""))))
