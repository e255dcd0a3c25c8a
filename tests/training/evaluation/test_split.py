"""Time splits: which purchases are the truth of a window, and what of them was known before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsys.snapshot.catalog import Catalog
from recsys.tables.schema import schema
from recsys.types import EventType
from tests.conftest import NOW, Shop, ago, event, micros
from training.evaluation.split import Fold, Split, Truth, folds_before, owned_before, split

MOMENT = timedelta(microseconds=1)
FOLD = Fold(ago(days=10), 5)
"""From ten days ago until five days ago."""
INSIDE = FOLD.at + timedelta(days=1)


def divided(shop: Shop, fold: Fold = FOLD) -> Split:
    """The shop's tables, split."""
    shop.write()
    return split(shop.settings, fold, NOW)


def items_of(found: Split, truth: Truth | None = None) -> dict[str, tuple[set[str], int]]:
    """By user: the known items of the truth, and how many were bought in all."""
    truth, catalog = truth or found.truth, Catalog(found.prepared.base)
    return {
        user: ({catalog.item_id(row) for row in truth.of(place)}, int(truth.sizes[place]))
        for place, user in enumerate(truth.users)
    }


def bought(user: str, item: str, at: Any = INSIDE, **more: Any) -> dict[str, Any]:
    """A purchase, inside the window where no time is given."""
    return event(user, item, "purchase", at, **more)


# The window


def test_the_window_begins_with_its_moment_and_ends_before_its_end() -> None:
    """A fold is half open: `at` is inside, `until` is not."""
    assert (FOLD.at, FOLD.until) == (ago(days=10), ago(days=5))
    assert str(FOLD) == "2026-03-21 + 5 days"


@pytest.mark.parametrize(
    ("at", "trained", "tested"),
    [
        (FOLD.at - MOMENT, True, False),
        (FOLD.at, False, True),
        (FOLD.until - MOMENT, False, True),
        (FOLD.until, False, False),
    ],
)
def test_every_purchase_is_on_one_side(shop: Shop, at: Any, trained: bool, tested: bool) -> None:
    """An event of the very moment of the split is tested and not trained on; one at the window's end is neither."""
    found = divided(shop.add(event("zoe", "bag-1", at=ago(days=20)), bought("ann", "sofa-1", at)))
    events = found.prepared.events
    assert micros(FOLD.at) == found.prepared.as_of
    assert (micros(at) in events.times) == ("ann" in found.prepared.user_ids) == trained
    assert ("ann" in found.truth.users) == tested


def test_folds_fill_the_time_before_without_overlap() -> None:
    """Rolling folds stand one after the other, oldest first, and the last one ends at the given moment."""
    folds = folds_before(NOW, 7, 3)
    assert [fold.at for fold in folds] == [ago(days=21), ago(days=14), ago(days=7)]
    assert [fold.until for fold in folds[:-1]] == [fold.at for fold in folds[1:]]
    assert folds[-1].until == NOW
    assert folds_before(NOW, 7, 0) == []


@pytest.mark.long
def test_a_purchase_is_the_truth_of_one_rolling_fold(busy_shop: Shop) -> None:
    """Over folds that touch, each user's purchase stands in exactly one truth."""
    busy_shop.write()
    folds = folds_before(NOW, 1, 7)
    users = [user for fold in folds for user in split(busy_shop.settings, fold, NOW).truth.users]
    assert sorted(users) == sorted(f"user-{number}" for number in range(30))


# The truth


def test_truth_is_what_was_bought(shop: Shop) -> None:
    """Distinct items by user, users and items in order; looking at things is not buying them."""
    shop.add(
        event("zoe", "bag-1", at=ago(days=20)),
        *(bought("cat", item) for item in ("soap-1", "bag-2", "soap-1")),
        *(bought("ann", item) for item in ("sofa-2",)),
        *(event("bob", "lamp-1", kind, INSIDE) for kind in ("view", "cart_add", "checkout", "refund", "click")),
    )
    found = divided(shop)
    assert items_of(found) == {"ann": ({"sofa-2"}, 1), "cat": ({"bag-2", "soap-1"}, 2)}
    assert found.truth.users == ["ann", "cat"]
    assert (np.diff(found.truth.of(1)) > 0).all()


@pytest.mark.parametrize(("quantity", "counted"), [(None, True), (2.0, True), (0.5, True), (0.0, False), (-1.0, False)])
def test_a_purchase_of_nothing_is_not_in_the_truth(shop: Shop, quantity: float | None, counted: bool) -> None:
    """Quantity 0 or less was not bought; an unknown quantity was."""
    found = divided(shop.add(event("zoe", "bag-1", at=ago(days=20)), bought("ann", "sofa-1", quantity=quantity)))
    assert ("ann" in found.truth.users) == counted


def test_what_was_given_back_in_the_window_is_not_in_the_truth(shop: Shop) -> None:
    """A refund cancels its own order's line, here as everywhere; one after the window's end is not known of."""
    later = INSIDE + timedelta(days=1)
    shop.add(
        bought("ann", "sofa-1", order_id="o-1"),
        bought("ann", "lamp-1", order_id="o-1"),
        event("ann", "sofa-1", "refund", later, order_id="o-1"),
        bought("bob", "sofa-1"),
        event("bob", "sofa-1", "refund", FOLD.until),
    )
    assert items_of(divided(shop)) == {"ann": ({"lamp-1"}, 1), "bob": ({"sofa-1"}, 1)}


def test_giving_back_an_old_order_leaves_the_new_one(shop: Shop) -> None:
    """A refund in the window of what was bought before it cancels that, not the same item's purchase in the window."""
    shop.add(
        bought("ann", "soap-1", ago(days=20), order_id="o-1", quantity=1.0),
        bought("ann", "soap-1", order_id="o-2", quantity=1.0),
        event("ann", "soap-1", "refund", INSIDE + MOMENT, order_id="o-1", quantity=1.0),
    )
    assert items_of(divided(shop)) == {"ann": ({"soap-1"}, 1)}


def test_giving_back_some_of_it_leaves_the_line(shop: Shop) -> None:
    """Two of three pieces given back is still a purchase; the third makes it none."""
    shop.add(
        bought("ann", "soap-1", order_id="o-1", quantity=3.0),
        event("ann", "soap-1", "refund", INSIDE + MOMENT, order_id="o-1", quantity=2.0),
    )
    assert items_of(divided(shop)) == {"ann": ({"soap-1"}, 1)}
    shop.add(event("ann", "soap-1", "refund", INSIDE + 2 * MOMENT, order_id="o-1", quantity=1.0))
    assert items_of(divided(shop)) == {}


def test_items_unknown_before_count_as_missed(shop: Shop) -> None:
    """What nobody could have recommended is no known item, but it was bought: it counts in the sizes."""
    shop.add(bought("ann", "sofa-1"), bought("ann", "novelty-1"), bought("ann", "novelty-2"), bought("bob", "novelty-1"))
    assert items_of(divided(shop)) == {"ann": ({"sofa-1"}, 3), "bob": (set(), 1)}


def test_without_an_item_table_the_catalogue_is_what_was_seen_before(shop: Shop) -> None:
    """Items made from events are those of events before the split; what the window brings is unknown."""
    shop.toml = shop.toml.replace('[data.items]\npaths = ["items.parquet"]\n', "")
    shop.add(event("zoe", "bag-1", at=ago(days=20)), bought("ann", "bag-1"), bought("ann", "sofa-1"))
    found = divided(shop)
    assert Catalog(found.prepared.base).n_known == 1
    assert items_of(found) == {"ann": ({"bag-1"}, 2)}


def test_cold_users_are_in_the_truth(shop: Shop) -> None:
    """Who came for the first time in the window is asked for too, though nothing is known of them."""
    found = divided(shop.add(event("zoe", "bag-1", at=ago(days=20)), bought("cold", "bag-1"), bought("zoe", "bag-1")))
    assert found.prepared.user_ids == ["zoe"]
    assert found.truth.users == ["cold", "zoe"]


def test_a_window_without_purchases_has_no_truth(shop: Shop) -> None:
    """Where nobody bought, there is nobody to ask."""
    found = divided(shop.add(event("zoe", "bag-1", at=ago(days=20)), event("zoe", "bag-1", at=INSIDE)))
    assert len(found.truth) == len(found.truth.without({})) == 0
    assert found.truth.offsets.tolist() == [0]


# Parts of a truth


def some_truth() -> Truth:
    """ann bought 1 and 4 and something unseen, bob 2, cat nothing that was known."""
    return Truth(
        ["ann", "bob", "cat"], np.array([0, 2, 3, 3], np.int64), np.array([1, 4, 2], np.int32), np.array([3, 1, 1], np.int32)
    )


def parts(truth: Truth) -> list[tuple[str, list[int], int]]:
    """A truth, user by user."""
    return [(user, truth.of(n).tolist(), int(truth.sizes[n])) for n, user in enumerate(truth.users)]


def test_where_takes_users_in_the_order_asked_for() -> None:
    """Each user comes with items and size; nobody is an empty truth."""
    assert parts(some_truth().where(np.array([2, 0]))) == [("cat", [], 1), ("ann", [1, 4], 3)]
    assert parts(some_truth().where(np.array([], np.intp))) == []


def test_without_leaves_out_what_was_owned() -> None:
    """Owned items are gone from items and sizes, others' items stay, and who has nothing left is not asked for."""
    owned = {"ann": frozenset({4, 9}), "bob": frozenset({2}), "dan": frozenset({1})}
    assert parts(some_truth().without(owned)) == [("ann", [1], 2), ("cat", [], 1)]
    assert parts(some_truth().without({})) == parts(some_truth())
    assert parts(some_truth().without({"ann": frozenset({1, 4})})) == [("ann", [], 1), ("bob", [2], 1), ("cat", [], 1)]


def test_owned_is_what_was_bought_and_kept_before(shop: Shop) -> None:
    """Purchases before the split count, refunded ones and the window's do not, nor do items outside the catalogue."""
    shop.add(
        bought("ann", "sofa-1", ago(days=20)),
        bought("ann", "sofa-1", ago(days=19)),
        bought("ann", "lamp-1", ago(days=20)),
        event("ann", "lamp-1", "refund", ago(days=18)),
        bought("ann", "novelty-1", ago(days=20)),
        event("ann", "bag-1", at=ago(days=20)),
        bought("ann", "bag-2"),
        event("bob", "bag-1", at=ago(days=20)),
        bought("cat", "soap-1", ago(days=20)),
    )
    found = divided(shop)
    assert np.count_nonzero(found.prepared.events.kinds == EventType.PURCHASE) == 4
    row = Catalog(found.prepared.base).row
    owned = owned_before(found.prepared.events, found.prepared.user_ids, ["ann", "bob", "cat", "nobody"])
    assert owned == {"ann": frozenset({row("sofa-1")}), "cat": frozenset({row("soap-1")})}
    assert items_of(found, found.truth.without(owned)) == {"ann": ({"bag-2"}, 1)}


# Links


@pytest.mark.parametrize("since", [INSIDE, None])
def test_who_signs_in_in_the_window_was_not_known_before_it(shop: Shop, since: datetime | None) -> None:
    """A link that came with the purchase does not make the visitor's looks the buyer's history, whether it says so or has no time."""
    shop.toml += "[data.identities]\npaths = ['links.parquet']\n"
    links = pl.DataFrame([("browser-1", "ada", since)], schema=schema("identities"), orient="row")
    links.write_parquet(shop.folder / "links.parquet")
    shop.add(event("browser-1", "sofa-1", "view", FOLD.at - MOMENT), bought("ada", "sofa-1"))
    found = divided(shop)
    assert found.prepared.user_ids == ["browser-1"]
    assert items_of(found) == {"ada": ({"sofa-1"}, 1)}
