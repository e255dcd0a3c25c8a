"""Brands: what is popular now from the brand a shopper leans to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import repeat
from typing import Annotated, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import VIEW, event_weights
from recsys.clock import DAY
from recsys.jit import INT, MASK, ROWS, SCORES_2D, compiled
from recsys.popularity import contributions, item_weight, one_item_users
from recsys.ranking import top_n
from recsys.reasons import reason_text
from recsys.recommenders.base import REASONS_KEPT, Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables
from recsys.types import NO_CANDIDATES, Arrays, Candidates, EventType, Mask, Profile, Reason, RowQuery, Rows, Scores


class BrandsSettings(RecommenderSettings, frozen=True):
    """The window that adapts to how busy a brand is."""

    shortest_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 7
    """The first window tried."""
    longest_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 10
    """The last window tried."""
    fewest_items: Annotated[int, msgspec.Meta(ge=1)] = 4
    """The smallest window with this many allowed items of the brand answers, else the longest."""
    shrinkage: NotNegative = 20.0
    """Weight of the brand's share over `prior_days` against the window's events, so that few events say little."""
    prior_days: Annotated[int, msgspec.Meta(ge=1, le=730)] = 30
    """Days of the steadier share that small brands are drawn to."""


class Brands(Recommender[BrandsSettings]):
    """Ranks a brand's items by their shrunk share of the brand's event weights in the smallest busy window.

    With c the item's and C the brand's weight in the window (each shopper once per item, strongest event; of ids that touched one
    item only as far as `popularity.believed` goes), q the item's share over the prior days and m the shrinkage:
    score = (c + m q) / (C + m), the posterior mean of a Dirichlet-multinomial (Gelman et al., Bayesian Data Analysis, 3rd ed.,
    section 3.4).

    Arrays, a row per window: scores float32[w, n] (0: no event in the window) · buyers int32[w, n] distinct buyers.
    """

    name: ClassVar[str] = "brands"
    Settings: ClassVar[type[RecommenderSettings]] = BrandsSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: BrandsSettings) -> Arrays:
        """Weigh every item in each window, the longest, prior one first."""
        weights, spans = event_weights(behaviour), (settings.prior_days, *_windows(settings))
        events, n = tables.events, tables.catalog.n_items
        recent = events.times > tables.as_of - max(spans) * DAY
        places = np.flatnonzero(recent & (weights[events.kinds] > 0) & (events.items >= 0))
        places = places[np.argsort(events.users[places] * np.int64(n) + events.items[places])]
        single = one_item_users(events, tables.n_users)
        times = events.times[places]
        windows = (places[times > tables.as_of - days * DAY] for days in spans)
        each = [_contributions(events, window, n, weights, single) for window in windows]
        return {name: np.stack([window[name] for window in each]) for name in each[0]}

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: BrandsSettings) -> Arrays:
        """Shrink the shares of the items within their brands, in each window."""
        weights = event_weights(behaviour)
        unit, most = float(weights[VIEW]) or 1.0, float(weights.max())

        def weight_in(window: int) -> NDArray[np.float64]:
            return item_weight([{name: part[name][window] for name in ("others", "singles")} for part in parts], unit, most)

        share = _share_of_brand(weight_in(0), tables.catalog)
        buyers = np.stack([part["buyers"][1:] for part in parts]).sum(axis=0, dtype=np.int32)
        scores = []
        for window in range(1, len(buyers) + 1):
            weight = weight_in(window)
            total = _brand_total(weight, tables.catalog)
            shrunk = (weight + settings.shrinkage * share) / np.maximum(total + settings.shrinkage, 1e-9)
            scores.append(np.where(weight > 0, shrunk, 0).astype(np.float32))
        return {"scores": np.stack(scores), "buyers": buyers}

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: BrandsSettings) -> None:
        self._scores = cast(NDArray[np.float32], arrays["scores"])
        self._catalog = catalog
        self._settings = settings
        self._buyers = np.asarray(arrays["buyers"])
        self._reason = lru_cache(REASONS_KEPT)(partial(_explain, catalog, _windows(settings)))

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank the brand's allowed items of the smallest window that has enough of them."""
        if query.brand < 0:
            return NO_CANDIDATES
        items = self._catalog.brand_items(query.brand)
        window, active, scores = _active(items, self._scores, allowed, self._settings.fewest_items)
        ranked = top_n(active, scores, self._catalog.tie_rank, n)
        return Candidates(ranked.items, ranked.scores, np.full(len(ranked), window, np.int32))

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Say which brand, in how many days, and how many bought it."""
        brand, buyers = int(self._catalog.brand[item]), int(self._buyers[explained_by, item])
        return self._reason(brand, buyers, explained_by, query.locale)

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Say the same of several items."""
        rows = np.array(items, np.int32)
        brands, buyers = self._catalog.brand.take(rows).tolist(), self._buyers[explained_by, rows].tolist()
        return list(map(self._reason, brands, buyers, explained_by, repeat(query.locale)))


def _explain(catalog: Catalog, windows: Sequence[int], brand: int, buyers: int, window: int, locale: str) -> Reason:
    days, name = windows[window], "brand_popular" if buyers else "brand_popular_viewed"
    text = reason_text(name, locale, brand=catalog.brands.text(brand), people=buyers, days=days)
    return Reason("brand_popular", text, days, buyers or None)


@compiled(ROWS, SCORES_2D, MASK, INT)
def _active(items: Rows, scores: Scores, allowed: Mask, fewest: int) -> tuple[int, Rows, Scores]:
    """The first window in which enough of the allowed items have events, else the last; those items and their scores."""
    active, strengths, filled = np.empty(len(items), np.int32), np.empty(len(items), np.float32), 0
    window = 0
    for window in range(len(scores)):
        filled = 0
        for item in items:
            if allowed[item] and scores[window, item] > 0:
                active[filled], strengths[filled] = item, scores[window, item]
                filled += 1
        if filled >= fewest:
            break
    return window, active[:filled], strengths[:filled]


def _windows(settings: BrandsSettings) -> list[int]:
    return list(range(settings.shortest_days, max(settings.longest_days, settings.shortest_days) + 1))


def _contributions(events: Events, places: NDArray[np.intp], n: int, weights: Scores, single: Mask) -> Arrays:
    """The `popularity.contributions` of the events at these places, by user, then item, to each item, a shopper once with the
    strongest event, and the item's buyers int32[n]."""
    users, items, kinds = events.users[places], events.items[places], events.kinds[places]
    first = np.ones(len(users), bool)
    first[1:] = (np.diff(users) != 0) | (np.diff(items) != 0)
    starts = np.flatnonzero(first)
    strongest = np.maximum.reduceat(weights[kinds], starts)
    bought = kinds == EventType.PURCHASE
    buyers = np.unique(users[bought].astype(np.int64) * n + items[bought]) % max(n, 1)
    weighed = contributions(items[starts], strongest, single[users[starts]], n, float(weights.max()))
    return {"buyers": np.bincount(buyers, minlength=n).astype(np.int32), **weighed}


def _brand_total(weight: NDArray[np.float64], catalog: Catalog) -> NDArray[np.float64]:
    totals = np.bincount(catalog.brand + 1, weight, len(catalog.brands) + 1)
    return cast(NDArray[np.float64], totals[catalog.brand + 1])


def _share_of_brand(weight: NDArray[np.float64], catalog: Catalog) -> NDArray[np.float64]:
    return weight / np.maximum(_brand_total(weight, catalog), 1e-9)
