"""Blend pools: what the recommenders bring for shoppers whose purchases are known, and the weights that rank it best.

The candidates come from the pipeline's own `candidates`, with the same depth and masks as in serving; the weights maximise NDCG@10
of their weighted sum by coordinate ascent (Metzler and Croft, "Linear feature-based models for information retrieval", 2007).
What does not pay for itself gets the weight 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from recsys.engine.pipeline import Engine, candidates
from recsys.jit import MASK, REALS, SCORES_2D, TIMES, compiled
from recsys.types import Mask, Query, Rows, Scores, Segment
from training.job.tasks import DEPTH, TASKS, Task

Values: TypeAlias = NDArray[np.float64]
Question: TypeAlias = tuple[str, Rows, int]
"""A user's id, the items of the catalogue that were bought after the moment asked for, and how many were, unknown ones too."""
SEGMENTS: tuple[Segment, ...] = get_args(Segment)
TASK_OF: Mapping[Segment, Task] = {"lead": "new", "customer": "new", "repeat": "repeat"}
_FACTORS = (0.0, 0.25, 0.5, 0.7, 0.85, 1.2, 1.5, 2.0, 4.0)
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

    def between(self, start: int, end: int) -> Pools:
        """Those of the users from `start` on, up to `end`."""
        first, last = self.offsets[start], self.offsets[end]
        offsets = self.offsets[start : end + 1] - first
        return Pools(self.shares[first:last], self.relevant[first:last], offsets, self.ideal[start:end])

    def ndcg(self, weights: Values) -> Values:
        """NDCG@10 float64[u] of each user's candidates ranked by weights float64[r]."""
        measured: Values = _ndcg(self.shares, self.relevant, self.offsets, self.ideal, weights)
        return measured


def gather(engine: Engine, questions: Iterable[Question], now: int, segment: Segment, names: Sequence[str]) -> Pools:
    """Ask the recommenders, as of `now`, for every user of a segment."""
    bought = TASKS[TASK_OF[segment]]
    discounts = np.cumsum(1 / np.log2(np.arange(2, 12)))
    shares, relevant, lengths, ideal = [], [], [0], []
    for user, wanted, size in questions:
        query = Query(now=now, user_id=user, limit=DEPTH, bought=bought)
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
        relevant.append(np.isin(items, wanted))
        lengths.append(len(items))
        ideal.append(discounts[min(10, size) - 1])
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


def halves(pools: Pools) -> tuple[Pools, Pools]:
    """The users of the first half, and those of the second."""
    half = len(pools) // 2
    return pools.between(0, half), pools.between(half, len(pools))


def crossed(pools: Pools, weights: Sequence[Values]) -> Values:
    """NDCG@10 float64[u] of each user by the weights that were learned on the other half: of the first and of the second half."""
    return np.concatenate([half.ndcg(each) for half, each in zip(halves(pools), reversed(weights), strict=True)])


def above_0(gains: Values) -> bool:
    """Tell whether the mean lies above 0 with 95 of 100 chances."""
    return bool(gains.mean() > 1.645 * gains.std() / np.sqrt(len(gains)))


def ascend(
    pools: Pools, start: Values | None = None, least_gain: float = 1e-3, late: Callable[[], bool] = lambda: False
) -> Values:
    """Find weights float64[r] that add up to 1: climb from each recommender alone and from all together, keep the best, then
    take away whatever is worth less than `least_gain` of it. Once it is `late`, the best so far stand."""
    width = pools.shares.shape[1]
    starts = [start] if start is not None else [*np.eye(width), np.full(width, 1 / width)]
    best = max((climb(pools, each, late=late) for each in starts), key=lambda weights: float(pools.ndcg(weights).mean()))
    barred: frozenset[int] = frozenset()
    while np.count_nonzero(best) > 1 and not late():
        reached = float(pools.ndcg(best).mean())
        places = np.flatnonzero(best).tolist()
        trials = [climb(pools, np.where(np.arange(width) == gone, 0.0, best), barred | {gone}, late) for gone in places]
        values = [float(pools.ndcg(trial).mean()) for trial in trials]
        if max(values) < reached * (1 - least_gain):
            break
        dropped = int(np.argmax(values))
        best, barred = trials[dropped], barred | {places[dropped]}
    shared: Values = best / best.sum()
    return shared


def climb(
    pools: Pools, start: Values, barred: frozenset[int] = frozenset(), late: Callable[[], bool] = lambda: False
) -> Values:
    """Change one weight at a time while that helps and it is not `late`; the recommenders at the places `barred` stay at 0."""
    weights, reached = start.astype(np.float64), float(pools.ndcg(start.astype(np.float64)).mean())
    for _ in range(_ROUNDS):
        before = reached
        for place in range(len(weights)):
            if place in barred or late():
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
