"""The benchmark of experiments, on few shoppers: it measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.experiments import READ, World, alike, apart, arms_on, interleaved, looked_at_daily, run

SHOPPERS = 1_200


@pytest.fixture(scope="module")
def world() -> World:
    """The shelf and its policies."""
    return World()


def test_alike_arms_are_seldom_told_apart(world: World) -> None:
    """In a few runs hardly any measure differs, and no alarm is raised."""
    told = alike(world, 8, SHOPPERS, 1)
    assert told["alarms"] == 0
    assert all(told[name]["false positives"] <= 0.5 for name in READ)
    assert np.mean([told[name]["false positives"] for name in READ]) < 0.3


def test_looking_daily_costs_nothing(world: World) -> None:
    """The intervals that hold at all times hold zero on every day of these runs."""
    told = looked_at_daily(world, 2, SHOPPERS, 14, 2)
    assert told["orders"]["always valid"] == told["conversion"]["always valid"] == 0


def test_the_planted_truth_is_what_shoppers_do(world: World) -> None:
    """The formula's difference is that of a large experiment."""
    truth = world.truth(0.3, 0.9, 20_000)
    one, other = arms_on(run(world, np.random.default_rng(5), 20_000, (0.3, 0.9)), 27)
    assert other.mean("orders") / one.mean("orders") - 1 == pytest.approx(truth, abs=0.1)


@pytest.mark.long
def test_a_large_difference_is_found(world: World) -> None:
    """Each run finds it."""
    assert apart(world, 2, SHOPPERS, (0.2, 1.0), 3)["power"] == 1


def test_interleaving_needs_fewer_shoppers(world: World) -> None:
    """An order of magnitude fewer, for the same winner."""
    told = interleaved(world, 4_000, (0.5, 0.65), 4)
    assert told["same winner"]
    assert told["factor"] > 10
