"""The catalogue's rows, from the item table or, where there is none, from what events say of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recsys.item_filters import ATTRIBUTE
from recsys.tables.live_rows import RECEIVED
from recsys.tables.reader import NARROW, Read
from recsys.tables.schema import schema
from recsys.tables.sources import ROW
from recsys.tables.whole_items import with_whole_items

ITEM_COLUMNS = tuple(schema("items"))


def known_items(reads: Mapping[str, Read], rows: pl.DataFrame) -> pl.DataFrame:
    """Complete the item table's rows (one an item) with the columns that it lacks, from events; all of it from events where there
    is no table. Events that items may not be built from are no part of `reads`."""
    events = reads["events"]
    if "items" not in reads:
        return items_from_events(events, events.present)
    absent = events.present & (set(schema("items")) - reads["items"].present)
    if absent <= {"currency"}:
        return rows
    seen = items_from_events(events, absent)
    return rows.drop(absent, strict=False).join(seen, on="item_id", how="left")


def items_from_events(events: Read, present: frozenset[str]) -> pl.DataFrame:
    """Collect each item's last known title, price, brand, category and so on, of those `present`, from events."""
    carried = [name for name in ITEM_COLUMNS if name in present and name not in ("item_id", "currency")]
    in_memory = {*carried} <= {*NARROW}
    seen = (events.narrow if in_memory else events.frame).filter(pl.col("item_id").is_not_null())
    seen = _of_last_values(seen, carried) if in_memory and carried else seen
    return (
        seen.group_by("item_id", *carried)
        .agg(pl.max("timestamp"), pl.max(ROW))
        .collect(engine="streaming")
        .sort("timestamp", ROW)
        .group_by("item_id")
        .agg(pl.col(name).drop_nulls().last() for name in carried)
    )


def _of_last_values(seen: pl.LazyFrame, carried: Sequence[str]) -> pl.LazyFrame:
    """The rows that say what an item's last rows with a value say, and those that say nothing: few of all, for three looks at them."""
    time = pl.col("timestamp")
    last = seen.group_by("item_id").agg(time.filter(pl.col(name).is_not_null()).max().alias(f"__{name}") for name in carried)
    carried_now = pl.any_horizontal(pl.col(name).is_not_null() & (time == pl.col(f"__{name}")) for name in carried)
    empty = pl.all_horizontal(pl.col(name).is_null() for name in carried)
    wanted = seen.join(last, on="item_id").filter(carried_now | empty).select("item_id", *carried).unique()
    found = wanted.collect(engine="streaming").lazy()
    return seen.join(found, on=["item_id", *carried], how="semi", nulls_equal=True)


def newer(updates: pl.DataFrame, reads: Mapping[str, Read], rows: pl.DataFrame, export_hours: float) -> pl.DataFrame:
    """Item updates that the item table cannot know; without such a table, prices set after the item's last event with a price."""
    if updates.is_empty():
        return updates
    if "items" not in reads:
        return _since_last_price(updates, reads["events"].narrow)
    return _unknown_to(rows, updates, reads["items"].written, export_hours)


def _since_last_price(updates: pl.DataFrame, events: pl.LazyFrame) -> pl.DataFrame:
    carried_now = (
        events.filter(pl.col("price").is_not_null())
        .group_by("item_id")
        .agg(pl.max("timestamp").dt.epoch("us").alias("__told"))
    )
    later = pl.col("__told").is_null() | (pl.col(RECEIVED) > pl.col("__told"))
    known = updates.join(carried_now.collect(engine="streaming"), on="item_id", how="left", maintain_order="left")
    return known.with_columns(pl.when(later).then("price").alias("price")).drop("__told")


def _unknown_to(items: pl.DataFrame, updates: pl.DataFrame, written: int, export_hours: float) -> pl.DataFrame:
    """Keep the item updates that the item table cannot know: received later than its row is `as_of`.

    A row that says nothing of it may be as old as its file, `written` (µs since 1970), less `export_hours`, for what an export
    finds was read before its file was written.
    """
    oldest = written - round(export_hours * 3.6e9)
    known = items.select("item_id", pl.col("as_of").dt.epoch("us").alias("__as_of"))
    carried_now = updates.join(known, on="item_id", how="left", maintain_order="left")
    return carried_now.filter(pl.col(RECEIVED) > pl.col("__as_of").fill_null(oldest)).drop("__as_of")


def overlaid(items: pl.DataFrame, updates: pl.DataFrame) -> pl.DataFrame:
    """Lay live item updates (item_id, available, stock, price; oldest first) over the items that there are.

    Other values stay. An update that names stock alone makes the item available or not. An item that was put whole stands
    in place of what there was, with what was updated after that.
    """
    if updates.is_empty():
        return items
    items, updates = with_whole_items(items, updates)
    values = ("available", "stock", "price")
    absent = [
        pl.lit(None, schema("items")[name]).alias(name)
        for name in (*values, "backorder", "min_stock")
        if name not in items.columns
    ]
    newest = (
        updates.join(
            items.with_columns(absent).select("item_id", "backorder", "min_stock"), on="item_id", maintain_order="left"
        )
        .with_columns(pl.when(_says_something()).then(_can_be_bought()).alias("available"))
        .group_by("item_id")
        .agg(pl.col(name).drop_nulls().last().alias(f"__{name}") for name in values)
    )
    joined = items.with_columns(absent).join(newest, on="item_id", how="left", maintain_order="left")
    changed = [pl.coalesce(f"__{name}", name).alias(name) for name in values]
    return joined.with_columns(changed).drop(f"__{name}" for name in values)


def finish_items(items: pl.DataFrame, currency: str | None) -> pl.DataFrame:
    """Put items into canonical shape, sorted by id: available are those that can be bought, or of which nothing is said, and that
    the shop shows. An item that names several categories without a leading one is led by the first."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema("items").items() if name not in items.columns]
    attributes = [name for name in items.columns if name.startswith(ATTRIBUTE)]
    available = _can_be_bought().fill_null(True) & pl.col("published").fill_null(True)
    return (
        items.with_columns(absent)
        .with_columns(available.alias("available"), pl.lit(currency, pl.String).alias("currency"))
        .with_columns(pl.coalesce("category", pl.col("categories").list.first()).alias("category"))
        .select(*ITEM_COLUMNS, *attributes)
        .sort("item_id")
    )


def _can_be_bought() -> pl.Expr:
    """The rule of `snapshot.catalog.can_be_bought` over the columns available, stock, backorder and min_stock."""
    backorder = pl.col("backorder").fill_null(False)
    short = (pl.col("stock") < pl.col("min_stock")).fill_null(False) & ~backorder
    carried_now = pl.coalesce("available", (pl.col("stock") > 0) | (backorder & pl.col("stock").is_not_null()))
    unstated = pl.col("min_stock").is_not_null() & ~backorder
    return pl.when(_says_something()).then(carried_now & ~short).when(unstated).then(False)


def _says_something() -> pl.Expr:
    return pl.col("available").is_not_null() | pl.col("stock").is_not_null()
