"""Customer value in a snapshot: revenue so far and expected revenue of each customer (docs/customer_value.md)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from recsys.types import Arrays


class CustomerValue(Struct, frozen=True):
    """Value of one customer up to the snapshot, and the value expected in the days after it."""

    orders: int
    revenue: Annotated[float | None, Meta(description="Null: no order's value is known.")]
    p_alive: Annotated[float | None, Meta(description="Chance that the customer has not left for good; null: no model.")]
    expected_orders: Annotated[float | None, Meta(description="Order days expected within `days`; null: no model.")]
    expected_value: Annotated[float | None, Meta(description="Revenue expected of them; null: no model of money.")]
    days: float


_FIELDS = ("revenue", "p_alive", "expected_orders", "expected_value")


class CustomerValues:
    """The values of a snapshot by row of its histories' users, memory-mapped.

    Arrays: `orders`, `revenue`, `p_alive`, `expected_orders`, `expected_value` float32[u] (NaN: unknown) · `fit` float64, whose first
    number is how many days are looked ahead.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def at(self, row: int) -> CustomerValue | None:
        """A customer's value; None for a lead, an unknown row and a snapshot without values."""
        if row < 0 or not self._arrays or not self._arrays["orders"][row]:
            return None
        known = {name: float(self._arrays[name][row]) for name in _FIELDS}
        return CustomerValue(
            orders=int(self._arrays["orders"][row]),
            days=float(self._arrays["fit"][0]),
            **{name: None if np.isnan(value) else round(value, 4) for name, value in known.items()},
        )
