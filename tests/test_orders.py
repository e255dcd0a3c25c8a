"""Settled orders: refunds, order numbers, repetitions, and what is left of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.behaviour import sessions
from recsys.clock import MINUTE
from recsys.orders import bounded, number_orders, settle
from recsys.settings import BehaviourSettings
from recsys.snapshot.histories import Events
from recsys.types import CANCELLED, EventType, History, Lines
from tests.conftest import ago, event, micros
from tests.support.shops.handmade import BEHAVIOUR, World, calm, world

V, B, R, C = EventType.VIEW, EventType.PURCHASE, EventType.REFUND, CANCELLED


def left_of(*rows: dict[str, Any]) -> World:
    """What is left of these orders of ann's."""
    return world([{"quantity": 1.0, **row} for row in rows])


def owned(made: World, user: str = "ann") -> list[str]:
    """What a shopper has bought and kept, by purchase, oldest first."""
    history = made.history(user)
    return [made.catalog.item_id(row) for row in history.items[history.kinds == B].tolist()]


def test_refund_cancels_the_line_of_its_order() -> None:
    """A refund with an order id cancels that order's line, not a later one."""
    made = left_of(
        event("ann", "sofa-1", "purchase", ago(9), order_id="first"),
        event("ann", "sofa-1", "purchase", ago(5), order_id="second"),
        event("ann", "sofa-1", "refund", ago(1), order_id="first"),
    )
    assert made.profile("ann").last_order == micros(ago(5))
    assert (owned(made), made.profile("ann").orders) == (["sofa-1"], 1)


@pytest.mark.parametrize("order_id", [None, "credit-note-7"])
def test_refund_without_its_order_cancels_the_latest_earlier(order_id: str | None) -> None:
    """Without an order id that matches, the latest purchase of the item before the refund is cancelled."""
    made = left_of(
        event("ann", "sofa-1", "purchase", ago(9), order_id="first"),
        event("ann", "sofa-1", "purchase", ago(5), order_id="second"),
        event("ann", "sofa-1", "refund", ago(3), order_id=order_id),
        event("ann", "sofa-1", "purchase", ago(1), order_id="third"),
    )
    history = made.history("ann")
    assert [micros(ago(9)), micros(ago(1))] == history.times[history.kinds == B].tolist()


def test_a_refund_of_a_known_order_stays_with_it() -> None:
    """An order that was given back twice, cancelled and refunded say, takes nothing from another one."""
    rows = [
        event("ann", "soap-1", "purchase", ago(9), order_id="first"),
        event("ann", "soap-1", "purchase", ago(8), order_id="second"),
        event("ann", "soap-1", "refund", ago(3), order_id="second"),
        event("ann", "soap-1", "refund", ago(2), order_id="second"),
    ]
    assert world(rows).history("ann").kinds.tolist() == [B, C, R, R]


def test_a_refund_of_nothing_gives_nothing_back() -> None:
    """A quantity of 0 counts in nothing."""
    rows = [
        event("ann", "sofa-1", "purchase", ago(9), quantity=2.0),
        event("ann", "sofa-1", "refund", ago(3), quantity=0.0),
    ]
    assert world(rows).profile("ann").orders == 1


def test_refund_touches_no_other_item_or_user() -> None:
    """A refund cancels only the same user's purchase of the same item, and only one made before it."""
    made = left_of(
        event("ann", "sofa-1", "purchase", ago(5)),
        event("ann", "lamp-1", "refund", ago(4)),
        event("bob", "sofa-1", "refund", ago(4)),
        event("cat", "sofa-1", "refund", ago(6)),
        event("cat", "sofa-1", "purchase", ago(5)),
    )
    assert (owned(made, "ann"), owned(made, "cat")) == (["sofa-1"], ["sofa-1"])


@pytest.mark.parametrize(
    ("bought", "given_back", "kept"),
    [
        (3.0, [1.0], True),
        (3.0, [1.0, 1.0], True),
        (3.0, [1.0, 2.0], False),
        (3.0, [3.0], False),
        (3.0, [5.0], False),
        (3.0, [-3.0], False),
        (3.0, [-1.0], True),
        (3.0, [None], False),
    ],
)
def test_refunds_of_a_part_add_up(bought: float, given_back: list[float | None], kept: bool) -> None:
    """A line stands until all of its quantity is given back; the sign does not matter, no quantity means all of it."""
    rows = [event("ann", "sofa-1", "purchase", ago(9), quantity=bought, order_id="o")]
    rows += [
        event("ann", "sofa-1", "refund", ago(8 - at), quantity=quantity, order_id="o")
        for at, quantity in enumerate(given_back)
    ]
    assert owned(world(rows)) == (["sofa-1"] if kept else [])


@pytest.mark.parametrize("given_back", [None, 1.0])
def test_refund_of_a_line_without_quantity_cancels_it(given_back: float | None) -> None:
    """Where the shop gives no quantity, a refund cancels the whole line."""
    rows = [event("ann", "sofa-1", "purchase", ago(9)), event("ann", "sofa-1", "refund", ago(8), quantity=given_back)]
    assert owned(world(rows)) == []


def test_a_cancelled_purchase_counts_nowhere() -> None:
    """What was given back makes no customer, no bestseller, no complement and nothing to buy again."""
    rows = [
        event("ann", item, kind, ago(days), order_id="o", quantity=1.0)
        for kind, days in (("purchase", 5), ("refund", 4))
        for item in ("sofa-1", "lamp-1")
    ]
    made = world(rows)
    profile = made.profile("ann")
    assert (profile.lifecycle, profile.orders, profile.last_order, profile.bought.tolist()) == ("lead", 0, None, [])
    assert made.arrays("bestsellers")["buyers"].tolist() == [0] * 12
    assert made.arrays("bought_together")["weights"].max() == 0
    assert made.arrays("buy_again")["popularity"].max() == 0


def orders_of(made: World, user: str) -> list[int]:
    """The order number of each of a shopper's events."""
    return [int(number) for number in made.history(user).orders]


def test_orders_are_told_by_their_id() -> None:
    """Lines with one order id are one order, also days apart; two ids in one minute are two."""
    made = world(
        [
            event("ann", "sofa-1", "purchase", ago(9), order_id="o-1"),
            event("ann", "lamp-1", "purchase", ago(8), order_id="o-2"),
            event("ann", "bag-1", "purchase", ago(8, minutes=-1), order_id="o-3"),
            event("ann", "soap-1", "purchase", ago(7), order_id="o-1"),
        ]
    )
    assert orders_of(made, "ann") == [0, 1, 2, 0]
    assert made.profile("ann").orders == 3


def test_without_ids_a_session_is_an_order() -> None:
    """Purchases of one session are one order, with whatever else happens in between; a new session is a new order."""
    made = world(
        [
            event("ann", "sofa-1", "purchase", ago(9)),
            event("ann", "sofa-2", "view", ago(9, minutes=-20)),
            event("ann", "lamp-1", "purchase", ago(9, minutes=-40)),
            event("ann", "bag-1", "purchase", ago(9, minutes=-71)),
        ]
    )
    assert orders_of(made, "ann") == [0, -1, 0, 1]


def test_orders_start_anew_for_each_user() -> None:
    """Every user's orders are numbered from 0, also when two users share an order id."""
    made = world([event(user, "sofa-1", "purchase", ago(9), order_id="same") for user in ("ann", "bob")])
    assert (orders_of(made, "ann"), orders_of(made, "bob")) == ([0], [0])


@calm
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 300), st.sampled_from([V, B]), st.sampled_from([-1, -1, 0, 1, 2])),
        max_size=25,
    )
)
def test_number_orders_like_a_plain_loop(rows: list[tuple[int, int, EventType, int]]) -> None:
    """Walking each user's events in time and numbering new keys gives the same numbers."""
    rows = sorted(rows, key=lambda row: row[:2])
    users = np.array([row[0] for row in rows], np.int32)
    times = np.array([row[1] for row in rows], np.int64) * MINUTE
    kinds = np.array([row[2] for row in rows], np.int8)
    ids = np.array([row[3] for row in rows], np.int64)
    session = sessions(users, times, BEHAVIOUR).tolist()
    seen: dict[int, list[tuple[str, int]]] = {}
    expected = []
    for at, (user, _, kind, order_id) in enumerate(rows):
        if kind != B:
            expected.append(-1)
            continue
        key = ("id", order_id) if order_id >= 0 else ("session", session[at])
        known = seen.setdefault(user, [])
        if key not in known:
            known.append(key)
        expected.append(known.index(key))
    assert number_orders(users, times, kinds, ids, BEHAVIOUR)[1].tolist() == expected


def lines_of(*rows: tuple[int, int, int, int, float], users: int = 0) -> Events:
    """One shopper's events: kind, minute, item, order id and quantity each; -1 and NaN where there is none."""
    kinds, minutes, items, order_ids, quantities = (np.array(column) for column in zip(*rows, strict=True))
    units = quantities.astype(np.float32)
    return Events(
        np.full(len(rows), users, np.int32),
        items.astype(np.int32),
        kinds.astype(np.int8),
        minutes.astype(np.int64) * MINUTE,
        order_ids.astype(np.int64),
        np.full(len(rows), -1, np.int32),
        units,
        np.full(len(rows), 10, np.float32),
        units,
    )


def come_to(*rows: tuple[int, int, int, int, float]) -> list[tuple[int, float]]:
    """Kind and what was kept of each event that stays, once all is settled."""
    settled = settle(lines_of(*rows), BEHAVIOUR)
    return list(zip(settled.kinds.tolist(), settled.kept.tolist(), strict=True))


def test_a_refund_spills_over_to_the_next_line() -> None:
    """A larger quantity than a line has goes on with the line before it, in its own order only."""
    assert come_to((B, 0, 0, 7, 1), (B, 0, 0, 7, 1), (R, 9, 0, 7, 2))[:2] == [(C, 0), (C, 0)]
    assert come_to((B, 0, 0, 7, 3), (B, 0, 0, 7, 3), (R, 9, 0, 7, 4))[:2] == [(B, 2), (C, 0)]
    assert come_to((B, 0, 0, 7, 1), (B, 5, 0, 8, 1), (R, 9, 0, 8, 2))[:2] == [(B, 1), (C, 0)]
    assert come_to((B, 0, 0, 7, 1), (B, 5, 0, 8, 1), (R, 9, 0, -1, 2))[:2] == [(C, 0), (C, 0)]


def test_an_unknown_quantity_is_one_line() -> None:
    """A refund that does not say how much takes the latest line of which anything is left, whole."""
    assert come_to((B, 0, 0, 7, 2), (B, 0, 0, 7, 3), (R, 9, 0, 7, nan))[:2] == [(B, 2), (C, 0)]
    assert come_to((B, 0, 0, 7, 2), (B, 0, 0, 7, 3), (R, 8, 0, 7, nan), (R, 9, 0, 7, nan))[:2] == [(C, 0), (C, 0)]


def test_parts_of_a_unit_add_up() -> None:
    """What is left does not drift: three tenths are one tenth and two."""
    assert come_to((B, 0, 0, 7, 0.3), (R, 8, 0, 7, 0.1), (R, 9, 0, 7, 0.2))[0] == (C, 0)


def test_a_refund_without_an_item_is_the_whole_order() -> None:
    """It takes all that is left of its order, known items or not, and nothing else; without an order id it is of nothing."""
    order = ((B, 0, 0, 7, 2), (B, 0, -5, 7, nan), (B, 1, 0, 8, 1), (B, 2, 0, -1, 1))
    assert come_to(*order, (R, 9, -1, 7, nan))[:4] == [(C, 0), (C, 0), (B, 1), (B, 1)]
    assert come_to(*order, (R, 8, 0, 7, 1), (R, 9, -1, 7, 1))[:4] == [(C, 0), (C, 0), (B, 1), (B, 1)]
    for nothing in ((R, 9, -1, -1, nan), (R, 9, -1, 7, 0), (R, 9, -1, 9, nan)):
        assert [kind for kind, _ in come_to(*order, nothing)][:4] == [B, B, B, B]


def test_a_refund_of_an_unknown_item_is_not_the_whole_order() -> None:
    """An item that the catalogue lacks is still that item."""
    assert come_to((B, 0, 0, 7, 1), (B, 0, -5, 7, 1), (B, 0, -6, 7, 1), (R, 9, -5, 7, nan))[:3] == [(B, 1), (C, 0), (B, 1)]


def test_a_whole_order_is_given_back_by_its_own_shopper_only() -> None:
    """Two shoppers may have orders of one number."""
    one, other = lines_of((B, 0, 0, 7, 1), (R, 9, -1, 7, nan)), lines_of((B, 0, 0, 7, 1), users=1)
    both = Events(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in Events.__slots__))
    assert settle(both, BEHAVIOUR).kinds.tolist() == [C, R, B]


def test_a_line_counts_once_however_often_its_page_is_loaded() -> None:
    """Of equal lines of an order those of the first time stay, as many as they are; lines that differ are other lines."""
    first = (B, 0, 0, 7, 1), (B, 0, 1, 7, 1)
    assert come_to(*first, (B, 6, 0, 7, 1), (B, 6, 1, 7, 1), (B, 1440, 0, 7, 1)) == [(B, 1), (B, 1)]
    assert len(come_to((B, 0, 0, 7, 1), (B, 0, 0, 7, 1), (B, 6, 0, 7, 1), (B, 6, 0, 7, 1), (B, 6, 0, 7, 1))) == 2
    assert len(come_to(*first, (B, 6, 0, 7, 2), (B, 6, 2, 7, 1), (B, 6, 0, 8, 1), (B, 6, 0, 7, nan))) == 6
    assert len(come_to((B, 0, -5, 7, 1), (B, 6, -6, 7, 1), (B, 6, -5, 7, 1))) == 2
    assert len(come_to((B, 0, 0, -1, 1), (B, 6, 0, -1, 1))) == 2


def test_a_page_loaded_again_after_a_refund_buys_nothing() -> None:
    """What was given back stays given back, and refunds of a part are no repetitions."""
    assert come_to((B, 0, 0, 7, 2), (R, 5, 0, 7, nan), (B, 9, 0, 7, 2)) == [(C, 0), (R, pytest.approx(nan, nan_ok=True))]
    assert come_to((B, 0, 0, 7, 2), (R, 5, 0, 7, 1), (R, 6, 0, 7, 1))[0] == (C, 0)


def test_prices_tell_lines_apart() -> None:
    """One item at two prices in an order is two lines; an unknown price is a price of its own."""
    stated = lines_of((B, 0, 0, 7, 1), (B, 6, 0, 7, 1), (B, 7, 0, 7, 1), (B, 8, 0, 7, 1))
    stated = replace(stated, prices=np.array([10, 9, nan, nan], np.float32))
    assert settle(stated, BEHAVIOUR).times.tolist() == [0, 6 * MINUTE, 7 * MINUTE]


def test_what_was_only_shown_and_purchases_of_nothing_are_left_out() -> None:
    """They are no part of a session either, so they make no two orders one."""
    nothing = (EventType.IMPRESSION, 20, 0, -1, nan), (B, 25, 0, -1, 0)
    settled = settle(lines_of((B, 0, 0, -1, 1), *nothing, (B, 40, 0, -1, 1)), BEHAVIOUR)
    assert (settled.kinds.tolist(), settled.orders.tolist()) == ([B, B], [0, 1])


def test_sessions_that_were_told_before_make_orders() -> None:
    """Where the events in between are gone, two purchases of one session are still one order, and a later one joins them."""
    whole = settle(lines_of((B, 0, 0, -1, 1), (V, 20, 0, -1, nan), (B, 40, 0, -1, 1)), BEHAVIOUR)
    assert whole.order_ids[0] == whole.order_ids[2] < -1
    left = whole.where(whole.kinds == B)
    more = Events(*(np.append(getattr(left, n), getattr(lines_of((B, 60, 0, -1, 1)), n)) for n in Events.__slots__))
    assert settle(left, BEHAVIOUR).orders.tolist() == [0, 0]
    assert settle(more, BEHAVIOUR).orders.tolist() == [0, 0, 0]


@pytest.mark.parametrize("refund", [(R, 9, 0, 7, 3.0), (R, 9, 0, 7, nan), (R, 9, 0, -1, 1.0)])
def test_a_refund_of_what_is_no_longer_kept_takes_nothing_else(refund: tuple[int, int, int, int, float]) -> None:
    """Where a past is cut short, what a refund took from older lines is not taken from newer ones later."""
    rows = (B, 0, 0, 7, 1), refund, (B, 10, 0, 8, 1), (B, 11, 1, 9, 1)
    newest = bounded(settle(lines_of(*rows), BEHAVIOUR), BehaviourSettings(history_purchases=3))
    late = lines_of((B, 8, 0, 6, 1))
    joined = Events(*(np.append(getattr(late, n), getattr(newest, n)) for n in Events.__slots__))
    assert newest.quantities[0] == 0
    assert settle(joined, BEHAVIOUR).kinds.tolist() == [B, R, B, B]


def test_a_refund_keeps_what_it_took_from_newer_lines() -> None:
    """Of a refund that took from an older and a newer line, the part of the newer one stays."""
    rows = ((B, 0, 0, 7, 3), (B, 5, 0, 7, 1), (R, 9, 0, 7, 2))
    settings = BehaviourSettings(history_purchases=2)
    newest = bounded(settle(lines_of(*rows), BEHAVIOUR), settings)
    assert (newest.kinds.tolist(), newest.quantities.tolist()) == ([C, R], [1, 1])
    assert settle(newest, BEHAVIOUR).kinds.tolist() == [C, R]


def test_purchases_and_refunds_are_bounded_together() -> None:
    """The newest events of both kinds of bounds stay, each user's by themselves; what is not cut is handed on as it is."""
    stated = settle(
        lines_of((B, 0, 0, 7, 1), (V, 1, 0, -1, nan), (R, 2, 0, 7, 1), (V, 3, 0, -1, nan), (B, 4, 1, 8, 1)), BEHAVIOUR
    )
    kept = bounded(stated, BehaviourSettings(history_purchases=2, history_events=1))
    assert kept.times.tolist() == [2 * MINUTE, 3 * MINUTE, 4 * MINUTE]
    assert bounded(stated, BehaviourSettings(history_purchases=3, history_events=2)) is stated
    other = replace(stated, users=stated.users + np.int32(1))
    both = Events(*(np.concatenate([getattr(each, n) for each in (stated, other)]) for n in Events.__slots__))
    kept = bounded(both, BehaviourSettings(history_purchases=1, history_events=1))
    assert (kept.users.tolist(), kept.times.tolist()) == ([0, 0, 1, 1], [3 * MINUTE, 4 * MINUTE] * 2)


def test_only_events_in_order_are_settled() -> None:
    """By user, then time: anything else would be counted wrongly without a word."""
    one, other = lines_of((B, 5, 0, 7, 1)), lines_of((B, 4, 0, 8, 1), users=1)
    for first, second, fine in ((one, other, True), (other, one, False), (one, replace(other, users=one.users), False)):
        joined = Events(*(np.concatenate([getattr(each, n) for each in (first, second)]) for n in Events.__slots__))
        if fine:
            assert len(settle(joined, BEHAVIOUR)) == 2
        else:
            with pytest.raises(ValueError, match="by user, then time"):
                settle(joined, BEHAVIOUR)


PARALLEL = {"items": "i", "kinds": "b", "times": "q", "orders": "i"}
OF_LINES = {"order_ids": "q", "quantities": "f", "prices": "f", "kept": "f"}


@pytest.mark.parametrize("wrong", [*PARALLEL, *OF_LINES, "lines"])
def test_the_arrays_of_a_history_are_parallel(wrong: str) -> None:
    """A history whose arrays differ in length is never made; its lines may end with the last order, and no later."""

    def made(**lengths: int) -> History:
        each = {name: np.zeros(lengths.get(name, 3), kind) for name, kind in PARALLEL.items()}
        lines = {name: np.zeros(lengths.get(name, lengths.get("lines", 2)), kind) for name, kind in OF_LINES.items()}
        return History(owned=None, lines=Lines(**lines), **each)

    assert len(made()) == len(made(lines=3)) == 3
    with pytest.raises(ValueError, match="differ in length"):
        made(**{wrong: 4})


Told = tuple[int, int, int, int, float]
stated_rows = st.tuples(
    st.sampled_from([V, B, B, R]),
    st.integers(0, 200),
    st.sampled_from([-5, -1, 0, 1]),
    st.sampled_from([-1, 7, 8]),
    st.sampled_from([nan, 0.0, 1.0, 2.0]),
)


def sorted_lines(rows: Sequence[Told]) -> Events:
    """Events as they are mapped: by time, then kind, item, order and quantity."""
    return lines_of(*sorted(rows, key=lambda row: (row[1], row[0], row[2], row[3], row[4] if row[4] == row[4] else 9)))


def together(one: Events, other: Events) -> Events:
    """Two pasts of one shopper as one, in the same order."""
    joined = Events(*(np.concatenate([getattr(each, n) for each in (one, other)]) for n in Events.__slots__))
    kinds = np.where(joined.kinds == C, np.int8(B), joined.kinds)
    keys = (joined.quantities, np.maximum(joined.order_ids, -1), joined.items, kinds, joined.times)
    return joined.where(np.lexsort(keys))


def said(settled: Events) -> list[tuple[Any, ...]]:
    """What settled events come to; sessions by the orders that they make."""
    columns = (settled.kinds, settled.times, settled.items, settled.orders, np.nan_to_num(settled.kept, nan=-1.0))
    return list(zip(*(each.tolist() for each in columns), strict=True))


@calm
@given(st.lists(stated_rows, min_size=1, max_size=14), st.sets(st.integers(0, 13)))
def test_what_is_settled_is_settled_again_with_more(rows: list[Told], later: set[int]) -> None:
    """Whatever comes in afterwards, and wherever it belongs: settled before or not, all of it comes to the same."""
    first = [row for place, row in enumerate(rows) if place not in later]
    second = [row for place, row in enumerate(rows) if place in later]
    if not first or not second or breaks_a_session(rows, first):
        return
    settled = settle(sorted_lines(first), BEHAVIOUR)
    assert said(settle(settled, BEHAVIOUR)) == said(settled)
    assert said(settle(together(settled, sorted_lines(second)), BEHAVIOUR)) == said(settle(sorted_lines(rows), BEHAVIOUR))


def breaks_a_session(rows: Sequence[Told], first: Sequence[Told]) -> bool:
    """Whether the first telling of an order comes in after its repetition, which was taken to be the first: the one thing that
    takes an event out of a session afterwards."""
    before, after = (set(settle(sorted_lines(stated), BEHAVIOUR).times.tolist()) for stated in (first, rows))
    return not before <= after
