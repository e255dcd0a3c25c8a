"""Groups of variants that are none: one that holds most of a shop, of which each list would show a single item."""

from __future__ import annotations

import polars as pl

from recsys.tables.validation import Finding

MIN_ITEMS, MOST_OF = 20, 0.5
"""A group is doubted that has so many items, and more than so large a share of all."""


def doubtful_group(items: pl.DataFrame, file: str) -> list[Finding]:
    """Find a group that holds most of the items, as a constant or another column in place of the product's id does."""
    counted = items["group_id"].drop_nulls().value_counts(name="items").sort("items", "group_id", descending=[True, False])
    if not counted.height:
        return []
    group, size = counted.row(0)
    if size < MIN_ITEMS or size <= MOST_OF * items.height:
        return []
    example, rule = f"'{group}': {size:,} of {items.height:,} items", "is a group of variants, of which a list shows one"
    advice = "map `group_id` to the id of the product that variants share, or to [] if there are none"
    return [Finding("items", file, "group_id", rule, size, size / items.height, example, advice, "note")]
