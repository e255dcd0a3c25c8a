"""Absurd amounts: prices and quantities far outside the item's own, which count in no revenue."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from recsys.settings.tables import DataSettings
from recsys.tables.checks.survey import Survey
from recsys.tables.sources import ROW
from recsys.tables.validation import Finding

MIN_ROWS = 5
"""Fewest rows of an item whose median is usual. Of fewer, its price in the item table is, else what nearly all rows do not exceed."""
UNITS = (100.0, 1000.0, 0.01, 0.001)
"""How many times a price another unit of the same money makes of it."""
MIN_ITEMS = 5
"""Fewest items with both prices that tell of another unit."""
_MOST, _AROUND = 0.8, (0.5, 1.5)
"""Share of the items that agree, and how far around the factor their prices may lie: some are sold for less than they cost now."""
_TYPICAL = 0.99
_PRICE, _QUANTITY = "__price", "__quantity"


@dataclass(frozen=True, slots=True)
class Absurd:
    """Rows of events with an absurd amount: `ROW`, timestamp, item_id, price and quantity, and which of the two it is."""

    rows: pl.DataFrame

    def without(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Empty their price, so that no revenue counts it, and an absurd quantity; the rows stay."""
        if not self.rows.height:
            return events
        marked = events.join(self.rows.lazy().select(ROW, _PRICE, _QUANTITY), on=ROW, how="left", maintain_order="left")
        return marked.with_columns(
            pl.when(pl.col(_PRICE).is_null()).then("price").alias("price"),
            pl.when(~pl.col(_QUANTITY).fill_null(False)).then("quantity").alias("quantity"),
        ).drop(_PRICE, _QUANTITY)

    def findings(self, rows: int, file: str) -> list[Finding]:
        """Say how many of so many rows, with the largest."""
        found = []
        advice = "correct it where it is exported; if it is right, raise `data.max_{}_factor`"
        for column, mark in (("price", _PRICE), ("quantity", _QUANTITY)):
            theirs = self.rows.filter(pl.col(mark)).sort(column, descending=True)
            if theirs.height:
                example = f"{theirs[column][0]:,.10g} of {theirs['item_id'][0]}"
                share, rule = theirs.height / max(rows, 1), f"is not far outside the item's own {column}"
                found.append(
                    Finding("events", file, column, rule, theirs.height, share, example, advice.format(column), "emptied")
                )
        return found


def find_absurd(events: pl.LazyFrame, seen: Survey, items: pl.DataFrame, data: DataSettings) -> Absurd:
    """Find the rows whose price or quantity is beyond the factors of the settings.

    `items`: item_id and price of the shop's own item table; it may be empty.
    """
    price, quantity, bought = pl.col("price"), pl.col("quantity"), pl.col("event_type") == "purchase"
    typical_amount, typical_quantity = (seen.whole[name][0] for name in ("typical_amount", "typical_quantity"))
    amount = pl.when(price.is_not_null()).then(
        price * quantity > data.max_quantity_factor * pl.lit(typical_amount, pl.Float64)
    )
    many = amount.otherwise(quantity > data.max_quantity_factor * pl.lit(typical_quantity, pl.Float64))
    beyond = _suspicious(seen, items, data)
    if not beyond.height:
        events = events.head(0)
    joined = events.select(ROW, "timestamp", "item_id", "price", "quantity", "event_type").join(beyond.lazy(), on="item_id")
    marked = joined.select(
        *(ROW, "timestamp", "item_id", "price", "quantity"),
        (price > pl.col(_PRICE)).fill_null(False).alias(_PRICE),
        (bought & (quantity > pl.col(_QUANTITY)) & many).fill_null(False).alias(_QUANTITY),
    )
    return Absurd(marked.filter(pl.col(_PRICE) | pl.col(_QUANTITY)).collect(engine="streaming"))


def in_another_unit(seen: Survey, items: pl.DataFrame, file: str) -> list[Finding]:
    """Say that most items are bought at about so many times the price that the item table names, as where cents are written."""
    own = items.filter(pl.col("price") > 0).select("item_id", pl.col("price").alias("__own"))
    both = seen.items.filter(pl.col("usual_price") > 0).join(own, on="item_id").sort("item_id")
    for factor in UNITS:
        alike = both.filter((pl.col("usual_price") / pl.col("__own") / factor).is_between(*_AROUND))
        if both.height >= MIN_ITEMS and alike.height >= _MOST * both.height:
            rows, (item, usual, price) = int(alike["prices"].sum()), alike.select("item_id", "usual_price", "__own").row(0)
            example = f"{usual:,.10g} of {item}, which costs {price:,.10g} there"
            advice = "write both in one unit, not one of them in cents, and name the currency of each"
            rule = f"is not about {factor:,g} times that of the item table"
            return [Finding("events", file, "price", rule, rows, rows / max(int(both["prices"].sum()), 1), example, advice)]
    return []


def never_absurd(seen: Survey, items: pl.DataFrame, data: DataSettings) -> bool:
    """Tell whether no row can be beyond the factors, whichever of the rows that were seen there are: an item's usual price and
    quantity are never below its lowest ones, nor below 1, its own price or any item's where few rows tell them."""
    own = items.select("item_id", pl.when(pl.col("price") > 0).then("price").alias("__own"))
    few = pl.col("__own").fill_null(pl.col("low_price").min())
    price = pl.min_horizontal("low_price", few) * data.max_price_factor
    quantity = pl.min_horizontal("low_quantity", 1.0) * data.max_quantity_factor
    beyond = (pl.col("top_price") > price) | (pl.col("top_quantity") > quantity)
    return not seen.items.join(own, on="item_id", how="left").select(beyond.fill_null(False).any()).item()


def _suspicious(seen: Survey, items: pl.DataFrame, data: DataSettings) -> pl.DataFrame:
    """The largest sound price and quantity of the items that have a larger one: item_id and both limits."""
    known = items.select("item_id", pl.when(pl.col("price") > 0).then("price").alias("__own"))
    typical = pl.lit(_typical_price(seen.items), pl.Float64)
    usual_price = pl.coalesce(pl.when(pl.col("prices") >= MIN_ROWS).then("usual_price"), "__own", typical)
    usual_quantity = pl.when(pl.col("quantities") >= MIN_ROWS).then("usual_quantity").fill_null(1.0)
    limits = seen.items.join(known, on="item_id", how="left").with_columns(
        (usual_price * data.max_price_factor).alias(_PRICE), (usual_quantity * data.max_quantity_factor).alias(_QUANTITY)
    )
    beyond = (pl.col("top_price") > pl.col(_PRICE)) | (pl.col("top_quantity") > pl.col(_QUANTITY))
    return limits.filter(beyond.fill_null(False)).select("item_id", _PRICE, _QUANTITY)


def _typical_price(items: pl.DataFrame) -> float | None:
    """Return what of so many priced rows nearly none is above, an item's rows taken for its usual price."""
    ranked = items.filter(pl.col("prices") > 0).sort("usual_price")
    below = ranked.filter(pl.col("prices").cum_sum() >= _TYPICAL * pl.col("prices").sum())
    return float(below["usual_price"][0]) if below.height else None
