"""Order lines that are told again at a later time: they count once (`recsys.orders`), and here it is said how many those are."""

from __future__ import annotations

import polars as pl

from recsys.tables.validation import Finding

_LINE = ("user_id", "order_id", "item_id", "quantity", "price")
_RENEWED_DAYS = 14
"""Lines of one order so many days apart are hardly a page that was loaded again."""


def told_again(events: pl.LazyFrame, rows: int, file: str) -> list[Finding]:
    """Purchases of an order that repeat one of its lines at a later time, among so many `rows`."""
    lines = events.filter((pl.col("event_type") == "purchase") & pl.col("order_id").is_not_null())
    lines = lines.filter(pl.col("user_id").is_not_null()).with_columns(pl.col("quantity").fill_null(1.0))
    key = pl.struct(_LINE).hash().alias("key")
    keys = lines.select(key).collect(engine="streaming")["key"]
    alike = keys.filter(keys.is_duplicated()).unique()
    if alike.is_empty():
        return []
    time = pl.col("timestamp")
    days = (time.max() - time.min()).dt.total_days().alias("days")
    few = lines.filter(key.is_in(alike.implode())).group_by(_LINE).agg((time > time.min()).sum().alias("again"), days)
    told = few.filter(pl.col("again") > 0).collect(engine="streaming")
    summed = told.select(pl.len().alias("lines"), pl.col("again").sum(), pl.col("days").max())
    told_lines, again, apart = summed.row(0)
    if not again:
        return []
    example = f"{told_lines:,} line{'s' * (told_lines > 1)}, up to {apart:,} days apart"
    renewed = "if they are renewals, give each an order_id of its own, or only the first counts"
    reloaded = "nothing, if a page was loaded again; else give each order an order_id of its own"
    advice, rule = (
        renewed if apart >= _RENEWED_DAYS else reloaded,
        "is told once as a line of its order, else the first counts",
    )
    return [Finding("events", file, "order_id", rule, int(again), again / max(rows, 1), example, advice)]
