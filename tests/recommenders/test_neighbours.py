"""Neighbours: sums over the items of a page or of a history, each with the one that spoke most."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.behaviour import item_weights
from recsys.clock import DAY
from recsys.recommenders.neighbours import Neighbours, seeds
from recsys.types import Arrays, EventType, History, RowQuery
from tests.support.shops.handmade import BEHAVIOUR, calm


@calm
@given(st.data(), st.integers(0, 9))
def test_neighbours_add_up_and_remember_the_loudest(data: st.DataObject, n: int) -> None:
    """Scores are Σ strength × weight of the sources inside the mask; `explained_by` is the (first) source that gave most."""
    size = 8
    weights = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=size, max_size=size), min_size=size, max_size=size))
    matrix = np.array(weights, np.float32) * (1 - np.eye(size, dtype=np.float32))
    sources = data.draw(st.lists(st.integers(0, size - 1), unique=True, max_size=5))
    strengths = data.draw(st.lists(st.integers(1, 4), min_size=len(sources), max_size=len(sources)))
    allowed = data.draw(st.sets(st.integers(0, size - 1)))
    ties = data.draw(st.permutations(range(size)))
    given_by = {
        item: [strength * float(matrix[source, item]) for source, strength in zip(sources, strengths, strict=True)]
        for item in sorted(allowed)
    }
    expected = sorted((item for item in given_by if sum(given_by[item]) > 0), key=lambda i: (-sum(given_by[i]), ties[i]))[:n]
    neighbours = np.argsort(-matrix, axis=1, kind="stable").astype(np.int32)
    arrays: Arrays = {"neighbours": neighbours, "weights": np.take_along_axis(matrix, neighbours, axis=1)}
    mask = np.isin(np.arange(size), sorted(allowed))
    fitted = Neighbours(arrays, np.array(ties, np.int32))
    ranked = fitted.of(np.array(sources, np.int32), np.array(strengths, np.float32), mask, n)
    assert ranked.items.tolist() == expected
    assert ranked.scores.tolist() == [sum(given_by[item]) for item in expected]
    if expected:
        assert ranked.explained_by is not None
        top_contributor = [sources[int(np.argmax(given_by[item]))] for item in expected]
        assert ranked.explained_by.tolist() == top_contributor


@calm
@given(st.lists(st.tuples(st.integers(-1, 7), st.integers(0, 9)), max_size=12), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_history_counts_as_its_items_do(rows: list[tuple[int, int]], power: float) -> None:
    """Neighbours of a history are those of its strongest items, each counting its decayed weight to the power; those of a page are
    its items', whatever the history."""
    random, now = np.random.default_rng(5), 10 * DAY
    fitted: Arrays = {
        "neighbours": np.argsort(random.random((6, 8)), axis=1).astype(np.int32),
        "weights": -np.sort(-random.random((6, 8)), axis=1).astype(np.float32),
    }
    place_of, mask = np.array([0, 1, 2, -1, 3, -1, 4, 5], np.int32), np.ones(8, bool)
    neighbours = Neighbours(fitted, np.arange(8, dtype=np.int32), place_of)
    items, days = (np.array([row[at] for row in sorted(rows, key=lambda row: row[1])], np.int64) for at in (0, 1))
    kinds, orders = np.full(len(rows), EventType.VIEW, np.int8), np.full(len(rows), -1, np.int32)
    history = History(items.astype(np.int32), kinds, days * DAY, orders)
    start, query = seeds(BEHAVIOUR, 3.0, 4, 2.0, power), RowQuery(now, -1, -1, np.empty(0, np.int32))
    sources, strengths = item_weights(history, now, start.weights, 3.0, 4, 2.0)
    expected = neighbours.of(sources, (strengths.astype(np.float64) ** power).astype(np.float32), mask, 5)
    found = neighbours.of_seeds(start, query, history, mask, 5)
    assert (found.items.tolist(), found.scores.tolist()) == (expected.items.tolist(), expected.scores.tolist())
    page = RowQuery(now, -1, -1, np.array([1, 4], np.int32))
    on_a_page = neighbours.of_seeds(start, page, history, mask, 5)
    assert on_a_page.items.tolist() == neighbours.of(page.context, np.ones(2, np.float32), mask, 5).items.tolist()
