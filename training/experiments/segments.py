"""Segments of an experiment's persons: the deciding measure among some of them, to say what to look at next and nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import polars as pl

from recsys.clock import DAY
from recsys.settings.experiments import Experiment
from training.experiments.ledger import Ledger
from training.experiments.statistics import Difference, adjusted, compare

FIRST_DAYS = 7
LEAST_UNITS = 100
"""Persons of a segment below which nothing is said of it."""


class Told(NamedTuple):
    """The deciding measure of an arm in a segment, and the persons of the segment in the arm and the control."""

    segment: str
    units: int
    difference: Difference


def segments_of(table: pl.DataFrame, ledger: Ledger, chosen: Experiment) -> list[Told]:
    """Compare the arms in each segment of a table of units; p-values are adjusted for how many are read."""
    found = [each for name, part in _parts(table, ledger).items() for each in _compared(name, part, chosen)]
    corrected = adjusted([each.difference for each in found], "")
    return [each._replace(difference=difference) for each, difference in zip(found, corrected, strict=True)]


def _parts(table: pl.DataFrame, ledger: Ledger) -> Mapping[str, pl.DataFrame]:
    first = ledger.lines.group_by("unit").agg(pl.col("time").min().alias("first_order"))
    known = table.join(first, on="unit", how="left")
    bought = (pl.col("first_order") < pl.col("at")).fill_null(False)
    early = pl.col("at") < pl.col("at").min() + FIRST_DAYS * DAY
    parts = {
        "had bought before": bought,
        "had never bought": ~bought,
        "came in the first week": early,
        "came later": ~early,
    }
    found = {name: known.filter(each).select(table.columns) for name, each in parts.items()}
    return {name: part for name, part in found.items() if LEAST_UNITS <= part.height < table.height}


def _compared(name: str, part: pl.DataFrame, chosen: Experiment) -> Iterator[Told]:
    counts: dict[str, int] = dict(part.group_by("arm").len().iter_rows())
    for each in compare(part, chosen, chosen.metric):
        yield Told(name, counts[chosen.arms[0].name] + counts[each.arm], each)
