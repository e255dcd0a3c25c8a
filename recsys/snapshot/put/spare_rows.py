"""Spare rows of a catalogue: reserved when a snapshot is made, for items that are put while it serves.

They stand behind the items in every array by item, cannot be bought and are not published, so that whatever is fitted has a place
for them and learns nothing of them. Likewise spare nodes stand behind the category tree.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from recsys.types import Arrays

MAX_SPARE_CATEGORIES = 200
"""Most new categories, each level of a path counted, that items may be put into until the next snapshot."""
_BY_ITEM: dict[str, Any] = {
    "category": -1,
    "brand": -1,
    "group": -1,
    "price": np.nan,
    "available": False,
    "published": False,
    "backorder": False,
    "published_at": 0,
    "published_until": 0,
    "min_stock": np.nan,
    "told_replenishable": -1,
    "replenishable": False,
    "gap_days": np.nan,
    "tie_rank": 0,
    "stock": np.nan,
    "sold": 0,
    "first_seen": 0,
}
"""Array by item = what a spare row has there."""
_OF_ATTRIBUTE = re.compile(r"attribute_\d+_(values|offsets)")


def with_spare_rows(arrays: Arrays, spare: int) -> Arrays:
    """The arrays of a catalogue with room for so many more items."""
    if not spare:
        return arrays
    n, nodes = len(arrays["category"]), MAX_SPARE_CATEGORIES
    found = dict(arrays)
    for name, value in _BY_ITEM.items():
        found[name] = _filled(arrays[name], value, spare)
    found["tie_rank"] = np.arange(n + spare, dtype=np.int32)
    for name in filter(_OF_ATTRIBUTE.fullmatch, arrays):
        found[name] = _filled(arrays[name], np.nan if name.endswith("values") else arrays[name][-1], spare)
    found["parent"] = _filled(arrays["parent"], -1, nodes)
    for name in ("item_from", "item_to"):
        found[name] = _filled(arrays[name], n, nodes)
    if "further_offsets" in arrays:
        found["further_offsets"] = _filled(arrays["further_offsets"], arrays["further_offsets"][-1], nodes)
    return found


def _filled(array: np.ndarray[Any, Any], value: Any, more: int) -> np.ndarray[Any, Any]:
    return np.concatenate([array, np.full(more, value, array.dtype)])
