"""Items that would fit the next place of a list, among which recommenders are asked where those at hand do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.category_rows import leave_out, leave_out_leaf
from recsys.engine.merchandising.plans import Plan
from recsys.jit import INT, MASK, OWN_TIMES_2D, ROWS, ROWS_2D, compiled
from recsys.ranking import mark
from recsys.snapshot.catalog import Catalog
from recsys.types import Mask, Rows


def fitting(
    allowed: Mask,
    catalog: Catalog,
    plan: Plan,
    standing: Rows,
    place: int,
    at_hand: Rows,
    needed: NDArray[np.int64],
    grouped: bool,
) -> Mask:
    """Tell which items bool[n] would fit an empty place of a list.

    Args:
        allowed: bool[n] what may be shown.
        catalog: of all items.
        plan: what is to be kept.
        standing: int32[limit] the items that stand on each place, -1: none.
        place: the empty one, from 1.
        at_hand: int32[m] items that were brought already, which do not count.
        needed: shares, int64[≤s], one of which the item must be for; none: it need not.
        grouped: without items of groups that stand, for each of which all items are looked through.
    """
    rules = plan.rules
    found, full = _fitting(allowed, standing, place, at_hand, rules.keys, rules.limits)
    if len(needed):
        found &= rules.members[needed].any(axis=0)
    for at, kind in full.tolist():
        by = plan.limits[at].limit.by
        if by == "category":  # its items lie together
            leave_out_leaf(catalog, found, kind)
        elif by == "brand":
            mark(found, catalog.brand_items(kind), False)
        else:
            leave_out(found, rules.keys[at], kind, 0, len(found))
    if grouped:
        groups = catalog.group[standing[standing >= 0]]
        for group in groups[groups >= 0].tolist():
            leave_out(found, catalog.group, group, 0, len(found))
    return found


@compiled(MASK, ROWS, INT, ROWS, ROWS_2D, OWN_TIMES_2D)
def _fitting(
    allowed: Mask, standing: Rows, place: int, at_hand: Rows, keys: Rows, limits: NDArray[np.int64]
) -> tuple[Mask, NDArray[np.int64]]:
    """Tell what is allowed, at hand and on the list aside; and the kinds of which limits let no more stand on a place, int64[k, 2] of
    a limit and its kind."""
    found, full, n = allowed.copy(), np.empty((keys.shape[0] * len(standing), 2), np.int64), 0
    for row in at_hand:
        found[row] = False
    for row in standing:
        if row >= 0:
            found[row] = False
    for limit in range(keys.shape[0]):
        if place > limits[1, limit]:
            continue
        within = standing[: limits[1, limit]]
        for at in range(len(within)):
            kind = keys[limit, within[at]] if within[at] >= 0 else np.int32(-1)
            there = 0
            for other in within[: at + 1]:
                there += other >= 0 and keys[limit, other] == kind
            if kind >= 0 and there == limits[0, limit]:
                full[n, 0], full[n, 1] = limit, kind
                n += 1
    return found, full[:n]
