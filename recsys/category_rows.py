"""Items of a category told apart in compiled passes."""

from __future__ import annotations

import numpy as np

from recsys.jit import INT, OWN_MASK, ROWS, compiled
from recsys.snapshot.catalog import Catalog
from recsys.types import Mask, Rows


def are_in(catalog: Catalog, rows: Rows, category: int) -> Mask:
    """Tell of items int32[m] whether they are in a category or below it, by any of their categories, bool[m]."""
    further, put = catalog.further.items(category), catalog.nodes_put.changed
    found: Mask = belong(rows, catalog.item_from.item(category), catalog.item_to.item(category), further)
    if len(put):
        places = np.flatnonzero(np.isin(rows, put))
        found[places] = [catalog.is_in(row, category) for row in rows[places].tolist()]
    return found


def leave_out_leaf(catalog: Catalog, allowed: Mask, code: int) -> None:
    """Take the items whose leaf category is this one out of allowed bool[n]."""
    leave_out(allowed, catalog.category, code, catalog.item_from.item(code), catalog.item_to.item(code))
    if len(put := catalog.nodes_put.changed):
        allowed[put] &= catalog.category[put] != code


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
