"""Benchmark of experiments on shoppers who answer back (`simulator/choice.py`), where the truth is known.

`make benchmark-experiments`. A/A: arms that are alike are told apart in 5 % of the runs, p-values are uniform, an alarm of the arms'
sizes is rare; the same of a list that is interleaved with itself. Looking every day for 60 days: the intervals that hold at all times
leave out zero in at most 5 % of the runs. A/B: verdicts find a planted difference of
3 % as often as the calculator said, and 95 % of the intervals for one look hold it. Interleaving: how many fewer shoppers it takes to
tell two rankings apart.

Shoppers are drawn from one pool whose lists are made once, and the truth is that of the pool.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest
from tea_tasting.aggr import Aggregates

from recsys.engine.merchandising.interleaving import team_draft
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
from training.experiments.always_valid import units_for
from training.experiments.interleaved import CLICKS, preference
from training.experiments.measures import BEFORE_DAYS, MEASURES
from training.experiments.statistics import CONFIDENCE, POWER, Difference, difference, power_of

PARTS = ("A/A", "interleaved A/A", "daily looks", "daily looks, a small arm", "A/B", "interleaving")
OUT = Path("benchmarks/out/experiments.json")
MODEL = ChoiceModel(fatigue=0.0)
"""Without fatigue, so that the truth is a formula."""
ITEMS, PLACES, DAYS, POOL = 300, 10, 28, 20_000
ALPHA = 1 - CONFIDENCE
READ = ("orders", "conversion", "revenue", "click_through", "repeat")
DAILY = ("orders", "conversion", "revenue", "click_through")
CONTROL, CHANGED = "control", "changed"
SHARES = {CONTROL: 0.5, CHANGED: 0.5}
SMALL = 0.1
"""Share of the smaller arm where the arms are not alike in size."""
INSIGHT = 0.5
"""Share of taste that the control's lists know."""
WINSORIZE = 0.01

RUNS_ASKED = 50
"""Runs in which the calculator is asked too."""

Columns = dict[str, NDArray[Any]]
Mask = NDArray[np.bool_]


class World:
    """One shelf, a pool of shoppers, and the policies that are compared on it: each a share of taste that its lists know."""

    def __init__(self, seed: int = 20, pool: int = POOL) -> None:
        self.shelf: Shelf = make_shelf(np.random.default_rng([seed, 1]), ITEMS)
        self.pool = make_crowd(np.random.default_rng([seed, 3]), pool, MODEL)
        self._seed = seed
        self._chances: dict[float, Reals] = {}

    def chances(self, insight: float) -> Reals:
        """Click chances of the pool under a policy."""
        if insight not in self._chances:
            lists = self.lists(self.pool, insight, np.random.default_rng([self._seed, 2]))
            self._chances[insight] = click_chances(self.pool, self.shelf, lists, MODEL)
        return self._chances[insight]

    def lists(self, crowd: Crowd, insight: float, rng: np.random.Generator) -> Counts:
        """Lists of a crowd under a policy."""
        return best_lists(rng, crowd, self.shelf, PLACES, insight)

    def truth(self, control: float, changed: float) -> float:
        """Relative difference of orders between two policies, per shopper of the pool who came."""
        pool = self.pool
        away = np.exp(-DAYS * pool.visits) * DAYS * pool.anyway
        first, second = (
            float((expected_orders(pool, self.chances(insight), DAYS, MODEL) - away).mean())
            for insight in (control, changed)
        )
        return second / first - 1

    def insight_for(self, effect: float) -> float:
        """Find the policy whose orders are so much more than the control's, by halving."""
        low, high = INSIGHT, 1.0
        for _ in range(10):
            middle = (low + high) / 2
            low, high = (middle, high) if self.truth(INSIGHT, middle) < effect else (low, middle)
        return high


def run(
    world: World,
    rng: np.random.Generator,
    shoppers: int,
    insights: tuple[float, float],
    days: int = 0,
    share: float = SHARES[CHANGED],
) -> Columns:
    """One experiment on shoppers drawn from the pool: cumulated answers of each, an array int64[n, days] a column; `changed` bool[n].

    Without `days` only the end of `DAYS` is told, in one column: the same shoppers' sums, drawn at once.
    """
    rows = rng.integers(0, len(world.pool), shoppers)
    crowd, chances = world.pool.rows(rows), [world.chances(insight)[rows] for insight in insights]
    changed = rng.random(shoppers) < share
    shown = np.where(changed[:, None], chances[1], chances[0])
    before = act(rng, _in_one(crowd, BEFORE_DAYS), chances[0], 1, MODEL)
    after = act(rng, crowd, shown, days, MODEL) if days else act(rng, _in_one(crowd, DAYS), shown, 1, MODEL)
    return {"changed": changed, **_cumulated(after), **_before(before)}


def _in_one(crowd: Crowd, days: int) -> Crowd:
    """A crowd whose one day is so many days of another: without fatigue the sums of independent days are drawn as one."""
    return Crowd(crowd.tastes, crowd.visits * days, crowd.anyway * days)


def arms_on(columns: Columns, day: int = -1) -> tuple[Aggregates, Aggregates]:
    """The control and the changed arm by the end of a day, or at the end."""
    came = columns["seen"][:, day] > 0
    found = {
        name: (each[came, day] if each.ndim == 2 else each[came]) for name, each in columns.items() if name != "changed"
    }
    found["converted"] = (found["orders"] > 0).astype(float)
    found["followed"] = found["converted"]
    found["repeated"] = (found["orders"] > 1).astype(float)
    paid = found["revenue"][found["revenue"] > 0]
    if len(paid):
        found["revenue"] = np.minimum(found["revenue"], np.quantile(paid, 1 - WINSORIZE, method="lower"))
    changed = columns["changed"][came]
    names, table = list(found), np.stack([*found.values()]).astype(float)
    return _sums(names, table[:, ~changed]), _sums(names, table[:, changed])


def _sums(names: list[str], table: Reals) -> Aggregates:
    """Means, variances and covariances of the rows of a table float64[columns, n]."""
    covariances, means = np.cov(table), table.mean(axis=1)
    pairs = {(one, other): float(covariances[i, j]) for i, one in enumerate(names) for j, other in enumerate(names) if i < j}
    return Aggregates(
        table.shape[1],
        {name: float(mean) for name, mean in zip(names, means, strict=True)},
        {name: float(covariances[i, i]) for i, name in enumerate(names)},
        pairs,
    )


def alike(world: World, runs: int, shoppers: int, seed: int) -> dict[str, Any]:
    """A/A: share of runs that tell arms apart, uniformity of p, and alarms of the arms' sizes."""
    values: dict[str, list[float]] = {name: [] for name in READ}
    alarms = 0
    for number in range(runs):
        one, other = arms_on(run(world, np.random.default_rng([seed, number]), shoppers, (INSIGHT, INSIGHT)))
        alarms += sizes_p({CONTROL: one.count(), CHANGED: other.count()}, SHARES) < MISMATCH
        for name in READ:
            values[name].append(difference(MEASURES[name], CHANGED, one, other).p)
    return {
        "runs": runs,
        "shoppers": shoppers,
        "alarms": alarms / runs,
        **{name: _summary(each) for name, each in values.items()},
    }


def interleaved_alike(world: World, runs: int, shoppers: int, seed: int) -> dict[str, Any]:
    """A/A of a list that is interleaved with itself: share of runs that prefer one side, and uniformity of p."""
    lists = world.lists(world.pool, INSIGHT, np.random.default_rng([seed, 5]))
    chances = click_chances(world.pool, world.shelf, lists, MODEL)
    values = []
    for number in range(runs):
        rng = np.random.default_rng([seed, number])
        rows = rng.integers(0, len(world.pool), shoppers)
        mixed = [team_draft(each, each, PLACES, f"{number}/{at}").teams for at, each in enumerate(lists[rows].tolist())]
        visits = rng.poisson(world.pool.visits[rows] * DAYS)
        clicks, second = rng.binomial(visits[:, None], chances[rows]), np.array(mixed) == 1
        credits = np.stack([(clicks * ~second).sum(axis=1), (clicks * second).sum(axis=1)], axis=1).astype(float)
        values.append(preference(CLICKS, CHANGED, credits).p)
    return {"runs": runs, "shoppers": shoppers, **_summary(values)}


def _summary(values: list[float]) -> dict[str, float]:
    """The share of p-values below `ALPHA`, and whether they look uniform (Kolmogorov-Smirnov)."""
    return {
        "false positives": float(np.mean(np.array(values) < ALPHA)),
        "uniform p": float(kstest(values, "uniform").pvalue),
    }


def looked_at_daily(
    world: World, runs: int, shoppers: int, days: int, seed: int, share: float = SHARES[CHANGED]
) -> dict[str, Any]:
    """A/A with a look every day: share of runs in which an interval ever leaves out zero, for both kinds of intervals."""
    left: dict[str, dict[str, int]] = {name: {"always valid": 0, "looking once": 0} for name in DAILY}
    for number in range(runs):
        columns = run(world, np.random.default_rng([seed, number]), shoppers, (INSIGHT, INSIGHT), days, share)
        looks = [arms_on(columns, day) for day in range(days)]
        for name in DAILY:
            summary: list[Difference] = [difference(MEASURES[name], CHANGED, *arms) for arms in looks]
            left[name]["always valid"] += any(each.always_low > 0 or each.always_high < 0 for each in summary)
            left[name]["looking once"] += any(each.p < ALPHA for each in summary)
    shares = {name: {kind: count / runs for kind, count in each.items()} for name, each in left.items()}
    return {"runs": runs, "shoppers": shoppers, "days": days, **shares}


def apart(world: World, runs: int, shoppers: int, insights: tuple[float, float], seed: int) -> dict[str, Any]:
    """A/B: how often a verdict finds a planted difference, how often the calculator said, and how often the interval for one look
    holds it."""
    truth, found, held, promised = world.truth(*insights), 0, 0, []
    for number in range(runs):
        one, other = arms_on(run(world, np.random.default_rng([seed, number]), shoppers, insights))
        summary = difference(MEASURES["orders"], CHANGED, one, other)
        found, held = found + (summary.always_low > 0), held + (summary.low <= truth <= summary.high)
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
    """Shoppers until the verdict of an A/B on clicks and of an interleaved list has a power of 80 %; the factor between them."""
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
    needed = units_for(POWER, 2 * per_arm, ALPHA), units_for(POWER, alone, ALPHA)
    return {
        "A/B": round(needed[0]),
        "interleaved": round(needed[1]),
        "factor": float(needed[0] / needed[1]),
        "same winner": bool(np.sign(credit.mean()) == np.sign(effect)),
    }


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
    parser.add_argument("--looked-at", type=int, default=200, help="runs that are looked at daily, which take longest")
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    world, found, seed = World(), {}, asked.seed
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "A/A": lambda: alike(world, asked.runs, asked.shoppers, seed),
        "interleaved A/A": lambda: interleaved_alike(world, asked.runs, asked.shoppers // 10, seed + 4),
        "daily looks": lambda: looked_at_daily(world, asked.looked_at, asked.shoppers, 60, seed + 1),
        "daily looks, a small arm": lambda: looked_at_daily(world, asked.looked_at, asked.shoppers, 60, seed + 1, SMALL),
        "A/B": lambda: apart(world, asked.runs, 48 * asked.shoppers, (INSIGHT, world.insight_for(0.03)), seed + 2),
        "interleaving": lambda: interleaved(world, 20_000, (INSIGHT, 0.58), seed + 3),
    }
    for name in asked.part or parts:
        began = time.process_time()
        found[name] = {**parts[name](), "processor seconds": round(time.process_time() - began)}
        print(name, json.dumps(found[name]), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
