"""Popularity: how far ids that touched one item only are believed."""

from __future__ import annotations

import math
import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.popularity import LEEWAY, allowance, believed, exact_sums, one_item_users, total_of
from tests.conftest import ago, event
from tests.support.shops.handmade import calm, world

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


@calm
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5, width=32)), max_size=60),
    st.randoms(use_true_random=False),
    st.integers(0, 60),
)
def test_sums_do_not_depend_on_order_or_cuts(values: list[tuple[int, float]], chance: random.Random, cut: int) -> None:
    """Shuffled and cut anywhere, contributions have the same total, bit by bit, and it is the sum."""
    shuffled = chance.sample(values, len(values))
    whole, parts = summed(values), [summed(shuffled[:cut]), summed(shuffled[cut:])]
    np.testing.assert_array_equal(total_of(parts, 5.0), total_of([whole], 5.0))
    exact = [math.fsum(value for group, value in values if group == each) for each in range(4)]
    np.testing.assert_allclose(total_of([whole], 5.0), exact, rtol=1e-14, atol=1e-14)


def test_a_sum_of_nothing_is_nothing() -> None:
    """Where all weights are 0, so is the total."""
    assert total_of([exact_sums(np.zeros(2, np.int32), np.zeros(2), 1, 0.0)], 0.0).tolist() == [0.0]


def summed(values: list[tuple[int, float]]) -> NDArray[np.int64]:
    """The exact sums of values by group."""
    groups, numbers = (np.array([each[place] for each in values]) for place in (0, 1))
    return exact_sums(groups.astype(np.int32), numbers.astype(np.float32), 4, 5.0)
