"""Trending: what shoppers look at, put into carts and buy right now."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import VIEW, ages_in_days, decay, event_weights
from recsys.clock import DAY
from recsys.popularity import contributions, item_weight, one_item_users
from recsys.ranking import followed_by, rank_order
from recsys.reasons import reason_text
from recsys.recommenders.base import Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import Positive
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores


class TrendingSettings(RecommenderSettings, frozen=True):
    """Length of "now"."""

    half_life_days: Positive = 7.0
    """Age at which an event counts half."""
    window_days: Positive = 90.0
    """Events older than this do not count at all."""


class Trending(Recommender[TrendingSettings]):
    """Ranks items by decayed event weights; a shopper counts once per item and day, with the strongest event.

    Ids that touched one item only count as far as `popularity.believed` goes.

    Arrays: scores float32[n] · everything int32[n] all items, best first.
    """

    name: ClassVar[str] = "trending"
    Settings: ClassVar[type[RecommenderSettings]] = TrendingSettings
    personal: ClassVar[bool] = False
    ranks_everything: ClassVar[bool] = True

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: TrendingSettings) -> Arrays:
        """Add up the decayed weights of recent events per item."""
        n = tables.catalog.n_items
        events = tables.events.since(tables.as_of - int(settings.window_days * DAY))
        by_kind = event_weights(behaviour)
        weights = by_kind[events.kinds]
        counted = (weights > 0) & (events.items >= 0)
        events, weights = events.where(counted), weights[counted]
        strongest = _strongest(events, by_kind, n)
        decayed = weights[strongest] * decay(ages_in_days(events.times[strongest], tables.as_of), settings.half_life_days)
        single = one_item_users(tables.events, tables.n_users)[events.users[strongest]]
        return contributions(events.items[strongest], decayed, single, n, float(by_kind.max()))

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: TrendingSettings) -> Arrays:
        """Rank the items by all contributions."""
        by_kind = event_weights(behaviour)
        scores = item_weight(parts, float(by_kind[VIEW]) or 1.0, float(by_kind.max())).astype(np.float32)
        return {"scores": scores, "everything": rank_order(scores, tables.catalog.tie_rank)}

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: TrendingSettings) -> None:
        self._scores = cast(Scores, arrays["scores"])
        self._everything = cast(Rows, arrays["everything"])
        self._tie_rank = catalog.tie_rank
        weights = event_weights(behaviour)
        self._asked_for = float(min(weights[weights > 0], default=1.0)) / 2

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Take the first allowed items of the shop-wide order."""
        chosen = followed_by(_NOBODY, self._everything, self._scores, self._tie_rank, allowed, n)
        return Candidates(chosen, self._scores[chosen])

    def scores_of(self, items: Rows) -> Scores:
        """Score items each by itself."""
        return self._scores.take(items)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Say that it is asked for now, if more than half of what weighs least today speaks for it."""
        return _explain("trending" if self._scores[item] > self._asked_for else "in_the_shop", query.locale)


@cache
def _explain(code: str, locale: str) -> Reason:
    return Reason(code, reason_text(code, locale))


def _strongest(events: Events, weights: Scores, n: int) -> NDArray[np.intp]:
    """Places of each shopper's strongest event with an item on a day, of equally strong ones the first; events by user, then time."""
    days = events.times // DAY
    visits = np.zeros(len(events), np.int64)  # a shopper's days, numbered through
    np.cumsum((np.diff(events.users) != 0) | (np.diff(days) != 0), out=visits[1:])
    ranks = np.unique(-weights, return_inverse=True)[1]
    keys = (visits * n + events.items) * len(ranks) + ranks[events.kinds]
    order = np.argsort(keys)
    keys = keys[order]
    alike = np.flatnonzero(_first_of_each(keys))
    first = np.minimum.reduceat(order, alike) if len(alike) else order
    return first[_first_of_each(keys[alike] // len(ranks))]


def _first_of_each(ascending: NDArray[np.int64]) -> Mask:
    first = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=first[1:])
    return first


_NOBODY = np.empty(0, np.int32)
