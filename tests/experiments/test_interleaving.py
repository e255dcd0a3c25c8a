"""Interleaving: a list of two rankings that favours neither, and the same again for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.merchandising.interleaving import interleave, team_draft
from recsys.types import Query, Reason, Slate

RANKINGS = st.lists(st.integers(0, 30), unique=True, max_size=20)
SHOPPERS = 4_000


@given(RANKINGS, RANKINGS, st.integers(1, 20), st.text())
def test_every_list_is_a_draft(first: list[int], second: list[int], limit: int, seed: str) -> None:
    """No item twice, none of neither ranking, as long as there are items; each item is the best left of the ranking that picked it."""
    found = team_draft(first, second, limit, seed)
    assert len(found.items) == len({*found.items}) == min(limit, len({*first, *second}))
    for place, (item, team) in enumerate(zip(found.items, found.teams, strict=True)):
        left = [each for each in (first, second)[team] if each not in found.items[:place]]
        assert left[0] == item
    assert team_draft(first, second, limit, seed) == found


@given(RANKINGS.filter(bool), st.text())
def test_alike_rankings_stay_as_they_are(ranking: list[int], seed: str) -> None:
    """Of two rankings that agree comes the same list."""
    assert list(team_draft(ranking, ranking, len(ranking), seed).items) == ranking


def test_neither_ranking_is_favoured() -> None:
    """Over many shoppers each picks first, and as many items as the other, half of the time."""
    drafts = [team_draft(range(10), range(10, 20), 5, str(number)) for number in range(SHOPPERS)]
    firsts = sum(each.teams[0] for each in drafts) / SHOPPERS
    picks = sum(sum(each.teams) for each in drafts) / (5 * SHOPPERS)
    assert abs(firsts - 0.5) < 0.04
    assert abs(picks - 0.5) < 0.02


def test_teams_take_turns() -> None:
    """In each pair of places both teams pick once."""
    teams = team_draft(range(10), range(10, 20), 8, "seed").teams
    assert [{*teams[at : at + 2]} for at in range(0, 8, 2)] == [{0, 1}] * 4


def answered(items: list[int]) -> Slate:
    """An answer with these items."""
    reasons = (Reason("popular", "Popular now"),) * len(items)
    return Slate(
        recommendation_id="r", user_id="ann", placement="home", snapshot="s", strategy="blend", personalized=True, fallback=None,
        notices=(), items=tuple(items), scores=tuple(-float(item) for item in items), reasons=reasons, sources=("ease",) * len(items),
    )  # fmt: skip


@given(RANKINGS, RANKINGS, st.integers(1, 20), st.lists(st.integers(-1, 2), min_size=31, max_size=31), st.integers(0, 9))
def test_one_leaf_category_fills_no_mixed_list(
    first: list[int], second: list[int], limit: int, leaves: list[int], day: int
) -> None:
    """Four items or more are of two leaf categories, if an answer has another one: the last gives way to the best of it, which belongs
    to a ranking that has it. All else stays as it was drawn."""
    slates, groups = (answered(first), answered(second)), np.full(31, -1, np.int32)
    query = Query(now=day * 86_400_000_000, user_id="ann", placement="home", limit=limit)
    plain = interleave(*slates, groups, query)
    mixed = interleave(*slates, groups, query, np.array(leaves, np.int32))
    assert mixed.items[:-1] == plain.items[:-1]
    assert len(mixed.items) == len({*mixed.items}) == len(plain.items)
    assert all(item in slates[team].items for item, team in zip(mixed.items, mixed.teams, strict=True))
    found = {leaves[item] for item in mixed.items}
    if len(found) == 1 and len(mixed.items) >= 4 and found != {-1}:
        assert {leaves[item] for item in (*first, *second)} == found
    if len({leaves[item] for item in plain.items}) > 1:
        assert mixed.items == plain.items
