"""Canonical events, read with Polars, become the arrays that every fit reads."""

from __future__ import annotations

import numpy as np
import polars as pl

from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.snapshot.id_index import order_key, unknown_item
from recsys.tables.checks.survey import MAPPED


def map_events(events: pl.LazyFrame, catalog: Catalog) -> tuple[Events, list[str]]:
    """Map canonical events, but for nobody's, to rows of the catalogue and of the users found; returns the users' ids in row order."""
    columns = events.select(MAPPED).collect()
    columns = columns.drop_nulls("user_id") if columns["user_id"].null_count() else columns
    users = columns.select(pl.col("user_id").unique().sort()).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("user")
    )
    owned = columns.lazy().join(users.lazy(), on="user_id", how="left").collect()
    return map_rows(owned, catalog), users["user_id"].to_list()


def map_rows(columns: pl.DataFrame, catalog: Catalog) -> Events:
    """Map canonical events whose user is a row already, int32 in the column `user`, to rows of the catalogue; by user, then time."""
    mapped = (
        columns.lazy()
        .join(_item_codes(columns["item_id"], catalog).lazy(), on="item_id", how="left")
        .select(
            "user",
            pl.col("item").fill_null(-1),
            pl.col("event_type").to_physical().cast(pl.Int8).alias("kind"),
            pl.col("timestamp").dt.epoch("us").alias("time"),
            "order_id",
            pl.col("quantity", "price").cast(pl.Float32).fill_null(float("nan")),
        )
        .join(_order_keys(columns["order_id"]).lazy(), on="order_id", how="left")
        .with_columns(pl.col("order").fill_null(-1))
        .sort("user", "time", "kind", "item", "order", "quantity", "price")
        .collect()
    )
    return Events(
        users=mapped["user"].to_numpy(),
        items=mapped["item"].to_numpy(),
        kinds=mapped["kind"].to_numpy(),
        times=mapped["time"].to_numpy(),
        order_ids=mapped["order"].to_numpy(),
        orders=np.full(mapped.height, -1, np.int32),
        quantities=mapped["quantity"].to_numpy(),
        prices=mapped["price"].to_numpy(),
        kept=mapped["quantity"].to_numpy(),
    )


def map_guest_orders(events: pl.LazyFrame, catalog: Catalog) -> Events:
    """Map what nobody bought and gave back, every order under a number of its own in place of a user's row.

    Lines without an order id are of one order if they are of one moment.
    """
    orders = events.filter(pl.col("user_id").is_null() & pl.col("event_type").is_in(["purchase", "refund"]))
    order = pl.coalesce("order_id", pl.col("timestamp").dt.epoch("us").cast(pl.String))
    return map_events(orders.with_columns(order.alias("user_id")), catalog)[0]


def _item_codes(item_ids: pl.Series, catalog: Catalog) -> pl.DataFrame:
    """The row of every item of the catalogue, and a code below -1 of every other one that events name."""
    known = pl.Series("item_id", [catalog.item_id(row) for row in range(catalog.n_known)], pl.String)
    others = item_ids.drop_nulls().unique().sort()
    others = others.filter(~others.is_in(known.implode()))
    codes = np.fromiter(map(unknown_item, others), np.int32, len(others))
    rows = np.arange(catalog.n_known, dtype=np.int32)
    return pl.DataFrame({"item_id": pl.concat([known, others]), "item": np.concatenate((rows, codes))})


def _order_keys(order_ids: pl.Series) -> pl.DataFrame:
    distinct = order_ids.drop_nulls().unique().sort()
    keys = np.fromiter((order_key(text) for text in distinct), np.int64, len(distinct))
    return pl.DataFrame({"order_id": distinct, "order": keys})
