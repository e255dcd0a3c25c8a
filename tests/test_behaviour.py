"""Meaning of behaviour: weights, decay, sessions, dwell, carts, months, and facts learned of items."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.behaviour import (
    ages_in_days,
    decay,
    event_weights,
    in_cart,
    interactions,
    item_weights,
    last_of_each,
    last_session,
    months_before,
    session_gap,
    sessions,
    steps_of,
)
from recsys.clock import DAY, MINUTE
from recsys.settings import BehaviourSettings
from recsys.snapshot.id_index import unknown_item
from recsys.types import CANCELLED, EventType, History
from tests.conftest import ITEMS, NOW, ago, event, micros
from tests.support.shops.handmade import BEHAVIOUR, calm, world

V, B, R = EventType.VIEW, EventType.PURCHASE, EventType.REFUND


def test_event_weights() -> None:
    """A view weighs 1, a cart_add 3, a purchase 5 and everything else 0; the settings move them."""
    weights = event_weights(BEHAVIOUR)
    assert {kind.name: float(weights[kind]) for kind in EventType if weights[kind]} == {
        "VIEW": 1.0,
        "CART_ADD": 3.0,
        "PURCHASE": 5.0,
    }
    assert event_weights(BehaviourSettings(view_weight=0.5))[V] == 0.5


def test_fade_halves_with_every_half_life() -> None:
    """After one half-life an event counts half, after two a quarter; a half-life of 0 does not fade."""
    ages = np.array([0, 15, 30, 60], np.float32)
    assert decay(ages, 30) == pytest.approx([1, 0.5**0.5, 0.5, 0.25])
    assert decay(ages, 0).tolist() == [1, 1, 1, 1]


def test_ages_are_never_negative() -> None:
    """An event that is not yet past has age 0."""
    ages = ages_in_days(np.array([0, 2 * DAY, 5 * DAY], np.int64), 3 * DAY)
    assert ages.tolist() == [3, 1, 0]


@pytest.mark.parametrize(("minutes", "count"), [(29, 1), (30, 1), (31, 2)])
def test_a_session_ends_after_thirty_minutes(minutes: int, count: int) -> None:
    """A pause of up to 30 minutes is within the session; a longer one ends it."""
    times = np.array([0, 5, 5 + minutes, 6 + minutes], np.int64) * MINUTE
    numbers = sessions(np.zeros(4, np.int32), times, BEHAVIOUR)
    assert numbers.max() + 1 == count
    assert last_session(times, session_gap(BEHAVIOUR)) == (0 if count == 1 else 2)


def test_another_user_is_another_session() -> None:
    """Sessions never join two users, however close their events."""
    users = np.array([0, 0, 1, 1, 2], np.int32)
    assert sessions(users, np.zeros(5, np.int64), BEHAVIOUR).tolist() == [0, 0, 1, 1, 2]


@calm
@given(st.lists(st.integers(0, 200), min_size=1, max_size=30), st.sampled_from([1.0, 30.0, 90.0]))
def test_last_session_is_the_last_of_all_sessions(minutes: list[int], gap: float) -> None:
    """What the service calls the last session is the last one that training numbers."""
    times = np.array(sorted(minutes), np.int64) * MINUTE
    behaviour = BehaviourSettings(session_minutes=gap)
    numbers = sessions(np.zeros(len(times), np.int32), times, behaviour)
    assert last_session(times, session_gap(behaviour)) == int(np.flatnonzero(numbers == numbers[-1])[0])


@pytest.mark.parametrize(
    ("steps", "inside"),
    [
        ([("cart_add", 29.9)], True),
        ([("cart_add", 30)], False),
        ([("cart_add", 30.1)], False),
        ([("cart_add", 5), ("cart_remove", 4)], False),
        ([("cart_add", 5), ("purchase", 4)], False),
        ([("cart_add", 5), ("cart_remove", 4), ("cart_add", 3)], True),
        ([("purchase", 5), ("cart_add", 4)], True),
        ([("cart_add", 5), ("view", 4), ("checkout", 4)], True),
        ([("cart_add", 40), ("cart_add", 10)], True),
        ([("view", 1)], False),
    ],
)
def test_what_is_in_the_cart(steps: list[tuple[str, float]], inside: bool) -> None:
    """An item is in the cart for 30 days after it was added, unless it was removed or bought since."""
    made = world([event("ann", "sofa-1", kind, ago(days)) for kind, days in steps])
    assert (made.rows("sofa-1")[0] in made.profile("ann").cart) == inside


def test_cart_holds_each_item_by_itself() -> None:
    """Removing or buying one item leaves the others in the cart."""
    kinds = {"sofa-1": "cart_remove", "lamp-1": "purchase", "bag-1": "view"}
    rows = [event("ann", item, "cart_add", ago(2)) for item in kinds]
    made = world([*rows, *(event("ann", item, kind, ago(1)) for item, kind in kinds.items())])
    assert made.profile("ann").cart.tolist() == made.rows("bag-1")


def test_every_item_may_be_in_the_cart() -> None:
    """All items of a catalogue, the first and the last of its rows too; one that it does not have is not."""
    ids = [each["item_id"] for each in ITEMS]
    made = world([event("ann", item, "cart_add", ago(1)) for item in [*ids, "unlisted"]])
    assert made.profile("ann").cart.tolist() == list(range(len(ids)))


def test_interactions_add_up_what_is_known_of_items() -> None:
    """A pair has the sum of its events' weights; what weighs nothing and what is not in the catalogue is in no pair."""
    kinds = [("sofa-1", "view"), ("sofa-1", "purchase"), ("lamp-1", "impression"), ("unlisted", "view"), (None, "search")]
    every = [(each["item_id"], "view") for each in ITEMS if each["item_id"] not in ("sofa-1", "lamp-1")]
    made = world([event("ann", item, kind, ago(1), quantity=1.0) for item, kind in [*kinds, *every]])
    expected = np.ones(len(ITEMS))
    expected[made.rows("sofa-1", "lamp-1")] = 6, 0
    found = interactions(made.tables, BEHAVIOUR, 0)
    assert found.toarray().tolist() == [expected.tolist()]
    assert found.nnz == len(ITEMS) - 1


def test_a_returned_item_is_not_in_the_cart_again() -> None:
    """Buying takes an item out of the cart for good: giving it back does not put it in again."""
    steps = [("cart_add", 5.0), ("purchase", 4.0), ("refund", 3.0)]
    made = world([event("ann", "sofa-1", kind, ago(days), quantity=1.0) for kind, days in steps])
    assert made.profile("ann").cart.tolist() == []


@calm
@given(st.lists(st.integers(-1, 6), max_size=20))
def test_last_of_each_like_a_dict(values: list[int]) -> None:
    """Distinct values come ascending, each with the position of its last occurrence."""
    items, last = last_of_each(np.array(values, np.int32))
    expected = {value: at for at, value in enumerate(values)}
    assert dict(zip(items.tolist(), last.tolist(), strict=True)) == expected
    assert items.tolist() == sorted(expected)


@calm
@given(
    st.lists(st.tuples(st.integers(-1, 5), st.sampled_from(list(EventType)), st.integers(0, 90)), max_size=20),
    st.integers(1, 7),
    st.sampled_from([0.0, 2.0]),
)
def test_item_weights_like_a_dict(rows: list[tuple[int, EventType, int]], max_n: int, by_step: float) -> None:
    """An item's strength is the sum of its events' weights, each decayed by its age and by the steps since; events without item count
    for none."""
    rows = sorted(rows, key=lambda row: -row[2])
    now = micros(NOW)
    times = np.array([now - round(row[2] * DAY) for row in rows], np.int64)
    history = History(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int8),
        times,
        np.full(len(rows), -1, np.int32),
    )
    weights = event_weights(BEHAVIOUR)
    steps = steps_of(history.items, history.kinds, history.times, weights).tolist()
    expected: dict[int, float] = {}
    for (item, kind, age), step in zip(rows, steps, strict=True):
        if item >= 0 and weights[kind] > 0:
            since = (steps[-1] - step) / by_step if by_step else 0
            expected[item] = expected.get(item, 0) + float(weights[kind]) * 0.5 ** (age / 30 + since)
    items, strengths = item_weights(history, now, weights, 30, max_n, by_step)
    strongest = sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))[:max_n]
    assert strengths.tolist() == pytest.approx([strength for _, strength in strongest], rel=1e-5)
    assert {item: expected[item] for item in items.tolist()} == pytest.approx(
        dict(zip(items, strengths, strict=True)), rel=1e-5
    )
    assert len(set(items.tolist())) == len(items)


def test_equal_strengths_stand_by_row() -> None:
    """Of items that weigh the same the lower row comes first."""
    now = micros(NOW)
    history = History(
        np.array([5, 2, 9], np.int32), np.full(3, EventType.VIEW, np.int8), np.full(3, now), np.full(3, -1, np.int32)
    )
    assert item_weights(history, now, event_weights(BEHAVIOUR), 30, 2)[0].tolist() == [2, 5]


@calm
@given(
    st.lists(st.tuples(st.integers(-2, 4), st.sampled_from([*EventType, CANCELLED]), st.integers(0, 10)), max_size=20),
    st.integers(1, 12),
)
def test_the_cart_like_a_set(rows: list[tuple[int, int, int]], days: int) -> None:
    """An item lies in the cart that was added in the last days, and neither taken out nor bought since; by row."""
    rows, now = sorted(rows, key=lambda row: row[2]), 12 * DAY
    items, kinds, times = (
        np.array([row[at] for row in rows], kind) for at, kind in enumerate((np.int32, np.int8, np.int64))
    )
    history = History(items, kinds, times * DAY, np.full(len(rows), -1, np.int32))
    cart: set[int] = set()
    for item, kind, day in rows:
        if (12 - day) < days and kind == EventType.CART_ADD:
            cart.add(item)
        elif kind in (EventType.CART_REMOVE, B, CANCELLED):
            cart.discard(item)
    assert in_cart(history, now, BehaviourSettings(cart_days=days)).tolist() == sorted(item for item in cart if item >= 0)


def months_earlier(moment: datetime, months: int) -> datetime:
    """The same rule written with the standard library's calendar."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


@calm
@given(
    st.integers(0, 130 * 365 * 86_400).map(lambda seconds: datetime(1975, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.integers(0, 60),
)
def test_months_before_like_the_calendar(moment: datetime, months: int) -> None:
    """Going back whole months keeps the time of day and clamps the day to the month's end."""
    assert months_before(micros(moment), months) == micros(months_earlier(moment, months))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 8, 31, 9, tzinfo=UTC), datetime(2026, 2, 28, 9, tzinfo=UTC)),
        (datetime(2028, 8, 31, 9, tzinfo=UTC), datetime(2028, 2, 29, 9, tzinfo=UTC)),
        (datetime(2026, 3, 15, 9, tzinfo=UTC), datetime(2025, 9, 15, 9, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 6, 30, 23, 59, tzinfo=UTC)),
    ],
)
def test_six_months_before(moment: datetime, expected: datetime) -> None:
    """Six months before 31 August is the end of February, in a leap year the 29th."""
    assert months_before(micros(moment), 6) == micros(expected)


def repeat_purchases(item: str, buyers: int, again: int, gap: float = 10) -> list[dict[str, Any]]:
    """So many buyers of an item, some of whom bought it a second time `gap` days later."""
    rows = [event(f"{item}-{n}", item, "purchase", ago(60), order_id=f"{item}-{n}-a") for n in range(buyers)]
    return rows + [event(f"{item}-{n}", item, "purchase", ago(60 - gap), order_id=f"{item}-{n}-b") for n in range(again)]


@pytest.mark.parametrize(("buyers", "again", "expected"), [(10, 2, True), (10, 1, False), (9, 9, False), (20, 3, False)])
def test_replenishable_is_learned_from_repurchases(buyers: int, again: int, expected: bool) -> None:
    """Where the shop says nothing, an item with 10 buyers of whom a fifth came back for it is replenishable."""
    made = world(repeat_purchases("sofa-1", buyers, again))
    assert made.catalog.replenishable[made.rows("sofa-1")[0]] == expected


def test_replenishable_falls_back_to_the_category_and_yields_to_the_shop() -> None:
    """An item with few buyers follows its leaf category; what the shop itself says always wins."""
    items: list[dict[str, Any]] = [{"item_id": name, "category": "Tea"} for name in ("green", "black", "new")]
    items.append({"item_id": "pot", "category": "Tea", "replenishable": False})
    rows = repeat_purchases("green", 6, 5) + repeat_purchases("black", 6, 5) + repeat_purchases("pot", 20, 20)
    made = world(rows, items)
    replenishable = {made.catalog.item_id(row): bool(made.catalog.replenishable[row]) for row in range(4)}
    assert replenishable == {"green": True, "black": True, "new": True, "pot": False}


def test_gap_is_the_median_between_two_orders() -> None:
    """The usual gap is the median over shoppers, from three gaps on; else the leaf category's; else unknown."""
    rows = [row for at, gap in enumerate((5, 7, 40)) for row in repeat_purchases(f"soap-{at}", 1, 1, gap)]
    items = [{"item_id": f"soap-{at}", "category": "Soap"} for at in range(3)] + [{"item_id": "sofa", "category": "Sofas"}]
    made = world(rows, items)
    gaps = dict(
        zip(["soap-0", "soap-1", "soap-2"], made.catalog.gap_days[made.rows("soap-0", "soap-1", "soap-2")], strict=True)
    )
    assert gaps == {"soap-0": 7, "soap-1": 7, "soap-2": 7}
    assert np.isnan(made.catalog.gap_days[made.rows("sofa")[0]])
    own = world([row for n in range(3) for row in [
        event(f"u{n}", "soap-0", "purchase", ago(50), order_id=f"{n}a"),
        event(f"u{n}", "soap-0", "purchase", ago(50 - 10 * (n + 1)), order_id=f"{n}b"),
    ]], items)  # fmt: skip
    assert own.catalog.gap_days[own.rows("soap-0")[0]] == 20


def test_ties_break_on_recency_then_id() -> None:
    """Among equal scores the item seen latest stands first, then the smaller id."""
    made = world(
        [event("ann", "lamp-2", at=ago(1)), event("ann", "sofa-3", at=ago(2)), event("ann", None, "home_view", ago(0))]
    )
    order = [made.catalog.item_id(row) for row in np.argsort(made.catalog.tie_rank).tolist()]
    assert order[:2] == ["lamp-2", "sofa-3"]
    assert order[2:] == sorted(order[2:])
    assert len(order) == 12


def test_histories_keep_the_latest_of_each_kind() -> None:
    """A history is bounded: the latest purchases and the latest other events, each by its own limit, in order of time."""
    rows = [event("ann", "sofa-1", "view", ago(day)) for day in range(1, 8)]
    rows += [event("ann", "lamp-1", "purchase", ago(day + 0.5)) for day in range(1, 8)]
    made = world(rows, behaviour=BehaviourSettings(history_events=2, history_purchases=3))
    history = made.history("ann")
    ages = [(micros(NOW) - time) / DAY for time in history.times.tolist()]
    assert ages == [3.5, 2.5, 2, 1.5, 1]
    assert history.kinds.tolist() == [B, B, V, B, V]


def test_unknown_items_stay_in_the_history_without_a_row() -> None:
    """An event of an item that the catalogue lacks counts as an event; its code tells it from others and from no item."""
    made = world(
        [event("ann", item, at=ago(1, minutes=-n)) for n, item in enumerate(("no-such", "nor-this", "no-such", None))]
    )
    items = made.history("ann").items.tolist()
    assert items == [unknown_item("no-such"), unknown_item("nor-this"), unknown_item("no-such"), -1]
    assert max(items[:3]) < -1
    assert items[0] != items[1]
    assert made.profile("ann").known
