"""Periods of anonymous ids, and what is left of them where a part is erased."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recsys.snapshot.identity_links import FOREVER, Period, Span, joined, periods, without
from recsys.types import Link
from tests.support.shops.handmade import calm

spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: Span(pair[0], sum(pair))), max_size=6)


@calm
@given(spans)
def test_joined_spans_cover_the_same_moments(given: list[Span]) -> None:
    """In order, none touches the next, and a moment is in one of them if it was in any."""
    found = joined(given)
    assert all(one.until + 1 < other.since for one, other in pairwise(found))
    for moment in range(40):
        assert any(since <= moment <= until for since, until in found) == any(
            since <= moment <= until for since, until in given
        )


@calm
@given(spans, st.integers(0, 30), st.integers(0, 10))
def test_what_is_left_of_a_period(given: list[Span], since: int, length: int) -> None:
    """Every moment of the period that no span covers, and no other."""
    left = without(Period("tablet", "ana", since, since + length), joined(given))
    for moment in range(50):
        covered = any(span.since <= moment <= span.until for span in given)
        expected = since <= moment < since + length and not covered
        assert any(each.since <= moment < each.until for each in left) == expected
    assert {each[:2] for each in left} <= {("tablet", "ana")}


def test_a_period_ends_where_the_next_owner_was_erased() -> None:
    """From there on the id is nobody's until the next link; a link of that very moment does not count."""
    links = [Link("tablet", "ana", 5), Link("tablet", "ben", 20), Link("tablet", "cid", 40)]
    assert periods(links, [20, 30]) == [Period("tablet", "ana", FOREVER.min, 20), Period("tablet", "cid", 40, FOREVER.max)]
    assert periods(links[:1], [2]) == [Period("tablet", "ana", 5, FOREVER.max)]
    assert periods([], [2]) == []
