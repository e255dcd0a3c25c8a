"""Read-out of an interleaved experiment: what shoppers clicked and bought of the items that either ranking picked.

Each person is a control of their own: credits of both rankings per person, and their ratio with the delta method for paired means
(Deng, Knoblich, Lu, KDD 2018). The ratio says which ranking shoppers prefer, not how much more would be sold with it alone.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.live.slate_log import SlateHead
from recsys.settings.experiments import Experiment
from training.experiments.always_valid import LEAST_VALUED, half_width, units_for, valued
from training.experiments.attribution import orders_of_clicks
from training.experiments.ledger import Ledger
from training.experiments.statistics import CONFIDENCE, CONTROL, POWER, Difference
from training.experiments.verdict import Pace

CLICKS, ORDERS = "credited_clicks", "credited_orders"
ORDER_DAYS = 7
"""Days after a click in which an order counts, as `make attribution` has it."""
_Z = 1.959963984540054
Credits: TypeAlias = NDArray[np.float64]


class Credited(NamedTuple):
    """Credits of persons, float64[n, 2]: clicks and orders of the items that either ranking picked."""

    clicks: Credits
    orders: Credits


def deciding(chosen: Experiment) -> str:
    """Return the measure that decides: clicks where the experiment says click-through, else orders."""
    return CLICKS if chosen.metric == "click_through" else ORDERS


def credited(ledger: Ledger, persons: pl.DataFrame, heads: Iterable[SlateHead], name: str) -> Credited:
    """Credit each click and order on an interleaved list to the ranking that picked the item; persons without any count as none,
    and so does what was clicked before the first exposure."""
    teams = _teams(heads, name, {*ledger.clicks["recommendation_id"].unique()})
    numbered = persons.select("unit", "at").with_row_index("person")
    since = ledger.clicks.join(numbered, on="unit").filter(pl.col("time") >= pl.col("at"))
    clicks, orders = np.zeros((persons.height, 2)), np.zeros((persons.height, 2))
    people = {}
    for person, name_of_list, item in since.select("person", "recommendation_id", "item_id").iter_rows():
        if (name_of_list, item) in teams:
            clicks[person, teams[name_of_list, item]] += 1
            people[name_of_list, item] = person
    for name_of_list, item, count in orders_of_clicks(ledger, ORDER_DAYS).iter_rows():
        if (name_of_list, item) in people:
            orders[people[name_of_list, item], teams[name_of_list, item]] += count
    return Credited(clicks, orders)


def preference(measure: str, arm: str, credits: Credits) -> Difference:
    """Compare the credits of the second ranking with those of the first, float64[n, 2]; figures that cannot be told are NaN."""
    n, means = len(credits), credits.mean(axis=0) if len(credits) else np.zeros(2)
    error = centre = math.nan
    if n > 1 and means.min() > 0:
        linear = credits[:, 1] / means[1] - credits[:, 0] / means[0]
        centre, error = math.log(means[1] / means[0]), float(linear.std(ddof=1)) / math.sqrt(n)
    wide = half_width(error**2, n, _least_valued(credits), 1 - CONFIDENCE)
    return Difference(
        measure=measure,
        arm=arm,
        control=float(means[0]),
        value=float(means[1]),
        relative=math.expm1(centre),
        low=math.expm1(centre - _Z * error),
        high=math.expm1(centre + _Z * error),
        always_low=math.expm1(centre - wide) if math.isfinite(wide) else -math.inf,
        always_high=math.expm1(centre + wide) if math.isfinite(wide) else math.inf,
        without=_without(arm, means) if _least_valued(credits) >= LEAST_VALUED else "",
        p=math.erfc(abs(centre) / error / math.sqrt(2)) if error > 0 else math.nan,
    )


def _without(arm: str, means: Credits) -> str:
    """Name which ranking has no credit where the other has some; empty: neither."""
    return "" if means.all() or not means.any() else arm if means[0] else CONTROL


def pace(persons: pl.DataFrame, credits: Credits, effect: float, until: int) -> Pace:
    """Return how many persons there are, are needed for a verdict to show a relative difference with a power of 80 %, and come a
    day."""
    n, means = len(credits), credits.mean(axis=0) if len(credits) else np.zeros(2)
    needed = math.inf
    if n > 1 and means.min() > 0:
        spread = float((credits[:, 1] / means[1] - credits[:, 0] / means[0]).var(ddof=1))
        shown = units_for(POWER, spread / math.log1p(effect) ** 2, 1 - CONFIDENCE)
        needed = max(LEAST_VALUED * n / _least_valued(credits), shown)
    first = min(persons["at"].to_list(), default=until)
    return Pace(n, needed, n / max((until - first) / DAY, 1.0))


def _least_valued(credits: Credits) -> float:
    """Persons who would carry the credits of a ranking if both were alike."""
    n = credits.size
    return valued(n, float(credits.mean()), float(credits.var(ddof=1))) / 2 if n > 2 else 0.0


def _teams(heads: Iterable[SlateHead], name: str, clicked: Container[str]) -> Mapping[tuple[str, str], int]:
    """The ranking, 0 or 1, that picked each item of each list of an experiment on which something was clicked."""
    return {
        (head.recommendation_id, item): team
        for head in heads
        if head.beside is not None
        and head.recommendation_id in clicked
        and any(each.id == name for each in head.experiments)
        for (item, _), team in zip(head.shown, head.beside.teams, strict=True)
    }
