"""Boosted trees as plain arrays: walked node by node for a reason, and all candidates at once, without a branch, for an answer."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from recsys.engine.ranker.features import FeatureMatrix
from recsys.jit import LEAVES, REALS_2D, ROWS, SCORES, SCORES_2D, TIMES, compiled
from recsys.types import Arrays, Rows, Scores, SnapshotError

RankTask: TypeAlias = Literal["new", "repeat"]
RANK_TASKS: tuple[RankTask, ...] = get_args(RankTask)
MOST_LEAVES = 64
"""Of one tree: a bit of a word for each."""
_EVERY_LEAF = np.uint64(2**64 - 1)
_ONE = np.uint64(1)
_DE_BRUIJN, _SHIFT = np.uint64(0x03F79D71B4CB0A89), np.uint64(58)
"""Multiplied by one bit it has another six highest bits for each place of the bit (Leiserson, Prokop and Randall, "Using de Bruijn
sequences to index a 1 in a computer word", 1998)."""


def _places_of_bits() -> NDArray[np.int8]:
    """Place of the one bit, int8[64], by what its product with the sequence shows."""
    places = np.zeros(64, np.int8)
    for place in range(64):
        places[(int(_DE_BRUIJN) << place & 2**64 - 1) >> int(_SHIFT)] = place
    return places


_PLACES = _places_of_bits()


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
        scored: NDArray[np.float64] = sum_of_leaves(np.ascontiguousarray(matrix.T), *Leaves.of(self))
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

    def check(self, task: RankTask, n_features: int) -> None:
        """See that every walk ends: children stand after their node, and within the arrays.

        Raises:
            SnapshotError: if one would not, or a tree has more leaves than are counted.
        """
        n, inner = len(self.features), self.features >= 0
        places, children = np.arange(n)[inner], self.children[inner]
        parallel = len({n, len(self.thresholds), len(self.children), len(self.values)}) == 1
        outside = (self.features >= n_features).any() or (children <= places).any() or (children + 1 >= n).any()
        if not parallel or outside:
            raise SnapshotError(f"ranker: the trees of {task!r} are not whole; train a new snapshot")
        if len(self.roots) and not 0 <= self.roots.min() <= self.roots.max() < n:
            raise SnapshotError(f"ranker: a tree of {task!r} has no root; train a new snapshot")
        if max((len(self._inner_of(root)) for root in self.roots.tolist()), default=0) >= MOST_LEAVES:
            raise SnapshotError(f"ranker: a tree of {task!r} has over {MOST_LEAVES} leaves; train a new snapshot")

    def _inner_of(self, root: int) -> list[int]:
        """The nodes of a tree that are no leaves; of one with too many leaves, as many as show it."""
        waiting, found = [root], list[int]()
        while waiting and len(found) < MOST_LEAVES:
            node = waiting.pop()
            if self.features[node] >= 0:
                found.append(node)
                waiting += [int(self.children[node]) + 1, int(self.children[node])]
        return found


class Leaves(NamedTuple):
    """The same trees as the leaves that each node leaves over: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with
    additive ensembles of regression trees" (SIGIR 2015), section 3.

    features int32[k] and thresholds float32[k] of the nodes that are no leaves, tree after tree up to ends int32[t] · remaining
    uint64[k] a bit for each leaf that a value above the threshold can still come to · values float64[t, 64] of the leaves, from left
    to right. The leaf of a row is the first that remains after all nodes of its tree.
    """

    features: Rows
    thresholds: Scores
    remaining: NDArray[np.uint64]
    ends: Rows
    values: NDArray[np.float64]

    @classmethod
    def of(cls, trees: Trees) -> Leaves:
        """Lay trees out so."""
        nodes, remaining, ends = list[int](), list[int](), list[int]()
        values = np.zeros((len(trees.roots), MOST_LEAVES), np.float64)
        for tree, root in enumerate(trees.roots.tolist()):
            left_of: dict[int, int] = {}
            _count_leaves(trees, root, 0, left_of, values[tree])
            nodes += left_of
            remaining += [2**64 - 1 - left for left in left_of.values()]
            ends.append(len(nodes))
        return cls(
            trees.features[nodes].astype(np.int32),
            _rounded_down(trees.thresholds[nodes]),
            np.array(remaining, np.uint64),
            np.array(ends, np.int32),
            values,
        )


def _count_leaves(trees: Trees, node: int, first: int, left_of: dict[int, int], values: NDArray[np.float64]) -> int:
    """Note the leaves below a node as bits, the first of which is `first`; returns the bit after the last."""
    if trees.features[node] < 0:
        values[first] = trees.values[node]
        return first + 1
    left_of[node] = 0
    child = int(trees.children[node])
    middle = _count_leaves(trees, child, first, left_of, values)
    left_of[node] = (1 << middle) - (1 << first)
    return _count_leaves(trees, child + 1, middle, left_of, values)


def _rounded_down(thresholds: NDArray[np.float64]) -> Scores:
    """The largest float32 up to each threshold: a float32 is above the one if it is above the other."""
    rounded: Scores = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded).astype(np.float32)


@compiled()
def _sums(
    columns: FeatureMatrix,
    features: Rows,
    thresholds: Scores,
    remaining: NDArray[np.uint64],
    ends: Rows,
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    n = columns.shape[1]
    totals, leaves = np.zeros(n, np.float64), np.empty(n, np.uint64)
    node = 0
    for tree in range(len(ends)):
        for row in range(n):
            leaves[row] = _EVERY_LEAF
        while node < ends[tree]:
            column, threshold, above = columns[features[node]], thresholds[node], remaining[node]
            for row in range(n):
                leaves[row] &= above if column[row] > threshold else _EVERY_LEAF
            node += 1
        for row in range(n):
            lowest = leaves[row] & (~leaves[row] + _ONE)
            totals[row] += values[tree, _PLACES[lowest * _DE_BRUIJN >> _SHIFT]]
    return totals


@compiled(SCORES_2D, ROWS, SCORES, LEAVES, ROWS, REALS_2D)
def sum_of_leaves(
    columns: FeatureMatrix,
    features: Rows,
    thresholds: Scores,
    remaining: NDArray[np.uint64],
    ends: Rows,
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The sum of every tree's leaf, float64[m], for columns of features float32[f, m]."""
    return _sums(columns, features, thresholds, remaining, ends, values)


@compiled(ROWS, TIMES, ROWS, SCORES_2D, ROWS, ROWS, SCORES, LEAVES, ROWS, REALS_2D)
def ordered(
    items: Rows,
    owners: NDArray[np.int64],
    notes: Rows,
    columns: FeatureMatrix,
    tie_rank: Rows,
    features: Rows,
    thresholds: Scores,
    remaining: NDArray[np.uint64],
    ends: Rows,
    values: NDArray[np.float64],
) -> tuple[Rows, NDArray[np.float64], NDArray[np.int64], Rows]:
    """Items int32[m] by the trees' sum, then by ties: items, sums, owners and notes in that order."""
    totals = _sums(columns, features, thresholds, remaining, ends, values)
    n = len(items)
    order, sums = np.empty(n, np.int64), np.empty(n, np.float64)
    for place in range(n):
        total, tie, at = totals[place], tie_rank[items[place]], place
        while at > 0 and (sums[at - 1] < total or (sums[at - 1] == total and tie_rank[items[order[at - 1]]] > tie)):
            order[at], sums[at] = order[at - 1], sums[at - 1]
            at -= 1
        order[at], sums[at] = place, total
    return items[order], sums, owners[order], notes[order]
