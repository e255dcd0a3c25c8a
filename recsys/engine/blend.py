"""Blend: several ranked lists become one, and every item remembers who spoke most for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.jit import REALS, ROWS, SCORES, TIMES, compiled
from recsys.types import Candidates, Rows, Scores

Pick: TypeAlias = tuple[int, float, str, int]
"""One ranked item: its row and score, the recommender that spoke most for it, and the item that speaks for it (-1: none)."""


def blend(lists: Mapping[str, Candidates], weights: Mapping[str, float], tie_rank: Rows) -> Iterator[Pick]:
    """Add up weight × score / best score of each list, and rank; a list that speaks alone keeps its order and scores."""
    names_contributing = [name for name, candidates in lists.items() if len(candidates) and weights[name] > 0]
    if not names_contributing:
        return iter(())
    if len(names_contributing) == 1:
        return picks(names_contributing[0], lists[names_contributing[0]])
    contributing = [lists[name] for name in names_contributing]
    ends = np.cumsum([len(each) for each in contributing])
    scales = np.array([weights[name] / max(lists[name].scores.item(0), 1e-30) for name in names_contributing])
    items, scores = (
        np.concatenate([each.items for each in contributing]),
        np.concatenate([each.scores for each in contributing]),
    )
    top_contributor, source, totals = _merge(items, scores, ends, scales, tie_rank)
    explained_by = np.concatenate(
        [_NO_EVIDENCE.repeat(len(each)) if each.explained_by is None else each.explained_by for each in contributing]
    )
    names = [names_contributing[place] for place in source.tolist()]
    return zip(
        items.take(top_contributor).tolist(),
        totals.tolist(),
        names,
        explained_by.take(top_contributor).tolist(),
        strict=True,
    )


def picks(source: str, candidates: Candidates) -> Iterator[Pick]:
    """The items of one list as picks, best first."""
    explained_by: Iterable[int] = repeat(-1) if candidates.explained_by is None else candidates.explained_by.tolist()
    return zip(candidates.items.tolist(), candidates.scores.tolist(), repeat(source), explained_by, strict=False)


_NO_EVIDENCE = np.array([-1], np.int32)


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
