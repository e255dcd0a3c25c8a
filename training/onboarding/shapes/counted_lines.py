"""Numbers that count the lines of an order."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from training.onboarding.names import named

_LEAST, _ALMOST = 5, 0.95
"""Orders of several lines that must be there, and the share of them whose lines must be counted from 1, or from 0."""


def without_counts(rows: pl.DataFrame, usable: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Usable columns but for those that would be taken for the item and count the lines of each order: 1, 2, 3, and then 1 again."""
    left = dict(usable)
    named_columns = named("events", rows.columns, usable)
    item, order = named_columns.get("item_id"), named_columns.get("order_id")
    if item and order and _counts(rows, item, order):
        for key in ("item_id", "events.item_id"):
            left[key] = [name for name in usable[key] if name != item]
    return left


def _counts(rows: pl.DataFrame, name: str, order: str) -> bool:
    number = pl.col(name).cast(pl.String).str.extract(r"^\s*(\d{1,4})(?:\.0+)?\s*$").cast(pl.Int64)
    key = pl.when(pl.col(order).cast(pl.String).str.strip_chars() != "").then(pl.col(order).cast(pl.String)).forward_fill()
    named_columns = rows.select(number.alias("n"), key.alias("key")).group_by("key").agg(
        pl.len(), pl.col("n").n_unique().alias("different"), pl.col("n").min().alias("least"), pl.col("n").max().alias("most")
    )  # fmt: skip
    several = named_columns.filter(pl.col("len") > 1)
    counted = several.filter(
        (pl.col("different") == pl.col("len"))
        & (pl.col("least") <= 1)
        & (pl.col("most") - pl.col("least") + 1 == pl.col("len"))
    )
    return several.height >= _LEAST and counted.height >= _ALMOST * several.height
