"""Lessons of the past for a ranker: what it would have been asked to order, and the list that it has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recsys.engine.blend import blend
from recsys.engine.engine import Engine
from recsys.engine.pipeline import SlateBuilder, resolve_query
from recsys.engine.ranker.features import Described, Describer
from recsys.engine.strategy import segment_of
from recsys.types import Candidates, History, Query, Rows


class Lesson(NamedTuple):
    """Lesson for a ranker from one query: what it would be asked to order (None: nothing was brought), and the list of the blend."""

    described: Described | None
    blended: Rows


def lesson(engine: Engine, query: Query, history: History, names: Sequence[str], depth: int, describer: Describer) -> Lesson:
    """Ask these recommenders and the blend's once, and tell what the ranker and the blend would make of it."""
    asked = resolve_query(engine, query, history)
    builder = SlateBuilder(engine, asked.rows, asked.profile, asked.allowed, query.limit)
    weights: Mapping[str, float] = getattr(engine.snapshot.manifest.blend, segment_of(asked.profile, asked.bought))
    blended, depth = builder.to_blend(weights), max(depth, builder.blend_depth(1))
    blend_depth = builder.blend_depth(len(blended))
    deep = builder.brought(weights, names, max(depth, blend_depth))
    to_rank = {name: _first(found, depth) for name, found in deep.items()}
    to_blend = {name: _first(deep[name], blend_depth) for name in blended}
    builder.take(blend(to_blend, weights, engine.catalog.tie_rank))
    return Lesson(describer.describe(to_rank, weights, asked.rows, asked.profile), builder.ranked.rows)


def _first(found: Candidates, n: int) -> Candidates:
    """The best n of a list."""
    evidence = found.explained_by
    return Candidates(found.items[:n], found.scores[:n], None if evidence is None else evidence[:n])
