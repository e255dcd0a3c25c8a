"""Relevance of the items of a pool, so that boosts and fatigue can be laid over lists of several recommenders."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.jit import FLOAT, INT, REALS, ROWS, SCORES, TIMES, compiled
from recsys.types import Rows, Scores

_LEAST = 1e-9
"""Relevance of the last of a list, so that boosts tell also those apart that have no score."""
Reals: TypeAlias = NDArray[np.float64]


@compiled(REALS, TIMES, INT, FLOAT)
def relevance_of(scores: Reals, sources: NDArray[np.int64], blended: int, below: float) -> Reals:
    """Return how much each pick of a pool counts, float64[m]: its share of the best score of its list, where a list asked later begins
    where the one before it ended; the first one begins at `below`. Of scores float64[m] and sources int64[m], of which the
    first `blended` are one list."""
    found = np.empty(len(scores))
    last, best, start = below, 1.0, 0
    for at in range(len(scores)):
        score = scores[at]
        if at == 0 or at == blended or (at > blended and sources[at] != sources[at - 1]):
            below, best, start = last, score, at
        if best > 0:
            each = below * (score / best) if score > 0 else 0.0
        else:
            each = below / (1 + at - start)
        last = max(min(each, last), _LEAST)
        found[at] = last
    return found


@compiled(ROWS, REALS, TIMES, SCORES, REALS, INT, INT, FLOAT)
def weighed(
    rows: Rows, scores: Reals, sources: NDArray[np.int64], factors: Scores, further: Reals, pool: int, blended: int,
    below: float,
) -> tuple[Reals, Reals, NDArray[np.int64], float]:  # fmt: skip
    """Weigh the picks of a pool: relevance times factor float64[m], scores times factor (a negative one is divided), the places of the
    picks by weight, and the relevance of the last. Those that are pinned to places and not in the pool weigh nothing.

    Args:
        rows: int32[m].
        scores: float64[m].
        sources: int64[m].
        factors: float32[n] of every item; of length 0: none.
        further: float64[m] of these picks; of length 0: none.
        pool: how many of them are in the pool.
        blended: how many of these are one list.
        below: the relevance that the first begins at.
    """
    weights = np.zeros(len(rows))
    weights[:pool] = relevance_of(scores[:pool], sources[:pool], blended, below)
    lowest = weights[pool - 1] if pool else below
    raised = scores.copy()
    for at in range(len(rows)):
        factor = float(factors[rows[at]]) if len(factors) else 1.0
        if len(further):
            factor *= further[at]
        weights[at] *= factor
        if factor != 1:
            raised[at] = scores[at] * factor if scores[at] > 0 else scores[at] / factor
    return weights, raised, np.argsort(-weights[:pool], kind="mergesort"), lowest
