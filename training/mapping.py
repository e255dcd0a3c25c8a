"""Canonical events, read with Polars, become the arrays that every fit reads."""

from __future__ import annotations

import numpy as np
import polars as pl

from recsys.data.catalog import Catalog
from recsys.data.history import Events


def map_events(events: pl.LazyFrame, catalog: Catalog) -> tuple[Events, list[str]]:
    """Map canonical events to rows of the catalogue and of the users found; returns the users' ids in row order."""
    ids = pl.Series("item_id", [catalog.item_id(row) for row in range(catalog.n_items)], pl.String)
    items = pl.LazyFrame({"item_id": ids, "item": np.arange(catalog.n_items, dtype=np.int32)})
    columns = events.select("user_id", "item_id", "timestamp", "event_type", "order_id", "quantity").collect()
    users = columns.select(pl.col("user_id").unique().sort()).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("user")
    )
    mapped = (
        columns.lazy()
        .join(users.lazy(), on="user_id", how="left")
        .join(items, on="item_id", how="left")
        .select(
            "user",
            pl.col("item").fill_null(-1),
            pl.col("event_type").to_physical().cast(pl.Int8).alias("kind"),
            pl.col("timestamp").dt.epoch("us").alias("time"),
            pl.col("order_id").rank("dense").cast(pl.Int64).fill_null(-1).alias("order_id"),
            pl.col("quantity").cast(pl.Float32).fill_null(float("nan")),
        )
        .sort("user", "time", "kind", "item", "order_id", "quantity")
        .collect()
    )
    mapped_events = Events(
        users=mapped["user"].to_numpy(),
        items=mapped["item"].to_numpy(),
        kinds=mapped["kind"].to_numpy(),
        times=mapped["time"].to_numpy(),
        order_ids=mapped["order_id"].to_numpy(),
        orders=np.full(mapped.height, -1, np.int32),
        quantities=mapped["quantity"].to_numpy(),
    )
    return mapped_events, users["user_id"].to_list()
