"""Popularity: how far ids that touched one item only are believed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.popularity import LEEWAY, allowance, believed, one_item_users
from tests.conftest import ago, event
from tests.support.handmade import calm, world

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500)), min_size=1, max_size=30)


def test_users_of_one_item_are_those_who_touched_nothing_else() -> None:
    """However often they did; visits without an item, and unknown items, are no second item."""
    rows = [
        event("once", "sofa-1"),
        event("often", "sofa-1", at=ago(2)),
        event("often", "sofa-1", "cart_add"),
        event("none", None, "home_view"),
    ]
    rows += [event("home", None, "home_view"), event("home", "lamp-1"), event("two", "sofa-1"), event("two", "sofa-2")]
    made = world(rows)
    found = one_item_users(made.tables.events, made.tables.n_users)
    users = ["home", "none", "often", "once", "two"]
    assert dict(zip(users, found.tolist(), strict=True)) == {
        "home": True,
        "none": False,
        "often": True,
        "once": True,
        "two": False,
    }


def test_a_flood_counts_by_its_logarithm() -> None:
    """Where hardly anybody looks at one item only, three hundred fresh ids weigh less than seven visitors."""
    others, singles = np.full(40, 20.0), np.zeros(40)
    others[0], singles[0] = 0, 300
    found = believed(others, singles, 1.0)
    assert 1 < found[0] < 7
    np.testing.assert_array_equal(found[1:], others[1:])


def test_what_is_usual_in_the_shop_counts_in_full() -> None:
    """Where half of all visitors see one item only, they are evidence like the others."""
    others = np.arange(1.0, 41)
    singles = np.round(others * np.linspace(0.8, 1.2, 40))
    np.testing.assert_allclose(believed(others, singles, 1.0), others + singles)


def test_a_new_item_among_such_visitors_is_not_held_down() -> None:
    """An item that only passing visitors know may have as many of them as others, and the leeway."""
    others, singles = np.full(40, 10.0), np.full(40, 10.0)
    others[0], singles[0] = 0, LEEWAY
    assert believed(others, singles, 1.0)[0] == LEEWAY


def test_without_anybody_else_everything_counts() -> None:
    """A shop on its first day, in which nobody has touched two things, is ranked by what there is."""
    singles = np.array([5.0, 0.0, 300.0])
    np.testing.assert_array_equal(believed(np.zeros(3), singles, 1.0), singles)


@calm
@given(counts)
def test_belief_grows_with_the_evidence_and_never_beyond_it(pairs: list[tuple[int, int]]) -> None:
    """It lies between what the others say and all that is said, and keeps the order of items of which only single ids speak."""
    others, singles = (np.array(each, np.float64) for each in zip(*pairs, strict=True))
    found, allowed = believed(others, singles, 1.0), allowance(others, singles, 1.0)
    assert (found >= others).all()
    assert (found <= others + singles + 1e-9).all()
    within = singles <= allowed
    np.testing.assert_allclose(found[within], (others + singles)[within])
    unknown = others == 0
    order = np.argsort(singles[unknown], kind="stable")
    assert (np.diff(found[unknown][order]) >= -1e-9).all()
