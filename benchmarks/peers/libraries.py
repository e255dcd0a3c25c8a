"""Peers of public libraries, used as their documentation says: implicit and LensKit.

LensKit needs torch, so it stands in an environment of its own (requirements-peers.lock); where it is absent its peers are left out.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.peers.inputs import NONE, Drawn, Inputs, Scorer, ScoreRows
from recsys.types import Rows


def implicit_als(inputs: Inputs, settings: Drawn) -> Scorer:
    """Alternating least squares over confidences: Hu, Koren and Volinsky (ICDM 2008)."""
    from implicit.als import AlternatingLeastSquares

    chosen = {name: settings[name] for name in ("factors", "regularization", "alpha", "iterations")}
    with threadpool_limits(1, user_api="blas"):
        model = AlternatingLeastSquares(**chosen, random_state=inputs.seed, num_threads=2, use_gpu=False)
        model.fit(csr_matrix(inputs.matrix(settings)), show_progress=False)
    return _product(model.user_factors, model.item_factors)


def implicit_bpr(inputs: Inputs, settings: Drawn) -> Scorer:
    """Bayesian personalised ranking: Rendle et al. (UAI 2009). It reads only which pairs there are, so that age enters as a window."""
    from implicit.bpr import BayesianPersonalizedRanking

    chosen = {name: settings[name] for name in ("factors", "learning_rate", "regularization", "iterations")}
    model = BayesianPersonalizedRanking(**chosen, random_state=inputs.seed, num_threads=1, use_gpu=False)
    model.fit(csr_matrix(inputs.matrix(settings)), show_progress=False)
    return _product(model.user_factors, model.item_factors)


def implicit_bm25(inputs: Inputs, settings: Drawn) -> Scorer:
    """Item-item neighbours of BM25 weights; a score is the library's own: Σ the shopper's weights × similarity."""
    from implicit.nearest_neighbours import BM25Recommender
    from implicit.utils import ParameterWarning

    model = BM25Recommender(K=settings["k"], K1=settings["k1"], B=settings["b"], num_threads=2)
    known = csr_matrix(inputs.matrix(settings))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # the library warns of a matrix that it makes itself
        model.fit(known, show_progress=False)

    def score(users: Rows) -> ScoreRows:
        return np.asarray((known[users] @ model.similarity).toarray(), np.float32)

    return score


def lenskit_implicit_mf(inputs: Inputs, settings: Drawn) -> Scorer:
    """LensKit's ImplicitMFScorer: the same model as ALS, solved by Cholesky decomposition."""
    from lenskit.als import ImplicitMFScorer  # type: ignore[import-not-found]
    from lenskit.training import TrainingOptions  # type: ignore[import-not-found]

    chosen = {name: settings[name] for name in ("embedding_size", "weight", "regularization", "epochs")}
    model = ImplicitMFScorer(**chosen, use_ratings=True)
    with threadpool_limits(1, user_api="blas"):
        model.train(_dataset(inputs, settings), TrainingOptions(rng=inputs.seed))
    users = np.zeros((inputs.n_users, model.item_embeddings.shape[1]), np.float32)
    users[model.users.ids()] = model.user_embeddings
    known = model.items.ids()

    def score(chosen: Rows) -> ScoreRows:
        scores = np.full((len(chosen), inputs.n_items), NONE)
        scores[:, known] = users[chosen] @ model.item_embeddings.T
        return scores

    return score


def lenskit_item_knn(inputs: Inputs, settings: Drawn) -> Scorer:
    """LensKit's ItemKNNScorer for implicit feedback: Deshpande and Karypis (TOIS 2004). It reads only which pairs there are, so that
    age enters as a window."""
    from lenskit.data import ItemList, RecQuery  # type: ignore[import-not-found]
    from lenskit.knn import ItemKNNScorer  # type: ignore[import-not-found]

    x, model = inputs.matrix(settings), ItemKNNScorer(feedback="implicit", max_nbrs=settings["max_nbrs"])
    model.train(_dataset(inputs, settings))
    known = np.unique(x.indices)
    targets = ItemList(item_ids=known, vocabulary=model.items)

    def score(users: Rows) -> ScoreRows:
        scores = np.full((len(users), inputs.n_items), NONE)
        for place, user in enumerate(users.tolist()):
            own = ItemList(item_ids=x.indices[x.indptr[user] : x.indptr[user + 1]], vocabulary=model.items)
            found = model(RecQuery(user_id=user, user_items=own), targets).scores()
            scores[place, known] = np.nan_to_num(found, nan=0)
        return scores

    return score


def _product(users: Any, items: Any) -> Scorer:
    return lambda chosen: np.asarray(users[chosen] @ items.T, np.float32)


def _dataset(inputs: Inputs, settings: Drawn) -> Any:
    """The matrix as LensKit's data set, ids being rows."""
    from lenskit.data import from_interactions_df

    entries = inputs.matrix(settings).tocoo()
    users, items = entries.coords
    return from_interactions_df(pl.DataFrame({"user_id": users, "item_id": items, "rating": entries.data}).to_pandas())
