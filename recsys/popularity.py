"""Popularity that no flood of fresh ids can make: what ids say that touched one item only is held against what all others say.

Such ids are most visitors of some shops, and in others a crawler's. So their weight on an item counts in full as far as it is in
keeping with the shop: one unit, and `LEEWAY` times what is usual beside the others' weight, or that weight itself if it is more.
Beyond that it counts by its logarithm, which keeps the order of items of which nobody else knows anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.snapshot.histories import Events
from recsys.types import Arrays, Mask

Weights = NDArray[np.float64]

LEEWAY = 3.0
"""So many times the usual share of ids with one item, or the others' weight, is still in keeping with the shop."""
_COARSE, _FINE = 2.0**20, 2.0**36
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


def contributions(items: NDArray[np.int32], weights: NDArray[np.floating], single: Mask, n: int, most: float) -> Arrays:
    """Sum weights float[k], each at most `most`, up by item: of ids with one item, for which single bool[k] holds, and of others,
    int64[2, n] each; see `exact_sums`."""
    return {
        "others": exact_sums(items[~single], weights[~single], n, most),
        "singles": exact_sums(items[single], weights[single], n, most),
    }


def item_weight(parts: Sequence[Arrays], unit: float, most: float) -> Weights:
    """Weight float64[n] of items by all `contributions`; `unit` is what one id with one event weighs."""
    others, singles = (total_of([part[name] for part in parts], most) for name in ("others", "singles"))
    return believed(others, singles, unit)


def exact_sums(groups: NDArray[np.int32], values: NDArray[np.floating], n: int, most: float) -> NDArray[np.int64]:
    """Sum values float[k], none larger than `most`, up by group, int64[2, n] in units of 2^-20 and 2^-56 of it.

    Whole numbers are added up, so the sum does not depend on the order of the values, nor on how they were cut. A float32 down to
    2^-32 of `most` loses nothing; 2^27 values of one group have room.
    """
    sums = np.zeros((2, n), np.int64)
    scaled = values.astype(np.float64) * (_COARSE / _power_of_two(most))
    coarse = np.rint(scaled)
    np.add.at(sums[0], groups, coarse.astype(np.int64))
    np.add.at(sums[1], groups, np.rint((scaled - coarse) * _FINE).astype(np.int64))
    return sums


def total_of(parts: Sequence[NDArray[np.generic]], most: float) -> Weights:
    """The total float64[n] of `exact_sums` of parts."""
    coarse, fine = np.stack(parts).sum(axis=0, dtype=np.int64)
    total: Weights = (coarse + fine / _FINE) * (_power_of_two(most) / _COARSE)
    return total


def _power_of_two(most: float) -> float:
    """The smallest that is not below `most`, so that dividing by it loses nothing."""
    return 2.0 ** math.ceil(math.log2(most)) if most > 0 else 1.0


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
