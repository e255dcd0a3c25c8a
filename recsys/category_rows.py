"""Items of a category told apart in compiled passes."""

from __future__ import annotations

import numpy as np

from recsys.jit import INT, OWN_MASK, ROWS, compiled
from recsys.types import Mask, Rows


@compiled(ROWS, INT, INT, ROWS)
def belong(rows: Rows, first: int, last: int, further: Rows) -> Mask:
    """Tell of items int32[m] whether they stand from `first` to before `last`, or are among a node's further ones, bool[m]."""
    found = np.empty(len(rows), np.bool_)
    for place in range(len(rows)):
        found[place] = first <= rows[place] < last
        if not found[place] and len(further):
            at = np.searchsorted(further, rows[place])
            found[place] = at < len(further) and further[at] == rows[place]
    return found


@compiled(OWN_MASK, ROWS, INT, INT, INT)
def leave_out(allowed: Mask, category: Rows, code: int, first: int, last: int) -> None:
    """Take the items of one category, of those from `first` to before `last`, out of allowed bool[n]."""
    span, codes = allowed[first:last], category[first:last]
    for place in range(len(span)):
        span[place] &= codes[place] != code
