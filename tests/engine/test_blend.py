"""Blending: several ranked lists become one whose scores add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.blend import blend, ranked_by
from recsys.types import NO_CANDIDATES, Candidates
from tests.support.shops.handmade import calm

TIES = np.arange(20, dtype=np.int32)
NAMES = "abcd"


def ranked(*pairs: tuple[int, float], explained_by: list[int] | None = None) -> Candidates:
    """A ranked list of (item, score)."""
    items, scores = [item for item, _ in pairs], [score for _, score in pairs]
    evidence_items = None if explained_by is None else np.array(explained_by, np.int32)
    return Candidates(np.array(items, np.int32), np.array(scores, np.float32), evidence_items)


@st.composite
def ranked_lists(draw: st.DrawFn) -> Candidates:
    """A list of distinct items with falling positive scores that are powers of two, so that sums are exact."""
    items = draw(st.lists(st.integers(0, 19), unique=True, min_size=1, max_size=8))
    scores = sorted((2.0 ** draw(st.integers(0, 4)) for _ in items), reverse=True)
    evidence_items = draw(st.one_of(st.none(), st.lists(st.integers(-1, 19), min_size=len(items), max_size=len(items))))
    return ranked(*zip(items, scores, strict=True), explained_by=evidence_items)


@calm
@given(
    st.lists(st.tuples(ranked_lists(), st.sampled_from([0.25, 1.0, 2.0])), min_size=2, max_size=4),
    st.permutations(range(20)),
)
def test_scores_are_weighted_shares_of_the_best(weighted: list[tuple[Candidates, float]], ties: list[int]) -> None:
    """Each list gives weight × score / its best score; the sum ranks; the largest part names source and evidence."""
    parts: dict[int, list[tuple[float, int]]] = {}
    for source, (candidates, weight) in enumerate(weighted):
        for place, item in enumerate(candidates.items.tolist()):
            evidence = -1 if candidates.explained_by is None else int(candidates.explained_by[place])
            given_by = parts.setdefault(item, [(0.0, -1)] * len(weighted))
            given_by[source] = (weight * float(candidates.scores[place] / candidates.scores[0]), evidence)
    totals = {item: sum(share for share, _ in given_by) for item, given_by in parts.items()}
    expected = []
    for item in sorted(totals, key=lambda item: (-totals[item], ties[item])):
        source = int(np.argmax([share for share, _ in parts[item]]))
        expected.append((item, totals[item], NAMES[source], parts[item][source][1]))
    lists = {NAMES[source]: candidates for source, (candidates, _) in enumerate(weighted)}
    weights = {NAMES[source]: weight for source, (_, weight) in enumerate(weighted)}
    assert list(blend(lists, weights, np.array(ties, np.int32))) == expected


def test_one_list_keeps_its_own_scores() -> None:
    """A recommender that answers alone is not rescaled."""
    blended = blend({"a": ranked((3, 8.0), (1, 2.0), explained_by=[5, -1])}, {"a": 0.5}, TIES)
    assert list(blended) == [(3, 8.0, "a", 5), (1, 2.0, "a", -1)]


@pytest.mark.parametrize("lists", [{}, {"a": NO_CANDIDATES}, {"a": NO_CANDIDATES, "b": NO_CANDIDATES}])
def test_nothing_blends_to_nothing(lists: dict[str, Candidates]) -> None:
    """Empty lists give an empty list."""
    assert list(blend(lists, dict.fromkeys(lists, 1.0), TIES)) == []


def test_who_speaks_alone_keeps_the_scores() -> None:
    """Beside recommenders without an answer or without weight, the one that counts is not rescaled, and is the source."""
    lists = {"a": NO_CANDIDATES, "b": ranked((3, 8.0), (1, 2.0)), "c": ranked((7, 1.0))}
    blended = blend(lists, {"a": 1.0, "b": 2.0, "c": 0.0}, TIES)
    assert list(blended) == [(3, 8.0, "b", -1), (1, 2.0, "b", -1)]


def test_an_empty_list_between_others_changes_nothing() -> None:
    """A recommender with no answer leaves the others' shares and evidence as they are."""
    lists = {"a": ranked((3, 8.0), (1, 2.0), explained_by=[7, 8]), "b": NO_CANDIDATES, "c": ranked((1, 4.0))}
    blended = blend(lists, {"a": 1.0, "b": 1.0, "c": 2.0}, TIES)
    assert list(blended) == [(1, 2.25, "c", -1), (3, 1.0, "a", 7)]


def test_equal_sums_stand_in_the_order_of_ties() -> None:
    """Ties of the blend break as everywhere: by the catalogue's tie rank, not by which list came first."""
    lists = {"a": ranked((1, 3.0)), "b": ranked((2, 7.0))}
    assert [item for item, *_ in blend(lists, {"a": 1.0, "b": 1.0}, TIES[::-1].copy())] == [2, 1]
    assert [item for item, *_ in blend(lists, {"a": 1.0, "b": 1.0}, TIES)] == [1, 2]


def test_scores_of_zero_do_not_divide() -> None:
    """A list whose best score is zero gives nothing, and no warning."""
    lists = {"a": ranked((1, 0.0), (2, 0.0)), "b": ranked((2, 5.0))}
    assert [(item, score) for item, score, *_ in blend(lists, {"a": 1.0, "b": 1.0}, TIES)] == [(2, 1.0), (1, 0.0)]


def test_picks_are_a_list_item_by_item() -> None:
    """Picks are item, score, source and evidence, in the list's order."""
    assert list(ranked_by("a", ranked((3, 8.0), (1, 2.0), explained_by=[5, -1]))) == [(3, 8.0, "a", 5), (1, 2.0, "a", -1)]
    assert list(ranked_by("a", ranked((3, 8.0)))) == [(3, 8.0, "a", -1)]
    assert list(ranked_by("a", NO_CANDIDATES)) == []
