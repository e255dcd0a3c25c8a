"""Content: look-alikes by title, category, brand and price, also of items that nobody touched yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
import numpy as np

from recsys.behaviour import QuerySeeds
from recsys.ranking import Neighbours, strongest_of_product
from recsys.recommenders.base import EvidenceItem, Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_WORD = re.compile(r"\w{2,}")


class ContentSettings(RecommenderSettings, frozen=True):
    """Weights of the parts that make two items alike."""

    neighbours: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    """K: closest look-alikes kept per item."""
    category_weight: NotNegative = 1.0
    """Weight of a common category, of each level, against one common word of the titles."""
    brand_weight: NotNegative = 1.0
    """Weight of a common brand."""
    price_weight: NotNegative = 0.5
    """Weight of prices within half and double of each other, the closer the more."""
    most_items: Annotated[int, msgspec.Meta(ge=2, extra={"tuned": False})] = 500
    """A word, category, brand or price step that more items have tells nothing of them; the fit costs its square."""
    half_life_days: NotNegative = 30.0
    """Age at which an event counts half in the shopper's history; 0: no decay."""
    history_items: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Strongest items of the shopper's history that an answer starts from."""


class Content(Recommender[ContentSettings]):
    """Scores the look-alikes of what the shopper did: history × S, S the cosine of what items are made of.

    Words of the title (once each), levels of the category, brand, and steps of the price's logarithm each weigh their setting times
    ln(n / items that have it): Salton and Buckley, "Term-weighting approaches in automatic text retrieval" (1988). It learns
    from the catalogue alone, so an item without any event has look-alikes, and is one.

    Arrays: neighbours int32[n, K] closest first · weights float32[n, K] (0: padding).
    """

    name: ClassVar[str] = "content"
    Settings: ClassVar[type[RecommenderSettings]] = ContentSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: ContentSettings) -> Arrays:
        """Count the events."""
        return {"events": np.array(len(tables.events))}

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: ContentSettings) -> Arrays:
        """Weigh what items are made of, multiply block by block, and keep the closest; of a shop without events, nothing."""
        rows = _term_rows(tables.catalog, settings)
        if not any(part["events"] for part in parts):
            rows = rows[:, :0]
        return strongest_of_product(rows, rows.T.tocsr(), settings.neighbours)

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: ContentSettings) -> None:
        self._seeds = QuerySeeds(behaviour, settings.half_life_days, settings.history_items)
        self._neighbours = Neighbours(arrays, catalog.tie_rank)
        self._evidence = EvidenceItem(catalog)

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Add up the look-alikes of the items in the query's context, else of the shopper's history."""
        sources, strengths = self._seeds.of(query, profile.history)
        return self._neighbours.of(sources, strengths, allowed, n)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Name the item that this one is most like."""
        return self._evidence.reason(query, profile, explained_by)

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Name the evidence item of each of several."""
        return self._evidence.reasons(query, profile, explained_by)


def _term_rows(catalog: Catalog, settings: ContentSettings) -> csr_array:
    """Return what every item is made of: items × terms float32, rows of length 1."""
    from scipy.sparse import coo_array, diags_array

    terms: dict[str, int] = {}
    where: tuple[list[int], list[int]] = ([], [])
    weights: list[float] = []
    for row in range(catalog.n_known):
        for term, weight in _terms(catalog, row, settings):
            where[0].append(row)
            where[1].append(terms.setdefault(term, len(terms)))
            weights.append(weight)
    shape = (catalog.n_items, max(len(terms), 1))
    matrix = coo_array(
        (np.array(weights, np.float32), (np.array(where[0], np.int32), np.array(where[1], np.int32))), shape=shape
    )
    matrix = matrix.tocsc()
    holders = np.diff(matrix.indptr)
    tells = (holders > 1) & (holders <= settings.most_items)
    rarity = np.where(tells, np.log(max(catalog.n_known, 1) / np.maximum(holders, 1)), 0).astype(np.float32)
    weighed = (matrix @ diags_array(rarity)).tocsr()
    weighed.eliminate_zeros()
    lengths = np.sqrt(np.asarray(weighed.power(2).sum(axis=1)))
    return (diags_array(1 / np.maximum(lengths, 1e-9)) @ weighed).tocsr().astype(np.float32)


def _terms(catalog: Catalog, row: int, settings: ContentSettings) -> Iterator[tuple[str, float]]:
    """The terms of one item, each with its weight; every kind has its own first letter."""
    for word in dict.fromkeys(_WORD.findall(catalog.title(row).lower())):
        yield f"t{word}", 1.0
    category = int(catalog.category[row])
    while category >= 0:
        yield f"c{category}", settings.category_weight
        category = int(catalog.parent[category])
    if catalog.brand[row] >= 0:
        yield f"b{catalog.brand[row]}", settings.brand_weight
    if catalog.price[row] > 0:
        step = 3 * np.log2(catalog.price[row])
        for near in range(int(np.floor(step)) - 1, int(np.floor(step)) + 3):
            yield f"p{near}", settings.price_weight / 4
