"""Ranker: boosted trees that order what several recommenders bring, and say which features moved an item.

The trees are fitted offline (`training/job/ranker/trees.py`) and served from plain arrays; the features are those of `features`,
computed by the same code in both places. Who brought an item, and so its reason, is decided as in the blend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from recsys.engine.blend import NONE_RANKED, Ranked
from recsys.engine.ranker.features import Describer, feature_names
from recsys.engine.ranker.trees import RANK_TASKS, Leaves, RankTask, Trees, ordered
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.manifest import RankerRecord, TaskVerdict
from recsys.types import Arrays, Bought, Candidates, Profile, RowQuery

GROUP = "ranker"
"""The snapshot's folder of its arrays."""
LEARNED_LIMIT = 20
"""Items of the lists that a ranker learns from and is judged on: shorter ones of its sources would say less of an item."""


class Moved(NamedTuple):
    """A feature that moved an item: its value and by how much; above 0 it moved it up."""

    feature: str
    value: float
    by: float


class AnyRanker(Protocol):
    """A ranker as an engine asks it."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The recommenders whose lists it orders."""
        ...

    @property
    def depth(self) -> int:
        """Items of each of these lists, at the least."""
        ...

    def rank(
        self, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile
    ) -> Ranked:
        """Rank what these lists hold."""
        ...

    def moved(
        self, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile, item: int
    ) -> list[Moved]:
        """The features that moved an item, the strongest first."""
        ...


class Ranker:
    """Orders the candidates of a task's lists by its trees."""

    def __init__(
        self, task: RankTask, trees: Trees, verdict: TaskVerdict, facts: NDArray[np.float32], catalog: Catalog
    ) -> None:
        """Take the trees of a task up; `facts` float32[n, 9] are those of `items.item_facts`.

        Raises:
            SnapshotError: if they look at features that there are not, or their arrays are not whole.
        """
        self.sources, self.depth = verdict.sources, verdict.depth
        self.features = feature_names(self.sources)
        trees.check(task, len(self.features))
        self._trees, self._leaves = trees, Leaves.of(trees)
        self._describer = Describer(catalog, facts, self.sources)
        self._tie_rank = catalog.tie_rank

    def rank(
        self, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile
    ) -> Ranked:
        """Rank what these lists hold by the trees; equal scores by the items' ties."""
        described = self._describer.describe(lists, weights, query, profile)
        if described is None:
            return NONE_RANKED
        items, owners, notes, columns = described
        items, scores, owners, notes = ordered(items, owners, notes, columns, self._tie_rank, *self._leaves)
        return Ranked(items, scores, tuple(lists), owners, notes)

    def moved(
        self, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile, item: int
    ) -> list[Moved]:
        """The features that moved an item, the strongest first; none if nobody brought it."""
        described = self._describer.describe(lists, weights, query, profile)
        if described is None or item not in described.items:
            return []
        row = described.columns[:, int(described.items.searchsorted(item))]
        moved = self._trees.contributions(row)
        strongest = np.argsort(-np.abs(moved), kind="stable")
        return [Moved(self.features[at], float(row[at]), float(moved[at])) for at in strongest.tolist() if moved[at]]


def rankers_of(record: RankerRecord, arrays: Arrays, catalog: Catalog) -> dict[RankTask, Ranker]:
    """Take up those of the tasks on which one leads; one that an older version made does not say whom it asks, and is left out.

    Raises:
        SnapshotError: as `Ranker`.
    """
    ranked_tasks = (task for task in RANK_TASKS if task in record.tasks and record.tasks[task].sources)
    found = {task: trees for task in ranked_tasks if (trees := Trees.of(arrays, task)) is not None}
    facts = cast("NDArray[np.float32]", arrays["facts"]) if found else _NO_FACTS
    return {task: Ranker(task, trees, record.tasks[task], facts, catalog) for task, trees in found.items()}


def task_of(bought: Bought) -> RankTask:
    """Return what a list is for: something new, or anything that the shopper may buy next."""
    return "repeat" if bought.mode in ("allow", "only") else "new"


_NO_FACTS = np.zeros((0, 0), np.float32)
