"""Ranking primitives that recommenders share: the best n under a mask, with one rule for ties.

Ties break on score, then the item's recency, then its id; `tie_rank` of the catalogue holds the last two as one number.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.types import Candidates, Mask, Rows, Scores


def top_n(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> Candidates:
    """Rank the n best of items int32[m] by scores float32[m]; NaN scores are left out. Cost O(m + n log n)."""
    order = best_positions(items, scores, tie_rank, n)
    return Candidates(items[order], scores[order])


def best_positions(items: Rows, scores: Scores, tie_rank: Rows, n: int, above_zero: bool = False) -> NDArray[np.intp]:
    """Positions intp[≤n] of the n best scores, best first; NaN and, if asked, what is not above zero are left out."""
    positions = (scores > 0 if above_zero else scores == scores).nonzero()[0]
    if n <= 0 or not len(positions):
        return positions[:0]
    if len(positions) > 2 * n:
        kept = scores.take(positions)
        threshold = np.partition(kept, len(kept) - n)[len(kept) - n]
        positions = positions[kept >= threshold]
    order = np.lexsort((tie_rank.take(items.take(positions)), -scores.take(positions)))
    return positions.take(order[:n])


def strongest(items: Rows, scores: Scores, most: int) -> tuple[Rows, Scores]:
    """The `most` items of the highest positive scores, strongest first; equal scores stand in the order given."""
    if len(scores) > 2 * most:
        threshold = np.partition(scores, len(scores) - most)[len(scores) - most]
        kept = (scores >= threshold).nonzero()[0]
        items, scores = items.take(kept), scores.take(kept)
    order = (-scores).argsort(kind="stable")[:most]
    items, scores = items.take(order), scores.take(order)
    positive = np.count_nonzero(scores > 0)
    return items[:positive], scores[:positive]


def keep_strongest(neighbours: Rows, weights: Scores, row: int, items: Rows, scores: Scores) -> None:
    """Write the strongest positive neighbours of `row`, other than itself, into its rows of both matrices [n, k]."""
    other = ((items != row) & (scores > 0)).nonzero()[0]
    items, scores = strongest(items.take(other), scores.take(other), neighbours.shape[1])
    neighbours[row, : len(items)] = items
    weights[row, : len(items)] = scores


def first_allowed(ranked: Rows, allowed: Mask | None, n: int) -> NDArray[np.intp]:
    """Positions intp[≤n] of the first n allowed items of a ranked list, reading no further than needed."""
    if allowed is None:
        return np.arange(min(n, len(ranked)))
    window = 4 * n + 64
    while True:
        positions = allowed.take(ranked[:window]).nonzero()[0]
        if len(positions) >= n or window >= len(ranked):
            return positions[:n]
        window *= 16


def rank_order(scores: Scores, tie_rank: Rows) -> Rows:
    """Order all items int32[n] by scores float32[n], best first."""
    order: Rows = np.lexsort((tie_rank, -scores)).astype(np.int32)
    return order


_REPEATS = 2
"""Entries looked at per item wanted, at first: few items have more sources than this."""


class Sums(threading.local):
    """One zeroed float32 per item and thread, so that adding scores up costs what is added, not the catalogue's size."""

    def __init__(self, n_items: int) -> None:
        self.totals = np.zeros(n_items, np.float32)

    def of_each(self, items: Rows, scores: Scores) -> Scores:
        """For every entry, the sum of the scores of all entries with its item; leaves the sums zeroed."""
        try:
            np.add.at(self.totals, items, scores)
            return self.totals.take(items)
        finally:
            self.totals[items] = 0


def neighbours_of(
    sources: Rows, strengths: Scores, neighbours: Rows, weights: Scores, allowed: Mask, tie_rank: Rows, sums: Sums, n: int
) -> Candidates:
    """Rank the n best neighbours of several sources by Σ strength × weight, and tell which source spoke most for each.

    sources, strengths [s] · neighbours int32[n, k] and weights float32[n, k] (0: padding).
    """
    items = neighbours.take(sources, axis=0).ravel()
    scores = (weights.take(sources, axis=0) * strengths[:, None]).ravel()
    scores *= allowed.take(items)
    totals = sums.of_each(items, scores)
    best = _distinct(items, scores, totals, tie_rank, n, _REPEATS * n)
    if len(best) < n:
        best = _distinct(items, scores, totals, tie_rank, n, len(items))
    return Candidates(items.take(best), totals.take(best), sources.take(best // neighbours.shape[1]))


def _distinct(items: Rows, scores: Scores, totals: Scores, tie_rank: Rows, n: int, depth: int) -> NDArray[np.intp]:
    """Entries of the n best distinct items among the `depth` entries of the highest totals: each item's largest score."""
    threshold = np.partition(totals, -depth)[-depth] if depth < len(items) else 0
    entries = (totals >= threshold if threshold > 0 else scores > 0).nonzero()[0]
    places = items.take(entries)
    order = np.lexsort((-scores.take(entries), tie_rank.take(places), -totals.take(entries)))
    best: NDArray[np.intp] = entries.take(order.take(run_starts(places.take(order))[:n]))
    return best


def run_starts(ordered: NDArray[np.signedinteger[Any]]) -> NDArray[np.intp]:
    """Positions at which a sorted array takes a new value."""
    changes = np.empty(len(ordered), bool)
    changes[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=changes[1:])
    starts: NDArray[np.intp] = changes.nonzero()[0]
    return starts
