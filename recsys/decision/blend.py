"""Blend: several ranked lists become one, and every item remembers who spoke most for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from recsys.types import Candidates, Rows


class Pick(NamedTuple):
    """One ranked item: its row and score, the recommender that spoke most for it, and that one's witness (-1: none)."""

    item: int
    score: float
    source: str
    because: int


def blend(lists: Mapping[str, Candidates], weights: Mapping[str, float], tie_rank: Rows) -> list[Pick]:
    """Add up weight × score / best score of each list, and rank; a list that speaks alone keeps its order and scores."""
    speaking = [name for name, candidates in lists.items() if len(candidates) and weights[name] > 0]
    if len(speaking) == 1:
        return list(picks(speaking[0], lists[speaking[0]]))
    totals: dict[int, float] = {}
    loudest: dict[int, Pick] = {}
    for name in speaking:
        scale = weights[name] / max(float(lists[name].scores[0]), 1e-30)
        for pick in picks(name, lists[name]):
            item, part = pick.item, pick.score * scale
            totals[item] = totals.get(item, 0.0) + part
            if item not in loudest or part > loudest[item].score:
                loudest[item] = Pick(item, part, name, pick.because)
    order = dict(zip(totals, tie_rank[list(totals)].tolist(), strict=True)) if totals else {}
    ranked = sorted(totals, key=lambda item: (-totals[item], order[item]))
    return [Pick(item, totals[item], loudest[item].source, loudest[item].because) for item in ranked]


def picks(source: str, candidates: Candidates) -> Iterator[Pick]:
    """The items of one list as picks, best first."""
    because = candidates.because.tolist() if candidates.because is not None else [-1] * len(candidates)
    names = [source] * len(because)
    return map(Pick, candidates.items.tolist(), candidates.scores.tolist(), names, because)
