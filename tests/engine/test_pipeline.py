"""The walk of one request: who leads, what is shown, and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from recsys.engine.engine import Engine
from recsys.settings.placements import Placement, Rule
from recsys.snapshot.store import Snapshot
from recsys.types import Bought, SnapshotError
from tests.conftest import Shop, ago, ask, event, shown


def test_answer_is_full_and_without_repeats(busy_shop: Shop) -> None:
    """A list has min(limit, eligible items) items, none twice."""
    engine = busy_shop.engine()
    slate = ask(engine, "user-0", limit=100)
    assert len(slate.items) == len(set(slate.items))
    bought = len(
        {row["item_id"] for row in busy_shop.events if row["user_id"] == "user-0" and row["event_type"] == "purchase"}
    )
    assert len(slate.items) == 11 - bought


def test_unknown_user_gets_fallback(busy_shop: Shop) -> None:
    """A stranger gets what is trending, and the slate says so."""
    engine = busy_shop.engine()
    slate = ask(engine, "nobody", limit=5)
    assert (slate.strategy, slate.fallback, slate.personalized) == ("new_shopper", "trending", False)
    assert len(slate.items) == 5


def test_buyer_with_focus_gets_category_bestsellers(busy_shop: Shop) -> None:
    """A cart in one category makes a buyer, and that category's bestsellers lead."""
    busy_shop.add(event("ann", "sofa-4", "view", ago(minutes=5)), event("ann", "sofa-4", "cart_add", ago(minutes=4)))
    engine = busy_shop.engine()
    slate = ask(engine, "ann", limit=3)
    assert slate.strategy == "category_buyer"
    assert set(shown(engine, slate)) == {"sofa-1", "sofa-2", "sofa-3"}
    assert slate.reasons[0].code == "category_bestseller"
    assert slate.reasons[0].buyers
    assert slate.reasons[0].window_days == 30


def test_same_question_same_answer(busy_shop: Shop) -> None:
    """The same snapshot, query and history give the same slate, id included; another query another id."""
    engine, again = busy_shop.engine(), busy_shop.engine()
    first, second = ask(engine, "user-2"), ask(again, "user-2")
    assert first.recommendation_id == second.recommendation_id
    assert first.items == second.items
    assert ask(engine, "user-2", limit=3).recommendation_id != first.recommendation_id


def test_published_answers_as_in_memory(busy_shop: Shop) -> None:
    """A snapshot opened from its folder answers like the fit it came from."""
    in_memory, opened = busy_shop.engine(), busy_shop.published_engine()
    for user in ("user-0", "user-1", "nobody"):
        assert ask(in_memory, user).items == ask(opened, user).items


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ({"category": "Home"}, {"sofa-1", "sofa-2", "sofa-3", "sofa-4", "lamp-1", "lamp-2", "lamp-3"}),
        ({"category": "Home > Lamps"}, {"lamp-1", "lamp-2", "lamp-3"}),
        ({"brands": ("Sella",)}, {"bag-1", "bag-2", "soap-1"}),
        ({"brands": ("Sella", "Oakly")}, {"bag-1", "bag-2", "soap-1", "sofa-1", "sofa-2", "lamp-3"}),
        ({"price_min": 400.0, "price_max": 900.0}, {"sofa-1", "sofa-4", "bag-1", "bag-2"}),
        ({"category": "Home", "price_max": 80.0}, {"lamp-1", "lamp-3"}),
    ],
)
def test_filters_are_kept_and_lists_full(busy_shop: Shop, query: dict[str, Any], allowed: set[str]) -> None:
    """Inside any filter the list holds every eligible item and nothing else, fallbacks included."""
    engine = busy_shop.engine()
    assert set(shown(engine, ask(engine, "nobody", limit=100, **query))) == allowed


def test_sold_out_excluded_and_context_items_never_show(busy_shop: Shop) -> None:
    """What is unavailable, excluded or on the page already is never recommended."""
    engine = busy_shop.engine()
    items = shown(
        engine, ask(engine, "nobody", limit=100, exclude=("sofa-1", "no-such"), context_items=("lamp-1",), placement="pdp")
    )
    assert not {"gone-1", "sofa-1", "lamp-1"} & set(items)
    assert len(items) == 9


def test_cart_items_never_show(busy_shop: Shop) -> None:
    """What lies in the cart is not recommended again; once removed it may be."""
    busy_shop.add(event("ann", "lamp-1", "cart_add", ago(minutes=3)), event("bob", "lamp-1", "cart_add", ago(minutes=3)))
    busy_shop.add(event("bob", "lamp-1", "cart_remove", ago(minutes=2)))
    engine = busy_shop.engine()
    assert "lamp-1" not in shown(engine, ask(engine, "ann", limit=100))
    assert "lamp-1" in shown(engine, ask(engine, "bob", limit=100))


def test_one_item_per_group(shop: Shop) -> None:
    """Variants of one group take one place, and the list is still as long as there are groups."""
    shop.items = [{"item_id": f"chair-{n}", "title": "Chair", "category": "Home", "group_id": f"g{n % 3}"} for n in range(9)]
    shop.add(*(event("ann", f"chair-{n}", at=ago(days=n)) for n in range(9)))
    engine = shop.engine()
    chosen = shown(engine, ask(engine, "bob", limit=9))
    assert sorted(int(item[-1]) % 3 for item in chosen) == [0, 1, 2]


def test_unknown_filter_values_are_noticed(busy_shop: Shop) -> None:
    """An unknown category, brand or context item is no error: the slate is short and says why."""
    engine = busy_shop.engine()
    nowhere = ask(engine, "user-0", category="Garden")
    assert (len(nowhere.items), nowhere.notices) == (0, ("category: there is no 'Garden' in the catalogue",))
    assert ask(engine, "user-0", brands=("Nope",)).notices == ("brand: there is no 'Nope' in the catalogue",)
    assert ask(engine, "user-0", context_items=("x",)).notices == ("item_id: there is no 'x' in the catalogue",)


@pytest.mark.parametrize(
    ("bought", "sofa", "soap"),
    [
        (Bought("hide"), False, True),
        (Bought("allow"), True, True),
        (Bought("hide_days", 41), False, False),
        (Bought("hide_days", 39), True, True),
    ],
)
def test_bought_rules(busy_shop: Shop, bought: Bought, sofa: bool, soap: bool) -> None:
    """hide leaves out what is owned unless it is replenishable; hide_days looks at the age of the purchase alone."""
    for item in ("sofa-1", "soap-1"):
        busy_shop.add(event("ann", item, "purchase", ago(days=40)))
    engine = busy_shop.engine()
    items = shown(engine, ask(engine, "ann", limit=100, bought=bought))
    assert ("sofa-1" in items, "soap-1" in items) == (sofa, soap)


def test_bought_only(busy_shop: Shop) -> None:
    """only shows nothing but what the shopper owns, and nothing to a stranger."""
    busy_shop.add(event("ann", "sofa-1", "purchase", ago(days=40)))
    engine = busy_shop.engine()
    assert shown(engine, ask(engine, "ann", bought=Bought("only"))) == ["sofa-1"]
    assert shown(engine, ask(engine, "nobody", bought=Bought("only"))) == []


def test_later_events_are_not_seen(busy_shop: Shop) -> None:
    """An answer as of an earlier moment does not know what came after it."""
    busy_shop.add(event("ann", "sofa-1", "view", ago(days=5)), event("ann", "lamp-1", "purchase", ago(days=2)))
    engine = busy_shop.engine()
    assert "lamp-1" in shown(engine, ask(engine, "ann", now=ago(days=3), limit=100))
    assert "lamp-1" not in shown(engine, ask(engine, "ann", limit=100))


ALIKE = Placement(rules=(Rule(name="alike", recommenders={"item_item": 1.0}),), fallback=("trending",))


def another_version(snapshot: Snapshot) -> Snapshot:
    """The snapshot as a version would publish it that knew one recommender less and one more."""
    fitted = {name: of for name, of in snapshot.manifest.recommenders.items() if name != "item_item"} | {"later": {"n": 3}}
    groups = {name: arrays for name, arrays in snapshot.groups.items() if name != "item_item"}
    return Snapshot(msgspec.structs.replace(snapshot.manifest, recommenders=fitted), groups)


def test_a_snapshot_of_the_neighbouring_version_answers(busy_shop: Shop) -> None:
    """A recommender that it was made without brings nothing, one that is not known is not asked, and the engine says so."""
    settings = msgspec.structs.replace(busy_shop.settings, placements={"alike": ALIKE})
    whole = busy_shop.engine().snapshot
    engine = Engine(another_version(whole), settings)
    assert str(engine) == f"{whole.version}, without item_item until the next training,"
    slate = ask(engine, "ana", placement="alike", limit=5)
    assert (len(slate.items), slate.fallback) == (5, "trending")


def test_a_snapshot_without_popularity_is_refused(busy_shop: Shop) -> None:
    """Without what ends every chain of fallbacks no list could be full."""
    whole = busy_shop.engine().snapshot
    with pytest.raises(SnapshotError, match="was made without bestsellers, trending; train a new one"):
        Engine(Snapshot(msgspec.structs.replace(whole.manifest, recommenders={}), whole.groups), busy_shop.settings)
