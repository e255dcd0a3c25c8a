"""Neighbours: items ranked by what was fitted beside those of a page, or of a shopper's history."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np

from recsys.behaviour import Kinds, decay_exponents, event_weights, weigh_items
from recsys.jit import FLOAT, INT, KINDS, MASK, ROWS, ROWS_2D, SCORES, SCORES_2D, TIMES, compiled
from recsys.ranking import SPREAD, best_places
from recsys.settings import BehaviourSettings
from recsys.types import NO_CANDIDATES, Arrays, Candidates, History, Mask, RowQuery, Rows, Scores, Times

_LINE = 16
"""Numbers of 4 bytes that a processor fetches together."""
_OWN_PLACES = np.empty(0, np.int32)


class Seeds(NamedTuple):
    """Seeds of an answer: the items of the page if it names any, each counting 1, else those that the shopper cares for most.

    weights float32[12] of each kind of event · by_time and by_step what `behaviour.decay_exponents` says · max_n items at the most ·
    power that an item's sum of weights is raised to.
    """

    weights: Scores
    by_time: float
    by_step: float
    max_n: int
    power: float


def seeds(
    behaviour: BehaviourSettings, half_life_days: float, max_n: int, half_life_steps: float = 0, power: float = 1
) -> Seeds:
    """The seeds of a recommender; see `behaviour.item_weights`."""
    return Seeds(event_weights(behaviour), *decay_exponents(half_life_days, half_life_steps), max_n, power)


class Neighbours:
    """The neighbours that were fitted for each item: `neighbours` int32[m, k] and `weights` float32[m, k] of the arrays, strongest
    first (0: padding). A negative weight speaks against. Those of an item stand at its own row, or where place_of int32[n] says (-1:
    it has none)."""

    def __init__(self, arrays: Arrays, tie_rank: Rows, place_of: Rows = _OWN_PLACES) -> None:
        self._fitted = place_of, cast(Rows, arrays["neighbours"]), cast(Scores, arrays["weights"]), tie_rank

    def of(self, sources: Rows, strengths: Scores, allowed: Mask, n: int) -> Candidates:
        """Rank the n best neighbours of sources [s] by Σ strength × weight, and tell which source spoke most for each; only items
        with a positive sum are ranked."""
        if not len(sources):
            return NO_CANDIDATES
        items, scores, explained_by = _neighbours_of(sources, strengths, *self._fitted, allowed, max(n, 0))
        return Candidates(items, scores, explained_by)

    def of_seeds(self, seeds: Seeds, query: RowQuery, history: History, allowed: Mask, n: int) -> Candidates:
        """Rank those of a query's seeds."""
        if len(query.context):
            return self.of(query.context, np.ones(len(query.context), np.float32), allowed, n)
        items, scores, explained_by = _neighbours_of_history(
            history.items, history.kinds, history.times, query.now, *seeds, *self._fitted, allowed, max(n, 0)
        )
        return Candidates(items, scores, explained_by)


@compiled()
def _fetched(sources: Rows, place_of: Rows, neighbours: Rows, weights: Scores) -> tuple[Rows, bool]:
    """Places of sources int32[s] in the arrays, and whether any has neighbours. The rows lie far apart: each line of them is
    touched, so that all are on their way before the first is read."""
    places, touched = sources.copy(), 0
    for each in range(len(sources)):
        if len(place_of):
            places[each] = place_of[sources[each]]
        for k in range(0, neighbours.shape[1] if places[each] >= 0 else 0, _LINE):
            touched += (neighbours[places[each], k] >= 0) + (weights[places[each], k] != 0)
    return places, touched > 0


@compiled(ROWS, SCORES, ROWS, ROWS_2D, SCORES_2D, ROWS, MASK, INT)
def _neighbours_of(
    sources: Rows,
    strengths: Scores,
    place_of: Rows,
    neighbours: Rows,
    weights: Scores,
    tie_rank: Rows,
    allowed: Mask,
    n: int,
) -> tuple[Rows, Scores, Rows]:
    """Add up with a hash table of entries: it stays in the processor's cache, as sums over all items would not."""
    places, any_there = _fetched(sources, place_of, neighbours, weights)
    width = neighbours.shape[1]
    max_n = len(sources) * width if any_there else 0
    bits = 4
    while 1 << bits < 2 * max_n:
        bits += 1
    last = (1 << bits) - 1
    entry_at = np.full(last + 1, -1, np.int32)
    items, explained_by = np.empty(max_n, np.int32), np.empty(max_n, np.int32)
    totals, largest = np.empty(max_n, np.float32), np.empty(max_n, np.float32)
    count = 0
    for each in range(len(sources)):
        source, place, strength = sources[each], places[each], strengths[each]
        if place < 0:
            continue
        for k in range(width):
            item, part = neighbours[place, k], strength * weights[place, k]
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
    best = best_places(items[:count], totals[:count], tie_rank, n)
    return items[best], totals[best], explained_by[best]


@compiled(
    *(ROWS, KINDS, TIMES, INT),
    *(SCORES, FLOAT, FLOAT, INT, FLOAT),
    *(ROWS, ROWS_2D, SCORES_2D, ROWS, MASK, INT),
)
def _neighbours_of_history(
    items: Rows, kinds: Kinds, times: Times, now: int,
    event_weights: Scores, by_time: float, by_step: float, max_n: int, power: float,
    place_of: Rows, neighbours: Rows, weights: Scores, tie_rank: Rows, allowed: Mask, n: int,
) -> tuple[Rows, Scores, Rows]:  # fmt: skip
    """Those of what a shopper cares for, in one go: to give what that is back in between takes as long as finding it."""
    sources, strengths = weigh_items(items, kinds, times, event_weights, now, by_time, by_step, max_n)
    if power != 1:
        for each in range(len(strengths)):
            strengths[each] **= power
    found: tuple[Rows, Scores, Rows] = _neighbours_of(
        sources, strengths, place_of, neighbours, weights, tie_rank, allowed, n
    )
    return found
