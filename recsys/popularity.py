"""Popularity that no flood of fresh ids can make: what ids say that touched one item only is held against what all others say.

Such ids are most visitors of some shops, and in others a crawler's. So their weight on an item counts in full as far as it is in
keeping with the shop: one unit, and `LEEWAY` times what is usual beside the others' weight, or that weight itself if it is more.
Beyond that it counts by its logarithm, which keeps the order of items of which nobody else knows anything.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from recsys.snapshot.histories import Events
from recsys.types import Mask

Weights = NDArray[np.float64]

LEEWAY = 3.0
"""So many times the usual share of ids with one item, or the others' weight, is still in keeping with the shop."""
_TRIMMED = 0.1
"""Share of the items that the usual is reckoned without: those with most weight of such ids beside that of others."""


def one_item_users(events: Events, n_users: int) -> Mask:
    """Tell which users, bool[u], touched one item only; events stand by user."""
    known = events.items >= 0
    users, items = events.users[known], events.items[known]
    single = np.zeros(n_users, bool)
    if len(users):
        starts = np.flatnonzero(np.concatenate([[True], users[1:] != users[:-1]]))
        single[users[starts]] = np.minimum.reduceat(items, starts) == np.maximum.reduceat(items, starts)
    return single


def item_weight(items: NDArray[np.int32], weights: NDArray[np.floating], single: Mask, n: int, unit: float) -> Weights:
    """Sum the weights float[k] of contributions up by item, float64[n]; `single` bool[k] are those of ids with one item, and
    `unit` is what one id with one event weighs."""
    others = np.bincount(items[~single], weights[~single], n).astype(np.float64)
    return believed(others, np.bincount(items[single], weights[single], n).astype(np.float64), unit)


def believed(others: Weights, singles: Weights, unit: float) -> Weights:
    """Weight float64[n] of items of which ids with one item say `singles` float64[n], and all others say `others` float64[n]."""
    allowed = allowance(others, singles, unit)
    beyond = np.maximum(singles / allowed, 1)
    found: Weights = others + np.minimum(singles, allowed) * (1 + np.log(beyond))
    return found


def allowance(others: Weights, singles: Weights, unit: float) -> Weights:
    """Return how much of `singles` is in keeping with the shop, float64[n]; without any others there is nothing to hold it against."""
    if not others.any():
        return np.full(len(others), math.inf)
    seen = others + singles > 0
    beside = (singles / (others + unit))[seen]
    usual = np.argsort(beside, kind="stable")[: math.ceil(len(beside) * (1 - _TRIMMED))]
    weight = others[seen][usual].sum()
    share = singles[seen][usual].sum() / weight if weight > 0 else math.inf
    found: Weights = unit + LEEWAY * np.maximum(share * (others + unit), others)
    return found
