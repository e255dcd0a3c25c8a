"""Goods that the front shows, from the shop's own tables, by category, and some customers to sign in as."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl

RECENT, DORMANT, LATEST_DORMANT = timedelta(days=60), timedelta(days=200), timedelta(days=340)
"""Ages of a last order: younger makes an active customer, between these two a dormant one."""
MOST_PEOPLE = 4
"""Customers of each kind to sign in as."""


@dataclass(frozen=True, slots=True)
class Good:
    """One item as the shop's pages show it."""

    item_id: str
    title: str
    category: str
    brand: str | None
    price: float
    description: str | None
    available: bool

    @property
    def variant(self) -> str:
        """The colour, size or scent at the end of its title."""
        return self.title.rpartition(", ")[2]


@dataclass(frozen=True, slots=True)
class Shelves:
    """The goods by id and by category (below each other too), departments with their leaves, and people by what they are."""

    goods: Mapping[str, Good]
    by_category: Mapping[str, Sequence[Good]]
    departments: Mapping[str, Sequence[str]]
    people: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, folder: Path) -> Shelves:
        """Read the tables that `make_shop` wrote."""
        columns = ("item_id", "title", "category", "brand", "price", "description", "available")
        rows = pl.read_parquet(folder / "items.parquet", columns=list(columns)).sort("item_id").iter_rows(named=True)
        goods = {row["item_id"]: Good(**row) for row in rows}
        by_category: dict[str, list[Good]] = defaultdict(list)
        for good in goods.values():
            levels = good.category.split(" > ")
            for depth in range(1, len(levels) + 1):
                by_category[" > ".join(levels[:depth])].append(good)
        leaves = sorted({good.category for good in goods.values()})
        departments: dict[str, list[str]] = defaultdict(list)
        for leaf in leaves:
            departments[leaf.partition(" > ")[0]].append(leaf)
        return cls(goods, by_category, departments, _people(folder))

    def compared(self, category: str) -> list[Good]:
        """Three goods of a category that somebody would compare: the cheapest, the dearest and one between."""
        found = sorted((good for good in self.by_category.get(category, ()) if good.available), key=lambda good: good.price)
        return [found[0], found[len(found) // 2], found[-1]] if len(found) > 2 else found


def _people(folder: Path) -> dict[str, list[str]]:
    """Customers by what their orders say; those who looked around lately are no dormant ones."""
    events = pl.scan_parquet(folder / "events-*.parquet").filter(pl.col("user_id").str.starts_with("u"))
    bought = pl.col("timestamp").filter(pl.col("event_type") == "purchase")
    seen = events.group_by("user_id").agg(
        last=bought.max(), orders=pl.col("order_id").drop_nulls().n_unique(), seen=pl.col("timestamp").max()
    )
    end = events.select(pl.col("timestamp").max()).collect().item()
    people = seen.filter(pl.col("last").is_not_null()).sort("user_id").collect()
    ages = (pl.lit(end) - pl.col("last"), pl.lit(end) - pl.col("seen"))
    kinds = {
        "active": (ages[0] < RECENT) & (pl.col("orders") > 2),
        "dormant": ages[0].is_between(DORMANT, LATEST_DORMANT) & (ages[1] > RECENT),
    }
    return {
        kind: people.filter(condition)
        .sort("orders", "user_id", descending=[True, False])["user_id"]
        .head(MOST_PEOPLE)
        .to_list()
        for kind, condition in kinds.items()
    }
