"""Sizes of the arms: whether as many are in each as were drawn, which nothing but a lost exposure explains otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping

MISMATCH = 0.001
"""A p-value of the arms' sizes below this is an alarm: the experiment is broken, whatever it says."""


def sizes_p(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """p-value of the sizes of the arms under the shares that they were drawn with (χ², Pearson 1900); 1 where there is nobody."""
    total = sum(counts.get(arm, 0) for arm in shares)
    if not total or len(shares) < 2:
        return 1.0
    square = sum((counts.get(arm, 0) - share * total) ** 2 / (share * total) for arm, share in shares.items())
    return _above(square, len(shares) - 1)


def _above(square: float, freedom: int) -> float:
    """Probability of a χ² above `square`, for whole degrees of freedom.

    Abramowitz and Stegun (1964), 26.4.4 (odd) and 26.4.5 (even). The service loads no SciPy, and counts sizes as it serves.
    """
    half = square / 2
    odd = freedom % 2
    start = math.erfc(math.sqrt(half)) if odd else 0.0
    term = math.sqrt(half) / math.gamma(1.5) if odd else 1.0
    terms = 0.0
    for step in range(freedom // 2):
        terms += term
        term *= half / (step + (1.5 if odd else 1.0))
    return min(start + math.exp(-half) * terms, 1.0)
