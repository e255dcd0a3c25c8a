"""Repeated order lines, which stand in an order again at a later time: they count once (`recsys.orders`), and are counted here."""

from __future__ import annotations

import polars as pl

from recsys.tables.validation import Finding

_LINE = ("user_id", "order_id", "item_id", "quantity", "price")
_RENEWED_DAYS = 14
"""Lines of one order so many days apart are hardly a page that was loaded again."""


def repeated_lines(events: pl.LazyFrame, rows: int, file: str) -> list[Finding]:
    """Find purchases of an order that repeat one of its lines at a later time, among so many `rows`."""
    lines = events.filter((pl.col("event_type") == "purchase") & pl.col("order_id").is_not_null())
    lines = lines.filter(pl.col("user_id").is_not_null()).with_columns(pl.col("quantity").fill_null(1.0))
    key = pl.struct(_LINE).hash().alias("key")
    keys = lines.select(key).collect(engine="streaming")["key"]
    alike = keys.filter(keys.is_duplicated()).unique()
    if alike.is_empty():
        return []
    time = pl.col("timestamp")
    days = (time.max() - time.min()).dt.total_days().alias("days")
    groups = lines.filter(key.is_in(alike.implode())).group_by(_LINE).agg((time > time.min()).sum().alias("again"), days)
    repeated = groups.filter(pl.col("again") > 0).collect(engine="streaming")
    summed = repeated.select(pl.len().alias("lines"), pl.col("again").sum(), pl.col("days").max())
    line_count, again, apart = summed.row(0)
    if not again:
        return []
    example = f"{line_count:,} line{'s' * (line_count > 1)}, up to {apart:,} days apart"
    renewed = "if they are renewals, give each an order_id of its own, or only the first counts"
    reloaded = "nothing, if a page was loaded again; else give each order an order_id of its own"
    advice, rule = (
        renewed if apart >= _RENEWED_DAYS else reloaded,
        "is there once as a line of its order, else the first counts",
    )
    return [Finding("events", file, "order_id", rule, int(again), again / max(rows, 1), example, advice)]
