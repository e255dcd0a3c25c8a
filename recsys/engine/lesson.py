"""Lessons of the past for a ranker: what it would have been asked to order, and the list that it has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recsys.engine.blend import blend
from recsys.engine.engine import Engine
from recsys.engine.pipeline import ResolvedQuery, SlateBuilder, resolve_query
from recsys.engine.ranker.features import Described, Describer, FeatureMatrix
from recsys.engine.strategy import segment_of
from recsys.types import Candidates, History, Query, Rows

_SHOWN = "shown"
"""Stands for who showed a list, among the recommenders that bring candidates; it is none of them."""


class Lesson(NamedTuple):
    """Lesson for a ranker from one query: what it would be asked to order (None: nothing was brought), and the list of the blend."""

    described: Described | None
    blended: Rows


def lesson(engine: Engine, query: Query, history: History, names: Sequence[str], depth: int, describer: Describer) -> Lesson:
    """Ask these recommenders and the blend's once, and tell what the ranker and the blend would make of it."""
    asked, builder, weights, to_rank, to_blend = _brought(engine, query, history, names, depth)
    builder.take(blend(to_blend, weights, engine.catalog.tie_rank))
    return Lesson(describer.describe(to_rank, weights, asked.rows, asked.profile), builder.ranked.rows)


def lesson_of_list(
    engine: Engine, query: Query, history: History, names: Sequence[str], depth: int, describer: Describer, shown: Rows
) -> tuple[Rows, FeatureMatrix]:
    """Describe the items of a list that was shown, as the ranker would see them among what these recommenders bring.

    Returns: those of them that the query allows, rows int32[m] ascending, and their features float32[m, f].
    """
    asked, _, weights, to_rank, _ = _brought(engine, query, history, names, depth)
    there = np.unique(shown[shown >= 0])
    there = there[asked.allowed[there]]
    lists = {**to_rank, _SHOWN: Candidates(there, np.ones(len(there), np.float32))}
    described = describer.describe(lists, weights, asked.rows, asked.profile) if len(there) else None
    if described is None:
        return there, np.empty((0, 0), np.float32)
    return there, described.columns.T[np.searchsorted(described.items, there)]


class _Brought(NamedTuple):
    """Answers of the recommenders to one query: how it was understood, what builds its slate, the blend's weights, and the lists that
    the ranker and the blend would be given."""

    asked: ResolvedQuery
    builder: SlateBuilder
    weights: Mapping[str, float]
    to_rank: Mapping[str, Candidates]
    to_blend: Mapping[str, Candidates]


def _brought(engine: Engine, query: Query, history: History, names: Sequence[str], depth: int) -> _Brought:
    asked = resolve_query(engine, query, history)
    builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, query.limit)
    weights: Mapping[str, float] = getattr(engine.snapshot.manifest.blend, segment_of(asked.profile, asked.bought))
    blended, depth = builder.to_blend(weights), max(depth, builder.blend_depth(1))
    blend_depth = builder.blend_depth(len(blended))
    deep = builder.brought(weights, names, max(depth, blend_depth))
    to_rank = {name: _first(found, depth) for name, found in deep.items()}
    to_blend = {name: _first(deep[name], blend_depth) for name in blended}
    return _Brought(asked, builder, weights, to_rank, to_blend)


def _first(found: Candidates, n: int) -> Candidates:
    """The best n of a list."""
    evidence = found.explained_by
    return Candidates(found.items[:n], found.scores[:n], None if evidence is None else evidence[:n])
