"""Ranking primitives that recommenders share: the best n under a mask, with one rule for ties.

Ties break on score, then the item's recency, then its id; `tie_rank` of the catalogue holds the last two as one number.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np

from recsys.jit import (
    BOOL,
    INT,
    MASK,
    OWN_MASK,
    OWN_ROWS,
    OWN_ROWS_2D,
    OWN_SCORES,
    OWN_SCORES_2D,
    ROWS,
    SCORES,
    TIMES,
    compiled,
)
from recsys.types import Arrays, Candidates, Mask, Rows, Scores, Times

Weigh: TypeAlias = Callable[[Rows, Rows, Scores], Scores]
_BLOCK = 128
"""Rows of a product that each thread has in memory at a time."""
_THREADS = 2
"""Threads that multiply; each has `Sums` of its own."""
UNSEEN, NO_MORE = -1, -2
"""Marks of a list of items in `Sums.nexts`: of an item that is not in it, and its end."""


@compiled(OWN_MASK, ROWS, BOOL)
def mark(mask: Mask, rows: Rows, value: bool) -> None:
    """Set the places int32[m] of a mask bool[n]; numpy first makes numbers of another width of them, at several times the cost."""
    for row in rows:
        mask[row] = value


@compiled()
def best_places(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> Rows:
    """Positions of the n best scores, best first: each is moved up past those that it beats. Ties are looked up only where scores are
    equal: they lie all over a large array."""
    best, kept, filled = np.empty(n, np.int32), np.empty(n, np.float32), 0
    for position in range(len(items)):
        score, item = scores[position], items[position]
        if score != score or n == 0:
            continue
        if filled == n:
            last = kept[n - 1]
            if score < last or (score == last and tie_rank[item] > tie_rank[items[best[n - 1]]]):
                continue
        else:
            filled += 1
        place = filled - 1
        while place > 0:
            above = kept[place - 1]
            if score < above or (score == above and tie_rank[item] > tie_rank[items[best[place - 1]]]):
                break
            best[place], kept[place] = best[place - 1], above
            place -= 1
        best[place], kept[place] = position, score
    return best[:filled]


@compiled(ROWS, SCORES, ROWS, INT)
def _top_n(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> tuple[Rows, Scores]:
    best = best_places(items, scores, tie_rank, n)
    return items[best], scores[best]


def top_n(items: Rows, scores: Scores, tie_rank: Rows, n: int) -> Candidates:
    """Rank the n best of distinct items int32[m] by scores float32[m]; NaN scores are left out."""
    return Candidates(*_top_n(items, scores, tie_rank, max(n, 0)))


@compiled(ROWS, ROWS, SCORES, INT, OWN_ROWS_2D, OWN_SCORES_2D, on_all_cores=True)
def _keep_strongest(starts: Rows, items: Rows, scores: Scores, first: int, neighbours: Rows, weights: Scores) -> None:
    """Write the strongest positive entries of each row, other than the item itself, into both matrices [n, k] from row `first` on;
    equal ones stand in the order given."""
    k = neighbours.shape[1]
    for row in range(len(starts) - 1):
        item, filled = first + row, 0
        for entry in range(starts[row], starts[row + 1]):
            score = scores[entry]
            if items[entry] == item or not score > 0 or (filled == k and not score > weights[item, k - 1]):
                continue
            filled = min(filled + 1, k)
            place = filled - 1
            while place > 0 and weights[item, place - 1] < score:
                neighbours[item, place], weights[item, place] = neighbours[item, place - 1], weights[item, place - 1]
                place -= 1
            neighbours[item, place], weights[item, place] = items[entry], score


@compiled()
def add_to(item: int, part: float, sums: Scores, nexts: Rows, head: int) -> int:
    """Add a part to the sum of an item, and put it before `head` in the list of those that have one; returns the new head."""
    sums[item] += part
    if nexts[item] == UNSEEN:
        nexts[item] = head
        return item
    return head


@compiled()
def take_sums(head: int, sums: Scores, nexts: Rows, items: Rows, scores: Scores, at: int) -> int:
    """Move the sums of a list that starts at `head` to `items` and `scores` from place `at` on, and leave nothing behind; returns
    the place after them."""
    while head >= 0:
        if sums[head] != 0:
            items[at], scores[at] = head, sums[head]
            at += 1
        following = nexts[head]
        sums[head], nexts[head] = 0, UNSEEN
        head = following
    return at


@compiled()
def widened(array: Any, least: int) -> Any:
    """The same array with room for twice as much, `least` at least."""
    wider = np.empty(max(least, 2 * len(array)), array.dtype)
    wider[: len(array)] = array
    return wider


@compiled(TIMES, ROWS, SCORES, TIMES, ROWS, SCORES, INT, INT, OWN_SCORES, OWN_ROWS, on_all_cores=True)
def _product(
    starts: Times,
    middles: Rows,
    values: Scores,
    right_starts: Times,
    right_items: Rows,
    right_values: Scores,
    first: int,
    last: int,
    sums: Scores,
    nexts: Rows,
) -> tuple[Rows, Rows, Scores]:
    """Multiply the rows from `first` to `last` of a sparse matrix by another one (Gustavson, "Two fast algorithms for sparse
    matrices", 1978): where each row starts, the items and the products. `sums` and `nexts`: as `Sums` has them."""
    room = 0
    for row in range(first, last):
        most = 0
        for entry in range(starts[row], starts[row + 1]):
            most += right_starts[middles[entry] + 1] - right_starts[middles[entry]]
        room += min(most, len(sums))
    found, items, scores = np.zeros(last - first + 1, np.int32), np.empty(room, np.int32), np.empty(room, np.float32)
    for row in range(first, last):
        head = NO_MORE
        for entry in range(starts[row], starts[row + 1]):
            middle, value = middles[entry], values[entry]
            for right in range(right_starts[middle], right_starts[middle + 1]):
                head = add_to(right_items[right], value * right_values[right], sums, nexts, head)
        found[row - first + 1] = take_sums(head, sums, nexts, items, scores, found[row - first])
    end = found[last - first]
    return found, items[:end], scores[:end]


class Sums:
    """Room of one thread for sums over all items: `sums` float32[n] of zeros, and `nexts` int32[n], for a list of the items that
    have a sum (`UNSEEN`: not in it; `NO_MORE` ends it)."""

    def __init__(self, n: int) -> None:
        self.sums, self.nexts = np.zeros(n, np.float32), np.full(n, UNSEEN, np.int32)


Multiply: TypeAlias = Callable[[int, int, Sums], tuple[Rows, Rows, Scores]]
"""Rows of a product, from one to another: where each starts, int32[rows + 1], the items int32[m] and the products float32[m]."""


def strongest_of_product(left: Any, right: Any, k: int, weigh: Weigh | None = None) -> Arrays:
    """Multiply sparse items × m by m × items, a block of rows at a time, and keep the strongest of each row.

    Args:
        left: csr array float32; its rows are the items.
        right: csr array float32; its columns are the items.
        k: neighbours kept of each item, 1 or more.
        weigh: of pairs of items, int32[m] and int32[m], and their products float32[m], the scores float32[m]; None: the products.

    Returns:
        neighbours int32[n, k] strongest first, and weights float32[n, k] (0: padding).
    """
    rows, columns = _arrays_of(left), _arrays_of(right)

    def multiply(first: int, last: int, room: Sums) -> tuple[Rows, Rows, Scores]:
        return _product(*rows, *columns, first, last, room.sums, room.nexts)

    return strongest_of_blocks(right.shape[1], k, multiply, weigh)


def _arrays_of(matrix: Any) -> tuple[Times, Rows, Scores]:
    """The arrays of a csr array: where rows start, their columns and values."""
    starts, columns = np.ascontiguousarray(matrix.indptr, np.int64), np.ascontiguousarray(matrix.indices, np.int32)
    return starts, columns, np.ascontiguousarray(matrix.data, np.float32)


def strongest_of_blocks(n: int, k: int, multiply: Multiply, weigh: Weigh | None = None) -> Arrays:
    """Keep the strongest of each row of a product of n items by n, as `strongest_of_product` does; every thread takes the next block
    of rows, each of which is made and kept by itself."""
    neighbours = np.zeros((n, min(k, max(n - 1, 1))), np.int32)
    weights = np.zeros(neighbours.shape, np.float32)
    blocks = iter(range(0, n, _BLOCK))

    def work(_thread: int) -> None:
        room = Sums(n)
        for first in blocks:
            starts, met, scores = multiply(first, min(first + _BLOCK, n), room)
            if weigh:
                items = np.repeat(np.arange(first, first + len(starts) - 1, dtype=np.int32), np.diff(starts))
                scores = weigh(items, met, scores)
            _keep_strongest(starts, met, scores, first, neighbours, weights)

    threads = min(_THREADS, -(-n // _BLOCK))
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(work, range(threads)))
    return {"neighbours": neighbours, "weights": weights}


_LOOKED_AT, _FEW = 512, 512
"""Items of a list of all that are looked at before the allowed ones are; so few of these are ranked instead."""


@compiled()
def _first_allowed(allowed: Mask, n: int) -> Rows:
    """The n first rows int32[≤n] for which a mask holds; eight of its places, none of which mostly does, are looked at at once."""
    found, filled, words = np.empty(n, np.int32), 0, allowed[: len(allowed) // 8 * 8].view(np.uint64)
    for word in range(len(words)):
        if words[word] != 0:
            filled = _take_allowed(allowed, 8 * word, 8 * word + 8, found, filled)
            if filled == n:
                break
    filled = _take_allowed(allowed, 8 * len(words), len(allowed), found, filled)
    return found[:filled]


@compiled()
def _take_allowed(allowed: Mask, first: int, end: int, found: Rows, filled: int) -> int:
    """Write the rows from `first` up to `end` for which a mask holds behind those that are found; returns how many these are."""
    for row in range(first, end):
        if allowed[row] and filled < len(found):
            found[filled] = row
            filled += 1
    return filled


@compiled(ROWS, ROWS, SCORES, ROWS, MASK, INT)
def followed_by(chosen: Rows, ranked: Rows, scores: Scores, tie_rank: Rows, allowed: Mask, n: int) -> Rows:
    """The n first of `chosen`, then the first allowed ones, not yet in it, of a list of all items by scores float32[n] and ties."""
    found, first = np.empty(n, np.int32), min(n, len(chosen))
    found[:first], filled, at = chosen[:first], first, 0
    for step in (_LOOKED_AT, len(ranked)):
        while at < min(step, len(ranked)) and filled < n:
            item = ranked[at]
            if allowed[item] and item not in chosen:
                found[filled] = item
                filled += 1
            at += 1
        if filled == n or at == len(ranked):
            break
        few = _first_allowed(allowed, _FEW + 1)
        if len(few) <= _FEW:  # the last of them may stand anywhere
            left = 0
            for item in few:
                if item not in chosen:
                    few[left] = item
                    left += 1
            few = few[:left]
            places = np.arange(left).astype(np.int32)
            best = few[best_places(places, scores[few], tie_rank[few], min(n - first, left))]
            found[first : first + len(best)], filled = best, first + len(best)
            break
    return found[:filled]


def rank_order(scores: Scores, tie_rank: Rows) -> Rows:
    """Order all items int32[n] by scores float32[n], best first."""
    order: Rows = np.lexsort((tie_rank, -scores)).astype(np.int32)
    return order


SPREAD = 0x9E3779B1
"""2^32 divided by the golden ratio, whose multiples scatter evenly (Knuth, The Art of Computer Programming, vol. 3, 6.4)."""
