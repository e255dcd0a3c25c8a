"""Examples that a ranker is fitted on and judged by: what was brought for shoppers of past windows, and what they bought then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.engine.lesson import lesson
from recsys.engine.pipeline import Engine
from recsys.engine.ranker.features import Describer, FeatureMatrix
from recsys.jit import MASK, REALS, TIMES, compiled
from recsys.settings.placements import Placement, Rule
from recsys.snapshot.histories import Events
from recsys.types import EventType, Mask, Query, Rows
from training.job.tasks import DEPTH, TASKS, Task

BLEND_ALONE = "blend_to_beat"
BLEND_PLACEMENT = Placement(rules=(Rule(name="blend", blend=True, ranker=False),), fallback=())
"""What the ranker has to beat: the blend as it would answer, in an engine under the name `BLEND_ALONE`."""
_DISCOUNTS = 1 / np.log2(np.arange(2, 12))
_IDEAL = np.cumsum(_DISCOUNTS)


@dataclass(frozen=True)
class Truth:
    """Purchases that each shopper kept in a window: rows int32[u] of those known before it, and each one's distinct items int32[m]
    at offsets int64[u+1]; `owned` are those that the shopper had bought before, bool[m]."""

    users: Rows
    items: Rows
    offsets: NDArray[np.int64]
    owned: Mask


@dataclass(frozen=True)
class Examples:
    """One task of one window, shopper after shopper: features float32[m, f] of what was brought, relevant bool[m], offsets
    int64[u+1], the DCG@10 of a perfect list float64[u], and NDCG@10 of the blend float64[u]."""

    matrix: FeatureMatrix
    relevant: Mask
    offsets: NDArray[np.int64]
    ideal: NDArray[np.float64]
    blend: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ideal)

    def ndcg(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """NDCG@10 float64[u] of each shopper's candidates ranked by scores float64[m]."""
        measured: NDArray[np.float64] = _ndcg(scores, self.relevant, self.offsets, self.ideal)
        return measured


def truth_of(settled: Events, start: int, n_users: int, n_items: int, max_n: int, seed: int) -> Truth:
    """Return what was bought from `start` on, by shoppers with an event before; of more than `max_n`, so many are drawn."""
    bought = (settled.kinds == EventType.PURCHASE) & (settled.items >= 0)
    known = np.bincount(settled.users[settled.times < start], minlength=n_users) > 0
    pairs = _pairs(settled, bought & (settled.times >= start) & known[settled.users], n_items)
    earlier = _pairs(settled, bought & (settled.times < start), n_items)
    buyers = np.unique(pairs // n_items)
    if len(buyers) > max_n:
        buyers = np.sort(np.random.default_rng(seed).choice(buyers, max_n, replace=False))
        pairs = pairs[np.isin(pairs // n_items, buyers)]
    offsets = np.append(np.searchsorted(pairs // n_items, buyers), len(pairs)).astype(np.int64)
    return Truth(buyers.astype(np.int32), (pairs % n_items).astype(np.int32), offsets, np.isin(pairs, earlier))


def _pairs(events: Events, chosen: Mask, n_items: int) -> NDArray[np.int64]:
    """Distinct user · n_items + item, ascending."""
    return np.unique(events.users[chosen].astype(np.int64) * n_items + events.items[chosen])


def gather(engine: Engine, describer: Describer, truth: Truth, task: Task, sources: Sequence[str], depth: int) -> Examples:
    """Ask for every shopper as of the window's beginning, the engine's moment."""
    snapshot, bought = engine.snapshot, TASKS[task]
    matrices, relevant, lengths, ideal, blend = [], [], [0], [], []
    for place, row in enumerate(truth.users.tolist()):
        part = slice(int(truth.offsets[place]), int(truth.offsets[place + 1]))
        wanted = truth.items[part] if task == "repeat" else truth.items[part][~truth.owned[part]]
        if not len(wanted):
            continue
        query = Query(
            now=snapshot.as_of, user_id=snapshot.histories.users.text(row), placement=BLEND_ALONE, limit=DEPTH, bought=bought
        )
        history = snapshot.histories.at(row)
        described, blended = lesson(engine, query, history, sources, depth, describer)
        ideal.append(float(_IDEAL[min(len(wanted), 10) - 1]))
        hit = np.isin(blended[:10], wanted)
        blend.append(float((_DISCOUNTS[: len(hit)] * hit).sum()) / ideal[-1])
        if described is not None:
            matrices.append(described.columns.T)
            relevant.append(np.isin(described.items, wanted))
        lengths.append(0 if described is None else len(described.items))
    return Examples(
        np.concatenate(matrices) if matrices else np.empty((0, 0), np.float32),
        np.concatenate(relevant) if relevant else np.empty(0, bool),
        np.cumsum(lengths).astype(np.int64),
        np.array(ideal, np.float64),
        np.array(blend, np.float64),
    )


@compiled(REALS, MASK, TIMES, REALS)
def _ndcg(
    scores: NDArray[np.float64], relevant: Mask, offsets: NDArray[np.int64], ideal: NDArray[np.float64]
) -> NDArray[np.float64]:
    measured = np.zeros(len(ideal), np.float64)
    for user in range(len(ideal)):
        start = offsets[user]
        order = np.argsort(-scores[start : offsets[user + 1]], kind="mergesort")
        for rank in range(min(len(order), 10)):
            if relevant[start + order[rank]]:
                measured[user] += 1 / np.log2(rank + 2.0) / ideal[user]
    return measured
