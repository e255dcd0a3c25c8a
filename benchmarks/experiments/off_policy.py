"""Benchmark of off-policy estimates on shoppers who answer back (`simulator/choice.py`), where the truth is known.

`make benchmark-offpolicy`. Lists are drawn as exploration draws them and answered; five candidates that put the same items in another
order are estimated from what was logged, and held against what the choice model says of them: how often intervals hold the truth, and
how often two candidates are ranked right whose true difference is larger than the intervals. Candidates that the draw cannot speak for
must be refused.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsys.engine.merchandising.exploration import Explorer
from recsys.settings.variety import Exploration
from recsys.types import Query
from simulator.choice import (
    ChoiceModel,
    Counts,
    Crowd,
    Reals,
    Visits,
    buy_chances,
    click_chances,
    intents,
    left_after,
    make_crowd,
    make_shelf,
    reply,
    visits_of,
)
from training.experiments.before_a_test.off_policy import CLIP, Answer, Explored, OffPolicy

OUT = Path("benchmarks/out/off_policy.json")
MODEL = ChoiceModel(visits=0.5)
ITEMS, PLACES, DAYS = 100, 6, 7
DRAWN = Exploration(places=PLACES, temperature=0.3, least=0.02)
REWARDS = ("clicks", "orders")
METHODS = ("doubly robust", "self-normalised", "clipped")
LOGGED = "as logged"
TRUTH_SHOPPERS = 20_000
SEEDS = (20, 21, 22)


class Policy(NamedTuple):
    """Policy over shoppers: items int64[n, c] that it may show, and the chance of each at each place float64[n, c, k]."""

    items: Counts
    chances: Reals


class World:
    """One shelf, what the logged lists know of tastes, and the candidates."""

    def __init__(self, seed: int = SEEDS[0]) -> None:
        rng = np.random.default_rng([seed, 1])
        self.shelf = make_shelf(rng, ITEMS)
        self._noise = rng.normal(0, 0.4, ITEMS)

    def scores(self, crowd: Crowd, insight: float) -> Reals:
        """Scores above 0 of all items for each shopper, by a ranking that knows tastes to a share `insight` of 0 to 1."""
        known = insight * crowd.tastes @ self.shelf.topics.T + 0.3 * self.shelf.appeal + (1 - insight) * self._noise
        return np.asarray(np.exp(known))

    def best(self, crowd: Crowd) -> tuple[Counts, Reals]:
        """The items that lists are drawn from, best first, and their relevance, 1 for the best."""
        scores = self.scores(crowd, 0.4)
        items = np.argsort(-scores, axis=1)[:, :PLACES]
        best = np.take_along_axis(scores, items, axis=1)
        return items, best / best[:, :1]

    def logged(self, crowd: Crowd) -> Policy:
        """The policy that the log is of: the best items, drawn."""
        return self._drawn(*self.best(crowd), DRAWN)

    def candidates(self, crowd: Crowd) -> dict[str, Policy]:
        """Five other orders of the same items."""
        items, relevance = self.best(crowd)
        taste = np.take_along_axis(self.scores(crowd, 1.0), items, axis=1)
        appeal = np.exp(self.shelf.appeal)[items]
        return {
            "as ranked, not drawn": _fixed(items, relevance),
            "drawn more sharply": self._drawn(items, relevance, Exploration(places=PLACES, temperature=0.15, least=0.02)),
            "by taste": self._drawn(items, taste / taste.max(axis=1, keepdims=True), DRAWN),
            "by appeal": self._drawn(items, appeal / appeal.max(axis=1, keepdims=True), DRAWN),
            "upside down": self._drawn(items, relevance[:, ::-1], DRAWN),
        }

    def unsupported(self, crowd: Crowd) -> dict[str, Policy]:
        """Two candidates that show what was never drawn: all of their items, and two of six."""
        order = np.argsort(-self.scores(crowd, 0.4), axis=1)
        relevance = self.best(crowd)[1]
        return {
            "other items": self._drawn(order[:, PLACES : 2 * PLACES], relevance, DRAWN),
            "two other items": self._drawn(order[:, 2 : PLACES + 2], relevance, DRAWN),
        }

    def earns(self, crowd: Crowd, policy: Policy, visits: Visits) -> dict[str, float]:
        """Means per list that a policy earns by the choice model."""
        left = np.bincount(visits.who, left_after(visits.before, MODEL), len(crowd)) / max(len(visits.who), 1)
        clicks = np.zeros(policy.items.shape)
        looked_at = np.arange(1, PLACES + 1) ** -MODEL.position
        for at in range(policy.items.shape[1]):
            first = click_chances(crowd, self.shelf, policy.items[:, at : at + 1], MODEL)
            clicks[:, at] = first[:, 0] * (policy.chances[:, at] @ looked_at) * left
        intended = np.take_along_axis(intents(crowd, self.shelf, MODEL), policy.items, axis=1)
        return {"clicks": float(clicks.sum()), "orders": float((clicks * buy_chances(intended, MODEL)).sum())}

    def truth(self, shoppers: int) -> dict[str, dict[str, float]]:
        """Means per list of all candidates and of what is logged, over many shoppers."""
        rng = np.random.default_rng(4)
        crowd = make_crowd(rng, shoppers, MODEL)
        visits = visits_of(rng, crowd, DAYS)
        policies = {LOGGED: self.logged(crowd), **self.candidates(crowd)}
        return {name: self.earns(crowd, each, visits) for name, each in policies.items()}

    def _drawn(self, items: Counts, relevance: Reals, setting: Exploration) -> Policy:
        explorer = Explorer(None, setting, Query(now=0))  # type: ignore[arg-type]
        return Policy(items, np.stack([explorer.chances(each) for each in relevance.tolist()]))


class Log(NamedTuple):
    """Log of fresh shoppers: their visits, the lists int64[v, k] that were shown, and what each place earned."""

    crowd: Crowd
    policy: Policy
    visits: Visits
    places: Counts
    """Which of the items of `policy` stands at each place, int64[v, k]."""
    rewards: dict[str, Reals]


def log_of(world: World, rng: np.random.Generator, shoppers: int) -> Log:
    """Draw lists for fresh shoppers, and let them answer."""
    crowd = make_crowd(rng, shoppers, MODEL)
    visits, policy = visits_of(rng, crowd, DAYS), world.logged(crowd)
    heat = world.best(crowd)[1][visits.who] / DRAWN.temperature
    heat[rng.random(len(heat)) < DRAWN.least * PLACES] = 0.0
    places = np.argsort(-(heat + rng.gumbel(size=heat.shape)), axis=1)
    lists = np.take_along_axis(policy.items[visits.who], places, axis=1)
    chances = click_chances(crowd.rows(visits.who), world.shelf, lists, MODEL)
    intended = np.take_along_axis(intents(crowd, world.shelf, MODEL)[visits.who], lists, axis=1)
    found = reply(rng, chances, intended, visits.before, MODEL)
    rewards = {"clicks": found.clicked.astype(np.float64), "orders": found.bought.astype(np.float64)}
    return Log(crowd, policy, visits, places, rewards)


def explored(log: Log, candidate: Policy) -> Explored:
    """The logged lists beside a candidate."""
    who, at = log.visits.who, np.arange(PLACES)
    shown = np.take_along_axis(log.policy.items[who], log.places, axis=1)
    logged = log.policy.chances[who[:, None], log.places, at]
    same = shown[:, None, :] == candidate.items[who][:, :, None]
    chances = candidate.chances[who]
    alike = log.policy.items[:, None, :] == candidate.items[:, :, None]
    drawable = np.einsum("ncd,ndk->nck", alike.astype(np.float64), log.policy.chances)[who]
    wanted = (same * chances).sum(axis=1)
    return Explored(who, shown.astype(np.int32), logged, wanted, candidate.items[who].astype(np.int32), chances, drawable)


def answers(log: Log, candidate: Policy, clip: float = CLIP) -> dict[str, Answer]:
    """Estimates of both rewards."""
    judged = OffPolicy(explored(log, candidate), clip)
    return {name: judged.answer(each) for name, each in log.rewards.items()}


def against_truth(runs: int, shoppers: int, seed: int, truth_shoppers: int = TRUTH_SHOPPERS) -> dict[str, Any]:
    """How often intervals hold the truth, by reward, method and candidate, and how often pairs of candidates are ranked right."""
    held: dict[str, dict[str, dict[str, list[bool]]]] = {reward: {method: {} for method in METHODS} for reward in REWARDS}
    differences: dict[str, dict[str, list[bool]]] = {reward: {} for reward in REWARDS}
    errors: dict[str, dict[str, list[float]]] = {reward: {method: [] for method in METHODS} for reward in REWARDS}
    ranked: dict[str, list[bool]] = {reward: [] for reward in REWARDS}
    refused = dict.fromkeys(REWARDS, 0)
    lists = []
    worlds = [World(each) for each in SEEDS]
    truths = [each.truth(truth_shoppers) for each in worlds]
    for number in range(runs):
        world, truth = worlds[number % len(worlds)], truths[number % len(worlds)]
        log = log_of(world, np.random.default_rng([seed, number]), shoppers)
        lists.append(len(log.visits.who))
        answered = {name: answers(log, each) for name, each in world.candidates(log.crowd).items()}
        for reward in REWARDS:
            for name, each in answered.items():
                refused[reward] += bool(each[reward].refused)
                if best := each[reward].estimates.get(METHODS[0]):
                    more = truth[name][reward] - truth[LOGGED][reward]
                    right = best.difference_low <= more <= best.difference_high
                    differences[reward].setdefault(name, []).append(right)
                for method, found in each[reward].estimates.items():
                    true = truth[name][reward]
                    held[reward][method].setdefault(name, []).append(found.low <= true <= found.high)
                    errors[reward][method].append(abs(found.value / true - 1))
            ranked[reward] += _ranked({name: each[reward] for name, each in answered.items()}, truth, reward)
    return {
        "runs": runs,
        "lists": round(float(np.mean(lists))),
        "truth": truths[0],
        "refused": {name: count / (runs * (len(truths[0]) - 1)) for name, count in refused.items()},
        "coverage": {
            reward: {
                method: {name: float(np.mean(each)) for name, each in by_name.items()} for method, by_name in found.items()
            }
            for reward, found in held.items()
        },
        "coverage of differences": {
            reward: {name: float(np.mean(each)) for name, each in found.items()} for reward, found in differences.items()
        },
        "mean error": {
            reward: {method: float(np.mean(each)) for method, each in found.items() if each}
            for reward, found in errors.items()
        },
        "ranked right": {name: (float(np.mean(each)) if each else None, len(each)) for name, each in ranked.items()},
    }


def _ranked(answered: dict[str, Answer], truth: dict[str, dict[str, float]], reward: str) -> list[bool]:
    """Whether each pair whose true difference is larger than half of the wider interval is ranked right."""
    found = []
    estimates = {name: each.estimates[METHODS[0]] for name, each in answered.items() if each.estimates}
    for (one, first), (other, second) in combinations(estimates.items(), 2):
        difference = truth[one][reward] - truth[other][reward]
        if abs(difference) > max(first.high - first.low, second.high - second.low) / 2:
            found.append((first.value - second.value) * difference > 0)
    return found


def refusals(runs: int, shoppers: int, seed: int) -> dict[str, float]:
    """Share of the runs in which candidates are refused that the draw cannot speak for, or with too few lists."""
    world, counts = World(), {"other items": 0, "two other items": 0, "few lists": 0}
    for number in range(runs):
        log = log_of(world, np.random.default_rng([seed, number]), shoppers)
        for name, each in world.unsupported(log.crowd).items():
            counts[name] += all(answered.refused for answered in answers(log, each).values())
        few = log_of(world, np.random.default_rng([seed, number, 1]), 100)
        answered = answers(few, world.candidates(few.crowd)["upside down"])
        counts["few lists"] += all(each.refused for each in answered.values())
    return {name: count / runs for name, count in counts.items()}


def _fixed(items: Counts, relevance: Reals) -> Policy:
    return Policy(items, np.broadcast_to(np.eye(PLACES), (len(items), PLACES, PLACES)))


def main() -> None:
    """Run everything and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--shoppers", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    found = {
        "many lists": against_truth(asked.runs, asked.shoppers, 1),
        "few lists": against_truth(asked.runs, asked.shoppers // 10, 3),
        "refused": refusals(max(asked.runs // 10, 1), asked.shoppers, 2),
    }
    print(json.dumps(found, indent=1))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
