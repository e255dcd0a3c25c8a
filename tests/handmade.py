"""Tables, histories and recommenders straight from rows written by hand: what a fit sees, without files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from hypothesis import HealthCheck, settings
from polars._typing import PolarsDataType

from recsys.behaviour import cancel_refunded, number_orders
from recsys.data.catalog import Catalog, catalog_arrays
from recsys.data.columns import EVENT_TYPE, TIME
from recsys.data.facts import item_facts
from recsys.data.history import Events, Histories, Tables, history_arrays
from recsys.data.item_table import finish_items
from recsys.decision.profile import Profiler
from recsys.recommender import Recommender
from recsys.recommenders import RECOMMENDERS, configure
from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.types import Arrays, Candidates, History, Mask, Profile, RowQuery
from tests.conftest import ITEMS, NOW, micros
from training.mapping import map_events

BEHAVIOUR = BehaviourSettings()
calm = settings(deadline=None, max_examples=80, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
"""Properties are tried on the same examples every time, however busy the machine is."""


@dataclass(frozen=True)
class World:
    """A catalogue, its events as a fit reads them, and everybody's history as the service reads it."""

    tables: Tables
    histories: Histories
    behaviour: BehaviourSettings

    @property
    def catalog(self) -> Catalog:
        """The catalogue."""
        return self.tables.catalog

    def rows(self, *items: str) -> list[int]:
        """Rows of these items."""
        found = [self.catalog.row(item) for item in items]
        assert -1 not in found
        return found

    def names(self, candidates: Candidates) -> list[str]:
        """Item ids of a ranked list, best first."""
        return [self.catalog.item_id(row) for row in candidates.items.tolist()]

    def history(self, user: str) -> History:
        """One shopper's past."""
        return self.histories.of(user)

    def profile(self, user: str = "nobody", now: datetime = NOW, **policy: Any) -> Profile:
        """What is known of a shopper at a moment."""
        profiler = Profiler(self.catalog, self.behaviour, ProfileSettings(**policy))
        return profiler.profile(user, self.history(user), micros(now))

    def query(
        self, category: str | None = None, brand: str | None = None, context: Sequence[str] = (), now: datetime = NOW
    ) -> RowQuery:
        """A query in rows."""
        code = -1 if category is None else self.catalog.categories.row(category)
        label = -1 if brand is None else self.catalog.brands.row(brand)
        return RowQuery(micros(now), code, label, np.array(sorted(self.rows(*context)), np.int32))

    def allow(self, *items: str) -> Mask:
        """The mask of these items; without any, of all."""
        mask = np.full(self.catalog.n_items, not items)
        mask[self.rows(*items)] = True
        return mask

    def arrays(self, name: str, **chosen: Any) -> Arrays:
        """What a recommender learns from these tables."""
        return RECOMMENDERS[name].fit(self.tables, self.behaviour, configure({name: chosen})[name])

    def fitted(self, name: str, **chosen: Any) -> Recommender:
        """A recommender fitted on these tables."""
        configured = configure({name: chosen})[name]
        return RECOMMENDERS[name](self.arrays(name, **chosen), self.catalog, self.behaviour, configured)


def world(
    events: Sequence[dict[str, Any]],
    items: Sequence[dict[str, Any]] = ITEMS,
    as_of: datetime = NOW,
    behaviour: BehaviourSettings = BEHAVIOUR,
) -> World:
    """Map event rows (`tests.conftest.event`) and item rows as the offline job does."""
    base = catalog_arrays(finish_items(item_frame(items), None), None)
    mapped, users = map_events(canonical(events), Catalog(base))
    kinds = cancel_refunded(mapped.users, mapped.items, mapped.kinds, mapped.order_ids, mapped.quantities)
    orders = number_orders(mapped.users, mapped.times, kinds, mapped.order_ids, behaviour)
    cleaned = Events(mapped.users, mapped.items, kinds, mapped.times, mapped.order_ids, orders, mapped.quantities)
    facts = item_facts(cleaned, Catalog(base), base["told_replenishable"].astype(np.int8), behaviour)
    tables = Tables(cleaned, Catalog(base | facts), len(users), micros(as_of), seed=20)
    kept = history_arrays(cleaned, users, behaviour.history_events, behaviour.history_purchases)
    return World(tables, Histories(kept), behaviour)


def numbered_items(count: int, **more: Any) -> list[dict[str, Any]]:
    """Items i00, i01 … that share the given columns."""
    return [{"item_id": f"i{number:02}", **more} for number in range(count)]


def item_frame(items: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """The item table that a shop would hand over."""
    words = ("item_id", "title", "category", "brand", "group_id")
    schema: dict[str, PolarsDataType] = dict.fromkeys(words, pl.String)
    schema |= {"price": pl.Float64, "available": pl.Boolean, "replenishable": pl.Boolean}
    return pl.DataFrame(list(items), schema=schema)


def canonical(events: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """Canonical events, as they are read from a shop's tables."""
    schema: dict[str, PolarsDataType] = dict.fromkeys(("user_id", "item_id", "order_id"), pl.String)
    schema |= {"timestamp": TIME, "event_type": EVENT_TYPE, "quantity": pl.Float64}
    return pl.LazyFrame(list(events), schema=schema)
