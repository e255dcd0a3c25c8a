"""Canonical events, read with Polars, become the arrays that every fit reads."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.snapshot.id_index import order_key, unknown_item
from recsys.tables.checks.survey import MAPPED
from recsys.types import CANCELLED, EventType

_KEY_BITS = 63
"""Bits of a number that users and times are sorted by; where both need more, times are rounded in it."""


def map_events(events: pl.LazyFrame, catalog: Catalog) -> tuple[Events, list[str]]:
    """Map canonical events, but for nobody's, to rows of the catalogue and of the users found; returns the users' ids in row order."""
    columns = events.select(MAPPED).collect()
    columns = columns.drop_nulls("user_id") if columns["user_id"].null_count() else columns
    users = columns.select(pl.col("user_id").unique().sort()).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("user")
    )
    owned = columns.lazy().join(users.lazy(), on="user_id", how="left").collect()
    return map_rows(owned, item_rows(catalog)), users["user_id"].to_list()


def item_rows(catalog: Catalog) -> pl.DataFrame:
    """The id and the row, `item`, of every item of the catalogue."""
    ids = pl.Series("item_id", [catalog.item_id(row) for row in range(catalog.n_known)], pl.String)
    return pl.DataFrame({"item_id": ids, "item": np.arange(catalog.n_known, dtype=np.int32)})


def map_rows(columns: pl.DataFrame, items: pl.DataFrame) -> Events:
    """Map canonical events whose user is a row already, int32 in the column `user`, to the rows of `item_rows`; by user, then time."""
    mapped = (
        columns.lazy()
        .join(_item_codes(columns["item_id"], items).lazy(), on="item_id", how="left")
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
        .collect()
    )
    mapped = mapped[_by_user_and_time(mapped)]
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


def in_order(events: Events) -> NDArray[np.int64]:
    """The order in which `map_rows` puts settled events; those of one moment stand by what the shop said of them."""
    columns = {
        "user": events.users,
        "time": events.times,
        "kind": np.where(events.kinds == CANCELLED, np.int8(EventType.PURCHASE), events.kinds),
        "item": events.items,
        "order": np.maximum(events.order_ids, -1),
        "quantity": events.quantities,
        "price": events.prices,
    }
    return _by_user_and_time(pl.DataFrame(columns))


def _by_user_and_time(mapped: pl.DataFrame) -> NDArray[np.int64]:
    """The order of rows by user, time and all else: a number for user and time is sorted, and by the rest only rows that share it."""
    if mapped.is_empty():
        return np.empty(0, np.int64)
    users, times = (mapped[name].to_numpy().astype(np.int64) for name in ("user", "time"))
    users, times = users - users.min(), times - times.min()
    bits = int(times.max()).bit_length()
    too_many = max(0, int(users.max()).bit_length() + bits - _KEY_BITS)
    keys = users << (bits - too_many) | times >> too_many
    order = np.argsort(keys)
    shared = np.zeros(len(keys) + 1, bool)
    np.equal(keys[order[1:]], keys[order[:-1]], out=shared[1:-1])
    tied = np.flatnonzero(shared[1:] | shared[:-1])
    rows = pl.DataFrame({"key": keys[order[tied]], "row": order[tied]}).hstack(mapped[order[tied]])
    order[tied] = rows.sort("key", "time", "kind", "item", "order", "quantity", "price")["row"].to_numpy()
    return order


def map_guest_orders(events: pl.LazyFrame, catalog: Catalog) -> Events:
    """Map what nobody bought and gave back, every order under a number of its own in place of a user's row.

    Lines without an order id are of one order if they are of one moment.
    """
    orders = events.filter(pl.col("user_id").is_null() & pl.col("event_type").is_in(["purchase", "refund"]))
    order = pl.coalesce("order_id", pl.col("timestamp").dt.epoch("us").cast(pl.String))
    return map_events(orders.with_columns(order.alias("user_id")), catalog)[0]


def _item_codes(item_ids: pl.Series, items: pl.DataFrame) -> pl.DataFrame:
    """The row of every known item, and a code below -1 of every other one that events name."""
    others = item_ids.drop_nulls().unique()
    others = others.filter(~others.is_in(items["item_id"].implode()))
    codes = np.fromiter(map(unknown_item, others), np.int32, len(others))
    return pl.concat([items, pl.DataFrame({"item_id": others, "item": codes})])


def _order_keys(order_ids: pl.Series) -> pl.DataFrame:
    distinct = order_ids.drop_nulls().unique().sort()
    keys = np.fromiter((order_key(text) for text in distinct), np.int64, len(distinct))
    return pl.DataFrame({"order_id": distinct, "order": keys})
