"""Statistics of an experiment: planted differences are found, none are found where none are, and looking often costs nothing."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.stats import chisquare
from tea_tasting.aggr import Aggregates

from recsys.experiments.sizes import MISMATCH, sizes_p
from recsys.settings.experiments import Experiment
from training.experiments import statistics
from training.experiments.always_valid import LEAST_UNITS, LEAST_VALUED, half_width
from training.experiments.measures import MEASURES
from training.experiments.statistics import (
    Difference,
    adjusted,
    aggregates,
    difference,
    power_of,
    units_needed,
)
from training.experiments.verdict import Pace, moves_of, verdict, warnings_of

ALL = list(MEASURES.values())
ENOUGH = Pace(units=10_000, needed=5_000.0, daily=100.0)


def units(n: int = 20_000, lift: float = 0.0, seed: int = 4, arms: tuple[str, ...] = ("control", "brands")) -> pl.DataFrame:
    """Units whose orders follow those of before; the second arm orders more by a relative lift."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, len(arms), n)
    taste = rng.gamma(0.5, 2.0, n)
    before, orders = rng.poisson(taste), rng.poisson(taste * (1 + lift * (arm == 1)))
    seen, bought = rng.poisson(4, n), orders + rng.binomial(orders, 0.5)
    return pl.DataFrame(
        {
            "arm": np.array(arms)[arm],
            "seen": seen,
            "clicks": rng.binomial(seen, 0.1),
            "orders": orders,
            "converted": (orders > 0).astype(int),
            "followed": (orders > 0).astype(int),
            "repeated": (orders > 1).astype(int),
            "revenue": orders * 40.0,
            "margin": orders * 15.0,
            "units": bought - (back := rng.binomial(bought, 0.1)),
            "bought": bought,
            "returned": back,
            "orders_before": before,
            "converted_before": (before > 0).astype(int),
            "revenue_before": before * 40.0,
            "lists": seen,
            "empty": rng.binomial(seen, 0.05),
            "shown": seen * 6,
            "new": rng.binomial(seen * 6, 0.1),
        }
    )


def compare(table: pl.DataFrame, measure: str) -> Difference:
    """The second arm against the control."""
    found = aggregates(table, ALL)
    return difference(MEASURES[measure], "brands", found["control"], found["brands"])


def test_a_planted_difference_is_found() -> None:
    """A lift of 20 % is in the interval, zero is not, whichever of the two one reads."""
    found = compare(units(lift=0.2), "orders")
    assert 0 < found.low < 0.2 < found.high
    assert found.always_low > 0
    assert found.p < 0.001


def test_without_one_none_is_found() -> None:
    """Alike arms differ in no measure of this seed, and every interval holds zero."""
    table = units()
    for measure in MEASURES:
        found = compare(table, measure)
        assert found.low < 0 < found.high
        assert found.p > 0.05


def test_what_was_there_before_is_taken_off() -> None:
    """With the four weeks before, intervals are narrower than without."""
    table, orders = units(lift=0.1), MEASURES["orders"]
    found = aggregates(table, ALL)
    plain = difference(orders._replace(covariate=None), "brands", found["control"], found["brands"])
    adjusted_for_before = compare(table, "orders")
    assert adjusted_for_before.high - adjusted_for_before.low < 0.9 * (plain.high - plain.low)


def test_intervals_for_who_looks_every_day_are_wider() -> None:
    """They hold the others, and there is none while an arm has hardly anybody."""
    found = compare(units(), "conversion")
    assert found.always_low < found.low < found.high < found.always_high
    assert math.isinf(half_width(0.01, LEAST_UNITS - 1, LEAST_VALUED, 0.05))
    few = compare(units(n=500), "conversion")
    assert (few.always_low, few.always_high) == (-math.inf, math.inf)
    assert "cannot be told yet" in verdict(few, Pace(500, 2000.0, 300.0), 0.03, 0.5)
    assert "inf" not in verdict(few, Pace(500, 350.0, 300.0), 0.3, 0.5)
    assert Pace(500, 1_000.0, 100.0).days_left == 5


def test_nothing_is_said_where_nothing_varies() -> None:
    """Arms in which nobody bought anything give NaN, not an error."""
    nothing = units().with_columns(pl.lit(0).alias(name) for name in ("orders", "converted", "units", "bought", "returned"))
    for measure in ("conversion", "orders", "units_per_order"):
        found = compare(nothing, measure)
        assert math.isnan(found.p)
        assert not found.always_low > 0


def test_p_values_of_what_does_not_decide_are_adjusted() -> None:
    """The deciding measure keeps its p-value; of the others, the more are read the larger they get."""
    table = units(lift=0.2)
    found = adjusted([compare(table, name) for name in MEASURES], "conversion")
    by_name = {each.measure: each for each in found}
    assert by_name["conversion"].adjusted_p is None
    assert all(each.adjusted_p is not None and each.adjusted_p >= each.p for each in found if each.measure != "conversion")


def test_arms_of_the_wrong_size_are_an_alarm() -> None:
    """A tenth of one arm lost is seen, chance is not."""
    shares = {"control": 0.5, "brands": 0.5}
    assert sizes_p({"control": 10_000, "brands": 9_000}, shares) < MISMATCH
    assert sizes_p({"control": 10_050, "brands": 9_950}, shares) > 0.1
    assert sizes_p({}, shares) == 1


@given(st.lists(st.integers(0, 5_000), min_size=2, max_size=11))
def test_sizes_are_told_as_scipy_tells_them(found: list[int]) -> None:
    """The service loads no SciPy; its own χ² is the same for every number of arms."""
    names = [f"arm_{n}" for n in range(len(found))]
    weights = [n + 1 for n in range(len(found))]
    shares = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    difference_with = sizes_p(dict(zip(names, found, strict=True)), shares)
    if sum(found):
        assert difference_with == pytest.approx(
            chisquare(found, [share * sum(found) for share in shares.values()]).pvalue, abs=1e-12
        )


def test_the_calculator_is_right() -> None:
    """With as many units as it asks for, the power is the 80 % that it promised."""
    orders, everybody = MEASURES["orders"], aggregates(units().with_columns(arm=pl.lit("all")), ALL)["all"]
    needed = units_needed(orders, everybody, 0.05)
    assert 10_000 < needed < 1_000_000
    assert power_of(orders, everybody, 0.05, round(needed)) == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("arms", [1, 3])
def test_a_verdict_has_the_power_that_the_plan_promised(arms: int) -> None:
    """With as many as it asks for, four of five experiments are told better, not only those that look once; of several arms too."""
    rng, base, lift, alpha = np.random.default_rng(1), 0.05, 0.1, 0.05 / arms
    conversion = MEASURES["conversion"]._replace(covariate=None)
    bought = pl.DataFrame({"arm": ["all"] * 100_000, "converted": (np.arange(100_000) < 5_000).astype(int)})
    needed = units_needed(conversion, aggregates(bought, [conversion])["all"], lift, alpha=alpha)
    half, better = round(needed / 2), 0
    for _ in range(200):
        control, treatment = (binary(rng.binomial(half, share), half) for share in (base, base * (1 + lift)))
        better += difference(conversion, "brands", control, treatment, alpha).always_low > 0
    assert 0.75 <= better / 200 <= 0.9


def binary(bought: int, n: int) -> Aggregates:
    """Sums of so many units of whom some bought."""
    share = bought / n
    return Aggregates(n, {"converted": share}, {"converted": share * (1 - share) * n / (n - 1)})


def test_verdicts_of_several_arms_are_seldom_wrong_together() -> None:
    """Of three arms beside the control each has a third of the 5 %, in the interval of the deciding measure alone."""
    arms = [{"name": "control", "share": 0.25}, *({"name": name, "share": 0.25} for name in ("brands", "lead", "ease"))]
    table = units(arms=("control", "brands", "lead", "ease"))
    several = msgspec.convert({"placement": "home", "metric": "orders", "arms": arms}, Experiment)
    found = {(each.measure, each.arm): each for each in statistics.compare(table, several)}
    alone = {name: compare(table, name) for name in ("orders", "revenue")}
    assert found["orders", "brands"].always_low < alone["orders"].always_low
    assert found["orders", "brands"].low == pytest.approx(alone["orders"].low)
    assert found["revenue", "brands"].always_low == pytest.approx(alone["revenue"].always_low)


def test_a_smaller_arm_takes_more_shoppers() -> None:
    """Of 90 and 10 %, about three times as many as of two halves: 1 / (4 · 0.9 · 0.1), and looks at more units are wider."""
    orders, everybody = MEASURES["orders"], aggregates(units().with_columns(arm=pl.lit("all")), ALL)["all"]
    times = units_needed(orders, everybody, 0.05, 1 / 9) / units_needed(orders, everybody, 0.05)
    assert 1 / 0.36 < times < 1.15 / 0.36


def test_a_guard_that_got_worse_is_a_warning() -> None:
    """More returns are told, fewer are not; of new items, which are better neither way, both; what decides is no guard."""
    worse: dict[str, float] = {"always_low": 0.1, "always_high": 0.2}
    better: dict[str, float] = {"always_low": -0.2, "always_high": -0.1}
    unsure = difference_with()
    found = {
        (name, side): [*warnings_of([row]), *moves_of([row])]
        for name in ("returns", "repeat", "new_items", "conversion")
        for side, figures in (("up", worse), ("down", better), ("unsure", {}))
        for row in [replace(unsure, measure=name, **figures)]
    }
    assert {key for key, said in found.items() if said} == {
        ("returns", "up"),
        ("repeat", "down"),
        ("new_items", "up"),
        ("new_items", "down"),
    }
    assert found["returns", "up"] == ["Look out with brands: returns got worse, +0.0% (+10.0% to +20.0%)."]
    assert "neither better nor worse" in found["new_items", "down"][0]


def difference_with(**figures: float) -> Difference:
    """A difference with these figures."""
    rest = {"control": 0.1, "value": 0.1, "relative": 0.0, "low": -0.01, "high": 0.01, "p": 0.5}
    given: dict[str, Any] = {"always_low": -0.1, "always_high": 0.1, **rest, **figures}
    return Difference(measure="conversion", arm="brands", **given)


@pytest.mark.parametrize(
    ("found", "pace", "sizes", "says"),
    [
        (difference_with(always_low=0.01, always_high=0.2), ENOUGH, 0.5, "brands is better: conversion"),
        (difference_with(always_low=-0.2, always_high=-0.01), ENOUGH, 0.5, "brands is worse: conversion"),
        (difference_with(always_low=-0.02, always_high=0.02), ENOUGH, 0.5, "no difference of conversion larger than 3.0%"),
        (difference_with(), ENOUGH, 0.5, "no difference of conversion larger than 10.0% after 10,000 units"),
        (difference_with(), Pace(1000, 2000.0, 300.0), 0.5, "about 4 more days to show a difference of 3.0%"),
        (difference_with(), Pace(1000, math.inf, 300.0), 0.5, "at this pace a difference of 3.0% will not show"),
        (difference_with(always_low=-math.inf), Pace(10, 2000.0, 0.0), 0.5, "cannot be told yet"),
        (difference_with(always_low=0.01), ENOUGH, 1e-6, "Do not read this"),
    ],
)
def test_the_verdict_is_one_sentence(found: Difference, pace: Pace, sizes: float, says: str) -> None:
    """Better, worse, alike, or too early; a broken experiment has none."""
    text = verdict(found, pace, 0.03, sizes)
    assert says in text
    assert text.endswith(".")
