"""EASE: which items speak for which, solved at once for all of them by one ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import compact_rows, interactions, matrix_of
from recsys.recommenders.base import EvidenceItem, Recommender, RecommenderSettings
from recsys.recommenders.neighbours import Neighbours, seeds
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores


class EaseSettings(RecommenderSettings, frozen=True):
    """Inputs of the regression, and the share of it that is kept."""

    regularization: Annotated[float, msgspec.Meta(ge=0.001, le=1e9)] = 300.0
    """λ: ridge on the weights; the more, the closer they come to plain co-occurrence."""
    power: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Exponent on a shopper's decayed event weights of an item: 1 takes them as they are, 0 only whether there are any."""
    half_life_days: NotNegative = 60.0
    """Age at which an event counts half in the fit and in the shopper's history; 0: no decay."""
    most_items: Annotated[int, msgspec.Meta(ge=1, le=20_000, extra={"tuned": False})] = 4_000
    """Items of the largest total weight that take part; the others have no neighbours. The fit holds 32 bytes per pair of them."""
    neighbours: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    """K: strongest weights kept per item, of either sign."""
    history_items: Annotated[int, msgspec.Meta(ge=1)] = 30
    """Strongest items of the shopper's history that an answer starts from."""
    half_life_steps: NotNegative = 30.0
    """Steps since an event (`next_item` says what a step is) after which it counts half in the shopper's history; 0: no decay."""


class Ease(Recommender[EaseSettings]):
    """Scores items by history × B, B = I - P · diag(1 / diag P), P = (XᵀX + λI)⁻¹: Steck, "Embarrassingly shallow autoencoders
    for sparse data" (WWW 2019), section 3.1.

    B is what best rebuilds X from itself while no item may speak for itself. X is users × items of (decayed event weights)^power,
    and a shopper's history is weighed in the same way. A negative weight speaks against an item.

    Arrays: items int32[m] that take part, heaviest first · place int32[n] of each item among them (-1: none) · neighbours
    int32[m, K] strongest first · weights float32[m, K] (0: padding): the largest |B[i, ·]| of each item i that takes part.
    """

    name: ClassVar[str] = "ease"
    Settings: ClassVar[type[RecommenderSettings]] = EaseSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: EaseSettings) -> Arrays:
        """Weigh what shoppers did."""
        return compact_rows(interactions(tables, behaviour, settings.half_life_days))

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: EaseSettings) -> Arrays:
        """Solve for the items that take part, and keep the strongest neighbours."""
        x = matrix_of(parts, tables.catalog.n_items).astype(np.float64)
        part = _heaviest(np.asarray(x.sum(axis=0)), settings.most_items)
        place = np.full(x.shape[1], -1, np.int32)
        place[part] = np.arange(len(part))
        x.data **= settings.power
        x = x[:, part]
        neighbours, weights = strongest_of_rows(_solution((x.T @ x).toarray(), settings.regularization), settings.neighbours)
        return {"items": part, "place": place, "neighbours": part[neighbours], "weights": weights}

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: EaseSettings) -> None:
        self._seeds = seeds(
            behaviour, settings.half_life_days, settings.history_items, settings.half_life_steps, settings.power
        )
        self._neighbours = Neighbours(arrays, catalog.tie_rank, cast(Rows, arrays["place"]))
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


_Reals = NDArray[np.float64]
_BLOCK = 256
"""Rows that are mirrored, or looked at, at a time."""


def _heaviest(totals: _Reals, max_n: int) -> Rows:
    """Items int32[m ≤ most] of the largest totals above zero, largest first; of equal ones the lower row comes first."""
    order = np.argsort(-totals, kind="stable")[:max_n]
    return order[totals[order] > 0].astype(np.int32)


def _solution(gram: _Reals, regularization: float) -> _Reals:
    """B float64[m, m] but for its diagonal, from XᵀX, which is overwritten; one thread makes the same bytes on every run."""
    diagonal = np.diag_indices_from(gram)
    gram[diagonal] += regularization
    solution = inverse_of(gram)
    solution /= -solution[diagonal]
    return solution


def inverse_of(matrix: _Reals) -> _Reals:
    """The inverse of a symmetric positive definite matrix float64[m, m]: by Cholesky, a third of the work of the general one, which
    answers where rounding left the matrix not quite definite."""
    from scipy.linalg import lapack
    from threadpoolctl import threadpool_limits

    if not len(matrix):
        return matrix
    with threadpool_limits(1, user_api="blas"):
        factor, failed = lapack.dpotrf(matrix.T, lower=True)
        if failed:
            return cast(_Reals, np.linalg.inv(matrix))
        inverse, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
    for start in range(0, len(inverse), _BLOCK):
        block = slice(start, start + _BLOCK)
        inverse[:start, block] = inverse[block, :start].T
        square = inverse[block, block]
        square[:] = np.tril(square) + np.tril(square, -1).T
    return cast(_Reals, inverse.T)


def strongest_of_rows(b: _Reals, k: int) -> tuple[Rows, Scores]:
    """The k entries of each row that are largest without their sign, largest first: columns int32[m, k] and float32[m, k]."""
    np.fill_diagonal(b, 0)
    k = min(k, max(len(b) - 1, 1))
    found, weights = np.empty((len(b), k), np.int32), np.empty((len(b), k), np.float32)
    for start in range(0, len(b), _BLOCK):
        block = b[start : start + _BLOCK]
        strength = np.abs(block)
        columns = np.argpartition(-strength, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(strength, columns, axis=1), axis=1, kind="stable")
        columns = np.take_along_axis(columns, order, axis=1)
        found[start : start + _BLOCK] = columns
        weights[start : start + _BLOCK] = np.take_along_axis(block, columns, axis=1)
    return found, weights
