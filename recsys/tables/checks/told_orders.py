"""Orders that are told in a way that may mean something else: lines that stand in one again at a later time, which count once
(`recsys.orders`), refunds of a whole order that are worth less, and orders of which nobody ever looked at an item."""

from __future__ import annotations

import polars as pl

from recsys.tables.validation import Finding

_LINE = ("user_id", "order_id", "item_id", "quantity", "price")
_RENEWED_DAYS = 14
"""Lines of one order so many days apart are hardly a page that was loaded again."""


_BY_CHANCE = 5
"""Items that would be among both by mere chance, below which it says nothing that none is."""
_FEWEST = 10
"""Of fewer items that were looked at, or bought, nothing is told by none of them being both."""
_ROUNDING = 0.99
"""A refund of so much of an order is all of it."""


def partial_refunds(events: pl.LazyFrame, rows: int, file: str) -> list[Finding]:
    """Find refunds without an item that are worth less than the order that they give back, among so many `rows`."""
    named = events.filter(pl.col("order_id").is_not_null() & pl.col("user_id").is_not_null())
    amount, order = pl.col("price") * pl.col("quantity").fill_null(1.0), ["user_id", "order_id"]
    whole = (pl.col("event_type") == "refund") & pl.col("item_id").is_null() & (amount > 0)
    refunds = named.filter(whole).select(*order, amount.alias("value")).collect(engine="streaming")
    if refunds.is_empty():
        return []
    lines = named.filter(pl.col("event_type") == "purchase").join(
        refunds.lazy().select(order).unique(), on=order, how="semi"
    )
    first = pl.col("timestamp") == pl.col("timestamp").min().over(_LINE)
    worth = lines.filter(first).group_by(order).agg(amount.sum().alias("worth"), amount.is_null().any().alias("unknown"))
    less = pl.col("value") < pl.col("worth") * _ROUNDING
    found = refunds.join(worth.collect(engine="streaming"), on=order).filter(~pl.col("unknown") & less)
    if found.is_empty():
        return []
    share = found.select((pl.col("value") / pl.col("worth")).median()).item()
    return [
        Finding(
            table="events",
            file=file,
            column="order_id",
            rule="is given back whole by a refund that is worth as much",
            rows=found.height,
            share=found.height / max(rows, 1),
            example=f"half of them are worth less than {share:.0%} of their order",
            advice="nothing, if discounts make the difference; else export refunds with their items, or leave them out: all of each "
            "order counts as given back",
        )
    ]


def never_both(events: pl.LazyFrame, rows: int, file: str) -> list[Finding]:
    """Find that no item was both looked at and bought, as where each kind of event names items by another id."""
    of_items = events.filter(pl.col("item_id").is_not_null())
    looked, bought = (pl.col("event_type").is_in(kinds).any() for kinds in (["view", "cart_add"], ["purchase"]))
    items = of_items.group_by("item_id").agg(looked.alias("looked"), bought.alias("bought"))
    both = (pl.col("looked") & pl.col("bought")).sum().alias("both")
    counts = items.select(pl.col("looked", "bought").sum(), both, pl.len())
    n_looked, n_bought, n_both, n_items = counts.collect(engine="streaming").row(0)
    if n_both or min(n_looked, n_bought) < _FEWEST or n_looked * n_bought < _BY_CHANCE * n_items:
        return []
    advice = (
        "map a column under `columns.item_id` that holds one id of an item in all kinds of events: nothing links what is looked at "
        "to what is bought"
    )
    example = f"{n_looked:,} ids are looked at, {n_bought:,} bought"
    return [Finding("events", file, "item_id", "is of some item both looked at and bought", rows, 1.0, example, advice)]


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
