"""Ranking primitives against plain sorting: ties, NaN, masks, and lists that end early."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from recsys import ranking
from recsys.ranking import (
    followed_by,
    mark,
    rank_order,
    strongest_of_product,
    top_n,
)
from recsys.types import Rows, Scores
from tests.support.shops.handmade import calm

SCORES = st.sampled_from([-2.0, 0.0, 0.5, 1.0, 1.0, 3.0, math.nan, math.inf, -math.inf])
"""Few values, so that most lists hold ties."""


@st.composite
def scored_items(draw: st.DrawFn) -> tuple[Rows, Scores, Rows]:
    """Distinct items of a catalogue of 30, their scores, and the catalogue's order of ties."""
    items = draw(st.lists(st.integers(0, 29), unique=True))
    scores = draw(st.lists(SCORES, min_size=len(items), max_size=len(items)))
    tie_rank = draw(st.permutations(range(30)))
    return np.array(items, np.int32), np.array(scores, np.float32), np.array(tie_rank, np.int32)


def sorted_plainly(items: Rows, scores: Scores, tie_rank: Rows) -> list[int]:
    """Positions of what has a score, best first, equal scores by tie rank."""
    known = [at for at in range(len(items)) if not math.isnan(scores[at])]
    return sorted(known, key=lambda at: (-float(scores[at]), int(tie_rank[items[at]])))


@calm
@given(scored_items(), st.integers(-1, 40))
def test_top_n_is_the_head_of_a_full_sort(scored: tuple[Rows, Scores, Rows], n: int) -> None:
    """The n best equal the first n of a full sort by score, then tie rank; NaN never ranks; n ≤ 0 ranks nothing."""
    items, scores, tie_rank = scored
    expected = sorted_plainly(items, scores, tie_rank)[: max(n, 0)]
    ranked = top_n(items, scores, tie_rank, n)
    assert ranked.items.tolist() == items[expected].tolist()
    assert ranked.scores.tolist() == scores[expected].tolist()


@calm
@given(
    st.lists(st.lists(st.sampled_from([-1.0, 0.0, 1.0, 1.0, 2.0, 5.0]), min_size=7, max_size=7), max_size=9),
    st.integers(1, 9),
)
def test_strongest_of_a_product_are_the_head_of_a_full_sort(rows: list[list[float]], k: int) -> None:
    """Neighbours of an item are the head of a stable sort of its positive products with others; equal ones stand in its order."""
    matrix = csr_array(np.array(rows, np.float32).reshape(len(rows), 7))
    products = (matrix.T.tocsr() @ matrix).tocsr()
    found = strongest_of_product(matrix.T.tocsr(), matrix, k)
    for item in range(7):
        entries = slice(products.indptr[item], products.indptr[item + 1])
        met = zip(products.indices[entries].tolist(), products.data[entries].tolist(), strict=True)
        expected = sorted(
            ((other, score) for other, score in met if other != item and score > 0), key=lambda pair: -pair[1]
        )[:k]
        expected += [(0, 0.0)] * (min(k, 6) - len(expected))
        assert list(zip(found["neighbours"][item].tolist(), found["weights"][item].tolist(), strict=True)) == expected


def test_strongest_of_a_product_by_other_scores() -> None:
    """Scores of `weigh` are asked of pairs of items in a block, and those that are no numbers keep nobody."""
    ones = csr_array(np.ones((1, 1200), np.float32))
    found = strongest_of_product(
        ones.T.tocsr(),
        ones,
        2,
        lambda items, met, products: np.where(met == items + 1, np.nan, products * met).astype(np.float32),
    )
    assert found["neighbours"][[0, 700, 1197, 1198, 1199]].tolist() == [[1199, 1198]] * 2 + [
        [1199, 1196],
        [1197, 1196],
        [1198, 1197],
    ]
    assert found["weights"][0].tolist() == [1199, 1198]


def test_threads_make_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of rows are made by whichever thread is free; the arrays are those of one thread."""
    draw = np.random.default_rng(5)
    matrix = csr_array(draw.integers(0, 3, (400, 700)) * (draw.random((400, 700)) < 0.05), dtype=np.float32)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(ranking, "_THREADS", threads)
        found.append(strongest_of_product(matrix.T.tocsr(), matrix, 9))
    assert np.count_nonzero(found[0]["weights"]) > 6000
    for other in found[1:]:
        assert all(np.array_equal(found[0][name], other[name]) for name in found[0])


@calm
@given(
    seed=st.integers(0, 1000),
    n_allowed=st.sampled_from([0, 1, 30, 511, 512, 513, 2500, 4000]),
    first=st.lists(st.integers(0, 4002), unique=True, max_size=20),
    n=st.sampled_from([0, 1, 12, 60, 700]),
)
def test_a_list_goes_on_in_the_order_of_all_items(seed: int, n_allowed: int, first: list[int], n: int) -> None:
    """However far down the allowed ones stand, few or many: by score, then by ties, none twice."""
    draw, n_items = np.random.default_rng(seed), 4003
    scores, ties = draw.integers(0, 5, n_items).astype(np.float32), draw.permutation(n_items).astype(np.int32)
    ranked, allowed = rank_order(scores, ties), np.zeros(n_items, bool)
    allowed[draw.permutation(n_items)[:n_allowed]] = True
    expected = [*first, *(item for item in ranked.tolist() if allowed[item] and item not in first)][:n]
    assert followed_by(np.array(first, np.int32), ranked, scores, ties, allowed, n).tolist() == expected


@calm
@given(st.lists(st.booleans(), min_size=1), st.data(), st.booleans())
def test_a_mask_is_written_at_its_rows_and_nowhere_else(before: list[bool], data: st.DataObject, value: bool) -> None:
    """Whatever stands in a mask, the marked places hold the value and the others what they held."""
    rows = data.draw(st.lists(st.integers(0, len(before) - 1)))
    mask = np.array(before, bool)
    mark(mask, np.array(rows, np.int32), value)
    assert mask.tolist() == [value if row in rows else each for row, each in enumerate(before)]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=12, max_size=12), st.permutations(range(12)))
def test_rank_order_is_a_permutation(values: list[float], ties: list[int]) -> None:
    """Every item stands once, by score, then tie rank."""
    scores, tie_rank = np.array(values, np.float32), np.array(ties, np.int32)
    assert rank_order(scores, tie_rank).tolist() == sorted(range(12), key=lambda row: (-values[row], ties[row]))
