"""Bought together: complements from the same orders, never from the same leaf category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import ages_in_days, compact_rows, decay, last_of_each, matrix_of
from recsys.ranking import strongest_of_product
from recsys.recommenders.base import Recommender, RecommenderSettings, titled_reason
from recsys.recommenders.neighbours import Neighbours
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import Arrays, Candidates, EventType, Mask, Profile, Reason, RowQuery, Rows, Scores


class BoughtTogetherSettings(RecommenderSettings, frozen=True):
    """Settings of complements: the rule by which two items belong together."""

    half_life_days: NotNegative = 180.0
    """Age at which an order counts half; 0: no decay."""
    shrinkage: NotNegative = 5.0
    """Orders added to the divisor, so that one shared order of two rare items proves little."""
    neighbours: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    """Strongest complements kept per item."""
    most_lines: Annotated[int, msgspec.Meta(ge=2)] = 100
    """Orders with more lines are left out: they are wholesale, not a shopper's choice."""
    price_reach: NotNegative = 2.0
    """A complement may cost so many times the item; a dearer one counts less, by the square root of how far it is beyond. 0: any
    price is alike."""
    owned_items: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Latest owned items that complements are looked up for, where the query names none."""


class BoughtTogether(Recommender[BoughtTogetherSettings]):
    """Scores complements of the page's or cart's items, else of what the shopper owns.

    With o the decayed number of orders: score(i, j) = o(i and j) / sqrt((o(i) + s) (o(j) + s)), the cosine of order sets
    (Sarwar et al., WWW 2001, section 3.1.1) with shrinkage s, times sqrt(min(1, r · price(i) / price(j))) where both prices are known,
    r the price reach: a case is bought with a phone, not the phone for the case.

    Arrays: neighbours int32[n, K] strongest first · weights float32[n, K] (0: padding).
    """

    name: ClassVar[str] = "bought_together"
    Settings: ClassVar[type[RecommenderSettings]] = BoughtTogetherSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: BoughtTogetherSettings) -> Arrays:
        """List the distinct items of every order that is small enough, and weigh the orders."""
        from scipy.sparse import coo_array

        catalog, events = tables.catalog, tables.events
        bought = events.where((events.kinds == EventType.PURCHASE) & (events.items >= 0))
        order = np.unique(bought.users.astype(np.int64) << 32 | bought.orders, return_inverse=True)[1]
        _, once = last_of_each(order * np.int64(max(catalog.n_items, 1)) + bought.items)
        bought, order = bought.where(once), order[once]
        decayed = decay(ages_in_days(bought.times, tables.as_of), settings.half_life_days)
        shape = (int(order.max()) + 1 if len(order) else 0, catalog.n_items)
        lines = coo_array((decayed, (order, bought.items)), shape=shape).tocsr()
        size = np.diff(lines.indptr)
        weight = np.divide(lines.sum(axis=1), size, out=np.zeros(len(size)), where=size > 0)
        rows = np.flatnonzero((size > 0) & (size <= settings.most_lines))
        lines, weight = lines[rows], weight[rows]
        lines.data[:] = 1
        return {**compact_rows(lines), "order_weights": weight.astype(np.float32)}

    @staticmethod
    def merge(
        parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: BoughtTogetherSettings
    ) -> Arrays:
        """Count pairs of items in orders and keep the strongest of another leaf category."""
        lines = matrix_of(parts, tables.catalog.n_items)
        weight = np.concatenate([part["order_weights"] for part in parts])
        return _complements(lines, weight, tables.catalog, settings)

    def __init__(
        self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: BoughtTogetherSettings
    ) -> None:
        self._neighbours = Neighbours(arrays, catalog.tie_rank)
        self._settings = settings
        self._catalog = catalog

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Add up the complements of the context, else of the items owned last."""
        sources = query.context if len(query.context) else self._owned(profile)
        return self._neighbours.of(sources, np.ones(len(sources), np.float32), allowed, n)

    def _owned(self, profile: Profile) -> Rows:
        latest = np.lexsort((profile.bought, -profile.bought_at))
        return profile.bought[latest[: self._settings.owned_items]]

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Name the item that it completes, and say so if the shopper owns it."""
        name = "bought_together" if len(query.context) else "bought_together_owned"
        return titled_reason(self._catalog, "bought_together", name, explained_by, query.locale)

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Name the item that each of several completes; one that many complete is looked up once."""
        found = {each: self.reason(query, profile, each, each) for each in set(explained_by)}
        return list(map(found.__getitem__, explained_by))


def _complements(lines: object, weight: Scores, catalog: Catalog, settings: BoughtTogetherSettings) -> Arrays:
    """Strongest complements per item from orders × items int and the weight float32 of each order."""
    from scipy.sparse import csr_array, diags_array

    items = csr_array(lines)
    weighted = (diags_array(weight) @ items).tocsr().astype(np.float32)
    scale = 1 / np.sqrt(np.asarray(weighted.sum(axis=0)) + settings.shrinkage + 1e-9)
    turned = items.T.tocsr().astype(np.float32)

    def weigh(items: Rows, met: Rows, products: Scores) -> Scores:
        leaves = catalog.category[items]
        other = (catalog.category[met] != leaves) | (leaves < 0)
        fits = _price_fits(catalog.price[items], catalog.price[met], settings.price_reach)
        scores: Scores = (products * scale[items] * scale[met] * other * fits).astype(np.float32)
        return scores

    return strongest_of_product(turned, weighted, settings.neighbours, weigh)


def _price_fits(prices: NDArray[np.float64], others: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Return how much complements at these prices count beside items, float64[m] up to 1; unknown prices count in full."""
    known = (others > 0) & (prices > 0) & (reach > 0)
    return np.sqrt(np.minimum(np.divide(reach * prices, others, out=np.ones(len(others)), where=known), 1))
