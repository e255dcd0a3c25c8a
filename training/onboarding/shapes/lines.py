"""Numbers that count the lines of an order, and columns that hold the second and third item of a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from training.onboarding.names import named
from training.onboarding.values import texts

if TYPE_CHECKING:
    from training.onboarding.proposals import Proposal

_LEAST, _ALMOST = 5, 0.95
"""Orders of several lines that must be there, and the share of them whose lines must be counted from 1, or from 0."""
_MOST_NAMED = 4
_NUMBER = re.compile(r"_duplicated_\d+|[\s_.-]*\(?\d+\)?")


def without_counts(rows: pl.DataFrame, usable: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Usable columns but for those that would be taken for the item and count the lines of each order: 1, 2, 3, and then 1 again."""
    left = dict(usable)
    told = named("events", rows.columns, usable)
    item, order = told.get("item_id"), told.get("order_id")
    if item and order and _counts(rows, item, order):
        for key in ("item_id", "events.item_id"):
            left[key] = [name for name in usable[key] if name != item]
    return left


def _counts(rows: pl.DataFrame, name: str, order: str) -> bool:
    number = pl.col(name).cast(pl.String).str.extract(r"^\s*(\d{1,4})(?:\.0+)?\s*$").cast(pl.Int64)
    key = pl.when(pl.col(order).cast(pl.String).str.strip_chars() != "").then(pl.col(order).cast(pl.String)).forward_fill()
    told = rows.select(number.alias("n"), key.alias("key")).group_by("key").agg(
        pl.len(), pl.col("n").n_unique().alias("different"), pl.col("n").min().alias("least"), pl.col("n").max().alias("most")
    )  # fmt: skip
    several = told.filter(pl.col("len") > 1)
    counted = several.filter(
        (pl.col("different") == pl.col("len"))
        & (pl.col("least") <= 1)
        & (pl.col("most") - pl.col("least") + 1 == pl.col("len"))
    )
    return several.height >= _LEAST and counted.height >= _ALMOST * several.height


def tell_further(found: Proposal, packed: str = "") -> None:
    """Say that further items of a row stand in columns that nothing is read from. packed: the column of packed lines."""
    own = packed or found.origin("item_id")
    if not own or found.preset:
        return
    further = [name for name in found.rows.columns if name != own and _stem(name) == _stem(own)]
    further = [name for name in further if name not in _used(found) and not texts(found.rows, name).is_empty()]
    if further:
        more = f" and {len(further) - _MOST_NAMED:,} more" if len(further) > _MOST_NAMED else ""
        found.unsure.append(
            f"a row may hold several items, for {', '.join(further[:_MOST_NAMED])}{more} are named as {own} is: only {own} is read,"
            " and what stands in the others is lost; export one row for each item, or all items in one column (docs/data.md, Several"
            " items in one cell)"
        )


def _used(found: Proposal) -> set[str]:
    return {own for told in found.settings["columns"].values() for own in ([told] if isinstance(told, str) else told)}


def _stem(name: str) -> str:
    """A name without its first number: `Item 1 SKU` and `Item 2 SKU`, `SKU` and `SKU (2)`."""
    return _NUMBER.sub("", name, count=1).strip().casefold()
