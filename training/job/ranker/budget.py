"""Size of a ranker: which recommenders it asks, how deep, and how many trees, within what it may add to an answer.

Costs are those of a model in microseconds of one core, not of a clock, so that the same tables and settings give the same ranker
on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np

from recsys.settings.placements import BlendSettings
from recsys.settings.ranker import RankerSettings
from recsys.types import Mask
from training.job.ranker.examples import Examples
from training.job.tasks import Task

_ANSWER = 42.0
"""Of an answer beside its recommenders."""
_RECOMMENDER = 10.0
"""Of one recommender, unless the next line knows better."""
_KNOWN = {"ease": 14.0, "item_item": 8.0, "trending": 2.0, "bestsellers": 2.0, "buy_again": 20.0}
_ITEM = {"als": 0.025}
"""Of recommenders that score the whole catalogue, for each item."""
_ORDER = 25.0
"""Of laying lists together and ordering them, beside the candidates."""
_FEATURES, _TREE, _LEAF = 0.12, 0.0015, 0.00035
"""Of one candidate: its features, each tree, and each leaf."""
_SHARE = 0.8
"""Of what an answer costs without a ranker, where no budget is set."""
_DEPTHS = (10, 15, 20, 30, 40, 60, 80, 120, 200)
_SHALLOW = 10
"""Items of each recommender by which they are compared: one more is asked only if there is room for so many."""
_LEAST_GAIN = 0.005
"""Share of the bought items that a recommender must add to be asked for them."""


class Size(NamedTuple):
    """Size of the ranker of one task: the recommenders that are asked, sorted, items of each, and trees."""

    sources: tuple[str, ...]
    depth: int
    trees: int


def size_of(
    task: Task,
    examples: Examples,
    sources: Sequence[str],
    settings: RankerSettings,
    blend: BlendSettings,
    n_items: int,
) -> Size:
    """Choose by examples of all `sources` at `settings.depth`: those that the blend asks anyway, then whoever adds most of the bought
    items for a microsecond, while there are any left; then as deep as the rest allows.

    Where even the least depth is too much, trees are left out.
    """
    weights: Mapping[str, float] = blend.repeat if task == "repeat" else blend.customer
    brought, chosen = _Brought(examples, sources), [name for name in sources if weights.get(name, 0) > 0]
    asked_anyway = sum(_cost_of(name, n_items) for name in chosen)
    budget = (settings.microseconds or _SHARE * (_ANSWER + asked_anyway)) - _ORDER

    def ranking(names: Sequence[str], depth: int, trees: int) -> float:
        """Microseconds of the candidates alone."""
        return brought.per_shopper(names, depth) * (_FEATURES + trees * (_TREE + settings.leaves * _LEAF))

    shallow = min(settings.depth, _SHALLOW)
    while waiting := [name for name in sources if name not in chosen]:
        had = brought.recall(chosen, shallow)
        gains = {name: brought.recall([*chosen, name], shallow) - had for name in waiting}
        best = max(waiting, key=lambda name: gains[name] / _cost_of(name, n_items))
        left = budget - _cost_of(best, n_items)
        if chosen and (gains[best] < _LEAST_GAIN or ranking([*chosen, best], shallow, settings.trees) > left):
            break
        chosen.append(best)
        budget = left
    depths = [*(depth for depth in _DEPTHS if depth < settings.depth), settings.depth]
    fitting = (depth for depth in depths if ranking(chosen, depth, settings.trees) <= budget)
    depth, trees = max(fitting, default=depths[0]), settings.trees
    while trees > 1 and ranking(chosen, depth, trees) > budget:
        trees -= 1
    return Size(tuple(sorted(chosen)), depth, trees)


def _cost_of(name: str, n_items: int) -> float:
    return _KNOWN.get(name, _RECOMMENDER) + _ITEM.get(name, 0.0) * n_items


class _Brought:
    """Ranks of candidates in the lists of all sources."""

    def __init__(self, examples: Examples, sources: Sequence[str]) -> None:
        """Read the ranks from the features, whose last columns they are."""
        self._places = {name: place for place, name in enumerate(sources)}
        width = 2 * len(sources)
        self._ranks = (
            examples.matrix[:, -width:][:, 1::2] if len(examples.matrix) else np.empty((0, len(sources)), np.float32)
        )
        self._relevant, self._shoppers = examples.relevant, max(len(examples), 1)

    def per_shopper(self, names: Sequence[str], depth: int) -> float:
        """Mean number of distinct items of these, so deep."""
        return float(self._within(names, depth).sum()) / self._shoppers

    def recall(self, names: Sequence[str], depth: int) -> float:
        """Share of the bought items that anybody brought which these bring, so deep."""
        return float((self._within(names, depth) & self._relevant).sum()) / max(int(self._relevant.sum()), 1)

    def _within(self, names: Sequence[str], depth: int) -> Mask:
        within = self._ranks[:, [self._places[name] for name in names]] <= depth
        return cast(Mask, within.any(axis=1))
