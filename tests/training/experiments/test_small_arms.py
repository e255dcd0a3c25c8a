"""Intervals of small arms and of measures that few carry: none is told while a handful of buyers could make it."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from training.experiments.always_valid import LEAST_VALUED, valued
from training.experiments.interleaved import ORDERS, preference
from training.experiments.measures import MEASURES
from training.experiments.statistics import aggregates, difference

CONVERSION = MEASURES["conversion"]._replace(covariate=None)


@pytest.mark.parametrize(("buyers", "is_told"), [(LEAST_VALUED, True), (LEAST_VALUED - 1, False)])
def test_an_interval_takes_fifty_buyers_in_each_arm(buyers: int, is_told: bool) -> None:
    """However many there are in the other arm."""
    bought = [1] * buyers + [0] * 900 + [1] * 2_000 + [0] * 18_000
    arm = ["small"] * (buyers + 900) + ["control"] * 20_000
    table = pl.DataFrame({"arm": arm, "converted": bought})
    sums = aggregates(table, [CONVERSION])
    found = difference(CONVERSION, "small", sums["control"], sums["small"])
    assert math.isfinite(found.always_low + found.always_high) is is_told


def test_a_few_who_spend_most_count_as_fewer() -> None:
    """A hundred buyers alike are a hundred; with one who spends as much as all others, the sum rests on hardly four."""
    alike = np.array([1.0] * 100 + [0.0] * 900)
    assert valued(1000, alike.mean(), alike.var(ddof=1)) == pytest.approx(100)
    alike[0] = 99.0
    assert valued(1000, alike.mean(), alike.var(ddof=1)) == pytest.approx(198**2 / (99**2 + 99))
    assert valued(0, 0.0, 0.0) == valued(1000, 0.0, 0.0) == 0.0


def test_orders_of_a_list_of_two_rankings_take_as_many() -> None:
    """A ranking with a handful of orders is not told worse, whatever the other one has."""
    credits = np.zeros((2_000, 2))
    credits[:400, 0], credits[400:410, 1] = 1.0, 1.0
    assert math.isinf(preference(ORDERS, "popular", credits).always_high)
    credits[400:500, 1] = 1.0
    assert preference(ORDERS, "popular", credits).always_high < 0
