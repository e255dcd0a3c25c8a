"""Coordinates of the report's drawings; the drawings themselves are SVG in the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray


def ceiling(counts: NDArray[np.int64]) -> int:
    """The top of the axis of daily counts int64[d]: the busiest day, unless a few outliers would flatten all others."""
    usual = float(np.percentile(counts, 98)) * 1.5
    busiest = int(counts.max(initial=0))
    return busiest if busiest <= 2 * usual or usual < 10 else round(usual)


def area(counts: NDArray[np.int64]) -> str:
    """The outline of daily counts int64[d] as an SVG path in a box of d × 100, one step a day; what is higher is cut off."""
    heights = 100 - np.rint(np.minimum(counts / max(ceiling(counts), 1), 1) * 100).astype(int)
    steps = "".join(f"V{height}h1" for height in heights.tolist())
    return f"M0 100{steps}V100z"


def place(value: float, top: float, width: float = 100.0) -> float:
    """Return where a value from 0 to `top` stands on an axis of this width, kept on it."""
    return round(min(max(value / top, 0.0), 1.0) * width, 2) if top > 0 else 0.0


def around(value: float, reach: float, width: float = 100.0) -> float:
    """Return where a value from -reach to reach stands on an axis with 0 in its middle."""
    return place(value + reach, 2 * reach, width)


FIGURES: Mapping[str, Callable[..., object]] = {"area": area, "ceiling": ceiling, "place": place, "around": around}
