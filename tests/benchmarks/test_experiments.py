"""The benchmark of experiments, on few shoppers: it measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.experiments.experiments import (
    READ,
    World,
    alike,
    apart,
    arms_on,
    interleaved,
    interleaved_alike,
    looked_at_daily,
    run,
)

SHOPPERS = 1_200


@pytest.fixture(scope="module")
def world() -> World:
    """The shelf and its policies."""
    return World(pool=5_000)


def test_alike_arms_are_seldom_told_apart(world: World) -> None:
    """In a few runs hardly any measure differs, and no alarm is raised."""
    stated = alike(world, 8, SHOPPERS, 1)
    assert stated["alarms"] == 0
    assert all(stated[name]["false positives"] <= 0.5 for name in READ)
    assert np.mean([stated[name]["false positives"] for name in READ]) < 0.3


def test_looking_daily_costs_nothing(world: World) -> None:
    """The intervals that hold at all times hold zero on every day of these runs."""
    stated = looked_at_daily(world, 2, SHOPPERS, 14, 2)
    assert stated["orders"]["always valid"] == stated["conversion"]["always valid"] == 0


@pytest.mark.long
def test_the_planted_truth_is_what_shoppers_do(world: World) -> None:
    """The formula's difference is that of a large experiment."""
    truth = world.truth(0.3, 0.9)
    one, other = arms_on(run(world, np.random.default_rng(5), 20_000, (0.3, 0.9)))
    assert other.mean("orders") / one.mean("orders") - 1 == pytest.approx(truth, abs=0.1)


@pytest.mark.long
def test_days_drawn_at_once_are_those_drawn_one_by_one(world: World) -> None:
    """The sums of 28 days have the same means and spreads either way."""
    each, once = (arms_on(run(world, np.random.default_rng(6), 20_000, (0.5, 0.5), days))[0] for days in (28, 0))
    for name in ("seen", "clicks", "orders", "converted"):
        assert each.mean(name) == pytest.approx(once.mean(name), rel=0.05)
        assert each.var(name) == pytest.approx(once.var(name), rel=0.12)


def test_the_planted_effect_is_what_was_asked_for(world: World) -> None:
    """The policy is looked for until its orders are so much more."""
    assert world.truth(0.5, world.insight_for(0.03)) == pytest.approx(0.03, abs=0.003)


def test_a_list_beside_itself_is_not_preferred(world: World) -> None:
    """Either side of a list that is interleaved with itself gets half of the clicks."""
    assert interleaved_alike(world, 8, 200, 7)["false positives"] <= 0.25


@pytest.mark.long
def test_a_large_difference_is_found(world: World) -> None:
    """Each run finds it."""
    assert apart(world, 2, SHOPPERS, (0.2, 1.0), 3)["power"] == 1


def test_interleaving_needs_fewer_shoppers(world: World) -> None:
    """Fewer, for the same winner, though no verdict is told of fewer than a thousand."""
    stated = interleaved(world, 4_000, (0.5, 0.65), 4)
    assert stated["same winner"]
    assert stated["factor"] > 1
