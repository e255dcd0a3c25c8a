"""Live events laid over a snapshot are what the next snapshot will hold: one meaning, while serving and after training."""

from __future__ import annotations

from datetime import timedelta
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.history_merge import merge_histories, within
from recsys.live.log import LiveEvent
from recsys.orders import revenue_of
from recsys.settings import BehaviourSettings
from recsys.snapshot.identity_links import Period
from recsys.types import EventType, History
from tests.conftest import ITEMS, NOW, event, micros
from tests.support.shops.handmade import calm, world

KINDS = ("view", "cart_add", "cart_remove", "purchase", "refund", "search", "home_view")
KNOWN = [each["item_id"] for each in ITEMS[:4]]


@st.composite
def pasts(draw: st.DrawFn, max_n: int = 14) -> list[dict[str, Any]]:
    """A shopper's events at distinct minutes, in time order, refunds only of what came before."""
    minutes = sorted(draw(st.sets(st.integers(0, 4000), min_size=1, max_size=max_n)))
    rows = []
    for minute in minutes:
        kind = draw(st.sampled_from(KINDS))
        item = None if kind in ("search", "home_view") else draw(st.sampled_from([*KNOWN, "unknown"]))
        more: dict[str, Any] = {}
        if kind in ("purchase", "refund"):
            more = {
                "order_id": draw(st.sampled_from([None, "o1", "o2"])),
                "quantity": draw(st.sampled_from([None, 0.0, 1.0, 2.0, 3.0])),
                "price": draw(st.sampled_from([None, 4.5, 10.0])),
            }
        rows.append(event("ana", item, kind, NOW - timedelta(minutes=5000 - minute), **more))
    return rows


def live(rows: list[dict[str, Any]]) -> list[LiveEvent]:
    """The rows as the log hands them out."""
    return [
        LiveEvent(
            seq,
            micros(row["timestamp"]),
            EventType[row["event_type"].upper()],
            row["item_id"],
            row.get("order_id"),
            row.get("quantity"),
            row.get("price"),
        )
        for seq, row in enumerate(rows, 1)
    ]


def rows_of(history: History) -> list[tuple[Any, ...]]:
    """All that a history says, comparable."""
    assert history.lines is not None
    columns = (history.items, history.kinds, history.times, history.orders)
    lines = (history.lines.order_ids, history.lines.quantities, history.lines.prices)
    bought = set(np.flatnonzero(np.isin(history.kinds, (EventType.PURCHASE, EventType.REFUND))).tolist())
    rows = zip_longest(*columns, *lines)
    return [tuple(map(str, row if place in bought else row[:4])) for place, row in enumerate(rows)]


@pytest.mark.long
@calm
@given(pasts(), st.integers(0, 14))
def test_live_events_mean_what_they_mean_in_a_snapshot(rows: list[dict[str, Any]], cut: int) -> None:
    """Wherever the snapshot ends: its history with the later events laid over it is the next snapshot's history."""
    before, after = rows[:cut], rows[cut:]
    snapshot = world(before)
    now = merge_histories([snapshot.histories.of("ana")], live(after), snapshot.catalog, BehaviourSettings())
    assert rows_of(now) == rows_of(world(rows).histories.of("ana"))


@pytest.mark.long
@calm
@given(pasts(), st.sets(st.integers(0, 13)))
def test_late_arrivals_take_their_place(rows: list[dict[str, Any]], late: set[int]) -> None:
    """Events that arrive late stand where they happened, as long as no order or refund is among them."""
    quiet = ("view", "cart_add", "cart_remove", "search", "home_view")
    after = [row for place, row in enumerate(rows) if place in late and row["event_type"] in quiet]
    snapshot = world([row for row in rows if row not in after])
    now = merge_histories([snapshot.histories.of("ana")], live(after), snapshot.catalog, BehaviourSettings())
    whole = world(rows).histories.of("ana")
    assert (now.items.tolist(), now.kinds.tolist(), now.times.tolist()) == (
        whole.items.tolist(),
        whole.kinds.tolist(),
        whole.times.tolist(),
    )


def test_of_a_long_past_the_newest_part_stays() -> None:
    """Live events push the oldest out, as many as a snapshot would leave out; purchases are bounded on their own."""
    settings = BehaviourSettings(history_events=3, history_purchases=2)
    kinds = ["purchase", "view", "purchase", "view", "view", "purchase", "view", "view"]
    rows = [event("ana", KNOWN[0], kind, NOW - timedelta(days=9 - at)) for at, kind in enumerate(kinds)]
    snapshot = world(rows[:5], behaviour=settings)
    now = merge_histories([snapshot.histories.of("ana")], live(rows[5:]), snapshot.catalog, settings)
    assert now.kinds.tolist() == world(rows, behaviour=settings).histories.of("ana").kinds.tolist()


def test_orders_that_were_cut_away_still_count() -> None:
    """A live order after a past of which only the newest purchases are kept has the next number."""
    settings = BehaviourSettings(history_purchases=2)
    rows = [event("ana", KNOWN[0], "purchase", NOW - timedelta(days=9 - at), order_id=f"o{at}") for at in range(6)]
    snapshot = world(rows[:5], behaviour=settings)
    now = merge_histories([snapshot.histories.of("ana")], live(rows[5:]), snapshot.catalog, settings)
    retrained = world(rows, behaviour=settings).histories.of("ana")
    assert now.orders.tolist() == retrained.orders.tolist() == [4, 5]
    assert now.owned is not None
    assert retrained.owned is not None
    assert (now.owned.orders, now.owned.last_order) == (6, retrained.owned.last_order)


def test_the_last_order_is_that_of_whichever_id_ordered_last() -> None:
    """Of two ids whose purchases were all cut away, by later refunds of other items, the later order is the shopper's last."""
    settings = BehaviourSettings(history_purchases=1)
    rows = [
        event("ana", KNOWN[0], "purchase", NOW - timedelta(days=9), order_id="a"),
        event("anon", KNOWN[1], "purchase", NOW - timedelta(days=5), order_id="b"),
        event("ana", KNOWN[2], "refund", NOW - timedelta(days=4), order_id="c"),
        event("anon", KNOWN[3], "refund", NOW - timedelta(days=3), order_id="d"),
    ]
    snapshot = world(rows, behaviour=settings)
    parts = [snapshot.histories.of("ana"), snapshot.histories.of("anon")]
    assert not any((part.kinds == EventType.PURCHASE).any() for part in parts)
    owned = merge_histories(parts, [], snapshot.catalog, settings).owned
    assert owned is not None
    assert (owned.orders, owned.last_order) == (2, micros(rows[1]["timestamp"]))


@pytest.mark.parametrize(("first", "last"), [(0, 4), (0, 3), (1, 3), (2, 2), (4, 4)])
def test_a_period_holds_what_happened_in_it(first: int, last: int) -> None:
    """From the period's first moment on, until before its last."""
    rows = [event("ana", KNOWN[at], at=NOW - timedelta(days=9 - at)) for at in range(4)]
    history = world(rows).histories.of("ana")
    moments = [*history.times.tolist(), int(history.times[-1]) + 1]
    held = within(history, Period("anon", "ana", moments[first], moments[last]))
    assert held.times.tolist() == history.times[first:last].tolist()
    assert (held is history) == ((first, last) == (0, 4))


def test_nothing_new_costs_nothing() -> None:
    """Without live events the snapshot's own history is handed on."""
    snapshot = world([event("ana", KNOWN[0])])
    base = snapshot.histories.of("ana")
    assert merge_histories([base], [], snapshot.catalog, BehaviourSettings()) is base


def test_two_ids_are_one_shopper() -> None:
    """What was done under an anonymous id stands in one history with the rest, its orders numbered through."""
    hers = [event("ana", KNOWN[0], "purchase", NOW - timedelta(days=5), order_id="o1")]
    anonymous = [event("anon", KNOWN[1], "purchase", NOW - timedelta(days=9), order_id="o0"), event("anon", KNOWN[2])]
    snapshot = world(hers + anonymous)
    parts = [snapshot.histories.of("ana"), snapshot.histories.of("anon")]
    now = merge_histories(parts, [], snapshot.catalog, BehaviourSettings())
    assert now.orders.tolist() == [0, 1, -1]
    assert (np.diff(now.times) > 0).all()


def test_prices_in_another_currency_count_in_no_revenue() -> None:
    """A live purchase that was paid in another money is an order, without its price."""
    snapshot = world([event("ana", KNOWN[0])])
    rows = [event("ana", KNOWN[1], "purchase", NOW, price=10.0)]
    paid = [each._replace(currency="XXX") for each in live(rows)]
    now = merge_histories([snapshot.histories.of("ana")], paid, snapshot.catalog, BehaviourSettings())
    assert now.orders.tolist() == [-1, 0]
    assert revenue_of(now) is None
    assert (
        revenue_of(merge_histories([snapshot.histories.of("ana")], live(rows), snapshot.catalog, BehaviourSettings()))
        == 10.0
    )
