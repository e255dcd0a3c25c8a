"""Measures of an experiment: which columns of a table of units each is made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

COUNTS = ("seen", "clicks", "orders", "converted", "followed", "repeated", "revenue", "units", "bought", "returned")
"""What is counted of each unit from its first exposure on: lists seen, items clicked on lists, orders, whether there was one, whether
the first is long enough ago to tell whether another followed soon, whether one did, what was paid (winsorised), units kept, units
bought, units given back of these."""
REPEAT_DAYS = 28
"""Days after the first order in which another one counts as a repeat."""
BEFORE = ("orders_before", "converted_before", "revenue_before")
"""The same of the four weeks before it: what says how much of a difference was there already (CUPED)."""
BEFORE_DAYS = 28


MARGIN = "margin"
"""What was paid less what the units kept cost the shop (winsorised), where the item table says what an item costs."""
SHOWN = ("lists", "empty", "shown", "new")
"""What is counted of each unit's logged lists: how many, those without any item, items on them, and of these new ones."""
NEW_DAYS = 28
"""Days for which an item is new."""


class Measure(NamedTuple):
    """A mean per unit, or a ratio of two sums; `covariate` is its column from before.

    `guards`: it decides nothing, and is there to warn; `more_is_better` tells in which direction, None: neither is.
    """

    name: str
    numerator: str
    denominator: str | None = None
    covariate: str | None = None
    guards: bool = False
    more_is_better: bool | None = True


MEASURES = {
    each.name: each
    for each in (
        Measure("conversion", "converted", covariate="converted_before"),
        Measure("orders", "orders", covariate="orders_before"),
        Measure("revenue", "revenue", covariate="revenue_before"),
        Measure("margin", MARGIN, covariate="revenue_before"),
        Measure("click_through", "clicks", "seen"),
        Measure("repeat", "repeated", "followed", guards=True),
        Measure("units_per_order", "units", "orders", guards=True),
        Measure("returns", "returned", "bought", guards=True, more_is_better=False),
        Measure("empty_lists", "empty", "lists", guards=True, more_is_better=False),
        Measure("new_items", "new", "shown", guards=True, more_is_better=None),
    )
}


def measures_of(columns: Collection[str]) -> list[Measure]:
    """The measures that a table with these columns can tell."""
    return [each for each in MEASURES.values() if {each.numerator, each.denominator or each.numerator} <= {*columns}]
