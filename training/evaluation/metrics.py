"""Ranking metrics over a full catalogue, with intervals over users.

Lists are int32[u, d] rows of the catalogue, best first, padded with -1; relevance is binary. Every function gives one value per
user, so that means, slices and paired differences come from the same numbers.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.types import Mask, Rows
from training.evaluation.split import Truth

Values: TypeAlias = NDArray[np.float64]

METRICS = ("ndcg10", "recall20", "hit10", "mrr")
DEPTH = 20
"""Length of every list that is judged."""


class Interval(NamedTuple):
    """A mean over users with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def hits(lists: Rows, truth: Truth, n_items: int) -> Mask:
    """Return where the lists hold what was bought: bool[u, d]."""
    users = np.arange(len(truth), dtype=np.int64)
    wanted = np.repeat(users, np.diff(truth.offsets)) * n_items + truth.items
    return np.isin(users[:, None] * n_items + lists, wanted) & (lists >= 0)


def per_user(lists: Rows, truth: Truth, n_items: int) -> dict[str, Values]:
    """NDCG@10, Recall@20, HitRate@10 and MRR (within the list) of every user, float64[u] each.

    NDCG has gain 1 and discount 1 / log2(rank + 1) and divides by the best list of min(10, items bought) (Järvelin and
    Kekäläinen, TOIS 2002); Recall divides by all items bought.
    """
    hit = hits(lists, truth, n_items)
    discount = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    best = np.cumsum(discount)[np.minimum(truth.sizes, 10) - 1]
    first = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)
    return {
        "ndcg10": (hit[:, :10] * discount[:10]).sum(axis=1) / best,
        "recall20": hit[:, :20].sum(axis=1) / truth.sizes,
        "hit10": hit[:, :10].any(axis=1).astype(np.float64),
        "mrr": 1 / first,
    }


class Bootstrap:
    """Resamples users with replacement, the same draws for everything that is asked of it (Efron, 1979)."""

    def __init__(self, users: int, resamples: int, seed: int) -> None:
        draws = np.random.default_rng(seed).integers(0, max(users, 1), (resamples, users))
        places = draws + np.arange(resamples)[:, None] * users
        counts = np.bincount(places.ravel(), minlength=resamples * users)
        self._counts = counts.reshape(resamples, users).astype(np.float64)

    def interval(self, values: Values, chosen: Mask | None = None) -> Interval:
        """Mean of values float64[u], of the chosen users only if asked, with its percentile interval; a resample that drew
        none of them says nothing. All three are 0 where nobody is chosen."""
        weights = np.ones(len(values)) if chosen is None else chosen.astype(np.float64)
        if not weights.any():
            return Interval(0.0, 0.0, 0.0)
        totals, users = (self._counts @ np.stack([values * weights, weights], axis=1)).T
        drawn = users > 0
        low, high = np.percentile(totals[drawn] / users[drawn], (2.5, 97.5))
        return Interval(float((values * weights).sum() / weights.sum()), float(low), float(high))


def coverage(lists: Rows, n_items: int) -> float:
    """Share of the catalogue that stands in anybody's first ten."""
    shown = np.unique(lists[:, :10])
    return float(np.count_nonzero(shown >= 0) / max(n_items, 1))


def long_tail(lists: Rows, tail: Mask) -> float:
    """Share of the first ten that are items of the long tail, bool[n]."""
    first = lists[:, :10]
    shown = first[first >= 0]
    return float(tail[shown].mean()) if len(shown) else 0.0


def tail_items(purchases: NDArray[np.int64]) -> Mask:
    """Items outside the smallest set that holds 80 % of all purchases, int64[n]: bool[n]."""
    order = np.argsort(-purchases, kind="stable")
    before = np.cumsum(purchases[order]) - purchases[order]
    tail = np.ones(len(purchases), bool)
    tail[order[before < 0.8 * purchases.sum()]] = False
    return tail
