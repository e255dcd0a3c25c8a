"""Relevance of the items of a pool, so that boosts and fatigue can be laid over lists of several recommenders."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.engine.blend import Pick

_LEAST = 1e-9
"""Relevance of the last of a list, so that boosts tell also those apart that have no score."""


def with_factor(pick: Pick, factor: float) -> Pick:
    """Multiply the score of a pick; a negative one is divided."""
    if factor == 1:
        return pick
    row, score, name, explained_by = pick
    return row, score * factor if score > 0 else score / factor, name, explained_by


def relevance_of(ranked: Sequence[Pick], blended: int, below: float) -> list[float]:
    """Return how much each pick of a pool counts: its share of the best score of its list, where a list that was asked later begins
    where the one before it ended; the first one begins at `below`."""
    found: list[float] = []
    last, best, start, source = below, 1.0, 0, ""
    for at, (_, score, name, _) in enumerate(ranked):
        if at == 0 or at == blended or (at > blended and name != source):
            below, best, start = last, score, at
        source = name
        if best > 0:
            each = below * (score / best) if score > 0 else 0.0
        else:
            each = below / (1 + at - start)
        last = each if each < last else last
        if last < _LEAST:
            last = _LEAST
        found.append(last)
    return found
