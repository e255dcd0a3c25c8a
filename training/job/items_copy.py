"""Items copy: the catalogue with what was learned of each item as one Parquet file, for people who want to look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from recsys.snapshot.catalog import Catalog
from recsys.types import Arrays


def write_items(folder: Path, groups: Mapping[str, Arrays], items: pl.DataFrame) -> None:
    """Write `items.parquet` beside a snapshot's arrays, the items with most buyers first."""
    catalog = Catalog(groups["catalog"])
    n = catalog.n_known
    learned = {name: groups["catalog"][name][:n] for name in ("replenishable", "gap_days", "tie_rank")}
    scores = {
        "buyers_30_days": groups["bestsellers"]["buyers"][:n],
        "trending": groups["trending"]["scores"][:n],
    }
    ids = [catalog.item_id(row) for row in range(n)]
    frame = pl.DataFrame({"item_id": pl.Series(ids, dtype=pl.String), **learned, **scores})
    wanted = items.select("item_id", "title", "brand", "category", "price", "available")
    frame.join(wanted, on="item_id", how="left").sort("buyers_30_days", descending=True).write_parquet(
        folder / "items.parquet"
    )
