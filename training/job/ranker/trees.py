"""Trees of one task of the ranker: fitted by LightGBM, which is imported inside `fit` alone, and laid out as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.engine.ranker.features import feature_names
from recsys.engine.ranker.trees import Trees
from recsys.settings.ranker import RankerSettings
from training.job.ranker.budget import Size
from training.job.ranker.clicks import Clicks, all_of
from training.job.ranker.examples import Examples
from training.job.tasks import Task

_OBJECTIVES: Mapping[Task, str] = {"new": "binary", "repeat": "lambdarank"}
"""Pairs teach where an order is nearly right, as for what was bought before; among many strangers each item by itself does."""
_OF_A_CLICK = 0.1
"""Weight of a list with clicks beside a shopper's purchases: 0.3 teaches no more, and harms more where clicks say nothing."""


def fit(
    examples: Sequence[Examples],
    settings: RankerSettings,
    seed: int,
    size: Size,
    task: Task,
    clicks: Sequence[Clicks] = (),
) -> Trees:
    """Fit the trees of one task on these windows; shoppers for whom nothing that they bought was brought teach nothing.

    With `clicks` their lists are further queries of one lambdarank, which learns a bias of each position beside the trees.
    """
    import lightgbm

    matrices, relevant, groups = (list(each) for each in zip(*(_teaching(each) for each in examples), strict=True))
    if not sum(map(len, groups)):
        return trees_of(())
    bought, shown = sum(map(len, relevant)), all_of(clicks)
    of_clicks: dict[str, Any] = {}
    if len(shown):
        matrices, relevant, groups = [*matrices, shown.matrix], [*relevant, shown.clicked], [*groups, shown.lengths]
        of_clicks = {
            "position": np.concatenate([np.zeros(bought, np.int32), shown.places]),
            "weight": np.repeat([1.0, _OF_A_CLICK], [bought, len(shown.places)]),
        }
    data = lightgbm.Dataset(
        np.concatenate(matrices),
        label=np.concatenate(relevant).astype(np.int32),
        group=np.concatenate(groups),
        feature_name=list(feature_names(size.sources)),
        params={"verbose": -1},
        **of_clicks,
    )
    fixed = {
        "objective": "lambdarank" if of_clicks else _OBJECTIVES[task],
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbose": -1,
        "use_missing": False,
    }
    chosen = {
        "num_leaves": settings.leaves,
        "learning_rate": 0.1,
        "min_data_in_leaf": 200,
        "lambdarank_truncation_level": 12,
    }
    booster = lightgbm.train({**fixed, **chosen}, data, num_boost_round=size.trees)
    return trees_of(booster.dump_model()["tree_info"])


def trees_of(dumped: Sequence[Mapping[str, Any]]) -> Trees:
    """Lay LightGBM's trees out as arrays, the two children of a node beside each other."""
    roots: list[int] = []
    rows: list[tuple[int, float, int, float]] = []
    for tree in dumped:
        roots.append(len(rows))
        rows += _laid_out(tree["tree_structure"], len(rows))
    features, thresholds, children, values = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Trees(
        np.array(roots, np.int32),
        np.array(features, np.int32),
        np.array(thresholds, np.float64),
        np.array(children, np.int32),
        np.array(values, np.float64),
    )


def _teaching(examples: Examples) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """The rows of the shoppers for whom something that they bought was brought: features, relevance, and rows of each shopper."""
    lengths = np.diff(examples.offsets)
    hits = np.add.reduceat(np.append(examples.relevant, False).astype(np.int64), examples.offsets[:-1]) * (lengths > 0)
    chosen = np.repeat(hits > 0, lengths)
    return examples.matrix[chosen], examples.relevant[chosen], lengths[hits > 0]


def _laid_out(root: Mapping[str, Any], start: int) -> Iterator[tuple[int, float, int, float]]:
    """Nodes breadth first: feature (-1: a leaf), threshold, place of the first child, value."""
    level, place = [root], start
    while level:
        place += len(level)
        below: list[Mapping[str, Any]] = []
        for node in level:
            if "split_feature" in node:
                yield int(node["split_feature"]), float(node["threshold"]), place + len(below), _value(node)
                below += [node["left_child"], node["right_child"]]
            else:
                yield -1, 0.0, 0, float(node["leaf_value"])
        level = below


def _value(node: Mapping[str, Any]) -> float:
    """The mean of the leaves below, weighed by the examples that came there."""
    total, count = _weighed(node)
    return total / max(count, 1)


def _weighed(node: Mapping[str, Any]) -> tuple[float, int]:
    if "split_feature" not in node:
        count = int(node.get("leaf_count", 1))
        return float(node["leaf_value"]) * count, count
    left, right = _weighed(node["left_child"]), _weighed(node["right_child"])
    return left[0] + right[0], left[1] + right[1]
