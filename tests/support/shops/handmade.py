"""Tables, histories and recommenders straight from rows written by hand: what a fit sees, without files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
from hypothesis import settings
from polars._typing import PolarsDataType

from recsys.behaviour import event_weights
from recsys.engine.profile import Profiler
from recsys.orders import bounded, settle
from recsys.recommenders import RECOMMENDERS, configure
from recsys.recommenders.base import AnyRecommender
from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.snapshot.histories import Histories, Tables, history_arrays
from recsys.snapshot.item_stats import item_stats
from recsys.snapshot.put.spare_rows import with_spare_rows
from recsys.tables.items import finish_items
from recsys.tables.schema import EVENT_TYPE, TIME
from recsys.types import Arrays, Candidates, History, Mask, Profile, RowQuery
from tests.conftest import ITEMS, NOW, ago, busy_events, event, micros
from training.runners.rows import map_events

BEHAVIOUR = BehaviourSettings()
calm = settings(max_examples=80)
"""Fewer examples than the profile's."""


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

    def fitted(self, name: str, **chosen: Any) -> AnyRecommender:
        """A recommender fitted on these tables."""
        configured = configure({name: chosen})[name]
        return RECOMMENDERS[name](self.arrays(name, **chosen), self.catalog, self.behaviour, configured)


def world(
    events: Sequence[dict[str, Any]],
    items: Sequence[dict[str, Any]] = ITEMS,
    as_of: datetime = NOW,
    behaviour: BehaviourSettings = BEHAVIOUR,
    spare: int = 0,
) -> World:
    """Map event rows (`tests.conftest.event`) and item rows as the offline job does, with room for items that are put."""
    base = with_spare_rows(catalog_arrays(finish_items(item_frame(items), None), None), spare)
    mapped, users = map_events(canonical(events), Catalog(base))
    kept_events = settle(mapped, behaviour)
    facts = item_stats(kept_events, Catalog(base), base["told_replenishable"].astype(np.int8), behaviour, micros(as_of))
    tables = Tables(kept_events, Catalog(base | facts), len(users), micros(as_of), seed=20)
    kept = history_arrays(kept_events, bounded(kept_events, behaviour), users)
    return World(tables, Histories(kept), behaviour)


def numbered_items(count: int, **more: Any) -> list[dict[str, Any]]:
    """Items i00, i01 … that share the given columns."""
    return [{"item_id": f"i{number:02}", **more} for number in range(count)]


def contact_index() -> list[dict[str, Any]]:
    """Forty shoppers who look at, put into the cart and buy what is near their own number, in the course of 80 days."""
    rows = []
    for user in range(40):
        for step in range(12):
            item = f"i{(user + step * step) % 60:02}"
            at = ago(1 + (user * 7 + step * 5) % 80, minutes=step)
            rows.append(event(f"u{user}", item, "view", at))
            if step % 3 == 0:
                rows.append(event(f"u{user}", item, "cart_add", at + timedelta(minutes=1)))
            if step % 4 == 0:
                rows.append(event(f"u{user}", item, "purchase", at + timedelta(minutes=2), order_id=f"{user}-{step // 8}"))
    return rows


def crowd_items() -> list[dict[str, Any]]:
    """Sixty items in nine leaf categories below three, of seven brands."""
    columns = [{"category": f"C{n % 3} > L{n % 9}", "brand": f"B{n % 7}", "price": float(n + 1)} for n in range(60)]
    return [{**row, **column} for row, column in zip(numbered_items(60), columns, strict=True)]


@cache
def shop_of(name: str) -> World:
    """The shops that every recommender must work on."""
    if name == "busy":
        return world(busy_events())
    if name == "crowd":
        return world(contact_index(), crowd_items())
    if name == "empty":
        return world([])
    if name == "one user":
        return world([row for row in busy_events() if row["user_id"] == "user-0"])
    if name == "one item":
        return world([{**row, "item_id": "sofa-1"} for row in busy_events()], ITEMS[:1])
    if name == "no brands":
        return world(busy_events(), [{**row, "brand": None} for row in ITEMS])
    if name == "no categories":
        return world(busy_events(), [{**row, "category": None} for row in ITEMS])
    assert name == "views only"
    return world([row for row in busy_events() if row["event_type"] == "view"])


def dense(made: World, half_life: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """R: users × items of decayed event weights, written plainly."""
    events, weights = made.tables.events, event_weights(made.behaviour)
    matrix = np.zeros((made.tables.n_users, made.catalog.n_items))
    for user, item, kind, time in zip(events.users, events.items, events.kinds, events.times, strict=True):
        age = (made.tables.as_of - int(time)) / (24 * 3600 * 1e6)
        matrix[user, item] += weights[kind] * (0.5 ** (age / half_life) if half_life else 1)
    return matrix


def item_frame(items: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """The item table that a shop would hand over."""
    words = ("item_id", "title", "category", "brand", "group_id")
    schema: dict[str, PolarsDataType] = dict.fromkeys(words, pl.String)
    flags = ("available", "published", "backorder", "replenishable")
    schema |= {"price": pl.Float64, "stock": pl.Float64} | dict.fromkeys(flags, pl.Boolean)
    return pl.DataFrame(list(items), schema=schema)


def canonical(events: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """Canonical events, as they are read from a shop's tables."""
    schema: dict[str, PolarsDataType] = dict.fromkeys(("user_id", "item_id", "order_id"), pl.String)
    schema |= {"timestamp": TIME, "event_type": EVENT_TYPE, "quantity": pl.Float64, "price": pl.Float64}
    return pl.LazyFrame(list(events), schema=schema)
