"""Bestsellers: what most people bought lately, in all the shop and in every category of the tree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import repeat
from typing import Annotated, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import ages_in_days, decay, last_of_each
from recsys.category_rows import are_in
from recsys.clock import DAY
from recsys.jit import INT, MASK, ROWS, SCORES, TIMES, compiled
from recsys.popularity import contributions, item_weight, one_item_users
from recsys.ranking import followed_by, rank_order
from recsys.reasons import reason_text
from recsys.recommenders.base import REASONS_KEPT, Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative, Positive
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables
from recsys.types import Arrays, Candidates, EventType, Mask, Profile, Reason, RowQuery, Rows, Scores, Times


class BestsellersSettings(RecommenderSettings, frozen=True):
    """Settings of bestsellers: the rule by which an item sells well."""

    window_days: Positive = 30.0
    """Days of purchases that count."""
    half_life_days: NotNegative = 0.0
    """Age at which a buyer counts half; 0: every buyer of the window counts the same."""
    guest_orders: Annotated[bool, msgspec.Meta(extra={"tuned": False})] = False
    """Count each order of nobody (docs/data.md) as one more buyer: for a till, or a shop in which most people order as guests."""


class Bestsellers(Recommender[BestsellersSettings]):
    """Ranks items by distinct buyers of the window; what a category cannot fill comes from its parent, up to the whole shop.

    Buyers who touched one item only count as far as `popularity.believed` goes.

    Arrays: scores float32[n] · buyers int32[n] · everything int32[n] all items, best first · ranked int32[m] the sold items
    of each category and below, best first, at offsets int64[c+1].
    """

    name: ClassVar[str] = "bestsellers"
    Settings: ClassVar[type[RecommenderSettings]] = BestsellersSettings
    personal: ClassVar[bool] = False
    ranks_everything: ClassVar[bool] = True
    category_first: ClassVar[bool] = True

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: BestsellersSettings) -> Arrays:
        """Count the distinct buyers of every item in the window."""
        return _counted(tables.events, one_item_users(tables.events, tables.n_users), tables, settings)

    @staticmethod
    def merge(
        parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: BestsellersSettings
    ) -> Arrays:
        """Rank the items, with the buyers of all parts and, if they count, of orders of nobody."""
        catalog, guests = tables.catalog, tables.guest_orders
        if settings.guest_orders:
            nobody_alone = np.zeros(int(guests.users.max(initial=-1)) + 1, bool)
            parts = [*parts, _counted(guests, nobody_alone, tables, settings)]
        scores = item_weight(parts, 1.0, 1.0).astype(np.float32)
        everything = rank_order(scores, catalog.tie_rank)
        ranked, offsets = _by_category(everything[scores[everything] > 0], catalog)
        return {
            "scores": scores,
            "buyers": np.stack([part["buyers"] for part in parts]).sum(axis=0, dtype=np.int32),
            "everything": everything,
            "ranked": ranked,
            "offsets": offsets,
        }

    def __init__(
        self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: BestsellersSettings
    ) -> None:
        self._scores = cast(Scores, arrays["scores"])
        self._buyers = cast(Rows, arrays["buyers"])
        self._everything = cast(Rows, arrays["everything"])
        self._ranked = cast(Rows, arrays["ranked"])
        self._offsets = cast(NDArray[np.int64], arrays["offsets"])
        self._catalog = catalog
        self._settings = settings
        self._reason = lru_cache(REASONS_KEPT)(partial(_explain, catalog, settings))

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank the category's bestsellers first, then its parent's, up to the whole shop."""
        catalog = self._catalog
        return Candidates(
            *_bestsellers(
                self._ranked,
                self._offsets,
                catalog.parent,
                query.category,
                self._everything,
                self._scores,
                catalog.tie_rank,
                allowed,
                n,
            )
        )

    def scores_of(self, items: Rows) -> Scores:
        """Score items each by itself."""
        return self._scores.take(items)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Say where it sells and to how many."""
        category = query.category
        inside = category >= 0 and self._catalog.is_in(item, category)
        return self._reason(int(self._buyers[item]), inside, category, query.locale)

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Say the same of several items."""
        rows, category = np.array(items, np.int32), query.category
        inside = are_in(self._catalog, rows, category).tolist() if category >= 0 else repeat(False)
        buyers = self._buyers.take(rows).tolist()
        return list(map(self._reason, buyers, inside, repeat(category), repeat(query.locale)))


def _explain(
    catalog: Catalog, settings: BestsellersSettings, buyers: int, inside: bool, category: int, locale: str
) -> Reason:
    if not buyers:
        return Reason("in_the_shop", reason_text("in_the_shop", locale))
    days = round(settings.window_days)
    code, name = ("category_bestseller", catalog.category_name(category)) if inside else ("bestseller", "")
    return Reason(code, reason_text(code, locale, category=name, people=buyers, days=days), days, buyers)


def _counted(events: Events, single: Mask, tables: Tables, settings: BestsellersSettings) -> Arrays:
    """The buyers of every item int32[n], and their `popularity.contributions`; `single` bool[u] are users with one item."""
    users, items, times = _buyers(events, tables, settings)
    n, strengths = tables.catalog.n_items, decay(ages_in_days(times, tables.as_of), settings.half_life_days)
    buyers = np.bincount(items, minlength=n).astype(np.int32)
    return {"buyers": buyers, **contributions(items, strengths, single[users], n, 1.0)}


def _buyers(events: Events, tables: Tables, settings: BestsellersSettings) -> tuple[Rows, Rows, Times]:
    """The distinct pairs of a buyer and an item in the window, with the last time of each: users, items int32[p], times."""
    window = events.since(tables.as_of - int(settings.window_days * DAY))
    bought = window.where((window.kinds == EventType.PURCHASE) & (window.items >= 0))
    _, last = last_of_each(bought.users.astype(np.int64) * tables.catalog.n_items + bought.items)
    return bought.users[last], bought.items[last], bought.times[last]


@compiled(ROWS, TIMES, ROWS, INT, ROWS, SCORES, ROWS, MASK, INT)
def _bestsellers(
    ranked: Rows, offsets: NDArray[np.int64], parent: Rows, category: int, everything: Rows, scores: Scores, tie_rank: Rows,
    allowed: Mask, n: int,
) -> tuple[Rows, Scores]:  # fmt: skip
    """The n first allowed items of a category's list, then of its parent's and so on, then of the shop's; with their scores, none of
    which is above the one before it."""
    found, filled = np.empty(n, np.int32), 0
    while category >= 0 and filled < n:
        before = found[:filled]
        for at in range(offsets[category], offsets[category + 1]):
            if filled == n:
                break
            item = ranked[at]
            if allowed[item] and item not in before:
                found[filled] = item
                filled += 1
        category = int(parent[category])
    chosen = found[:filled]
    if filled < n:
        chosen = followed_by(chosen, everything, scores, tie_rank, allowed, n)
    lowest, sinking = np.float32(np.inf), np.empty(len(chosen), np.float32)
    for place in range(len(chosen)):
        lowest = min(lowest, scores[chosen[place]])
        sinking[place] = lowest
    return chosen, sinking


def _by_category(sold: Rows, catalog: Catalog) -> tuple[Rows, NDArray[np.int64]]:
    """Sort the sold items, best first, into every category that holds them: int32[m] and offsets int64[c+1]."""
    nodes, items, places = [], [], []
    code = catalog.category[sold]
    place = np.arange(len(sold))
    while (code >= 0).any():
        inside = code >= 0
        nodes.append(code[inside])
        items.append(sold[inside])
        places.append(place[inside])
        code = np.where(inside, catalog.parent[code] if len(catalog.parent) else -1, -1)
    every = np.arange(len(catalog.parent) + 1)
    further = np.flatnonzero(np.isin(catalog.further.rows, sold))
    if len(further):
        at = np.full(catalog.n_items, -1)
        at[sold] = place
        nodes.append((np.searchsorted(catalog.further.offsets, further, side="right") - 1).astype(np.int32))
        items.append(catalog.further.rows[further])
        places.append(at[catalog.further.rows[further]])
    if not nodes:
        return np.empty(0, np.int32), np.zeros(len(every), np.int64)
    node = np.concatenate(nodes)
    order = np.lexsort((np.concatenate(places), node))
    return np.concatenate(items)[order], np.searchsorted(node[order], every).astype(np.int64)
