"""Ranker: boosted trees that order what several recommenders bring, and say which features moved an item.

The trees are fitted offline (`training/job/ranker.py`) and served from plain arrays; the features are those of `features`,
computed by the same code in both places. Who brought an item, and so its reason, is decided as in the blend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from recsys.engine.blend import NONE_RANKED, Ranked
from recsys.engine.ranker.features import Describer, FeatureMatrix, feature_names
from recsys.jit import REALS, ROWS, SCORES_2D, compiled
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.manifest import RankerRecord
from recsys.types import Arrays, Bought, Candidates, Profile, RowQuery, Rows, SnapshotError

GROUP = "ranker"
"""The snapshot's folder of its arrays."""
RankTask: TypeAlias = Literal["new", "repeat"]
RANK_TASKS: tuple[RankTask, ...] = get_args(RankTask)


class Trees(NamedTuple):
    """Boosted trees laid end to end: roots int32[t] · features int32[v] the column that a node looks at (-1: a leaf) · thresholds
    float64[v], a value up to it goes to the child at children int32[v], a larger one to the next · values float64[v] of leaves; of
    other nodes the mean of the leaves below, weighed by how many examples came there."""

    roots: Rows
    features: Rows
    thresholds: NDArray[np.float64]
    children: Rows
    values: NDArray[np.float64]

    def arrays(self, task: RankTask) -> Arrays:
        """The arrays of a snapshot."""
        return {f"{task}_{name}": array for name, array in self._asdict().items()}

    @classmethod
    def of(cls, arrays: Arrays, task: RankTask) -> Trees | None:
        """Those of a task; None: it has none."""
        if f"{task}_roots" not in arrays:
            return None
        return cls(*(cast(Any, np.ascontiguousarray(arrays[f"{task}_{name}"])) for name in cls._fields))

    def scores(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        """The sum of every tree's leaf, float64[m], for rows of features float32[m, f]."""
        scored: NDArray[np.float64] = _walk(matrix, *self)
        return scored

    def contributions(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how far each feature moved one row, float64[f]; with the trees' mean they add up to its score (Saabas, "Interpreting
        random forests", 2014)."""
        moved = np.zeros(len(row), np.float64)
        for root in self.roots.tolist():
            node = root
            while (feature := int(self.features[node])) >= 0:
                child = int(self.children[node]) + int(row[feature] > self.thresholds[node])
                moved[feature] += self.values[child] - self.values[node]
                node = child
        return moved


class Moved(NamedTuple):
    """A feature that moved an item: its value and by how much; above 0 it moved it up."""

    feature: str
    value: float
    by: float


class Ranker:
    """Orders candidates by the trees of a task, where it leads."""

    def __init__(self, record: RankerRecord, arrays: Arrays, catalog: Catalog) -> None:
        """Take the trees of a snapshot up.

        Raises:
            SnapshotError: if they look at features that there are not, or their arrays are not whole.
        """
        self.sources, self.depth = record.sources, record.depth
        self.features = feature_names(record.sources)
        self.trees = {task: trees for task in RANK_TASKS if (trees := Trees.of(arrays, task)) is not None}
        for task, trees in self.trees.items():
            _check(task, trees, len(self.features))
        facts = cast("NDArray[np.float32]", arrays["facts"]) if self.trees else _NO_FACTS
        self._describer = Describer(catalog, facts, record.sources)
        self._tie_rank = catalog.tie_rank

    def trees_for(self, bought: Bought) -> Trees | None:
        """The trees that order a list with these items of the shopper's own; None: the blend does."""
        return self.trees.get(task_of(bought))

    def rank(
        self, trees: Trees, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile
    ) -> Ranked:
        """Rank what these lists hold by the trees; equal scores by the items' ties."""
        described = self._describer.describe(lists, weights, query, profile)
        if described is None:
            return NONE_RANKED
        order, scores = _ordered(described.items, described.matrix, self._tie_rank, *trees)
        return Ranked(
            described.items.take(order),
            scores,
            tuple([name for name, found in lists.items() if len(found)]),
            described.owners.take(order),
            described.explained_by.take(order),
        )

    def moved(
        self,
        trees: Trees,
        lists: Mapping[str, Candidates],
        weights: Mapping[str, float],
        query: RowQuery,
        profile: Profile,
        item: int,
    ) -> list[Moved]:
        """The features that moved an item, the strongest first; none if nobody brought it."""
        described = self._describer.describe(lists, weights, query, profile)
        if described is None or item not in described.items:
            return []
        row = described.matrix[int(described.items.searchsorted(item))]
        moved = trees.contributions(row)
        strongest = np.argsort(-np.abs(moved), kind="stable")
        return [Moved(self.features[at], float(row[at]), float(moved[at])) for at in strongest.tolist() if moved[at]]


def task_of(bought: Bought) -> RankTask:
    """Return what a list is for: something new, or anything that the shopper may buy next."""
    return "repeat" if bought.mode in ("allow", "only") else "new"


def _check(task: str, trees: Trees, n_features: int) -> None:
    """Raise unless every walk ends: children stand after their node, and within the arrays."""
    n, inner = len(trees.features), trees.features >= 0
    places, children = np.arange(n)[inner], trees.children[inner]
    parallel = len({n, len(trees.thresholds), len(trees.children), len(trees.values)}) == 1
    if not parallel or (trees.features >= n_features).any() or (children <= places).any() or (children + 1 >= n).any():
        raise SnapshotError(f"ranker: the trees of {task!r} are not whole; train a new snapshot")
    if len(trees.roots) and not 0 <= trees.roots.min() <= trees.roots.max() < n:
        raise SnapshotError(f"ranker: a tree of {task!r} has no root; train a new snapshot")


_NO_FACTS = np.zeros((0, 0), np.float32)


@compiled(SCORES_2D, ROWS, ROWS, REALS, ROWS, REALS)
def _walk(
    matrix: FeatureMatrix,
    roots: Rows,
    features: Rows,
    thresholds: NDArray[np.float64],
    children: Rows,
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum up the leaves that each row comes to."""
    totals = np.zeros(len(matrix), np.float64)
    for tree in range(len(roots)):
        for row in range(len(matrix)):
            node = roots[tree]
            while features[node] >= 0:
                node = children[node] + (matrix[row, features[node]] > thresholds[node])
            totals[row] += values[node]
    return totals


@compiled(ROWS, SCORES_2D, ROWS, ROWS, ROWS, REALS, ROWS, REALS)
def _ordered(
    items: Rows,
    matrix: FeatureMatrix,
    tie_rank: Rows,
    roots: Rows,
    features: Rows,
    thresholds: NDArray[np.float64],
    children: Rows,
    values: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the items by the trees' sum, then by ties, and those sums in that order."""
    totals = _walk(matrix, roots, features, thresholds, children, values)
    order = np.argsort(tie_rank[items], kind="mergesort")
    order = order[np.argsort(-totals[order], kind="mergesort")]
    return order, totals[order]
