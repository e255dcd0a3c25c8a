"""Look-alikes of items that are put while a snapshot serves: their own, and they among those of others."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import permutations
from typing import Any

import pytest

from recsys.item_updates import ItemUpdate, WholeItem
from recsys.recommenders.base import AnyRecommender
from recsys.snapshot.put.changes import KEPT
from recsys.snapshot.put.overlay import overlay
from tests.conftest import ago, event
from tests.support.shops.handmade import World, crowd_items, world

SPARE, LENGTH, MANY = 4, 5, 240
SEEN = [event("ann", "i00", "view", ago(1))]
TITLES = ("blue linen cushion", "red linen cushion", "oak chair", "oak table", "green teapot", "white teapot")


def titled() -> list[dict[str, Any]]:
    """Sixty items, each with one of six titles, a size and a shade."""
    return [{**row, "title": f"{TITLES[n % 6]} size{n % 11} shade{n % 13}"} for n, row in enumerate(crowd_items())]


def open_shop() -> tuple[World, AnyRecommender]:
    """A shop with room, and what it learned of its items."""
    made = world(SEEN, titled(), spare=SPARE)
    return made, made.fitted("content", neighbours=LENGTH)


def put(made: World, item_id: str, title: str, category: str = "C1 > L1", brand: str = "B1", price: float = 9.0) -> None:
    """Put an item over the catalogue."""
    item = WholeItem(title=title, brand=brand, categories=(category,))
    overlay(made.catalog, ItemUpdate(item_id, None, None, price, item), made.catalog.revision + 1)


def likes(made: World, content: AnyRecommender, item_id: str) -> list[tuple[str, float]]:
    """The look-alikes of an item and what they score."""
    found = content.recommend(made.query(context=[item_id]), made.profile(), LENGTH, made.allow())
    return list(zip(made.names(found), found.scores.tolist(), strict=True))


def everything(made: World, content: AnyRecommender) -> dict[str, list[tuple[str, float]]]:
    """The look-alikes of every item there is, rounded: sums of floats depend on their order."""
    ids = [made.catalog.item_id(row) for row in range(made.catalog.n_known)]
    return {each: sorted((name, round(score, 5)) for name, score in likes(made, content, each)) for each in ids}


def test_an_item_that_is_put_has_look_alikes_and_is_one() -> None:
    """At the next answer, in both directions; it makes nothing of the others' scores, which a blend counts against its best."""
    made, content = open_shop()
    before = likes(made, content, "i01")
    put(made, "twin", titled()[1]["title"], "C1 > L1", "B1", 2.0)
    (closest, cosine), *_ = likes(made, content, "twin")
    assert (closest, round(cosine, 4)) == ("i01", 1.0)
    best = before[0]
    assert likes(made, content, "i01") == [best, ("twin", best[1]), *before[1 : LENGTH - 1]]


def test_items_that_are_put_are_like_each_other() -> None:
    """Two of one kind name each other before what is less like them."""
    made, content = open_shop()
    put(made, "one", "oak chair", "C2 > L5", "B3", 100.0)
    likes(made, content, "i00")
    put(made, "two", "oak chair", "C2 > L5", "B3", 100.0)
    assert likes(made, content, "one")[0][0] == "two"
    assert likes(made, content, "two")[0][0] == "one"


def test_they_are_those_that_the_next_training_finds() -> None:
    """What an item is most like does not change because it is in the fit."""
    whole = world(SEEN, titled())
    expected = [name for name, _ in likes(whole, whole.fitted("content", neighbours=LENGTH), "i25")[:3]]
    left = [row for row in titled() if row["item_id"] != "i25"]
    made, row = world(SEEN, left, spare=SPARE), titled()[25]
    content = made.fitted("content", neighbours=LENGTH)
    put(made, "i25", row["title"], row["category"], row["brand"], row["price"])
    assert [name for name, _ in likes(made, content, "i25")[:3]] == expected


def test_an_item_that_is_put_costs_what_it_touches() -> None:
    """However many others of its kind were put before: it has work with its own neighbours alone, whatever their number."""
    made = world(SEEN, titled(), spare=MANY + 1)
    content = made.fitted("content", neighbours=LENGTH)
    for number in range(MANY):
        put(made, f"x{number}", TITLES[number % 6], price=1.0 + number)
    likes(made, content, "i00")
    put(made, "last", TITLES[2], price=MANY / 2)
    calls = Counter[str]()
    sys.setprofile(lambda frame, happened, of: calls.update((happened,)))
    try:
        likes(made, content, "i00")
    finally:
        sys.setprofile(None)
    assert calls["call"] + calls["c_call"] < 40 * MANY


def test_items_that_were_put_one_by_one_are_like_each_other_as_those_that_were_put_together() -> None:
    """Also where many are alike to the same degree, and where one of the first is put otherwise at last."""
    (made, content), (other, together) = [
        (each, each.fitted("content", neighbours=LENGTH)) for each in (world(SEEN, titled(), spare=30) for _ in range(2))
    ]
    items = [(f"x{n}", TITLES[n % 2], "C1 > L1", "B1", 9.0 * (1 + n % 3)) for n in range(30)]
    items += [("x3", TITLES[3], "C2 > L5", "B2", 90.0), ("x4", TITLES[0], "C1 > L1", "B1", 9.0)]
    for each in items:
        put(made, *each)
        put(other, *each)
        likes(made, content, "i00")
    assert everything(made, content) == everything(other, together)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_in_which_items_are_put_changes_nothing(order: tuple[int, ...]) -> None:
    """Nor does what was put in between, or answered: workers that start later answer alike."""
    last = [("x", "oak table", 3.0), ("y", "red linen cushion", 5.0), ("z", "oak table size5", 40.0)]
    made, content = open_shop()
    for item_id, title, price in last:
        put(made, item_id, title, price=price)
    other, asked = open_shop()
    for place in order:
        put(other, last[place][0], "green teapot size4", "C0 > L0", "B5", 60.0)
        everything(other, asked)
    for item_id, title, price in last:
        put(other, item_id, title, price=price)
        likes(other, asked, "i00")
    ours, theirs = everything(made, content), everything(other, asked)
    assert {name: dict(found) for name, found in ours.items()} == {name: dict(found) for name, found in theirs.items()}


def test_an_item_that_is_put_otherwise_gives_its_places_back() -> None:
    """Every list of the fit is what it was before, once nothing of it is like anything."""
    made, content = open_shop()
    before = everything(made, content)
    put(made, "x", "blue linen cushion size0", "C0 > L0", "B0", 1.0)
    assert everything(made, content) != before
    put(made, "x", "Zyx", "New", "Nobody", 0.0)
    after = everything(made, content)
    assert after.pop("x") == []
    assert after == before


def test_a_price_that_changes_counts() -> None:
    """Of two alike but for their price, the nearer one is closest."""
    made, content = open_shop()
    put(made, "cheap", "oak chair", "C2 > L8", "B4", 10.0)
    put(made, "dear", "oak chair", "C2 > L8", "B4", 50.0)
    put(made, "x", "oak chair", "C2 > L8", "B4", 10.0)
    assert likes(made, content, "x")[0][0] == "cheap"
    overlay(made.catalog, ItemUpdate("x", None, None, 50.0), 9)
    assert likes(made, content, "x")[0][0] == "dear"


def test_more_changes_than_are_remembered_lose_nothing() -> None:
    """After a flood of prices every item that was put is looked at again."""
    made, content = open_shop()
    put(made, "twin", titled()[1]["title"], "C1 > L1", "B1", 2.0)
    for number in range(3 * KEPT):
        overlay(made.catalog, ItemUpdate("i02", None, None, 1.0 + number), number + 2)
    assert likes(made, content, "twin")[0][0] == "i01"
    assert likes(made, content, "i01")[1][0] == "twin"


def test_a_snapshot_from_before_answers_as_it_did() -> None:
    """Without the terms of the fit an item that is put has no look-alikes yet."""
    made = world(SEEN, titled(), spare=SPARE)
    fitted = made.fitted("content")
    arrays = {name: made.arrays("content")[name] for name in ("neighbours", "weights")}
    content = type(fitted)(arrays, made.catalog, made.behaviour, type(fitted).Settings())
    put(made, "twin", titled()[1]["title"], "C1 > L1", "B1", 2.0)
    assert likes(made, content, "twin") == []
    assert likes(made, content, "i01")
