"""Blend: several ranked lists become one, and every item remembers who spoke most for it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.ranking import best_positions, run_starts
from recsys.types import NO_CANDIDATES, Candidates, Rows, Scores


class Blended(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One ranked list: items int32[n], scores float32[n], and per item the position of its strongest source in the blend
    and what that source gives as `because` (-1: nothing)."""

    items: Rows
    scores: Scores
    sources: NDArray[np.intp]
    because: Rows


def blend(lists: Sequence[Candidates], weights: Sequence[float], tie_rank: Rows, n: int) -> Blended:
    """Add up weight × score / best score of the list, and rank; a list that speaks alone keeps its scores."""
    speaking = [source for source, candidates in enumerate(lists) if len(candidates)]
    if len(speaking) <= 1:
        return _alone(lists, speaking, n)
    items = np.concatenate([candidates.items for candidates in lists])
    order = items.argsort(kind="stable")
    starts = run_starts(items.take(order))
    distinct = items.take(order.take(starts))
    inverse = np.empty(len(items), np.intp)
    inverse[order] = np.repeat(np.arange(len(starts)), np.append(starts[1:], len(items)) - starts)
    parts = np.zeros((len(lists), len(distinct)), np.float32)
    because = np.full((len(lists), len(distinct)), -1, np.int32)
    start = 0
    for source, (candidates, weight) in enumerate(zip(lists, weights, strict=True)):
        if not len(candidates):
            continue
        columns = inverse[start : start + len(candidates)]
        start += len(candidates)
        best = candidates.scores[0]
        parts[source, columns] = candidates.scores * np.float32(weight / best if best > 0 else 0)
        if candidates.because is not None:
            because[source, columns] = candidates.because
    totals = parts.sum(axis=0)
    order = best_positions(distinct, totals, tie_rank, n)
    sources = parts[:, order].argmax(axis=0)
    return Blended(distinct[order], totals[order], sources, because[sources, order])


def _alone(lists: Sequence[Candidates], speaking: Sequence[int], n: int) -> Blended:
    candidates = lists[speaking[0]] if speaking else NO_CANDIDATES
    items = candidates.items[:n]
    because = np.full(len(items), -1, np.int32) if candidates.because is None else candidates.because[:n]
    return Blended(items, candidates.scores[:n], np.full(len(items), speaking[0] if speaking else 0), because)
