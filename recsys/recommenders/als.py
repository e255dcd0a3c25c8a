"""ALS: matrix factorisation of implicit feedback, with the shopper folded in at serving by NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import compact_rows, event_weights, interactions, item_weights, matrix_of
from recsys.ranking import top_n
from recsys.reasons import reason_text
from recsys.recommenders.base import Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative, Positive
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Tables
from recsys.types import NO_CANDIDATES, Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores

_EVERY = 8
_NOTHING = 1e-6
"""Weights that have decayed below this are left out: they would weigh as much as 1 + 0."""


class AlsSettings(RecommenderSettings, frozen=True):
    """Size and regularisation of the model."""

    factors: Annotated[int, msgspec.Meta(ge=1, le=512, extra={"tuned": False})] = 64
    """Length of an item's vector."""
    iterations: Annotated[int, msgspec.Meta(ge=1, le=200, extra={"tuned": False})] = 12
    """Alternations of the solver."""
    regularization: Positive = 20.0
    """Ridge on the vectors."""
    alpha: Positive = 2.0
    """Confidence in an event weight r: c = 1 + alpha r."""
    half_life_days: NotNegative = 30.0
    """Age at which an event counts half in the fit and in the shopper's history; 0: no decay."""
    history_items: Annotated[int, msgspec.Meta(ge=1)] = 100
    """Strongest items of the shopper's history that are folded in."""
    most_interactions: Annotated[int, msgspec.Meta(ge=1, extra={"tuned": False})] = 10_000_000
    """Pairs of a shopper and an item that the fit reads. Of more, it learns the items' vectors from a sample of the shoppers that have
    about so many: each is in it with the same chance, by the seed. Shoppers outside are folded in as everybody is."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=256, extra={"tuned": False})] = 2
    """Threads of the solver; each row is solved on its own, so the result does not depend on them."""


class Als(Recommender[AlsSettings]):
    """Scores items by x_u · y_i, x_u solved from the shopper's history as the fit would: Hu, Koren and Volinsky,
    "Collaborative filtering for implicit feedback datasets" (ICDM 2008), equation 4.

    Arrays: factors float32[n, f] · gram float32[f, f] = YᵀY + λI.
    """

    name: ClassVar[str] = "als"
    Settings: ClassVar[type[RecommenderSettings]] = AlsSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: AlsSettings) -> Arrays:
        """Turn decayed event weights into confidences."""
        matrix = interactions(tables, behaviour, settings.half_life_days)
        matrix.data[matrix.data < _NOTHING] = 0
        matrix.eliminate_zeros()
        matrix.data = (1 + settings.alpha * matrix.data).astype(np.float32)
        return compact_rows(matrix)

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: AlsSettings) -> Arrays:
        """Factorise the users × items matrix of confidences, or some of its rows; the seed is the tables'."""
        n = tables.catalog.n_items
        matrix = matrix_of(sampled(parts, settings.most_interactions, tables.seed), n)
        factors = factorise(matrix, settings, tables.seed)[1] if matrix.nnz else np.zeros((n, settings.factors), np.float32)
        ridge = settings.regularization * np.eye(settings.factors, dtype=np.float32)
        return {"factors": factors, "gram": factors.T @ factors + ridge}

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: AlsSettings) -> None:
        self._factors = cast(NDArray[np.float32], arrays["factors"])
        self._gram = cast(NDArray[np.float32], arrays["gram"])
        self._event_weights = event_weights(behaviour)
        self._catalog = catalog
        self._settings = settings

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Fold the history in and score every allowed item; where few are allowed only those are read."""
        settings = self._settings
        items, strengths = item_weights(
            profile.history, query.now, self._event_weights, settings.half_life_days, settings.history_items
        )
        if not len(items):
            return NO_CANDIDATES
        vector = self._fold_in(items, strengths)
        rows = np.flatnonzero(allowed).astype(np.int32)
        if len(rows) * _EVERY < len(allowed):
            scores = self._factors[rows] @ vector
        else:
            scores = (self._factors @ vector)[rows]
        return _positive(top_n(rows, scores, self._catalog.tie_rank, n))

    def _fold_in(self, items: Rows, strengths: Scores) -> NDArray[np.float32]:
        vectors = self._factors[items]
        confidence = 1 + np.float32(self._settings.alpha) * strengths
        system = self._gram + (vectors.T * (confidence - 1)) @ vectors
        return cast(NDArray[np.float32], np.linalg.solve(system, vectors.T @ confidence))

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """The model has no single evidence item, so it claims none."""
        return _explain(query.locale)


@cache
def _explain(locale: str) -> Reason:
    return Reason("taste", reason_text("taste", locale))


def _positive(candidates: Candidates) -> Candidates:
    kept = candidates.scores > 0
    return Candidates(candidates.items[kept], candidates.scores[kept])


def sampled(parts: Sequence[Arrays], most: int, seed: int) -> Sequence[Arrays]:
    """The rows of `compact_rows` that are drawn, each with the same chance, so that about `most` entries are left; all where there are
    no more. How rows are cut into parts changes nothing."""
    share = most / max(1, sum(len(part["items"]) for part in parts))
    if share >= 1:
        return parts
    drawing = np.random.default_rng(seed)
    return [_rows_where(part, drawing.random(len(part["lengths"])) < share) for part in parts]


def _rows_where(rows: Arrays, chosen: Mask) -> Arrays:
    entries = np.repeat(chosen, cast(Rows, rows["lengths"]))
    return {"lengths": rows["lengths"][chosen], "items": rows["items"][entries], "weights": rows["weights"][entries]}


def factorise(matrix: object, settings: AlsSettings, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factorise users × items confidences (sparse, at least 1 where seen) into user and item vectors float32[·, f]."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=settings.factors,
            regularization=settings.regularization,
            iterations=settings.iterations,
            alpha=1.0,
            random_state=seed,
            num_threads=settings.threads,
            use_gpu=False,
        )
        model.fit(csr_matrix(matrix), show_progress=False)
    return np.ascontiguousarray(model.user_factors, np.float32), np.ascontiguousarray(model.item_factors, np.float32)
