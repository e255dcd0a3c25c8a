"""Orders, defined once for training, evaluation, reports and serving: repetitions, refunds, order numbers, revenue.

`settle` works out what order lines come to, from the lines as the shop said them. Given lines that were settled already, with more
events among it, it settles as if it had been given everything at once; so a snapshot's past with live events laid over it is
what the next snapshot holds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import PURCHASE, Kinds, last_of_each, session_gap
from recsys.jit import INT, KINDS, MASK, ROWS, TIMES, compiled
from recsys.settings import BehaviourSettings
from recsys.snapshot.histories import Events, amounts_of
from recsys.types import CANCELLED, SHOWN_TYPES, EventType, History, Mask, Owned, Rows, Times

REFUND = int(EventType.REFUND)
ORDER_KINDS = (PURCHASE, CANCELLED, REFUND)
NOTHING_OWNED = Owned(np.empty(0, np.int32), np.empty(0, np.int64), 0, None)
_NO_ITEM = -1
_ROUNDING = 1e-5
"""Units that are nothing: quantities are float32."""


def settle(events: Events, settings: BehaviourSettings) -> Events:
    """Work out what orders come to, of events by user, then time.

    Left out are purchases of a quantity of 0 or less, repetitions of a purchase, and what was only shown. Purchases that refunds
    gave back whole become `CANCELLED`, the others have in `kept` what is left of them. Orders are numbered; a purchase without
    the shop's order id has in `order_ids` a number that stands for its session.

    Raises:
        ValueError: if the events stand in another order.
    """
    same = events.users[1:] == events.users[:-1]
    if (events.users[1:] < events.users[:-1]).any() or (events.times[1:] < events.times[:-1])[same].any():
        raise ValueError("events: they are not by user, then time")
    kinds = np.where(events.kinds == CANCELLED, np.int8(PURCHASE), events.kinds)
    nothing = (kinds == PURCHASE) & (events.quantities <= 0) | np.isin(kinds, SHOWN_TYPES)
    events = replace(events, kinds=kinds)
    events = events.where(~nothing) if nothing.any() else events
    repeated = _repeated(events)
    events = events.where(~repeated) if repeated.any() else events
    kinds, kept = _refunded(events)
    order_ids, orders = number_orders(events.users, events.times, kinds, events.order_ids, settings)
    return replace(events, kinds=kinds, order_ids=order_ids, orders=orders, kept=kept)


def bounded(events: Events, settings: BehaviourSettings) -> Events:
    """Each user's newest settled events: purchases and refunds bounded together, all others on their own.

    A refund that took from older lines keeps the quantity that it took from newer ones, so that it takes nothing else when the
    rest is settled again.
    """
    lines = np.isin(events.kinds, ORDER_KINDS)
    newest = _newest(events.users, lines, settings.history_purchases, settings.history_events)
    if newest.all():
        return events
    if (lines & ~newest).any() and (events.kinds[newest] == REFUND).any():
        events = replace(events, quantities=_taken_from(events, newest))
    return events.where(newest)


def owned_of(history: History) -> Owned:
    """Sum a history's purchases up."""
    purchases = (history.kinds == PURCHASE).nonzero()[0]
    if not len(purchases):
        return NOTHING_OWNED
    items, last = last_of_each(history.items.take(purchases))
    known = int(items.searchsorted(0))
    at = history.times.take(purchases.take(last))[known:]
    orders = int(history.orders.take(purchases).max()) + 1
    return Owned(items[known:], at, orders, int(history.times[purchases[-1]]))


def revenue_of(history: History) -> float | None:
    """Return what a shopper's purchases that were kept came to, in the catalogue's currency, as far as prices are known; None: of
    none."""
    known = _priced(history)
    if not len(known) or history.lines is None:
        return None
    amounts = amounts_of(history.lines.prices[known], history.lines.kept[known])
    return round(float(amounts.sum()), 2)


def priced_orders(history: History) -> int:
    """Return how many orders have a line of known price."""
    return len(np.unique(history.orders[_priced(history)]))


def number_orders(
    users: Rows, times: Times, kinds: Kinds, order_ids: NDArray[np.int64], settings: BehaviourSettings
) -> tuple[NDArray[np.int64], Rows]:
    """Number each user's orders from 0 in time order: by order id, else all purchases of one session are one order.

    Events stand by user, then time; order_ids int64[e] is -1 where the shop gave none, below that where the session was told
    before. Returns order_ids with the sessions of purchases filled in, and the numbers int32[e], -1 for what is not a purchase.
    """
    keys, numbers = _order_numbers(users, times, kinds, order_ids, session_gap(settings))
    return keys, numbers


def _priced(history: History) -> NDArray[np.intp]:
    """Purchases of known price."""
    bought = np.flatnonzero(history.kinds == PURCHASE)
    return bought[:0] if history.lines is None else bought[~np.isnan(history.lines.prices[bought])]


def _repeated(events: Events) -> Mask:
    """Purchases that were told before: of the same user, order, item, quantity and price, and later than the first of these.

    Equal lines of one time are as many lines; a page that is loaded again tells the same lines at another time.
    """
    lines = np.flatnonzero((events.kinds == PURCHASE) & (events.order_ids >= 0))
    repeated = np.zeros(len(events), bool)
    if len(lines) < 2:
        return repeated
    stated = events.where(lines)
    quantities, prices = (np.nan_to_num(each, nan=-1.0) for each in (stated.quantities, stated.prices))
    keys = (quantities, prices, stated.items, stated.order_ids, stated.users)
    by_key = np.lexsort((stated.times, *keys))
    starts = np.ones(len(lines), bool)
    starts[1:] = np.any([key[by_key][1:] != key[by_key][:-1] for key in keys], axis=0)
    times = stated.times[by_key]
    first = times[starts][np.cumsum(starts) - 1]
    repeated[lines[by_key]] = times > first
    return repeated


class _Taken(NamedTuple):
    """A refund looked at a purchase, both places of events: what it took, 0 or more, and what that left, in units."""

    refund: int
    line: int
    units: float
    left: float


_Key = tuple[int, int | None, int | None]
"""User, item and order of purchases; None: any."""


def _refunded(events: Events) -> tuple[Kinds, NDArray[np.float32]]:
    """Kinds int8[e] with what was given back whole as `CANCELLED`, and what was kept of each line, float32[e]."""
    kinds, kept = events.kinds.copy(), events.quantities.copy()
    for _, line, units, left in _refunds(events):
        if units:
            kept[line] = left
            kinds[line] = PURCHASE if left else CANCELLED
    return kinds, kept


def _refunds(events: Events) -> Iterator[_Taken]:
    """Each refund, in time order, with the lines that it looks at and what it takes of them.

    A refund of an item takes from the lines of its own order, the latest first, until it has its quantity; only where that order
    is not known, from the shopper's earlier purchases of the item. An unknown quantity is one whole line, 0 is nothing. A
    refund without an item takes all that is left of its order.
    """
    refunds = np.flatnonzero((events.kinds == REFUND) & (events.quantities != 0))
    lines_of = _lines_by_key(events, refunds) if len(refunds) else {}
    left: dict[int, float] = {}
    for refund in refunds.tolist():
        wanted = np.inf if events.items[refund] == _NO_ITEM else abs(float(events.quantities[refund]))
        for line in _refundable(events, refund, lines_of):
            had = left.get(line, _units(events.quantities[line]))
            units = had if np.isnan(wanted) else min(had, wanted)
            left[line] = had - units if had - units > _ROUNDING else 0.0
            yield _Taken(refund, line, units, left[line])
            if units and (np.isnan(wanted) or units == wanted):
                break
            wanted -= units


def _refundable(events: Events, refund: int, lines_of: Mapping[_Key, list[int]]) -> list[int]:
    """The lines that a refund may take from, the latest first."""
    user, item, order = int(events.users[refund]), int(events.items[refund]), int(events.order_ids[refund])
    keys: tuple[_Key, ...] = ((user, None, order),) if item == _NO_ITEM else ((user, item, order), (user, item, None))
    for key in keys:
        lines = lines_of.get(key, [])
        if earlier := lines[: bisect_left(lines, refund)]:
            return earlier[::-1]
    return []


def _lines_by_key(events: Events, refunds: NDArray[np.intp]) -> dict[_Key, list[int]]:
    """Places of the purchases that these refunds may be of."""
    lines = np.flatnonzero((events.kinds == PURCHASE) | (events.kinds == CANCELLED))
    whole = refunds[events.items[refunds] == _NO_ITEM]
    same_item = np.isin(_pairs(events, lines), _pairs(events, refunds))
    same_order = np.isin(events.order_ids[lines], events.order_ids[whole])
    lines_of: dict[_Key, list[int]] = defaultdict(list)
    for line in lines[same_item | same_order].tolist():
        user, item, order = int(events.users[line]), int(events.items[line]), int(events.order_ids[line])
        lines_of[user, item, None].append(line)
        if order >= 0:
            lines_of[user, item, order].append(line)
            lines_of[user, None, order].append(line)
    return lines_of


def _pairs(events: Events, places: NDArray[np.intp]) -> NDArray[np.int64]:
    """A number for the user and the item at each of these places."""
    return events.users[places].astype(np.int64) << 32 | events.items[places].astype(np.int64) & 0xFFFFFFFF


def _units(quantity: np.float32 | float) -> float:
    """An unknown quantity is one unit."""
    return 1.0 if np.isnan(quantity) else float(quantity)


def _taken_from(events: Events, newest: Mask) -> NDArray[np.float32]:
    """Quantities, float32[e]: of refunds that looked at a line which is not among the newest, what they took from those that are."""
    quantities = events.quantities.copy()
    older: set[int] = set()
    taken: dict[int, float] = defaultdict(float)
    for refund, line, units, _ in _refunds(events):
        if events.items[refund] == _NO_ITEM:
            continue
        if newest[line]:
            taken[refund] += units
        else:
            older.add(refund)
    for refund in older:
        quantities[refund] = taken[refund]
    return quantities


@compiled(ROWS, MASK, INT, INT)
def _newest(users: Rows, lines: Mask, max_lines: int, max_others: int) -> Mask:
    """Tell, bool[e], which events are among the last order lines of their user, or among the last of the others."""
    newest = np.zeros(len(users), np.bool_)
    n_lines, n_others = 0, 0
    for place in range(len(users) - 1, -1, -1):
        if place + 1 < len(users) and users[place] != users[place + 1]:
            n_lines, n_others = 0, 0
        if lines[place]:
            n_lines += 1
            newest[place] = n_lines <= max_lines
        else:
            n_others += 1
            newest[place] = n_others <= max_others
    return newest


_MIX = np.int64(0x1E3779B97F4A7C15)
_CANCELLED = CANCELLED
_BOUGHT = PURCHASE


@compiled(ROWS, TIMES, KINDS, TIMES, INT)
def _order_numbers(
    users: Rows, times: Times, kinds: Kinds, order_ids: NDArray[np.int64], gap: int
) -> tuple[NDArray[np.int64], Rows]:
    """Walk the events twice; a table with open addresses finds the first purchase of an order again.

    The key of a purchase is its order id, else that of its session: the one told before to a purchase in it, else its start.
    """
    keys, numbers, size, start = order_ids.copy(), np.full(len(users), -1, np.int32), 4, 0
    for place in range(len(users) + 1):
        if 0 < place < len(users) and users[place] == users[place - 1] and times[place] - times[place - 1] <= gap:
            continue
        session = np.int64(-1)
        for line in range(start, place):
            if session == -1 and order_ids[line] < -1 and (kinds[line] == _BOUGHT or kinds[line] == _CANCELLED):
                session = order_ids[line]
        for line in range(start, place):
            size += 2 * (kinds[line] == _BOUGHT)
            if keys[line] < 0 and (kinds[line] == _BOUGHT or kinds[line] == _CANCELLED):
                keys[line] = session if session < -1 else -2 - times[start]
        start = place
    bits = 2
    while 1 << bits < size:
        bits += 1
    first_of = np.full(1 << bits, -1, np.int64)
    orders = 0
    for place in range(len(users)):
        if place > 0 and users[place] != users[place - 1]:
            orders = 0
        if kinds[place] != _BOUGHT:
            continue
        slot = ((keys[place] ^ users[place]) * _MIX) >> (64 - bits) & ((1 << bits) - 1)
        while first_of[slot] >= 0 and (keys[first_of[slot]] != keys[place] or users[first_of[slot]] != users[place]):
            slot = (slot + 1) & ((1 << bits) - 1)
        if first_of[slot] < 0:
            first_of[slot] = place
            numbers[place] = orders
            orders += 1
        else:
            numbers[place] = numbers[first_of[slot]]
    return keys, numbers
