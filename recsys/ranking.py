"""Ranking primitives that recommenders share: the best n under a mask, with one rule for ties.

Ties break on score, then the item's recency, then its id; `tie_rank` of the catalogue holds the last two as one number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np

from recsys.jit import INT, MASK, ROWS, ROWS_2D, SCORES, SCORES_2D, compiled
from recsys.types import NO_CANDIDATES, Arrays, Candidates, Mask, Rows, Scores

Weigh: TypeAlias = Callable[[int, Rows, Scores], Scores]
_BLOCK = 500
"""Rows of a product that are in memory at a time."""


@compiled()
def _best(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> Rows:
    """Positions of the n best scores, best first: each is moved up past those that it beats."""
    best, kept, filled = np.empty(n, np.int32), np.empty(n, np.float32), 0
    for position in range(len(items)):
        score, tie = scores[position], tie_rank[items[position]]
        if score != score or n == 0:
            continue
        if filled == n:
            last = kept[n - 1]
            if score < last or (score == last and tie > tie_rank[items[best[n - 1]]]):
                continue
        else:
            filled += 1
        place = filled - 1
        while place > 0:
            above = kept[place - 1]
            if score < above or (score == above and tie > tie_rank[items[best[place - 1]]]):
                break
            best[place], kept[place] = best[place - 1], above
            place -= 1
        best[place], kept[place] = position, score
    return best[:filled]


@compiled(ROWS, SCORES, ROWS, INT)
def _top_n(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> tuple[Rows, Scores]:
    best = _best(items, scores, tie_rank, n)
    return items[best], scores[best]


def top_n(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> Candidates:
    """Rank the n best of distinct items int32[m] by scores float32[m]; NaN scores are left out."""
    return Candidates(*_top_n(items, scores, tie_rank, max(n, 0)))


def strongest(items: Rows, scores: Scores, max_n: int) -> tuple[Rows, Scores]:
    """The `max_n` items of the highest positive scores, strongest first; equal scores stand in the order given."""
    if len(scores) > 2 * max_n:
        threshold = np.partition(scores, len(scores) - max_n)[len(scores) - max_n]
        kept = (scores >= threshold).nonzero()[0]
        items, scores = items.take(kept), scores.take(kept)
    order = (-scores).argsort(kind="stable")[:max_n]
    items, scores = items.take(order), scores.take(order)
    positive = np.count_nonzero(scores > 0)
    return items[:positive], scores[:positive]


def keep_strongest(neighbours: Rows, weights: Scores, row: int, items: Rows, scores: Scores) -> None:
    """Write the strongest positive neighbours of `row`, other than itself, into its rows of both matrices [n, k]."""
    other = ((items != row) & (scores > 0)).nonzero()[0]
    items, scores = strongest(items.take(other), scores.take(other), neighbours.shape[1])
    neighbours[row, : len(items)] = items
    weights[row, : len(items)] = scores


def strongest_of_product(left: Any, right: Any, k: int, weigh: Weigh | None = None) -> Arrays:
    """Multiply sparse items × m by m × items, a block of rows at a time, and keep the strongest of each row.

    Args:
        left: csr array; its rows are the items.
        right: csr array; its columns are the items.
        k: neighbours kept of each item.
        weigh: of an item, the items int32[m] that it meets and their products float32[m], the scores; None: the products.

    Returns:
        neighbours int32[n, k] strongest first, and weights float32[n, k] (0: padding).
    """
    n = right.shape[1]
    neighbours = np.zeros((n, min(k, max(n - 1, 1))), np.int32)
    weights = np.zeros(neighbours.shape, np.float32)
    for start in range(0, n, _BLOCK):
        block = (left[start : start + _BLOCK] @ right).tocsr()
        for row in range(block.shape[0]):
            entries = slice(block.indptr[row], block.indptr[row + 1])
            item, met, products = start + row, block.indices[entries], block.data[entries]
            keep_strongest(neighbours, weights, item, met, weigh(item, met, products) if weigh else products)
    return {"neighbours": neighbours, "weights": weights}


@compiled(ROWS, MASK, INT)
def first_allowed(ranked: Rows, allowed: Mask, n: int) -> Rows:
    """The first n ≥ 0 allowed items int32[≤n] of a ranked list, reading no further than needed."""
    found = np.empty(min(n, len(ranked)), np.int32)
    filled = 0
    for item in ranked:
        if filled == len(found):
            break
        if allowed[item]:
            found[filled] = item
            filled += 1
    return found[:filled]


def rank_order(scores: Scores, tie_rank: Rows) -> Rows:
    """Order all items int32[n] by scores float32[n], best first."""
    order: Rows = np.lexsort((tie_rank, -scores)).astype(np.int32)
    return order


SPREAD = 0x9E3779B1
"""2^32 divided by the golden ratio, whose multiples scatter evenly (Knuth, The Art of Computer Programming, vol. 3, 6.4)."""


@compiled(ROWS, SCORES, ROWS_2D, SCORES_2D, MASK, ROWS, INT)
def _neighbours_of(
    sources: Rows, strengths: Scores, neighbours: Rows, weights: Scores, allowed: Mask, tie_rank: Rows, n: int
) -> tuple[Rows, Scores, Rows]:
    """Add up with a hash table of entries: it stays in the processor's cache, as sums over all items would not."""
    max_n = len(sources) * neighbours.shape[1]
    bits = 4
    while 1 << bits < 2 * max_n:
        bits += 1
    last = (1 << bits) - 1
    entry_at = np.full(last + 1, -1, np.int32)
    items, explained_by = np.empty(max_n, np.int32), np.empty(max_n, np.int32)
    totals, largest = np.empty(max_n, np.float32), np.empty(max_n, np.float32)
    count = 0
    for place in range(len(sources)):
        source, strength = sources[place], strengths[place]
        for k in range(neighbours.shape[1]):
            item, part = neighbours[source, k], strength * weights[source, k]
            if part == 0:
                break
            if not allowed[item]:
                continue
            slot = (np.int64(item) * SPREAD & 0xFFFFFFFF) >> (32 - bits)
            while entry_at[slot] >= 0 and items[entry_at[slot]] != item:
                slot = slot + 1 & last
            entry = entry_at[slot]
            if entry < 0:
                entry_at[slot] = count
                items[count], explained_by[count], totals[count], largest[count] = item, source, part, part
                count += 1
                continue
            totals[entry] += part
            if part > largest[entry]:
                largest[entry], explained_by[entry] = part, source
    for entry in range(count):
        if totals[entry] <= 0:
            totals[entry] = np.nan
    best = _best(items[:count], totals[:count], tie_rank, n)
    return items[best], totals[best], explained_by[best]


class Neighbours:
    """The neighbours that were fitted for each item: `neighbours` int32[n, k] and `weights` float32[n, k] of the arrays, strongest
    first (0: padding). A negative weight speaks against."""

    def __init__(self, arrays: Arrays, tie_rank: Rows) -> None:
        self._neighbours = cast(Rows, arrays["neighbours"])
        self._weights = cast(Scores, arrays["weights"])
        self._tie_rank = tie_rank

    def of(self, sources: Rows, strengths: Scores, allowed: Mask, n: int) -> Candidates:
        """Rank the n best neighbours of sources [s] by Σ strength × weight, and tell which source spoke most for each; only items
        with a positive sum are ranked."""
        if not len(sources):
            return NO_CANDIDATES
        n = max(n, 0)
        return Candidates(*_neighbours_of(sources, strengths, self._neighbours, self._weights, allowed, self._tie_rank, n))
