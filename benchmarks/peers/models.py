"""Peers that a paper defines in a few lines, written out here."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array

from benchmarks.peers.inputs import Drawn, Inputs, Scorer, ScoreRows
from recsys.types import Rows


def popularity(inputs: Inputs, settings: Drawn) -> Scorer:
    """Purchases of the last `window_days`, the same for everybody."""
    counts = inputs.purchases(settings["window_days"])
    return lambda users: np.tile(counts, (len(users), 1))


def personal_frequency(inputs: Inputs, settings: Drawn) -> Scorer:
    """Own decayed purchases + c · purchases of the last `popularity_days`, 1 for the most bought item.

    Li et al., "A next basket recommendation reality check" (TOIS 2023), section 4, with popularity to break ties.
    """
    own = inputs.matrix({"half_life_days": settings["half_life_days"], "purchases_only": True})
    recent = inputs.purchases(settings["popularity_days"])
    recent *= settings["popularity_weight"] / max(recent.max(initial=0), 1)

    def score(users: Rows) -> ScoreRows:
        return np.asarray(own[users].toarray() + recent, np.float32)

    return score


def ease(inputs: Inputs, settings: Drawn) -> Scorer:
    """X · B, B = I - P · diag(1 / diag P), P = (XᵀX + λI)⁻¹: Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW
    2019), section 3.1; exact, with every item and negative weights.

    Solved on the side of the users, of whom these shops have fewer: with G = (XXᵀ + λI)⁻¹, X · P = G · X and, by Woodbury's
    identity, diag P = (1 - diag(Xᵀ · G · X)) / λ.
    """
    known, ridge = inputs.matrix(settings), float(settings["regularization"])
    x = known.astype(np.float64)
    kernel = (x @ x.T).toarray()
    kernel[np.diag_indices_from(kernel)] += ridge
    solved = np.linalg.inv(kernel)
    explained, columns = np.zeros(inputs.n_items), x.tocsc()
    for item in range(inputs.n_items):
        own = slice(columns.indptr[item], columns.indptr[item + 1])
        holders, weights = columns.indices[own], columns.data[own]
        explained[item] = weights @ solved[np.ix_(holders, holders)] @ weights
    scale = (ridge / np.maximum(1 - explained, 1e-12)).astype(np.float32)
    solved = solved.astype(np.float32)

    def score(users: Rows) -> ScoreRows:
        return np.asarray(known[users].toarray() - (known.T @ solved[users].T).T * scale, np.float32)

    return score


def rp3beta(inputs: Inputs, settings: Drawn) -> Scorer:
    """Walks user → item → user → item, each step's probability raised to α, divided by popularity^β: Paudel et al., "Updatable,
    accurate, diverse, and scalable recommendations for interactive applications" (TiiS 2016), sections 3.2 and 3.3.

    The probabilities are those of the weighted graph, and an item's popularity is its total weight.
    """
    x, alpha = inputs.matrix(settings), float(settings["alpha"])
    degrees = np.asarray(x.sum(axis=0))
    forth, back = _steps(x, alpha), _steps(csr_array(x.T), alpha)
    held_down = np.where(degrees > 0, np.maximum(degrees, 1e-9) ** -float(settings["beta"]), 0).astype(np.float32)

    def score(users: Rows) -> ScoreRows:
        neighbours = (forth[users] @ back).toarray()
        return np.asarray((forth.T @ neighbours.T).T * held_down, np.float32)

    return score


def _steps(x: csr_array, alpha: float) -> csr_array:
    """The probability of each step from the rows, to the power of α."""
    totals = np.maximum(np.asarray(x.sum(axis=1)), 1e-9)
    steps = csr_array(diags_array(1 / totals) @ x)
    steps.data = (steps.data**alpha).astype(np.float32)
    return steps
