"""Recently viewed: what the shopper looked at and did not buy since, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np

from recsys.behaviour import ages_in_days, last_of_each
from recsys.ranking import top_n
from recsys.reasons import reason_text
from recsys.recommenders.base import REASONS_KEPT, Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import Positive
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import Arrays, Candidates, EventType, Mask, Profile, Reason, RowQuery


class RecentlyViewedSettings(RecommenderSettings, frozen=True):
    """Time that a view is remembered."""

    half_life_days: Positive = 7.0
    """Age at which a view counts half; it orders nothing here, but weighs the item in a blend."""
    window_days: Positive = 60.0
    """Older views are forgotten."""


class RecentlyViewed(Recommender[RecentlyViewedSettings]):
    """Ranks the shopper's own viewed items by the age of the last view; learns nothing."""

    name: ClassVar[str] = "recently_viewed"
    Settings: ClassVar[type[RecommenderSettings]] = RecentlyViewedSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: RecentlyViewedSettings) -> Arrays:
        """Nothing to learn: the history is all."""
        return {}

    @staticmethod
    def merge(
        parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: RecentlyViewedSettings
    ) -> Arrays:
        """Nothing was learned."""
        return {}

    def __init__(
        self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: RecentlyViewedSettings
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._reason = lru_cache(REASONS_KEPT)(_explain)

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Take items whose last view is in the window and newer than their last purchase; notes that view's age in whole days."""
        history = profile.history
        seen = ((history.kinds == EventType.VIEW) | (history.kinds == EventType.PURCHASE)) & (history.items >= 0)
        items, last = last_of_each(history.items[seen])
        ages = ages_in_days(history.times[seen][last], query.now)
        kept = (history.kinds[seen][last] == EventType.VIEW) & (ages < self._settings.window_days) & allowed[items]
        half_life = np.float32(self._settings.half_life_days)
        freshness = half_life / (half_life + ages[kept])
        ranked = top_n(items[kept], freshness, self._catalog.tie_rank, n)
        days = ages[items.searchsorted(ranked.items)].astype(np.int32)
        return Candidates(ranked.items, ranked.scores, days)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Say when the shopper looked at it last."""
        return self._reason(explained_by, query.locale)


def _explain(days: int, locale: str) -> Reason:
    return Reason("recently_viewed", reason_text("recently_viewed", locale, ago=max(days, 0)))
