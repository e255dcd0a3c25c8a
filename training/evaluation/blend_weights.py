"""Blend weights, learned per segment from what shoppers bought after a split.

The candidates come from the pipeline's own `candidates`, with the same depth and masks as in serving; the weights maximise NDCG@10
of their weighted sum by coordinate ascent (Metzler and Croft, "Linear feature-based models for information retrieval", 2007).
What does not pay for itself gets the weight 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.pipeline import Engine, candidates
from recsys.jit import MASK, REALS, SCORES_2D, TIMES, compiled
from recsys.settings.placements import BlendSettings
from recsys.types import Mask, Query, Scores, Segment
from training.evaluation.evaluate import TASKS, Examination, Task
from training.evaluation.metrics import DEPTH, Bootstrap, Interval, Values

SEGMENTS: tuple[Segment, ...] = get_args(Segment)
_TASK_OF: Mapping[Segment, Task] = {"lead": "new", "customer": "new", "repeat": "repeat"}
_FACTORS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.2, 1.5, 2.0, 4.0)
MIN_USERS = 50
"""Segments with fewer users keep the weights that they had: nothing can be learned from so few."""
_SEED_WEIGHT = 0.1
_ROUNDS = 20


@dataclass(frozen=True)
class Pools:
    """Candidates of one segment's users, end to end: shares float32[m, r] of each recommender's best score, relevant bool[m],
    offsets int64[u+1], ideal float64[u] the DCG@10 of a perfect list."""

    shares: Scores
    relevant: Mask
    offsets: NDArray[np.int64]
    ideal: Values

    def __len__(self) -> int:
        return len(self.ideal)

    def ndcg(self, weights: Values) -> Values:
        """NDCG@10 float64[u] of each user's candidates ranked by weights float64[r]."""
        measured: Values = _ndcg(self.shares, self.relevant, self.offsets, self.ideal, weights)
        return measured


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """Gain that one recommender brings to the blend of a segment: NDCG@10 with it minus the best without it, the same users."""

    segment: Segment
    recommender: str
    weight: float
    alone: float
    adds: Interval


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """Weights by segment and what each recommender is worth; a segment with too few users keeps what it had."""

    blend: BlendSettings
    ndcg10: Mapping[Segment, float]
    before: Mapping[Segment, float]
    users: Mapping[Segment, int]
    contributions: tuple[Contribution, ...]


def learn_blend(
    rounds: Sequence[tuple[Engine, Examination]], names: Sequence[str], before: BlendSettings, resamples: int, seed: int
) -> Learned:
    """Learn the weights of these recommenders on several folds together."""
    learned: dict[str, Mapping[str, float]] = {}
    scores: dict[Segment, float] = {}
    earlier: dict[Segment, float] = {}
    users: dict[Segment, int] = {}
    contributions: list[Contribution] = []
    for segment in SEGMENTS:
        pools = join([gather(engine, examination, segment, names) for engine, examination in rounds], len(names))
        old: Mapping[str, float] = getattr(before, segment)
        learned[segment], users[segment] = old, len(pools)
        if len(pools) < MIN_USERS:
            continue
        weights = ascend(pools)
        learned[segment] = {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}
        scores[segment] = float(pools.ndcg(weights).mean())
        earlier[segment] = float(pools.ndcg(np.array([old.get(name, 0.0) for name in names])).mean())
        contributions += _contributions(pools, segment, names, weights, Bootstrap(len(pools), resamples, seed))
    return Learned(
        blend=BlendSettings(**learned),
        ndcg10=scores,
        before=earlier,
        users=users,
        contributions=tuple(contributions),
    )


def gather(engine: Engine, examination: Examination, segment: Segment, names: Sequence[str]) -> Pools:
    """Ask the recommenders for every user of a segment as of the fold's moment."""
    task = _TASK_OF[segment]
    truth, bought = examination.truths[task], TASKS[task]
    discounts = np.cumsum(1 / np.log2(np.arange(2, 12)))
    shares, relevant, lengths, ideal = [], [], [0], []
    for place, user in enumerate(truth.users):
        query = Query(now=examination.now, user_id=user, limit=DEPTH, bought=bought)
        history = engine.snapshot.histories.of(user)
        found, lists = candidates(engine, query, history, names) if len(history) else (None, {})
        if found != segment:
            continue
        items = np.unique(np.concatenate([each.items for each in lists.values()]))
        table = np.zeros((len(items), len(names)), np.float32)
        for column, name in enumerate(names):
            if len(lists[name]):
                best = max(float(lists[name].scores[0]), 1e-30)
                table[np.searchsorted(items, lists[name].items), column] = lists[name].scores / best
        shares.append(table)
        relevant.append(np.isin(items, truth.of(place)))
        lengths.append(len(items))
        ideal.append(discounts[min(10, int(truth.sizes[place])) - 1])
    return Pools(
        np.concatenate(shares) if shares else np.empty((0, len(names)), np.float32),
        np.concatenate(relevant) if relevant else np.empty(0, bool),
        np.cumsum(lengths).astype(np.int64),
        np.array(ideal, np.float64),
    )


def join(parts: Sequence[Pools], width: int) -> Pools:
    """Lay the users of several folds end to end."""
    lengths = np.concatenate([[0], *(np.diff(part.offsets) for part in parts)])
    return Pools(
        np.ascontiguousarray(np.concatenate([np.empty((0, width), np.float32), *(part.shares for part in parts)])),
        np.concatenate([np.empty(0, bool), *(part.relevant for part in parts)]),
        np.cumsum(lengths).astype(np.int64),
        np.concatenate([np.empty(0), *(part.ideal for part in parts)]),
    )


def ascend(pools: Pools, start: Values | None = None, least_gain: float = 1e-3) -> Values:
    """Find weights float64[r] that add up to 1: climb from each recommender alone and from all together, keep the best, then
    take away whatever is worth less than `least_gain` of it."""
    width = pools.shares.shape[1]
    starts = [start] if start is not None else [*np.eye(width), np.full(width, 1 / width)]
    best = max((_climb(pools, each) for each in starts), key=lambda weights: float(pools.ndcg(weights).mean()))
    while np.count_nonzero(best) > 1:
        reached = float(pools.ndcg(best).mean())
        trials = [
            _climb(pools, np.where(np.arange(width) == gone, 0.0, best), gone) for gone in np.flatnonzero(best).tolist()
        ]
        values = [float(pools.ndcg(trial).mean()) for trial in trials]
        if max(values) < reached * (1 - least_gain):
            break
        best = trials[int(np.argmax(values))]
    shared: Values = best / best.sum()
    return shared


def _climb(pools: Pools, start: Values, gone: int = -1) -> Values:
    """Change one weight at a time while that helps; the recommender `gone` stays at 0."""
    weights, reached = start.astype(np.float64), float(pools.ndcg(start.astype(np.float64)).mean())
    for _ in range(_ROUNDS):
        before = reached
        for place in range(len(weights)):
            if place == gone:
                continue
            steps = [weights[place] * factor for factor in _FACTORS] if weights[place] else [_SEED_WEIGHT * weights.sum()]
            for step in steps:
                trial = weights.copy()
                trial[place] = step
                value = float(pools.ndcg(trial).mean()) if trial.any() else 0.0
                if value > reached:
                    weights, reached = trial, value
        if reached <= before:
            break
    shared: Values = weights / weights.sum()
    return shared


def _contributions(
    pools: Pools, segment: Segment, names: Sequence[str], weights: Values, bootstrap: Bootstrap
) -> list[Contribution]:
    whole, found = pools.ndcg(weights), []
    for place, name in enumerate(names):
        others = np.where(np.arange(len(names)) == place, 0.0, weights)
        without = pools.ndcg(_climb(pools, others, place)) if weights[place] and others.any() else whole
        if weights[place] and not others.any():
            without = np.zeros(len(whole))
        alone = pools.ndcg(np.eye(len(names))[place])
        adds = bootstrap.interval(whole - without)
        found.append(
            Contribution(
                segment=segment,
                recommender=name,
                weight=round(float(weights[place]), 4),
                alone=round(float(alone.mean()), 4),
                adds=adds,
            )
        )
    return found


@compiled(SCORES_2D, MASK, TIMES, REALS, REALS)
def _ndcg(shares: Scores, relevant: Mask, offsets: NDArray[np.int64], ideal: Values, weights: Values) -> Values:
    measured = np.zeros(len(ideal), np.float64)
    best, kept = np.empty(10, np.int64), np.empty(10, np.float64)
    for user in range(len(ideal)):
        filled = 0
        for entry in range(offsets[user], offsets[user + 1]):
            total = 0.0
            for place in range(len(weights)):
                total += weights[place] * shares[entry, place]
            if total <= 0 or (filled == 10 and total <= kept[9]):
                continue
            filled = min(filled + 1, 10)
            at = filled - 1
            while at > 0 and total > kept[at - 1]:
                best[at], kept[at] = best[at - 1], kept[at - 1]
                at -= 1
            best[at], kept[at] = entry, total
        for rank in range(filled):
            if relevant[best[rank]]:
                measured[user] += 1 / np.log2(rank + 2.0) / ideal[user]
    return measured
