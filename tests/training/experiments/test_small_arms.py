"""Intervals of small arms and of measures that few carry: none is told while a handful of buyers could make it, and all of an arm
that has few because it is broken."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from training.experiments.always_valid import valued
from training.experiments.interleaved import ORDERS, preference
from training.experiments.measures import MEASURES
from training.experiments.statistics import Difference, aggregates, difference
from training.experiments.verdict import Pace, verdict, warnings_of

CONVERSION = MEASURES["conversion"]._replace(covariate=None)
LOOK_OUT = "Look out with small: empty-lists got worse, "


class Arm(NamedTuple):
    """Persons and how many of them bought."""

    persons: int
    buyers: int


def told(control: Arm, small: Arm) -> Difference:
    """What is told of the conversion of an arm."""
    bought = [1] * control.buyers + [0] * (control.persons - control.buyers)
    bought += [1] * small.buyers + [0] * (small.persons - small.buyers)
    table = pl.DataFrame({"arm": ["control"] * control.persons + ["small"] * small.persons, "converted": bought})
    sums = aggregates(table, [CONVERSION])
    return difference(CONVERSION, "small", sums["control"], sums["small"])


@pytest.mark.parametrize(("persons", "is_told"), [(50 * 20, True), (49 * 20, False)])
def test_an_interval_takes_fifty_buyers_of_an_arm_of_that_size(persons: int, is_told: bool) -> None:
    """However many there are in the other arm, where every twentieth person buys."""
    found = told(Arm(20_000, 1_000), Arm(persons, persons // 20))
    assert math.isfinite(found.always_low + found.always_high) is is_told


@pytest.mark.parametrize("buyers", [0, 1, 20, 49])
def test_an_arm_that_is_broken_is_told(buyers: int) -> None:
    """It has few buyers because it is worse, and would stay too early for years."""
    paces = Pace(40_000, 20_000, 1_000)
    sentence = verdict(told(Arm(20_000, 2_000), Arm(20_000, buyers)), paces, 0.05, 1.0)
    assert sentence.startswith("small is worse: ")
    assert ("has no conversion at all where the control has 0.1" in sentence) is not buyers
    assert verdict(told(Arm(20_000, buyers), Arm(20_000, 2_000)), paces, 0.05, 1.0).startswith("small is better: ")


def test_none_beside_a_handful_is_too_early() -> None:
    """Nobody bought in an arm in which hardly anybody would have."""
    for control, small in [(Arm(20_000, 30), Arm(20_000, 0)), (Arm(20_000, 2_000), Arm(400, 0))]:
        assert verdict(told(control, small), Pace(40_000, 80_000, 1_000), 0.05, 1.0).startswith("Too early for small: ")


@pytest.mark.parametrize("control", [0, 1, 40])
def test_a_guard_is_told_where_the_control_hardly_has_it(control: int) -> None:
    """Nearly every list of the arm is empty, and hardly any of the control."""
    table = pl.DataFrame(
        {
            "arm": ["control"] * 20_000 + ["small"] * 20_000,
            "empty": [1] * control + [0] * (20_000 - control) + [1] * 15_000 + [0] * 5_000,
            "lists": [1] * 40_000,
        }
    )
    guard = MEASURES["empty_lists"]
    sums = aggregates(table, [guard])
    worse, better = (
        difference(guard, "small", sums[one], sums[other]) for one, other in [("control", "small"), ("small", "control")]
    )
    assert [sentence[: len(LOOK_OUT)] for sentence in warnings_of([worse, better])] == [LOOK_OUT]


def test_a_few_who_spend_most_count_as_fewer() -> None:
    """A hundred buyers alike are a hundred; with one who spends as much as all others, the sum rests on hardly four."""
    alike = np.array([1.0] * 100 + [0.0] * 900)
    assert valued(1000, alike.mean(), alike.var(ddof=1)) == pytest.approx(100)
    alike[0] = 99.0
    assert valued(1000, alike.mean(), alike.var(ddof=1)) == pytest.approx(198**2 / (99**2 + 99))
    assert valued(0, 0.0, 0.0) == valued(1000, 0.0, 0.0) == 0.0


def test_orders_of_a_list_of_two_rankings_take_as_many() -> None:
    """Fifty for each of two rankings alike; one that gets hardly any of many orders is told worse."""
    credits = np.zeros((2_000, 2))
    credits[:80, 0], credits[80:90, 1] = 1.0, 1.0
    assert math.isinf(preference(ORDERS, "popular", credits).always_high)
    credits[:400, 0], credits[400:410, 1] = 1.0, 1.0
    assert preference(ORDERS, "popular", credits).always_high < 0
    credits[:, 1] = 0.0
    assert preference(ORDERS, "popular", credits).without == "popular"
    assert preference(ORDERS, "popular", credits[:, ::-1]).without == "the control"
