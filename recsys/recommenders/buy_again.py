"""Buy again: what the shopper keeps buying, when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, cast

import numpy as np

from recsys.behaviour import PURCHASE, ages_in_days, decay
from recsys.clock import DAY
from recsys.popularity import exact_sums, total_of
from recsys.ranking import top_n
from recsys.reasons import reason_text
from recsys.recommenders.base import REASONS_KEPT, Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative, Positive, Share
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import NO_CANDIDATES, Arrays, Candidates, EventType, Mask, Profile, Reason, RowQuery, Scores

_SHORTEST_GAP = np.float32(0.01)
"""Days; what is bought several times a day is due again at once."""
_NO_ORDER = {-1}


class BuyAgainSettings(RecommenderSettings, frozen=True):
    """Weights of frequency, popularity and time since the last purchase."""

    half_life_days: NotNegative = 365.0
    """Age at which one of the shopper's own purchases counts half; 0: no decay."""
    popularity_weight: NotNegative = 0.5
    """Weight of an item's recent popularity (1: the most popular) against one purchase of the shopper's own."""
    popularity_half_life_days: Positive = 14.0
    """Age at which anybody's purchase counts half for that popularity."""
    due_weight: Share = 0.1
    """How far an item bought a moment ago is held down; it rises evenly until its usual gap is over."""


class BuyAgain(Recommender[BuyAgainSettings]):
    """Scores the shopper's own items: (decayed purchases + c · popularity) · (1 - d · (1 - min(1, age / usual gap))).

    Own frequency with popularity to break ties is the baseline that most next-basket models fail to beat: Li et al., "A next
    basket recommendation reality check" (TOIS 2023), section 4.

    Arrays: popularity float32[n] recent purchases, 1 for the most popular item.
    """

    name: ClassVar[str] = "buy_again"
    Settings: ClassVar[type[RecommenderSettings]] = BuyAgainSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: BuyAgainSettings) -> Arrays:
        """Add up the decayed purchases of every item."""
        events = tables.events
        bought = events.where((events.kinds == EventType.PURCHASE) & (events.items >= 0))
        strengths = decay(ages_in_days(bought.times, tables.as_of), settings.popularity_half_life_days)
        return {"purchases": exact_sums(bought.items, strengths, tables.catalog.n_items, 1.0)}

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: BuyAgainSettings) -> Arrays:
        """Measure how popular every item is to buy lately."""
        popularity = total_of([part["purchases"] for part in parts], 1.0)
        return {"popularity": (popularity / max(popularity.max(initial=0), 1e-9)).astype(np.float32)}

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: BuyAgainSettings) -> None:
        self._popularity = cast(Scores, arrays["popularity"])
        self._catalog = catalog
        self._settings = settings
        self._reason = lru_cache(REASONS_KEPT)(_explain)

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank the allowed items that the shopper bought before."""
        settings, items = self._settings, profile.bought
        kept = allowed.take(items).nonzero()[0]
        if not len(kept):
            return NO_CANDIDATES
        scores = self._frequency(profile, query.now) + np.float32(settings.popularity_weight) * self._popularity.take(items)
        if settings.due_weight:
            days = (query.now - profile.bought_at) / DAY
            due = np.fmin(days / np.maximum(self._catalog.gap_days.take(items), _SHORTEST_GAP), 1)
            scores = scores * (1 - settings.due_weight * (1 - due)).astype(np.float32)
        return top_n(items.take(kept), scores.take(kept), self._catalog.tie_rank, n)

    def _frequency(self, profile: Profile, now: int) -> Scores:
        """Decayed number of purchases of each of `profile.bought`, float32."""
        history = profile.history
        lines = ((history.kinds == PURCHASE) & (history.items >= 0)).nonzero()[0]
        decayed = decay(ages_in_days(history.times.take(lines), now), self._settings.half_life_days)
        places = profile.bought.searchsorted(history.items.take(lines))
        return np.bincount(places, decayed, len(profile.bought)).astype(np.float32)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Say how often it was bought, and when last."""
        history = profile.history
        orders = {*history.orders[history.items == item].tolist()} - _NO_ORDER
        last = profile.bought_at.item(profile.bought.searchsorted(item))
        return self._reason(len(orders), (query.now - last) // DAY, query.locale)


def _explain(times: int, days: int, locale: str) -> Reason:
    name = "buy_again_once" if times == 1 else "buy_again"
    return Reason("buy_again", reason_text(name, locale, times=times, ago=max(days, 0)))
