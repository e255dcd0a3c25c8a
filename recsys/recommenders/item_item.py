"""Item-item: what shoppers with the same interests turn to, from degree-normalised co-occurrence or BM25."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np

from recsys.behaviour import compact_rows, interactions, matrix_of
from recsys.ranking import strongest_of_product
from recsys.recommenders.base import EvidenceItem, Recommender, RecommenderSettings
from recsys.recommenders.neighbours import Neighbours, seeds
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class ItemItemSettings(RecommenderSettings, frozen=True):
    """Weights of neighbours."""

    weighting: Literal["degree", "bm25"] = "degree"
    """`degree`: co-occurrence divided by powers of both degrees; `bm25`: co-occurrence of BM25 weights."""
    item_power: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.6
    """p: how much the neighbours of a frequent item are held down."""
    user_power: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """a: how much a busy shopper's co-occurrences are held down, on each side of the product."""
    bm25_k1: NotNegative = 100.0
    """BM25: how late repetition saturates."""
    bm25_b: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """BM25: how much a busy shopper's events are held down."""
    neighbours: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 30
    """K: strongest neighbours kept per item."""
    half_life_days: NotNegative = 30.0
    """Age at which an event counts half in the fit and in the shopper's history; 0: no decay."""
    most_items: Annotated[int, msgspec.Meta(ge=1, extra={"tuned": False})] = 500
    """Strongest items of one shopper that the fit reads."""
    history_items: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Strongest items of the shopper's history that an answer starts from."""
    half_life_steps: NotNegative = 30.0
    """Steps since an event (`next_item` says what a step is) after which it counts half in the shopper's history; 0: no decay."""


class ItemItem(Recommender[ItemItemSettings]):
    """Scores the neighbours of what the shopper did: history × W, W = D_i^-p · Rᵀ · D_u^-2a · R with zero diagonal.

    R is users × items of decayed event weights, D its degrees; the K strongest entries of each row are kept. With the exponents
    at 1/2 it is the random-walk normalisation of Cooper et al., "Random walks in recommender systems" (WWW 2014); BM25 weights
    follow Robertson and Zaragoza, "The probabilistic relevance framework" (2009), section 3.

    Arrays: neighbours int32[n, K] strongest first · weights float32[n, K] (0: padding).
    """

    name: ClassVar[str] = "item_item"
    Settings: ClassVar[type[RecommenderSettings]] = ItemItemSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: ItemItemSettings) -> Arrays:
        """Decay, and keep each shopper's strongest items."""
        return compact_rows(_bounded(interactions(tables, behaviour, settings.half_life_days), settings.most_items))

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: ItemItemSettings) -> Arrays:
        """Weigh, multiply block by block, and keep the strongest neighbours."""
        return neighbour_arrays(matrix_of(parts, tables.catalog.n_items), settings)

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: ItemItemSettings) -> None:
        self._seeds = seeds(behaviour, settings.half_life_days, settings.history_items, settings.half_life_steps)
        self._neighbours = Neighbours(arrays, catalog.tie_rank)
        self._evidence = EvidenceItem(catalog)

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Add up the neighbours of the items in the query's context, else of the shopper's history."""
        return self._neighbours.of_seeds(self._seeds, query, profile.history, allowed, n)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Name the item that spoke most for this one."""
        return self._evidence.reason(query, profile, explained_by)

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Name the evidence item of each of several."""
        return self._evidence.reasons(query, profile, explained_by)


def neighbour_arrays(matrix: csr_array, settings: ItemItemSettings) -> Arrays:
    """Fit W on a users × items matrix of non-negative weights; see `ItemItem` for the arrays."""
    matrix = _bounded(matrix, settings.most_items)
    left, right = _bm25(matrix, settings) if settings.weighting == "bm25" else _degree(matrix, settings)
    return strongest_of_product(left, right, settings.neighbours)


def _degree(matrix: csr_array, settings: ItemItemSettings) -> tuple[Any, Any]:
    from scipy.sparse import diags_array

    users, items = matrix.sum(axis=1), matrix.sum(axis=0)
    user_scale = np.where(users > 0, np.maximum(users, 1e-12) ** (-2 * settings.user_power), 0)
    item_scale = np.where(items > 0, np.maximum(items, 1e-12) ** -settings.item_power, 0)
    left = (diags_array(item_scale) @ matrix.T.tocsr() @ diags_array(user_scale)).tocsr()
    return left.astype(np.float32), matrix.astype(np.float32)


def _bm25(matrix: csr_array, settings: ItemItemSettings) -> tuple[Any, Any]:
    """Weigh each shopper's items: idf(item) · tf (k1 + 1) / (tf + k1 (1 - b + b · length / average length))."""
    if not matrix.nnz:
        return matrix.T.tocsr(), matrix
    holders = np.bincount(matrix.indices, minlength=matrix.shape[1])
    idf = np.log(matrix.shape[0]) - np.log1p(holders)
    lengths = matrix.sum(axis=1)
    norm = 1 - settings.bm25_b + settings.bm25_b * lengths / max(float(lengths.mean()), 1e-12)
    weighted = matrix.copy()
    per_entry = np.repeat(norm, np.diff(matrix.indptr))
    saturated = matrix.data * (settings.bm25_k1 + 1) / (matrix.data + settings.bm25_k1 * per_entry)
    weighted.data = np.maximum(saturated * idf[matrix.indices], 0).astype(np.float32)
    return weighted.T.tocsr(), weighted


def _bounded(matrix: csr_array, max_n: int) -> csr_array:
    """Keep the strongest entries of each row."""
    lengths = np.diff(matrix.indptr)
    if not len(lengths) or lengths.max() <= max_n:
        return matrix
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    rank = np.arange(len(order)) - matrix.indptr[rows]
    matrix = matrix.copy()
    matrix.data[order[rank >= max_n]] = 0
    matrix.eliminate_zeros()
    return matrix
