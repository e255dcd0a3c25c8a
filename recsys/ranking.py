"""Ranking primitives that recommenders share: the best n under a mask, with one rule for ties.

Ties break on score, then the item's recency, then its id; `tie_rank` of the catalogue holds the last two as one number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.types import NO_CANDIDATES, Candidates, Mask, Rows, Scores

def top_n(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> Candidates:
    """Rank the n best of items int32[m] by scores float32[m]; NaN scores are left out. Cost O(m + n log n)."""
    order = best_positions(items, scores, tie_rank, n)
    return Candidates(items[order], scores[order])

def best_positions(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> NDArray[np.intp]:
    """Positions intp[≤n] of the n best scores, best first."""
    positions = np.flatnonzero(scores == scores)
    if n <= 0 or not len(positions):
        return positions[:0]
    if len(positions) > 2 * n:
        kept = scores[positions]
        threshold = np.partition(kept, len(kept) - n)[len(kept) - n]
        positions = positions[kept >= threshold]
    order = np.lexsort((tie_rank[items[positions]], -scores[positions]))
    return positions[order[:n]]

def strongest(items: Rows, scores: Scores, most: int) -> tuple[Rows, Scores]:
    """The `most` items of the highest scores, strongest first; equal scores stand in the order of rows."""
    if len(scores) > 2 * most:
        threshold = np.partition(scores, len(scores) - most)[len(scores) - most]
        kept = scores >= threshold
        items, scores = items[kept], scores[kept]
    order = np.lexsort((items, -scores))[:most]
    return items[order], scores[order]


def first_allowed(ranked: Rows, allowed: Mask | None, n: int) -> NDArray[np.intp]:
    """Positions intp[≤n] of the first n allowed items of a ranked list, reading no further than needed."""
    if allowed is None:
        return np.arange(min(n, len(ranked)))
    window = 4 * n + 64
    while True:
        positions = np.flatnonzero(allowed[ranked[:window]])
        if len(positions) >= n or window >= len(ranked):
            return positions[:n]
        window *= 16

def rank_order(scores: Scores, tie_rank: Rows) -> Rows:
    """Order all items int32[n] by scores float32[n], best first."""
    return np.lexsort((tie_rank, -scores)).astype(np.int32)

def gather(offsets: NDArray[np.int64], rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of all entries of the given rows of a sparse matrix, and how many each row has.

    Returns positions int64[m], row after row, and lengths int64[len(rows)].
    """
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - ends + lengths, lengths), lengths

def sum_by_item(items: Rows, scores: Scores) -> tuple[Rows, Scores, NDArray[np.int64], NDArray[np.int64]]:
    """Add up the scores of equal items.

    Returns distinct items int32[u] ascending, their sums float32[u], the order int64[m] that sorts the input by item and the
    start int64[u] of each item's run in it.
    """
    order = np.argsort(items, kind="stable")
    ordered = items[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(items) else np.empty(0, np.int64)
    sums = np.add.reduceat(scores[order], starts) if len(starts) else np.empty(0, np.float32)
    return ordered[starts], sums, order, starts

NOTHING = NO_CANDIDATES
