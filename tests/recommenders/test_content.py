"""Content: look-alikes by what items are made of, with and without events."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import Shop, ago, ask, busy_events, event, shown
from tests.support.shops.handmade import World, numbered_items, world

SEEN = [event("ann", "sofa-1", "view", ago(1))]


def likes(made: World, item: str, **chosen: float) -> list[str]:
    """The closest look-alikes of an item."""
    answer = made.fitted("content", **chosen).recommend(made.query(context=[item]), made.profile(), 3, made.allow())
    return made.names(answer)


def test_an_item_without_events_has_look_alikes_and_is_one() -> None:
    """Nobody ever touched either of them; title, category, brand and price say that they are alike."""
    made = world(SEEN)
    assert likes(made, "lamp-1")[0] == "lamp-2"
    assert "lamp-1" in likes(made, "lamp-2")


def test_look_alikes_come_from_the_catalogue_alone() -> None:
    """What shoppers do changes no look-alike."""
    one, other = (world(events).arrays("content") for events in (SEEN, busy_events()))
    assert np.array_equal(one["neighbours"], other["neighbours"])
    assert np.array_equal(one["weights"], other["weights"])


@pytest.mark.parametrize(
    ("setting", "twin"), [("category_weight", "same-c"), ("brand_weight", "same-b"), ("price_weight", "same-p")]
)
def test_each_part_counts_by_its_weight(setting: str, twin: str) -> None:
    """The part with the large weight decides who is closest."""
    items = [
        {"item_id": "it", "title": "aa", "category": "C1", "brand": "B1", "price": 10.0},
        {"item_id": "same-c", "title": "bb", "category": "C1", "brand": "B2", "price": 500.0},
        {"item_id": "same-b", "title": "cc", "category": "C2", "brand": "B1", "price": 3000.0},
        {"item_id": "same-p", "title": "dd", "category": "C2", "brand": "B2", "price": 10.5},
        *numbered_items(20, title="zz"),
    ]
    made = world([event("ann", "it", "view", ago(1))], items)
    weights = {"category_weight": 0.1, "brand_weight": 0.1, "price_weight": 0.1} | {setting: 5.0}
    assert likes(made, "it", **weights)[0] == twin


def test_rare_words_tell_more_than_common_ones() -> None:
    """A word that half of the shop has in its titles says less than one of two items."""
    items = [
        {"item_id": "it", "title": "red teapot"},
        {"item_id": "pot", "title": "blue teapot"},
        *numbered_items(8, title="red chair"),
        *[{"item_id": f"x{number}", "title": f"green table {number}{number}"} for number in range(8)],
    ]
    made = world([event("ann", "it", "view", ago(1))], items)
    assert likes(made, "it")[0] == "pot"


def test_what_too_many_share_tells_nothing() -> None:
    """Of a word that more than `most_items` have, nobody is alike."""
    made = world([event("ann", "i00", "view", ago(1))], numbered_items(6, title="same word"))
    other = [*numbered_items(6, title="same word"), {"item_id": "x", "title": "else"}]
    assert likes(made, "i00", most_items=5) == []
    assert len(likes(world([event("ann", "i00", "view", ago(1))], other), "i00", most_items=6)) == 3


# On pages


def test_a_new_item_has_similar_ones(shop: Shop) -> None:
    """The page of an item that nobody touched begins with its look-alikes, and goes on in its category."""
    shop.add(
        *(
            event(f"u{user}", item, "purchase", ago(1), order_id=f"o{user}")
            for user in range(5)
            for item in ("soap-1", "bag-1")
        )
    )
    slate = ask(shop.engine(), placement="similar", context_items=("lamp-1",), limit=3)
    assert set(slate.sources[:2]) == {"content"}
    assert shown(shop.engine(), slate)[0] == "lamp-2"


def test_a_new_item_can_stand_beside_its_look_alike(shop: Shop) -> None:
    """A look-alike without events stands before what shoppers turned to that is of another kind, which stays on the list."""
    for user in range(4):
        shop.add(event(f"u{user}", "lamp-2", "view", ago(2)), event(f"u{user}", "bag-1", "view", ago(1)))
    engine = shop.engine()
    slate = ask(engine, placement="similar", context_items=("lamp-2",), limit=4)
    assert shown(engine, slate)[0] == "lamp-1"
    assert "bag-1" in shown(engine, slate)


def test_fallbacks_stay_in_the_category_of_the_page(shop: Shop) -> None:
    """Beside an item of which nothing is known, its category fills the list before the rest of the shop does."""
    shop.add(*(event(f"u{user}", "bag-1", "purchase", ago(1), order_id=f"b{user}") for user in range(9)))
    shop.add(*(event(f"u{user}", "lamp-3", "purchase", ago(1), order_id=f"l{user}") for user in range(9, 12)))
    engine = shop.engine()
    slate = ask(engine, placement="bought_together", context_items=("lamp-2",), limit=3)
    assert slate.fallback == "bestsellers"
    assert shown(engine, slate)[0] == "lamp-3"
