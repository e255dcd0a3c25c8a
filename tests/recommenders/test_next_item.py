"""Next item against answers worked out by hand: order, distance, moments, and what is bounded."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.behaviour import event_weights, steps_of, steps_of_users
from recsys.types import EventType, Reason
from tests.conftest import NOW, ago, busy_events, event
from tests.support.shops.handmade import BEHAVIOUR, World, dense, numbered_items, shop_of, world

PLAIN: dict[str, Any] = {"item_power": 0, "source_power": 0, "half_life_days": 0, "half_life_steps": 0}
"""Nothing is held down, and nothing decays."""
VIEW, PURCHASE = int(EventType.VIEW), int(EventType.PURCHASE)


def walk(user: str, *moments: str, kind: str = "view", days: float = 1) -> list[dict[str, Any]]:
    """Events of one shopper, a minute between moments; the items of one moment stand in one text."""
    return [
        event(
            user, item, kind, ago(days, minutes=len(moments) - at), order_id=f"{user}-{at}" if kind == "purchase" else None
        )
        for at, moment in enumerate(moments)
        for item in moment.split()
    ]


def square(made: World, **chosen: Any) -> NDArray[np.float64]:
    """W over all items."""
    arrays = made.arrays("next_item", **(PLAIN | chosen))
    matrix = np.zeros((made.catalog.n_items, made.catalog.n_items))
    for item, (neighbours, weights) in enumerate(zip(arrays["neighbours"], arrays["weights"], strict=True)):
        np.add.at(matrix[item], neighbours, weights.astype(float))
    return matrix


def test_by_hand() -> None:
    """Of a walk over three items the next one counts 1, the one after it 1/2, and what came before a quarter of that."""
    w = square(world(walk("ann", "i00", "i01", "i02"), numbered_items(3)), backward=0.25)
    assert w == pytest.approx(np.array([[0, 1, 1 / 2], [1 / 4, 0, 1], [1 / 8, 1 / 4, 0]]))


def test_only_so_many_steps_ahead() -> None:
    """What comes later than `steps` does not count, and without `backward` nothing that came before."""
    w = square(world(walk("ann", "i00", "i01", "i02", "i03"), numbered_items(4)), backward=0, steps=2)
    assert np.argwhere(w).tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]


def test_no_shopper_s_step_follows_another_s() -> None:
    """A walk ends with its shopper."""
    w = square(world([*walk("ann", "i00", "i01"), *walk("bob", "i02", "i03")], numbered_items(4)), backward=1)
    assert np.argwhere(w).tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]


def test_an_order_is_one_step() -> None:
    """Lines of one moment follow from the order before together, each pair by the root of both orders' sizes, and not from each
    other."""
    w = square(world(walk("ann", "i00 i01", "i02 i03 i04", kind="purchase"), numbered_items(5)), backward=0)
    weight = event_weights(BEHAVIOUR)[PURCHASE]
    expected = np.zeros((5, 5))
    expected[:2, 2:] = weight / np.sqrt(6)
    assert w == pytest.approx(expected)


def test_degrees_hold_down() -> None:
    """W[i, j] is divided by d(i)^q and d(j)^p, d the sum of decayed weights of all steps."""
    made = shop_of("crowd")
    plain = square(made, neighbours=1000, half_life_days=40)
    held = square(made, neighbours=1000, half_life_days=40, item_power=0.3, source_power=0.7)
    degrees = dense(made, 40).sum(axis=0)
    assert np.count_nonzero(plain) > 500
    np.testing.assert_allclose(held, plain * np.outer(degrees**-0.7, degrees**-0.3), rtol=1e-4)


def test_it_is_the_sum_over_all_pairs_of_steps() -> None:
    """Among hundreds of items and steps too, each W[i, j] is what its definition says, pair by pair."""
    draw, n = np.random.default_rng(4), 400
    drawn = [[f"i{item**2 // n:02}" for item in draw.integers(0, n, size)] for size in draw.integers(1, 60, 60)]
    walks = [[item for item, _ in groupby(items)] for items in drawn]
    rows = [row for user, moments in enumerate(walks) for row in walk(f"u{user:02d}", *moments)]
    expected = np.zeros((n, n))
    for moments in walks:
        steps = [int(item[1:]) for item in moments]
        for (at, item), (other_at, other) in product(enumerate(steps), enumerate(steps)):
            if item != other and 0 < abs(at - other_at) <= 3:
                expected[item, other] += (1 if other_at > at else 0.5) / abs(at - other_at)
    made = world(rows, numbered_items(n))
    place = [made.catalog.row(f"i{item:02}") for item in range(n)]
    w = square(made, steps=3, backward=0.5, neighbours=n)[np.ix_(place, place)]
    assert np.count_nonzero(expected) > 4000
    np.testing.assert_allclose(w, expected, rtol=1e-5)


def test_wholesale_orders_are_left_out() -> None:
    """A step of more items than `most_lines` leads nowhere, and still parts what lies around it."""
    made = world(walk("ann", "i00", "i01 i02", "i03", kind="purchase"), numbered_items(4))
    assert np.argwhere(square(made, backward=0, most_lines=1)).tolist() == [[0, 3]]
    assert square(made, backward=0, most_lines=1)[0, 3] == event_weights(BEHAVIOUR)[PURCHASE] / 2


def test_the_latest_steps_are_read() -> None:
    """Of one shopper no more than `most_steps` are read, the latest."""
    made = world([*walk("ann", "i00", "i01", "i02"), *walk("bob", "i03", "i00")], numbered_items(4))
    assert np.argwhere(square(made, backward=0, most_steps=2)).tolist() == [[1, 2], [3, 0]]


def test_it_tells_directions_apart() -> None:
    """The case follows the phone; beside the case the phone comes after what else follows it."""
    rows = [row for user in range(6) for row in walk(f"u{user}", "i00", "i01", "i02")]
    made = world(rows, numbered_items(3))
    recommender = made.fitted("next_item", item_power=0, source_power=0)
    beside = [
        made.names(recommender.recommend(made.query(context=[item]), made.profile(), 2, made.allow()))
        for item in ("i00", "i01")
    ]
    assert beside == [["i01", "i02"], ["i02", "i00"]]


def test_it_starts_from_the_last_step() -> None:
    """What follows the last item stands first, also where all of the history lies in one minute."""
    rows = [row for user in range(4) for row in (*walk(f"a{user}", "i00", "i01"), *walk(f"b{user}", "i02", "i03"))]
    made = world([*rows, *walk("ann", "i02", "i00", days=3), *walk("bob", "i00", "i02", days=3)], numbered_items(4))
    recommender, allowed = made.fitted("next_item"), made.allow("i01", "i03")
    found = [made.names(recommender.recommend(made.query(), made.profile(user), 1, allowed)) for user in ("ann", "bob")]
    assert found == [["i01"], ["i03"]]


@pytest.mark.parametrize(
    ("kind", "text"), [("view", "Because you viewed Oak sofa"), ("purchase", "Because you bought Oak sofa")]
)
def test_it_says_because(kind: str, text: str) -> None:
    """The reason names the item of the shopper's past that it follows from, and what was done with it."""
    made = world([*busy_events(), event("ann", "sofa-1", kind, NOW)])
    recommender, profile = made.fitted("next_item"), made.profile("ann")
    answer = recommender.recommend(made.query(), profile, 1, made.allow())
    assert answer.explained_by is not None
    said: Reason = recommender.reason(made.query(), profile, int(answer.items[0]), int(answer.explained_by[0]))
    assert said.text == text


def test_steps() -> None:
    """A step begins with another item at a later time; what was done with one item stays one step, and so does one moment."""
    rows = [
        (4, VIEW, 1),
        (4, PURCHASE, 2),
        (-1, VIEW, 3),
        (5, VIEW, 4),
        (6, VIEW, 4),
        (4, int(EventType.SEARCH), 5),
        (4, VIEW, 6),
    ]
    items, kinds, times = (np.array(column) for column in zip(*rows, strict=True))
    stated = items.astype(np.int32), kinds.astype(np.int8), times.astype(np.int64), event_weights(BEHAVIOUR)
    assert steps_of(*stated).tolist() == [0, 0, 0, 1, 1, 1, 2]
    users = np.array([0, 0, 0, 1, 1, 1, 2], np.int32)
    assert steps_of_users(users, *stated).tolist() == [0, 0, 0, 0, 0, 0, 0]
