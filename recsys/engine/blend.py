"""Blend: several ranked lists become one, and every item remembers who spoke most for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.jit import MASK, REALS, ROWS, SCORES, TIMES, compiled
from recsys.ranking import SPREAD
from recsys.types import Candidates, Mask, Rows, Scores

Pick: TypeAlias = tuple[int, float, str, int]
"""One ranked item: its row and score, the recommender that spoke most for it, and the item that speaks for it (-1: none)."""


class Ranked(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Picks as parallel arrays, best first: rows int32[m] · scores float64[m] · sources int64[m], places in `names` of the
    recommenders that spoke most · explained_by int32[m] (-1: none)."""

    rows: Rows
    scores: NDArray[np.float64]
    names: tuple[str, ...]
    sources: NDArray[np.int64]
    explained_by: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Pick]:
        return zip(self.rows.tolist(), self.scores.tolist(), self.sources_named(), self.explained_by.tolist(), strict=True)

    def sources_named(self) -> list[str]:
        """Of each pick the recommender that spoke most for it."""
        if len(self.names) == 1:
            return [self.names[0]] * len(self.rows)
        return [self.names[source] for source in self.sources.tolist()]

    def take(self, places: NDArray[np.int64]) -> Ranked:
        """Those at some places, in that order."""
        return Ranked(
            self.rows.take(places),
            self.scores.take(places),
            self.names,
            self.sources.take(places),
            self.explained_by.take(places),
        )

    def first(self, n: int) -> Ranked:
        """The first n."""
        if n >= len(self.rows):
            return self
        return Ranked(self.rows[:n], self.scores[:n], self.names, self.sources[:n], self.explained_by[:n])

    def followed_by(self, other: Ranked) -> Ranked:
        """These, then others."""
        if not len(self.rows):
            return other
        names, sources = self.names, other.sources
        if names != other.names:
            names = tuple(dict.fromkeys((*names, *other.names)))
            sources = np.array([names.index(name) for name in other.names]).take(sources)
        return Ranked(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.scores, other.scores]),
            names,
            np.concatenate([self.sources, sources]),
            np.concatenate([self.explained_by, other.explained_by]),
        )


NONE_RANKED = Ranked(np.empty(0, np.int32), np.empty(0), (), np.empty(0, np.int64), np.empty(0, np.int32))


def blend(lists: Mapping[str, Candidates], weights: Mapping[str, float], tie_rank: Rows) -> Ranked:
    """Add up weight × score / best score of each list, and rank; a list that speaks alone keeps its order and scores."""
    names_contributing = [name for name, candidates in lists.items() if len(candidates) and weights[name] > 0]
    if not names_contributing:
        return NONE_RANKED
    if len(names_contributing) == 1:
        return ranked_by(names_contributing[0], lists[names_contributing[0]])
    contributing = [lists[name] for name in names_contributing]
    ends = np.cumsum([len(each) for each in contributing])
    scales = np.array([weights[name] / max(lists[name].scores.item(0), 1e-30) for name in names_contributing])
    items, scores = (
        np.concatenate([each.items for each in contributing]),
        np.concatenate([each.scores for each in contributing]),
    )
    top_contributor, source, totals = _merge(items, scores, ends, scales, tie_rank)
    explained_by = np.concatenate(
        [_no_evidence(len(each)) if each.explained_by is None else each.explained_by for each in contributing]
    )
    return Ranked(items.take(top_contributor), totals, tuple(names_contributing), source, explained_by.take(top_contributor))


def ranked_by(source: str, candidates: Candidates) -> Ranked:
    """The items of one recommender's list, as they stand."""
    n = len(candidates.items)
    explained_by = _no_evidence(n) if candidates.explained_by is None else candidates.explained_by
    sources = _FIRST[:n] if n <= _PREPARED else np.zeros(n, np.int64)
    return Ranked(candidates.items, candidates.scores.astype(np.float64), (source,), sources, explained_by)


def reordered(brought: Ranked, order: Ranked, first: Mask) -> Ranked:
    """The items that were brought in another order, each with the source that brought it and the score by which it was ordered.

    Those for which first bool[m] holds stand before the others; those without a place in the order follow as they were. A score
    is never above the one before it.
    """
    if not len(brought) or not len(order):
        return brought
    chosen, scores = _reordered(brought.rows, order.rows, order.scores, first)
    return Ranked(
        brought.rows.take(chosen), scores, brought.names, brought.sources.take(chosen), brought.explained_by.take(chosen)
    )


_PREPARED = 256
"""Length of the longest list for which arrays of one value are at hand."""
_FIRST = np.zeros(_PREPARED, np.int64)
_NO_EVIDENCE = np.full(_PREPARED, -1, np.int32)
_FIRST.flags.writeable = _NO_EVIDENCE.flags.writeable = False


def _no_evidence(n: int) -> Rows:
    return _NO_EVIDENCE[:n] if n <= _PREPARED else np.full(n, -1, np.int32)


@compiled(ROWS, ROWS, REALS, MASK)
def _reordered(
    rows: Rows, order: Rows, scores: NDArray[np.float64], first: Mask
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places int64[m] of rows int32[m] in the order of others, those first that are to be, and the scores that these have there; a
    hash table of the places stays in the processor's cache, as a number for each item would not."""
    n, bits = len(rows), 4
    while 1 << bits < 2 * n:
        bits += 1
    last = (1 << bits) - 1
    place_at, rank = np.full(last + 1, -1, np.int32), np.full(n, -1, np.int32)
    for place in range(n):
        slot = (np.int64(rows[place]) * SPREAD & 0xFFFFFFFF) >> (32 - bits)
        while place_at[slot] >= 0:
            slot = slot + 1 & last
        place_at[slot] = place
    brought = np.empty(len(order), np.int32)
    for at in range(len(order)):
        slot = (np.int64(order[at]) * SPREAD & 0xFFFFFFFF) >> (32 - bits)
        while place_at[slot] >= 0 and rows[place_at[slot]] != order[at]:
            slot = slot + 1 & last
        brought[at] = place_at[slot]
        if brought[at] >= 0:
            rank[brought[at]] = at
    chosen, found, filled, lowest = np.empty(n, np.int64), np.empty(n, np.float64), 0, np.inf
    for turn in (True, False):
        for at in range(len(order)):
            if brought[at] >= 0 and first[brought[at]] == turn:
                lowest = min(lowest, scores[at])
                chosen[filled], found[filled] = brought[at], lowest
                filled += 1
        for place in range(n):
            if rank[place] < 0 and first[place] == turn:
                lowest = min(lowest, scores[-1])
                chosen[filled], found[filled] = place, lowest
                filled += 1
    return chosen, found


@compiled(ROWS, SCORES, TIMES, REALS, ROWS)
def _merge(
    items: Rows, scores: Scores, ends: NDArray[np.int64], scales: NDArray[np.float64], tie_rank: Rows
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Of lists laid end to end: each item's largest entry, the list that it is of, and the sum of the item's scaled scores,
    ranked by sum, then by the items' ties."""
    n = len(items)
    largest, source, totals = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.float64)
    parts, owners = np.empty(n, np.float64), np.empty(n, np.int64)
    owner = 0
    for place in range(n):
        while place >= ends[owner]:
            owner += 1
        parts[place], owners[place] = scores[place] * scales[owner], owner
    count = 0
    for place in np.argsort(items, kind="mergesort"):
        if count == 0 or items[largest[count - 1]] != items[place]:
            largest[count], source[count], totals[count] = place, owners[place], parts[place]
            count += 1
            continue
        totals[count - 1] += parts[place]
        if parts[place] > parts[largest[count - 1]]:
            largest[count - 1], source[count - 1] = place, owners[place]
    ties = np.empty(count, np.int64)
    for place in range(count):
        ties[place] = tie_rank[items[largest[place]]]
    order = np.argsort(ties, kind="mergesort")
    order = order[np.argsort(-totals[order], kind="mergesort")]
    return largest[order], source[order], totals[order]
