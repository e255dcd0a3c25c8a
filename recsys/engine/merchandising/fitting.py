"""Items that would fit the next place of a list, among which recommenders are asked where those at hand do not."""

from __future__ import annotations

import numpy as np

from recsys.category_rows import leave_out_leaf
from recsys.engine.merchandising.place_numbers import RULES, UNPINNED, Numbers, Rules, line_parts
from recsys.engine.merchandising.plans import Plan
from recsys.jit import INT, MASK, OWN_TIMES_2D, ROWS, TIMES, compiled
from recsys.snapshot.catalog import Catalog
from recsys.types import Mask, Rows


def fitting(
    numbers: Numbers, limit: int, rows: Rows, pinned: Numbers, allowed: Mask, catalog: Catalog, plan: Plan, grouped: bool
) -> Mask:
    """Tell which items bool[n], other than those at hand (rows int32[m], without what is `UNPINNED` in int64[m]), would fit the next
    place of a list; without `grouped` also items of groups that stand, for each of these takes a walk over all items."""
    rules, place = plan.rules, numbers.item(0) + 1
    owed, table, counts = line_parts(numbers, limit, rules)
    stand = numbers[5 + 2 * limit :][: numbers.item(1) if grouped else 0]
    walked = np.array([most.limit.by != "category" for most in plan.limits], bool)
    found = _fitting(place, stand, owed[2], table, counts, rows, pinned, allowed, catalog.group, rules, walked)
    for at, most in enumerate(plan.limits):  # the items of a leaf category lie together
        if not walked[at] and place <= most.limit.within:
            for full in (table[at][counts[at] >= most.limit.max] - 1).tolist():
                leave_out_leaf(catalog, found, full)
    return found


@compiled(INT, TIMES, TIMES, OWN_TIMES_2D, OWN_TIMES_2D, ROWS, TIMES, MASK, ROWS, RULES, MASK)
def _fitting(
    place: int, stand: Numbers, must: Numbers, table: Numbers, counts: Numbers, rows: Rows, pinned: Numbers, allowed: Mask,
    group: Rows, rules: Rules, walked: Mask,
) -> Mask:  # fmt: skip
    """Tell it of a place from 1, of the groups that stand, and shares of which an item must come, as in `Line`; and of those limits
    that are `walked`."""
    found = allowed.copy()
    if must.any():
        for row in range(len(found)):
            needed = False
            for share in range(len(rules.within)):
                needed |= must[share] > 0 and rules.members[share, row]
            found[row] &= needed
    for at in range(rules.keys.shape[0]):
        for slot in range(table.shape[1] if walked[at] else 0):
            if place <= rules.limits[1, at] and counts[at, slot] >= rules.limits[0, at]:
                full = np.int32(table[at, slot] - 1)  # of the keys' own type: then many are compared at once
                for row in range(len(found)):
                    found[row] &= rules.keys[at, row] != full
    for mine in stand.astype(np.int32):
        for row in range(len(found)):
            found[row] &= group[row] != mine
    for entry in range(len(rows)):
        if pinned[entry] != UNPINNED:
            found[rows[entry]] = False
    return found
