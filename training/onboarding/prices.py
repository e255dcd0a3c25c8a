"""Prices of units and of lines, told apart by items that were bought in several quantities, and amounts of whole orders."""

from __future__ import annotations

import polars as pl

from recsys.tables.values.numbers import UNITS, Mark, read_number
from training.onboarding.concepts import says_net
from training.onboarding.names import named
from training.onboarding.proposal import Proposal
from training.onboarding.shapes.first_lines import within
from training.onboarding.values import is_of_the_order

_LEAST, _ALMOST = 5, 0.9
"""Items that must tell, and their share that must tell the same, before a price is taken for what its name does not say."""
_CLEARLY = 0.5
"""Spread of the one reading, in that of the other, below which an item tells."""
_SAME = 0.01
"""Spread of an item's prices (of their logarithm) below which they are the same."""


def tell_amounts(found: Proposal) -> None:
    """Take an order's total, which stands on each of its lines, for no line's, and the price of a line for no unit's."""
    columns = found.settings["columns"]
    own, order = columns.get("amount"), columns.get("order_id")
    inside = own and "." in own  # a field of a line's own says nothing of the order, where some lines lack it
    once = bool(own and order and not inside) and within(found.rows, order, [own])[0] == [own]
    if own and order and (once or is_of_the_order(found.rows, own, order)):
        del columns["amount"]
        where = "stands on the first line of each order alone" if once else "is the same on all lines of an order"
        found.unsure.append(
            f"{own} {where}, so it is taken for the order's total and not used: set `amount` to a column"
            " with the total of a line, or `price` to one with the price of a unit"
        )
    for was, known, other in (("price", "a unit", "a line"), ("amount", "a line", "a unit")):
        if was in columns and (evidence := _stated(found, columns[was], was)):
            to = "amount" if was == "price" else "price"
            columns[to] = columns.pop(was)
            found.evidence.append(
                f"{columns[to]} is the price of {other}, and not of {known} as its name may say: {evidence}"
            )
            break
    _tell_others(found)


def _stated(found: Proposal, own: str, was: str) -> str:
    """Return what tells that a price is not of what its name says; empty where nothing does."""
    item, quantity = (found.settings["columns"].get(name) for name in ("item_id", "quantity"))
    if not item or not quantity:
        return ""
    spreads = _spreads(found.rows, item, quantity, own)
    line, unit = _votes(spreads, "line", "unit"), _votes(spreads, "unit", "line")
    mine, others = (line, unit) if was == "price" else (unit, line)
    if mine < _LEAST or mine < _ALMOST * (mine + others):
        return ""
    grows = "grows with the quantity" if was == "price" else "does not grow with the quantity"
    return f"it {grows} in {mine:,} of {mine + others:,} items that were bought in several quantities and tell"


def _spreads(rows: pl.DataFrame, item: str, quantity: str, own: str) -> pl.DataFrame:
    """Of each item that was bought in several quantities: the spread of the column as prices of units, and as totals of lines."""
    stated = rows.select(
        pl.col(item).cast(pl.String).alias("item"),
        _number(rows, quantity).abs().log().alias("q"),
        _number(rows, own).abs().log().alias("p"),
    ).filter(pl.col("q").is_finite() & pl.col("p").is_finite())
    several = stated.filter(pl.col("q").n_unique().over("item") > 1)
    return several.group_by("item").agg(unit=pl.col("p").std(), line=(pl.col("p") - pl.col("q")).std())


def _votes(spreads: pl.DataFrame, mine: str, other: str) -> int:
    clear = (pl.col(mine) < _CLEARLY * pl.col(other)) & (pl.col(other) > _SAME)
    return spreads.filter(clear).height


def _number(rows: pl.DataFrame, name: str) -> pl.Expr:
    """A column's values as numbers, by the decimal mark that reads most of them."""
    marks: tuple[Mark, ...] = (".", ",")
    text = pl.col(name).cast(pl.String)
    read = rows.select(read_number(text, mark, units=UNITS, money=True).alias(mark) for mark in marks)
    best = min(marks, key=lambda mark: read[mark].null_count())
    return pl.lit(read[best].cast(pl.Float64))


def _tell_others(found: Proposal) -> None:
    """Name another column that may as well hold the price, where one is with taxes and one without."""
    own = found.settings["columns"].get("price")
    if not own:
        return
    left = [name for name in found.rows.columns if name != own and says_net(name) != says_net(own)]
    if other := named("events", left, {"price": found.seen[0].usable["price"]}).get("price"):
        found.evidence.append(f"{own} goes before {other}: one of both is without taxes")
