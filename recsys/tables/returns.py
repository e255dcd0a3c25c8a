"""Refunds under another id than the buyer's, as a server or a till sends them: given to whose order they are of.

Of a refund only what was bought up to its own time tells whose it is, so that an earlier moment tells the same of it as a later one.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from recsys.tables.schema import TIME
from recsys.tables.sources import ROW
from recsys.tables.validation import Finding

_BUYER, _SINCE, _SHARED, _OWN = "__buyer", "__since", "__shared", "__own"
_BOUGHT, _FIRST = "__bought", "__first"
_LINE = (ROW, "user_id", "item_id", "timestamp", "order_id")
NONE = pl.DataFrame(schema={ROW: pl.UInt64(), "timestamp": TIME, _BUYER: pl.String()})


class Returns(NamedTuple):
    """Refunds that are another shopper's than their row says, by `ROW`: when, and the buyer (null: nobody). And how many more name
    an order of others, of which it cannot be told whose it is."""

    buyers: pl.DataFrame = NONE
    untold: int = 0

    def given_to_buyers(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Resolved events, each of these refunds under its buyer's id."""
        if self.buyers.is_empty():
            return events
        buyers = self.buyers.lazy().select(ROW, _BUYER, pl.lit(True).alias(_BOUGHT))
        user = pl.when(_BOUGHT).then(_BUYER).otherwise("user_id").alias("user_id")
        return events.join(buyers, on=ROW, how="left", maintain_order="left").with_columns(user).drop(_BUYER, _BOUGHT)

    def of(self, user_ids: pl.Series) -> pl.Series:
        """The rows, as `ROW`, that these users and nobody have by it."""
        return self.buyers.filter(pl.col(_BUYER).is_null() | pl.col(_BUYER).is_in(user_ids.implode()))[ROW]

    def findings(self, rows: int, file: str) -> list[Finding]:
        """Say how many of so many `rows` are another shopper's, and of how many it cannot be told."""
        taken = (
            "is under the buyer's id, where a refund names an order; it is the buyer's all the same",
            "nothing, if a server or a till sends refunds; one that comes in live counts from the next training on, so send the "
            "buyer's id there",
        )
        untold = (
            "is of one shopper alone, with the item, where a refund is under another id; such a refund gives back none of it",
            "export refunds under the buyer's id, with the order's own number and item",
        )
        found = (("user_id", self.buyers.height, *taken), ("order_id", self.untold, *untold))
        return [
            Finding("events", file, column, rule, count, count / max(rows, 1), "", advice)
            for column, count, rule, advice in found
            if count
        ]


UNMOVED = Returns()
"""Each refund is its own user's."""


def find_returns(orders: pl.LazyFrame) -> Returns:
    """Find refunds of orders that their own user does not have: one other shopper alone has the order then, and bought the item.

    Whoever bought anything before gives back something of their own, though it may not be in the tables: that is not told.

    Args:
        orders: resolved purchases and refunds of everybody, nobody's too.
    """
    named = orders.filter(pl.col("order_id").is_not_null())
    refunds = named.filter(pl.col("event_type") == "refund").select(_LINE).collect(engine="streaming")
    if refunds.is_empty():
        return UNMOVED
    counts = pl.col("quantity").is_null() | (pl.col("quantity") > 0)
    bought = (
        named.filter((pl.col("event_type") == "purchase") & counts)
        .join(refunds.lazy().select("order_id").unique(), on="order_id", how="semi")
        .group_by("order_id", "user_id", "item_id")
        .agg(pl.col("timestamp").min().alias(_SINCE))
        .collect(engine="streaming")
    )
    theirs = bought.group_by("order_id", "user_id").agg(pl.col(_SINCE).min()).sort(_SINCE, "user_id")
    first, second = pl.col("user_id").first().alias(_BUYER), pl.col(_SINCE).get(1, null_on_oob=True).alias(_SHARED)
    owners = theirs.group_by("order_id").agg(first, pl.col(_SINCE).first(), second)
    items = bought.group_by("order_id", "item_id").agg(pl.col(_SINCE).min().alias(_BOUGHT))
    own = theirs.rename({_SINCE: _OWN})
    asked = (
        refunds.join(owners, on="order_id")
        .join(own, on=["order_id", "user_id"], how="left", nulls_equal=True)
        .join(items, on=["order_id", "item_id"], how="left")
        .join(_first_purchases(orders, refunds), on="user_id", how="left")
    )
    time = pl.col("timestamp")
    of_others = asked.filter((pl.col(_SINCE) <= time) & ~(pl.col(_OWN) <= time).fill_null(False))
    alone = pl.col(_SHARED).is_null() | (pl.col(_SHARED) > time)
    whole = pl.col("item_id").is_null() | (pl.col(_BOUGHT) <= time).fill_null(False)
    found = of_others.filter(alone & whole & ~(pl.col(_FIRST) <= time).fill_null(False))
    return Returns(found.select(NONE.columns).sort(ROW), of_others.height - found.height)


def _first_purchases(orders: pl.LazyFrame, refunds: pl.DataFrame) -> pl.DataFrame:
    """Find when each user of some refunds first bought anything, also what counts for nothing."""
    purchases = orders.filter((pl.col("event_type") == "purchase") & pl.col("user_id").is_in(refunds["user_id"].implode()))
    return purchases.group_by("user_id").agg(pl.col("timestamp").min().alias(_FIRST)).collect(engine="streaming")
