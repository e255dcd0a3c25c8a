"""Counts of the benchmarks of live shoppers: which moments, what came later, and when an answer followed an event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from benchmarks.lists.intent import Counts, drawn, lines, moments_of
from benchmarks.lists.live import follows_cart, follows_views, questions
from recsys.behaviour import sessions
from recsys.snapshot.histories import Events
from tests.conftest import ago, event
from tests.support.shops.handmade import BEHAVIOUR, world

VISIT = ago(1)


def walk(*steps: tuple[float, str, str], user: str = "ann") -> list[dict[str, Any]]:
    """Events of one shopper: minute, event type, item."""
    return [event(user, item, kind, VISIT + timedelta(minutes=minute)) for minute, kind, item in steps]


def read(rows: list[dict[str, Any]]) -> tuple[Events, Counts]:
    """The events as a fit reads them, and their sessions."""
    events = world(rows).tables.events
    return events, sessions(events.users, events.times, BEHAVIOUR)


def test_a_moment_knows_what_came_before_and_after_it_in_its_session() -> None:
    """Purchases are no moments; later purchases, earlier carts and depth count within the session alone."""
    events, session = read(
        [
            *walk((0, "view", "sofa-1"), (1, "cart_add", "sofa-1"), (2, "purchase", "sofa-1"), (3, "view", "sofa-2")),
            *walk((60, "view", "sofa-1")),
            *walk((0, "view", "sofa-1"), (5, "checkout", "sofa-1"), user="bob"),
        ]
    )
    moments = moments_of(events, session)
    assert moments.places.tolist() == [0, 1, 3, 4, 5, 6]
    assert moments.later.tolist() == [True, True, False, False, False, False]
    assert moments.untouched.tolist() == [True, False, False, True, True, False]
    assert moments.depth.tolist() == [1, 2, 4, 1, 1, 2]
    assert np.unique(moments.sessions).tolist() == [0, 1, 2]


def test_sessions_are_drawn_whole() -> None:
    """Of more moments than wanted whole sessions stay, no more than wanted, and the same ones every time."""
    groups = np.repeat(np.arange(100), 5)
    kept = drawn(groups, 203, seed=1)
    assert 190 <= kept.sum() <= 203
    assert set(np.bincount(groups[kept], minlength=100).tolist()) == {0, 5}
    assert (kept == drawn(groups, 203, seed=1)).all()
    assert drawn(groups, 500, seed=1).all()


def test_shares_and_their_difference() -> None:
    """A share is of all its moments, the difference is buyers' less browsers', and an empty part has no line."""
    bought = np.array([True, True, False, True, False, False, False, False])
    buyer = np.array([True, True, True, True, False, False, False, False])
    parts = {("intent", "buyer"): buyer, ("intent", "browser"): ~buyer, ("stage", "cart"): np.zeros(8, bool)}
    found = {(each.part, each.value): each for each in lines(parts, bought, np.arange(8) // 2, seed=1)}
    assert list(found) == [("intent", "buyer"), ("intent", "browser"), ("intent", "difference")]
    buyers, browsers, difference = found.values()
    assert (buyers.asked, buyers.groups, buyers.share.mean) == (4, 2, 0.75)
    assert (browsers.asked, browsers.groups, tuple(browsers.share)) == (4, 2, (0, 0, 0))
    assert difference.share == buyers.share
    assert (buyers.share.low, buyers.share.high) == (0.5, 1)


def test_intervals_are_over_groups() -> None:
    """Of two groups alike within, a resample has none, half or all: more moments of the same groups make nothing surer."""
    groups = np.repeat([0, 1], 1000)
    (line,) = lines({("all", ""): np.ones(2000, bool)}, groups == 1, groups, seed=1)
    assert tuple(line.share) == (0.5, 0, 1)


def test_questions_are_asked_after_carts_and_third_views() -> None:
    """After each cart_add, and after the third view of a session in one leaf category, once."""
    sofas = ["sofa-1", "sofa-2", "sofa-1", "sofa-2"]
    rows = walk(
        *((minute, "view", item) for minute, item in enumerate(sofas)),
        (4, "view", "lamp-1"),
        (5, "cart_add", "lamp-1"),
        (100, "view", "sofa-1"),
        (101, "view", "sofa-1"),
        (102, "view", "sofa-3"),
    )
    events, session = read(rows)
    leaf_of = world([]).catalog.category
    assert questions(events, leaf_of, session) == ["", "", "third view", "", "", "cart_add", "", "", "third view"]


def slate(strategy: str, *items: str, category: str = "Sofas") -> dict[str, Any]:
    """As much of an answer as is looked at."""
    return {"strategy": strategy, "items": [{"item_id": item, "category": category} for item in items]}


@pytest.mark.parametrize(
    ("before", "after", "intent", "focus", "follows"),
    [
        (slate("blend", "a", "b"), slate("category_buyer", "b", "c"), "buyer", "Sofas", True),
        (slate("blend", "a", "b"), slate("category_buyer", "a", "b"), "buyer", "Sofas", False),
        (slate("blend", "a", "b"), slate("blend", "b", "c"), "buyer", "Sofas", False),
        (slate("blend", "a", "b"), slate("blend", "b", "c"), "buyer", None, True),
        (slate("blend", "b", "c"), slate("brand_lover", "b", "c"), "buyer", None, True),
        (slate("blend", "b", "c"), slate("blend", "b", "c"), "buyer", None, False),
        (slate("blend", "a", "b"), slate("blend", "b", "c"), "browser", None, False),
    ],
)
def test_an_answer_follows_a_cart(
    before: dict[str, Any], after: dict[str, Any], intent: str, focus: str | None, follows: bool
) -> None:
    """The item `a` in the cart is gone, and a buyer is answered: with a focus by category_buyer, without one anew."""
    profile = {"intent": {"intent": intent}, "focus": {"name": focus}}
    assert follows_cart(before, after, "a", profile) is follows


def test_an_answer_follows_views() -> None:
    """Other items are shown, or that very category had the lead already."""
    assert follows_views(slate("blend", "a"), slate("blend", "b"), "Sofas")
    assert not follows_views(slate("blend", "a"), slate("category_buyer", "a"), "Sofas")
    assert follows_views(slate("category_buyer", "a"), slate("category_buyer", "a"), "Sofas")
    assert not follows_views(slate("category_buyer", "a"), slate("category_buyer", "a"), "Lamps")
    assert not follows_views(slate("category_buyer"), slate("category_buyer"), "Sofas")
