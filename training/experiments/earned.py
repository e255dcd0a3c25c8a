"""Rewards of lists: what each place earned in clicks and orders, and what their shoppers bought after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.clock import DAY
from training.experiments.attribution import orders_of_clicks
from training.experiments.before_a_test.explored import Again
from training.experiments.ledger import Ledger


class Earned:
    """Earnings of lists: clicks and orders by list and item, and what their shoppers bought after them."""

    def __init__(self, ledger: Ledger, lists: set[str], days: int) -> None:
        self._days = days
        self._owners: dict[str, str] = dict(ledger.owners.select("id", "unit").iter_rows())
        clicks = ledger.clicks.filter(pl.col("recommendation_id").is_in(lists)).select("recommendation_id", "item_id")
        self._clicks = {*clicks.iter_rows()}
        orders = orders_of_clicks(ledger, days).filter(pl.col("recommendation_id").is_in(lists))
        self._orders = {(name, item): count for name, item, count in orders.iter_rows()}
        self._bought: dict[str, list[tuple[int, str]]] = {}
        kept = ledger.lines.filter(pl.col("units") > 0).select("unit", "time", "item_id")  # what was not given back
        for unit, time, item in kept.drop_nulls().iter_rows():
            self._bought.setdefault(unit, []).append((time, item))

    def person(self, user_id: str) -> str:
        """Return the person that an id belongs to."""
        return self._owners.get(user_id, user_id)

    def clicks(self, lists: Sequence[Again], places: int) -> NDArray[np.float64]:
        """Clicks of each place, float64[n, places]; an item counts once."""
        return self._placed(lists, places, dict.fromkeys(self._clicks, 1))

    def orders(self, lists: Sequence[Again], places: int) -> NDArray[np.float64]:
        """Orders of each place after a click, float64[n, places]."""
        return self._placed(lists, places, self._orders)

    def bought_after(self, each: Again) -> set[str]:
        """Return what was bought in the days after a list was shown, by the same person."""
        now = each.head.query.now
        bought = self._bought.get(self.person(each.user_id), ())
        return {item for time, item in bought if now < time <= now + self._days * DAY}

    def _placed(self, lists: Sequence[Again], places: int, found: Mapping[tuple[str, str], int]) -> NDArray[np.float64]:
        table = np.zeros((len(lists), places))
        for at, each in enumerate(lists):
            table[at, : len(each.shown)] = [found.get((each.head.recommendation_id, item), 0) for item in each.shown]
        return table
