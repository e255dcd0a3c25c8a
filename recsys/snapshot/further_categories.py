"""Further categories of items: rows that belong to a node of the tree though another category leads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from recsys.types import Arrays, Rows

if TYPE_CHECKING:
    import polars as pl


class Further:
    """By node of the category tree, the items in it or below it that stand elsewhere in the catalogue's order.

    Arrays, absent where no item has several categories: `further_items` int32[m] laid end to end by node, ascending in each ·
    `further_offsets` int64[c+1].
    """

    def __init__(self, arrays: Arrays, categories: int) -> None:
        self.rows = cast(Rows, arrays.get("further_items", np.empty(0, np.int32)))
        self.offsets = cast(NDArray[np.int64], arrays.get("further_offsets", np.zeros(categories + 1, np.int64)))

    def items(self, category: int) -> Rows:
        """Rows of one node's further items, int32[k] ascending."""
        if not len(self.rows):
            return self.rows
        return self.rows[self.offsets[category] : self.offsets[category + 1]]


def further_arrays(categories: pl.Series, names: list[str], tree: Arrays) -> Arrays:
    """Lay the items' further categories out as the arrays of `Further`, from their lists in the catalogue's order; none if there are
    none."""
    code = {name: at for at, name in enumerate(names)}
    parent, first, last = (cast(Rows, tree[name]).tolist() for name in ("parent", "item_from", "item_to"))
    found = set()
    for row, listed in enumerate(categories.to_list()):
        for name in listed or ():
            node = code[name]
            while node >= 0:
                if not first[node] <= row < last[node]:
                    found.add((node, row))
                node = parent[node]
    if not found:
        return {}
    pairs = np.array(sorted(found), np.int32)
    return {
        "further_items": np.ascontiguousarray(pairs[:, 1]),
        "further_offsets": np.searchsorted(pairs[:, 0], np.arange(len(names) + 1)).astype(np.int64),
    }
