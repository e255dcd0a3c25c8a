"""One pass over all events for what only shows in many of them: their times, how busy each user is, what items usually cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from recsys.tables.sources import ROW

BY_HAND = ("home_view", "category_view", "search", "view", "cart_add", "cart_remove")
"""What a person does one at a time; lists, checkouts and orders are many rows at once."""
ABOUT_ITEMS = ("view", "cart_add", "cart_remove", "purchase")
"""Types of events that are about one item each."""
NOBODY = "__nobody"
"""Column that keeps what stood in place of a user, where that names nobody."""
MAPPED = ("user_id", "item_id", "timestamp", "event_type", "order_id", "quantity", "price")
"""Columns of events that every fit reads."""
COLUMNS = (ROW, *MAPPED, NOBODY)
FIRST_PLAUSIBLE = datetime(1971, 1, 1, tzinfo=UTC)
"""A time before it is no time but a number that was taken for one."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Overview of all events together, those at implausible times apart.

    whole: one row, `rows`, `later`, `zero` and `plausible` (how many), `latest`, `earliest` and the `newest` plausible one; of the
    plausible how many are about an item each, `about`, and lack it, `lacking`; what 99 % of the quantities and amounts of purchases
    do not exceed, `typical_quantity` and `typical_amount` · nobody: a row per word in place of a user, with `rows` · users: a row per
    user with `rows`, `by_hand`, and `item` if there is one item only · items: a row per item with `events`, of known users `rows`,
    `prices`, `usual_price`, `top_price`, `low_price`, and of purchases `quantities`, `usual_quantity`, `top_quantity` and
    `low_quantity`; usual is the median.
    """

    whole: pl.DataFrame
    nobody: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame


def plausible(now: datetime | None) -> pl.Expr:
    """Events of a time that they can be of: not in 1970, and not later than `now`."""
    since = pl.col("timestamp") >= FIRST_PLAUSIBLE
    return since if now is None else since & (pl.col("timestamp") <= now)


def survey(rows: pl.LazyFrame, now: datetime | None) -> Survey:
    """Look at the `COLUMNS` of resolved events, whose money is in one currency, all together."""
    whole = _whole(rows, now).collect(engine="streaming")
    kept = rows if whole["plausible"][0] == whole["rows"][0] else rows.filter(plausible(now))
    return Survey(whole, *(part(kept).collect(engine="streaming") for part in (_nobody, _users, _items)))


def with_amounts_of(seen: Survey, rows: pl.LazyFrame, now: datetime | None) -> Survey:
    """A survey with what other events tell of amounts, whoever they are of."""
    parts = (_whole(rows, now), _items(rows.filter(plausible(now))))
    whole, items = (part.collect(engine="streaming") for part in parts)
    return replace(seen, whole=whole, items=items)


def users_of(rows: pl.LazyFrame) -> pl.DataFrame:
    """The `users` of a survey of some resolved rows, all of plausible times."""
    return _users(rows).collect(engine="streaming")


def _whole(events: pl.LazyFrame, now: datetime | None) -> pl.LazyFrame:
    time, dated = pl.col("timestamp"), plausible(now)
    later = time > now if now is not None else pl.lit(False)
    about = dated & pl.col("event_type").is_in(ABOUT_ITEMS)
    amount = (pl.col("price") * pl.col("quantity")).filter(_bought())
    return events.select(
        *(pl.len().alias("rows"), later.sum().alias("later"), (time < FIRST_PLAUSIBLE).sum().alias("zero")),
        *(dated.sum().alias("plausible"), time.max().alias("latest"), time.min().alias("earliest")),
        *(time.filter(dated).max().alias("newest"), about.sum().alias("about")),
        (about & pl.col("item_id").is_null()).sum().alias("lacking"),
        _quantities().quantile(0.99, "lower").alias("typical_quantity"),
        amount.quantile(0.99, "lower").alias("typical_amount"),
    )


def _nobody(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.filter(pl.col(NOBODY).is_not_null()).group_by(NOBODY).agg(pl.len().alias("rows"))


def _users(events: pl.LazyFrame) -> pl.LazyFrame:
    item, by_hand = pl.col("item_id"), pl.col("event_type").is_in(BY_HAND).alias("by_hand")
    only = pl.when(item.min() == item.max()).then(item.max())
    return (
        events.filter(pl.col("user_id").is_not_null())
        .select("user_id", "item_id", by_hand)
        .group_by("user_id")
        .agg(pl.len().alias("rows"), pl.col("by_hand").sum(), only.alias("item"))
    )


def _items(events: pl.LazyFrame) -> pl.LazyFrame:
    """An item has few prices and few purchases, so that rows are counted before anything is sorted."""
    price, quantity, known = pl.col("price"), pl.col("quantity"), pl.col("user_id").is_not_null().alias("rows")
    of_items = events.filter(pl.col("item_id").is_not_null())
    counts = (
        of_items.select("item_id", known, pl.when(price > 0).then(price))
        .group_by("item_id", "price")
        .agg(pl.len().alias("events"), pl.col("rows").sum())
    )
    priced = pl.col("events").filter(price.is_not_null())
    prices = (
        counts.sort("price", nulls_last=True)
        .group_by("item_id")
        .agg(
            *(pl.col("events").sum(), pl.col("rows").sum(), priced.sum().alias("prices")),
            *(_median(price.drop_nulls(), priced).alias("usual_price"), price.max().alias("top_price")),
            price.min().alias("low_price"),
        )
    )
    quantities = (
        of_items.filter(_bought())
        .group_by("item_id")
        .agg(
            *(quantity.len().alias("quantities"), quantity.median().alias("usual_quantity")),
            *(quantity.max().alias("top_quantity"), quantity.min().alias("low_quantity")),
        )
    )
    return prices.join(quantities, on="item_id", how="left").with_columns(pl.col("quantities").fill_null(0))


def _median(ascending: pl.Expr, times: pl.Expr) -> pl.Expr:
    """The median of values in ascending order, each of which is there so many times."""
    until, total = times.cum_sum(), times.sum()
    lower, upper = (ascending.filter(until > middle).first() for middle in ((total - 1) // 2, total // 2))
    return (lower + upper) / 2


def _quantities() -> pl.Expr:
    return pl.col("quantity").filter(_bought())


def _bought() -> pl.Expr:
    return (pl.col("event_type") == "purchase") & (pl.col("quantity") > 0)
