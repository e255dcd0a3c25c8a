"""Content: look-alikes by title, category, brand and price, also of items that nobody touched yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, cast

import msgspec
import numpy as np

from recsys.ranking import strongest_of_product
from recsys.recommenders.base import EvidenceItem, Recommender, RecommenderSettings
from recsys.recommenders.neighbours import Neighbours, seeds
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.snapshot.id_index import IdMap, id_arrays
from recsys.snapshot.put.put_neighbours import PutNeighbours
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores, Times

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
    from the catalogue alone, so an item without any event has look-alikes, and is one. So is an item that is put while the snapshot
    serves, by the terms that two items or more had in the fit.

    Arrays: neighbours int32[n, K] closest first · weights float32[n, K] (0: padding) · the ids of the t terms that tell something
    (`id_arrays`), what each weighs float32[t], and the items int32[m] that have it, at offsets int64[t+1] · lengths float32[n] of the
    items' vectors.
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
        made_of = _made_of(tables.catalog, settings)
        if not any(part["events"] for part in parts):
            made_of = made_of.without_terms
        rows = made_of.rows
        return {**strongest_of_product(rows, rows.T.tocsr(), settings.neighbours), **made_of.arrays()}

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: ContentSettings) -> None:
        self._seeds = seeds(behaviour, settings.half_life_days, settings.history_items)
        self._neighbours = Neighbours(arrays, catalog.tie_rank)
        self._tie_rank = catalog.tie_rank
        self._put = PutNeighbours(catalog, arrays, Terms(arrays, catalog, settings)) if "holders" in arrays else None
        self._evidence = EvidenceItem(catalog, "look_alike")  # it knows nothing of what shoppers like

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Add up the look-alikes of the items in the query's context, else of the shopper's history."""
        self.follow_items()
        return self._neighbours.of_seeds(self._seeds, query, profile.history, allowed, n)

    def follow_items(self) -> None:
        """Find the look-alikes of items that were put since the last time."""
        if self._put is not None and self._put.began():
            self._neighbours = Neighbours(self._put.arrays, self._tie_rank)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Name the item that this one is most like."""
        return self._evidence.reason(query, profile, explained_by)

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Name the evidence item of each of several."""
        return self._evidence.reasons(query, profile, explained_by)


class Terms:
    """Terms of the fit, by which an item that is put is held against those that were fitted, and against others that were put."""

    def __init__(self, arrays: Arrays, catalog: Catalog, settings: ContentSettings) -> None:
        self._ids = IdMap(arrays, "term")
        self._weights = cast(Scores, arrays["term_weights"])
        self._offsets = cast(Times, arrays["holder_offsets"])
        self._holders = cast(Rows, arrays["holders"])
        self._lengths = cast(Scores, arrays["lengths"])
        self._catalog, self._settings = catalog, settings

    def of(self, row: int) -> Mapping[int, float]:
        """Terms that an item has, and what each counts in a vector of length 1."""
        found = (self._ids.row(term) for term, _ in _terms(self._catalog, row, self._settings))
        weights = {term: float(self._weights[term]) for term in found if term >= 0}
        length = np.sqrt(sum(weight**2 for weight in weights.values()))
        return {term: weight / length for term, weight in weights.items()}

    def fitted(self, vector: Mapping[int, float]) -> tuple[Rows, Scores]:
        """Items of the fit that share a term, int32[m] ascending, and the cosine with each, float32[m]."""
        lists = [self._holders[self._offsets[term] : self._offsets[term + 1]] for term in vector]
        if not lists:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        shares = np.array([weight * self._weights[term] for term, weight in vector.items()])
        rows, places = np.unique(np.concatenate(lists), return_inverse=True)
        sums = np.bincount(places, np.repeat(shares, [len(each) for each in lists]))
        return rows, (sums / self._lengths[rows]).astype(np.float32)


class _MadeOf(NamedTuple):
    """Terms of every item: items × terms float32, rows of length 1; the terms, their weights, and the rows' lengths before."""

    rows: csr_array
    terms: Sequence[str]
    weights: Scores
    lengths: Scores

    @property
    def without_terms(self) -> _MadeOf:
        """The same items, made of nothing."""
        return _MadeOf(self.rows[:, :0], (), self.weights[:0], self.lengths)

    def arrays(self) -> Arrays:
        """Lay out what `Terms` reads."""
        by_term = self.rows.tocsc()
        by_term.sort_indices()
        return {
            **id_arrays(self.terms, "term"),
            "term_weights": self.weights,
            "holder_offsets": by_term.indptr.astype(np.int64),
            "holders": by_term.indices.astype(np.int32),
            "lengths": self.lengths,
        }


def _made_of(catalog: Catalog, settings: ContentSettings) -> _MadeOf:
    """Weigh the terms of every item that two have or more, but not too many."""
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
    lengths = np.maximum(np.sqrt(np.asarray(weighed.power(2).sum(axis=1))), 1e-9).astype(np.float32)
    rows = (diags_array(1 / lengths) @ weighed).tocsr().astype(np.float32)
    kept, names = np.flatnonzero(rarity), list(terms)
    return _MadeOf(
        rows[:, kept], [names[term] for term in kept.tolist()], (matrix.max(axis=0).toarray() * rarity)[kept], lengths
    )


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
