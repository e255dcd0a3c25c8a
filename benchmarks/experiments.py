"""Benchmark of experiments on shoppers who answer back (`simulator/choice.py`), where the truth is known.

`make benchmark-experiments`. A/A: arms that are alike are told apart in 5 % of the runs, p-values are uniform, an alarm of the arms'
sizes is rare. Looking every day for 60 days: the intervals that hold at all times leave out zero in at most 5 % of the runs. A/B: a
planted difference is found as often as the calculator said, and 95 % of the intervals hold it. Interleaving: how many fewer shoppers
it takes to tell two rankings apart.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest, norm
from tea_tasting.aggr import Aggregates

from recsys.engine.interleaving import team_draft
from recsys.experiments.sizes import MISMATCH, sizes_p
from simulator.choice import (
    Answers,
    ChoiceModel,
    Counts,
    Crowd,
    Reals,
    Shelf,
    act,
    best_lists,
    click_chances,
    expected_orders,
    make_crowd,
    make_shelf,
)
from training.experiments.measures import BEFORE_DAYS, MEASURES
from training.experiments.statistics import CONFIDENCE, difference, power_of

OUT = Path("benchmarks/out/experiments.json")
MODEL = ChoiceModel(fatigue=0.0)
"""Without fatigue, so that the truth is a formula."""
ITEMS, PLACES, DAYS = 300, 10, 28
ALPHA = 1 - CONFIDENCE
READ = ("orders", "conversion", "revenue", "click_through")
CONTROL, CHANGED = "control", "changed"
SHARES = {CONTROL: 0.5, CHANGED: 0.5}

RUNS_ASKED = 50
"""Runs in which the calculator is asked too."""

Columns = dict[str, NDArray[Any]]
Mask = NDArray[np.bool_]


class World:
    """One shelf, and the policies that are compared on it: each a share of taste that its lists know."""

    def __init__(self, seed: int = 20) -> None:
        self.shelf: Shelf = make_shelf(np.random.default_rng([seed, 1]), ITEMS)
        self._seed = seed

    def chances(self, crowd: Crowd, insight: float) -> Reals:
        """Click chances of a crowd under a policy."""
        rng = np.random.default_rng([self._seed, 2])
        return click_chances(crowd, self.shelf, self.lists(crowd, insight, rng), MODEL)

    def lists(self, crowd: Crowd, insight: float, rng: np.random.Generator) -> Counts:
        """Lists of a crowd under a policy."""
        return best_lists(rng, crowd, self.shelf, PLACES, insight)

    def truth(self, control: float, changed: float, shoppers: int = 50_000) -> float:
        """Relative difference of orders between two policies, per shopper who came."""
        crowd = make_crowd(np.random.default_rng([self._seed, 3]), shoppers, MODEL)
        ordered = [expected_orders(crowd, self.chances(crowd, insight), DAYS, MODEL) for insight in (control, changed)]
        away = np.exp(-DAYS * crowd.visits) * DAYS * crowd.anyway
        first, second = (float((each - away).mean()) for each in ordered)
        return second / first - 1


def run(world: World, rng: np.random.Generator, shoppers: int, insights: tuple[float, float], days: int = DAYS) -> Columns:
    """One experiment on fresh shoppers: cumulated answers of each, an array int64[n, days] a column, and `changed` bool[n]."""
    crowd = make_crowd(rng, shoppers, MODEL)
    by_insight = {insight: world.chances(crowd, insight) for insight in {*insights}}
    chances = [by_insight[insight] for insight in insights]
    changed = rng.random(shoppers) < SHARES[CHANGED]
    before = act(rng, crowd, chances[0], BEFORE_DAYS, MODEL)
    after = act(rng, crowd, np.where(changed[:, None], chances[1], chances[0]), days, MODEL)
    return {"changed": changed, **_cumulated(after), **_before(before)}


def arms_on(columns: Columns, day: int) -> tuple[Aggregates, Aggregates]:
    """The control and the changed arm by the end of a day."""
    return _sums(columns, day, ~columns["changed"]), _sums(columns, day, columns["changed"])


def _sums(columns: Columns, day: int, chosen: Mask) -> Aggregates:
    """Means, variances and covariances of chosen shoppers who came by a day."""
    chosen = chosen & (columns["seen"][:, day] > 0)
    found = {
        name: (each[chosen, day] if each.ndim == 2 else each[chosen]) for name, each in columns.items() if name != "changed"
    }
    found["converted"] = (found["orders"] > 0).astype(float)
    names = list(found)
    covariances = np.cov(np.stack([found[name] for name in names]))
    pairs = {(one, other): float(covariances[i, j]) for i, one in enumerate(names) for j, other in enumerate(names) if i < j}
    return Aggregates(
        int(chosen.sum()),
        {name: float(found[name].mean()) for name in names},
        {name: float(covariances[i, i]) for i, name in enumerate(names)},
        pairs,
    )


def alike(world: World, runs: int, shoppers: int, seed: int) -> dict[str, Any]:
    """A/A: share of runs that tell arms apart, uniformity of p, and alarms of the arms' sizes."""
    values: dict[str, list[float]] = {name: [] for name in READ}
    alarms = 0
    for number in range(runs):
        columns = run(world, np.random.default_rng([seed, number]), shoppers, (0.5, 0.5))
        one, other = arms_on(columns, DAYS - 1)
        alarms += sizes_p({CONTROL: one.count(), CHANGED: other.count()}, SHARES) < MISMATCH
        for name in READ:
            values[name].append(difference(MEASURES[name], CHANGED, one, other).p)
    told = {
        name: {"false positives": float(np.mean(np.array(each) < ALPHA)), "uniform p": float(kstest(each, "uniform").pvalue)}
        for name, each in values.items()
    }
    return {"runs": runs, "shoppers": shoppers, "alarms": alarms / runs, **told}


def looked_at_daily(world: World, runs: int, shoppers: int, days: int, seed: int) -> dict[str, Any]:
    """A/A with a look every day: share of runs in which an interval ever leaves out zero, for both kinds of intervals."""
    names = ("orders", "conversion")
    left: dict[str, dict[str, int]] = {name: {"always valid": 0, "looking once": 0} for name in names}
    for number in range(runs):
        columns = run(world, np.random.default_rng([seed, number]), shoppers, (0.5, 0.5), days)
        looks = [arms_on(columns, day) for day in range(days)]
        for name in names:
            told = [difference(MEASURES[name], CHANGED, *arms) for arms in looks]
            left[name]["always valid"] += any(each.always_low > 0 or each.always_high < 0 for each in told)
            left[name]["looking once"] += any(each.p < ALPHA for each in told)
    shares = {name: {kind: count / runs for kind, count in each.items()} for name, each in left.items()}
    return {"runs": runs, "shoppers": shoppers, "days": days, **shares}


def apart(world: World, runs: int, shoppers: int, insights: tuple[float, float], seed: int) -> dict[str, Any]:
    """A/B: how often a planted difference is found, how often the calculator said, and how often the interval holds it."""
    truth, found, held, promised = world.truth(*insights), 0, 0, []
    for number in range(runs):
        columns = run(world, np.random.default_rng([seed, number]), shoppers, insights)
        one, other = arms_on(columns, DAYS - 1)
        told = difference(MEASURES["orders"], CHANGED, one, other)
        found, held = found + (told.low > 0), held + (told.low <= truth <= told.high)
        if number < RUNS_ASKED:
            promised.append(power_of(MEASURES["orders"], one, truth, one.count() + other.count()))
    return {
        "runs": runs,
        "shoppers": shoppers,
        "truth": truth,
        "power": found / runs,
        "calculator": float(np.mean(promised)),
        "coverage": held / runs,
    }


def interleaved(world: World, shoppers: int, insights: tuple[float, float], seed: int) -> dict[str, Any]:
    """Shoppers that an A/B on clicks and an interleaved list need for the same power; the factor between them."""
    rng = np.random.default_rng(seed)
    crowd = make_crowd(rng, shoppers, MODEL)
    lists = [world.lists(crowd, insight, np.random.default_rng([seed, 4])) for insight in insights]
    plain = [
        act(rng, crowd, click_chances(crowd, world.shelf, each, MODEL), DAYS, MODEL).clicks.sum(axis=1) for each in lists
    ]
    effect = plain[1].mean() - plain[0].mean()
    per_arm = (plain[0].var() + plain[1].var()) / effect**2
    mixed = [
        team_draft(one, other, PLACES, str(at))
        for at, (one, other) in enumerate(zip(*(each.tolist() for each in lists), strict=True))
    ]
    items, teams = np.array([each.items for each in mixed]), np.array([each.teams for each in mixed])
    chances = click_chances(crowd, world.shelf, items, MODEL)
    visits = rng.poisson(crowd.visits * DAYS)
    clicks = rng.binomial(visits[:, None], chances)
    credit = ((2 * teams - 1) * clicks).sum(axis=1)
    alone = credit.var() / credit.mean() ** 2
    return {
        "A/B": _shoppers(2 * per_arm),
        "interleaved": _shoppers(alone),
        "factor": float(2 * per_arm / alone),
        "same winner": bool(np.sign(credit.mean()) == np.sign(effect)),
    }


def _shoppers(spread: float) -> int:
    """Shoppers for a power of 80 % at 5 %, from the variance of one over the squared effect."""
    return round(float(spread * (norm.ppf(0.975) + norm.ppf(0.8)) ** 2))


def _cumulated(answers: Answers) -> Columns:
    names = ("seen", "clicks", "orders", "revenue")
    return {name: np.cumsum(getattr(answers, name), axis=1) for name in names}


def _before(answers: Answers) -> Columns:
    orders = answers.orders.sum(axis=1)
    return {
        "orders_before": orders,
        "converted_before": (orders > 0).astype(float),
        "revenue_before": answers.revenue.sum(axis=1),
    }


def main() -> None:
    """Run everything and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--shoppers", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    world, found = World(), {}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "A/A": lambda: alike(world, asked.runs, asked.shoppers, 1),
        "daily looks": lambda: looked_at_daily(world, asked.runs, asked.shoppers, 60, 2),
        "A/B": lambda: apart(world, asked.runs, 4 * asked.shoppers, (0.5, 0.58), 3),
        "interleaving": lambda: interleaved(world, 20_000, (0.5, 0.58), 4),
    }
    for name, part in parts.items():
        found[name] = part()
        print(name, json.dumps(found[name]), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
