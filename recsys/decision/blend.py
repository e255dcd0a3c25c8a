"""Blend: several ranked lists become one, and every item remembers who spoke most for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import TypeAlias

from recsys.types import Candidates, Rows

Pick: TypeAlias = tuple[int, float, str, int]
"""One ranked item: its row and score, the recommender that spoke most for it, and that one's witness (-1: none)."""


def blend(lists: Mapping[str, Candidates], weights: Mapping[str, float], tie_rank: Rows) -> Iterator[Pick]:
    """Add up weight × score / best score of each list, and rank; a list that speaks alone keeps its order and scores."""
    speaking = [name for name, candidates in lists.items() if len(candidates) and weights[name] > 0]
    if len(speaking) == 1:
        return picks(speaking[0], lists[speaking[0]])
    totals: dict[int, float] = {}
    loudest: dict[int, tuple[float, str, int]] = {}
    for name in speaking:
        scale = weights[name] / max(lists[name].scores.item(0), 1e-30)
        for item, score, source, because in picks(name, lists[name]):
            part = score * scale
            if item not in totals:
                totals[item], loudest[item] = part, (part, source, because)
                continue
            totals[item] += part
            if part > loudest[item][0]:
                loudest[item] = (part, source, because)
    ties = tie_rank.take(list(totals)).tolist() if totals else []
    ranked = sorted(zip(totals, ties, strict=True), key=lambda pair: (-totals[pair[0]], pair[1]))
    return ((item, totals[item], *loudest[item][1:]) for item, _ in ranked)


def picks(source: str, candidates: Candidates) -> Iterator[Pick]:
    """The items of one list as picks, best first."""
    because: Iterable[int] = repeat(-1) if candidates.because is None else candidates.because.tolist()
    return zip(candidates.items.tolist(), candidates.scores.tolist(), repeat(source), because, strict=False)
