"""A synthetic shop of a thousand users read back from disk, for the tests that look for what is planted in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from simulator import ShopSummary, make_shop

END = datetime(2026, 3, 15, 14, 30, tzinfo=UTC)
"""The end of every shop in these tests."""
USERS = 1000


@dataclass(frozen=True)
class Made:
    """A shop on disk and its tables; events carry the shopper (links resolved), their age in days, brand and leaf."""

    folder: Path
    summary: ShopSummary
    events: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    identities: pl.DataFrame

    def kind(self, *words: str) -> pl.DataFrame:
        """The events of these types."""
        return self.events.filter(pl.col("event_type").is_in(words))


def made_shop(folder: Path) -> Made:
    """Make the shop in this folder and read it."""
    summary = make_shop(folder, users=USERS, end=END)
    items, users, identities = (pl.read_parquet(folder / f"{name}.parquet") for name in ("items", "users", "identities"))
    events = (
        pl.read_parquet(folder / "events-*.parquet")
        .join(identities.select("anonymous_id", linked="user_id", linked_at="timestamp"), on="anonymous_id", how="left")
        .join(items.select("item_id", "brand", "published_at", leaf="category"), on="item_id", how="left")
        .with_columns(
            shopper=pl.coalesce("linked", "user_id"),
            age=(pl.lit(END) - pl.col("timestamp")).dt.total_microseconds() / 86_400e6,
        )
    )
    return Made(folder, summary, events, items, users, identities)


def share(frame: pl.DataFrame, condition: pl.Expr) -> float:
    """Share of the rows for which the condition holds."""
    return float(frame.select(condition.mean()).item())


def orders_of(shop: Made) -> pl.DataFrame:
    """Orders with a line that was not refunded: order_id, shopper, age."""
    refunded = shop.kind("refund").select("order_id", "item_id")
    return (
        shop.kind("purchase")
        .join(refunded, on=["order_id", "item_id"], how="anti")
        .group_by("order_id")
        .agg(pl.col("shopper", "age").first())
    )
