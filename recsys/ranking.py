"""Ranking primitives that recommenders share: the best n under a mask, with one rule for ties.

Ties break on score, then the item's recency, then its id; `tie_rank` of the catalogue holds the last two as one number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.types import NO_CANDIDATES, Candidates, Mask, Rows, Scores


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
    order = items.argsort()
    neighbours[row, : len(items)] = items.take(order)
    weights[row, : len(items)] = scores.take(order)


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


def neighbours_of(
    sources: Rows, strengths: Scores, neighbours: Rows, weights: Scores, allowed: Mask, tie_rank: Rows, n: int
) -> Candidates:
    """Rank the n best neighbours of several sources by Σ strength × weight, and tell which source spoke most for each.

    sources, strengths [s] · neighbours int32[n, k] ascending in each row and weights float32[n, k] (0: padding).
    """
    width = neighbours.shape[1]
    items = neighbours[sources].ravel()
    scores = (weights[sources] * strengths[:, None]).ravel()
    scores *= allowed.take(items)
    order = items.argsort(kind="stable")
    items, scores = items.take(order), scores.take(order)
    starts = run_starts(items)
    if not len(starts):
        return NO_CANDIDATES
    totals = np.add.reduceat(scores, starts)
    distinct = items.take(starts)
    best = best_positions(distinct, totals, tie_rank, n, above_zero=True)
    loudest = order.take(_loudest(scores, starts, best))
    return Candidates(distinct.take(best), totals.take(best), sources.take(loudest // width))


def run_starts(ordered: NDArray[np.signedinteger[Any]]) -> NDArray[np.intp]:
    """Positions at which a sorted array takes a new value."""
    changes = np.empty(len(ordered), bool)
    changes[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=changes[1:])
    starts: NDArray[np.intp] = changes.nonzero()[0]
    return starts


def _loudest(scores: Scores, starts: NDArray[np.intp], runs: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each chosen run of equal items, the position of its largest score, the first of equal ones."""
    first = starts.take(runs)
    lengths = np.append(starts, len(scores)).take(runs + 1) - first
    ends = lengths.cumsum()
    positions = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - ends + lengths, lengths)
    run = np.repeat(np.arange(len(runs)), lengths)
    order = np.lexsort((positions, -scores.take(positions), run))
    loudest: NDArray[np.intp] = positions.take(order.take(ends - lengths))
    return loudest
