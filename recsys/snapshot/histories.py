"""Events mapped to rows: what every fit reads (`Tables`), and each user's recent past as the service reads it (`Histories`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from recsys.disk import let_go
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.id_index import IdMap, id_arrays
from recsys.types import NO_HISTORY, Arrays, EventType, History, Lines, Mask, Owned, Rows, Times

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Events:
    """A shop's events as parallel arrays, by user, then time.

    users, items int32[e] (item -1: none; below: not in the catalogue) · kinds int8[e] · times int64[e] · quantities and prices
    float32[e] as the shop said them (NaN: unknown) · order_ids int64[e] (-1: none). Once they are settled (`orders.settle`):
    order_ids also below -1 (see `Lines`) · orders int32[e] each user's orders numbered from 0 (-1: no purchase that was kept) ·
    kept float32[e] what was kept of each purchase (NaN: all of an unknown quantity).
    """

    users: Rows
    items: Rows
    kinds: NDArray[np.int8]
    times: Times
    order_ids: NDArray[np.int64]
    orders: Rows
    quantities: NDArray[np.float32]
    prices: NDArray[np.float32]
    kept: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.users)

    def where(self, chosen: Mask | NDArray[np.intp] | slice) -> Events:
        """The events for which the mask bool[e] holds, in the same order, or those at the given positions. Of mapped ones a single
        array is in memory at a time."""
        if not isinstance(chosen, slice) and chosen.dtype == bool and np.count_nonzero(chosen) * 8 < len(chosen):
            chosen = np.flatnonzero(chosen)  # a few places are read sooner than a whole mask for each array
        return Events(*(_chosen(getattr(self, name), chosen) for name in self.__slots__))

    def since(self, time: int) -> Events:
        """The events later than `time`."""
        return self.where(self.times > time)

    def cut(self, n: int) -> Iterator[Events]:
        """Cut them, which stand by user, into n parts of about as many events, or fewer where one user has more than that; no user's
        events are in two."""
        firsts = self.users[[len(self) * part // n for part in range(1, n)]] if len(self) else self.users
        places = np.searchsorted(self.users, firsts)
        for start, end in pairwise(sorted({0, *places.tolist(), len(self)})):
            yield self.where(slice(start, end))

    @property
    def amounts(self) -> NDArray[np.float64]:
        """Return what each purchase came to, float64[e]; see `amounts_of`."""
        return amounts_of(self.prices, self.kept)


def _chosen(array: NDArray[Number], chosen: Mask | NDArray[np.intp] | slice) -> NDArray[Number]:
    found = array[chosen]
    if not isinstance(chosen, slice):
        let_go((array,))
    return found


def amounts_of(prices: NDArray[np.float32], kept: NDArray[np.float32]) -> NDArray[np.float64]:
    """Revenue of purchase lines, float64[n], in the catalogue's currency: price × what was kept; an unknown quantity is one unit, NaN
    an unknown price."""
    return prices.astype(np.float64) * np.where(np.isnan(kept), 1, kept)


def no_events() -> Events:
    """Not one event."""
    rows, times, numbers = np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float32)
    return Events(rows, rows, np.empty(0, np.int8), times, times, rows, numbers, numbers, numbers)


@dataclass(frozen=True, slots=True)
class Tables:
    """All that a fit may look at: events up to `as_of` (microseconds), the catalogue, and how many users there are.

    guest_orders: purchases that name nobody, each order under a number of its own in place of a user.
    """

    events: Events
    catalog: Catalog
    n_users: int
    as_of: int
    seed: int
    guest_orders: Events = field(default_factory=no_events)

    @property
    def without_events(self) -> Tables:
        """All of it but the events of known users."""
        return replace(self, events=no_events())

    def cut(self, n: int) -> Iterator[Tables]:
        """Cut the users into n ranges, as `Events.cut` does, and one more of those after the last event; a part numbers its users from
        0. There is at least one."""
        start = 0
        for events in self.events.cut(n):
            end = int(events.users[-1]) + 1 if len(events) else start
            yield replace(self, events=replace(events, users=events.users - np.int32(start)), n_users=end - start)
            start = end
        if start < self.n_users or not start:
            yield replace(self, events=no_events(), n_users=self.n_users - start)


NEVER = -(2**62)
"""A time that lies before every other, far enough from the end of int64 to reckon with."""


class Histories:
    """Every user's bounded past, memory-mapped: one range of three parallel arrays per user."""

    def __init__(self, arrays: Arrays) -> None:
        self.users = IdMap(arrays, "user")
        self._offsets = np.ascontiguousarray(arrays["offsets"], np.int64).data
        self._items = cast(Rows, arrays["items"])
        self._kinds = cast(NDArray[np.int8], arrays["kinds"])
        self._times = cast(Times, arrays["times"])
        self._orders = cast(Rows, arrays["orders"])
        self._order_ids = cast(NDArray[np.int64], arrays["order_ids"])
        self._quantities = cast(NDArray[np.float32], arrays["quantities"])
        self._prices = cast(NDArray[np.float32], arrays["prices"])
        self._kept = cast(NDArray[np.float32], arrays["kept"])
        self._owned_offsets = np.ascontiguousarray(arrays["owned_offsets"], np.int64).data
        self._owned_items = cast(Rows, arrays["owned_items"])
        self._owned_at = cast(Times, arrays["owned_at"])
        self._order_count = np.ascontiguousarray(arrays["order_count"], np.int32).data
        self._last_order = np.ascontiguousarray(arrays["last_order"], np.int64).data

    def of(self, user_id: str) -> History:
        """One user's past; empty for an unknown id."""
        row = self.users.row(user_id)
        return NO_HISTORY if row < 0 else self.at(row)

    def at(self, row: int) -> History:
        """The past of the user at a row."""
        part = slice(self._offsets[row], self._offsets[row + 1])
        lines = Lines(self._order_ids[part], self._quantities[part], self._prices[part], self._kept[part])
        return History(self._items[part], self._kinds[part], self._times[part], self._orders[part], self._owned(row), lines)

    def __len__(self) -> int:
        return len(self.users)

    @property
    def last_seen(self) -> Times:
        """Time of each user's latest event, int64[u]; `NEVER` of none."""
        ends = np.asarray(self._offsets)[1:]
        latest = np.maximum(ends - 1, 0)
        return np.where(np.diff(self._offsets) > 0, self._times[latest] if len(self._times) else 0, NEVER)

    @property
    def last_order(self) -> Times:
        """Time of each user's last order, int64[u]; `NEVER` of none."""
        return np.where(np.asarray(self._order_count) > 0, np.asarray(self._last_order), NEVER)

    @property
    def order_count(self) -> Rows:
        """Orders of each user, int32[u]."""
        return np.asarray(self._order_count)

    def owners(self, chosen: Callable[[Rows, Times], Mask]) -> Rows:
        """Rows of the users for whom any item that they own, and its last purchase, is chosen; ascending."""
        places = np.flatnonzero(chosen(self._owned_items, self._owned_at))
        return _whose(places, self._owned_offsets)

    def who_did(self, kinds: Sequence[EventType], since: int, items: Mask | None = None) -> Rows:
        """Rows of the users with an event of these kinds later than `since` (microseconds), of one of the items, bool[n], if any are
        given; ascending."""
        places = np.flatnonzero(self._times > since)
        places = places[np.isin(self._kinds[places], kinds)]
        if items is not None:
            places = places[self._items[places] >= 0]
            places = places[items[self._items[places]]]
        return _whose(places, self._offsets)

    def revenue(self) -> NDArray[np.float64]:
        """Return what each user's purchases that were kept came to, float64[u], as far as prices are known."""
        lines = np.flatnonzero((self._kinds == EventType.PURCHASE) & ~np.isnan(self._prices))
        whose = np.searchsorted(np.asarray(self._offsets), lines, side="right") - 1
        return np.round(np.bincount(whose, amounts_of(self._prices[lines], self._kept[lines]), len(self)), 2)

    def _owned(self, row: int) -> Owned:
        part = slice(self._owned_offsets[row], self._owned_offsets[row + 1])
        count = self._order_count[row]
        return Owned(self._owned_items[part], self._owned_at[part], count, self._last_order[row] if count else None)


def _whose(places: NDArray[np.intp], offsets: memoryview) -> Rows:
    """Distinct rows of the users whose ranges hold these places."""
    return np.unique(np.searchsorted(np.asarray(offsets), places, side="right") - 1).astype(np.int32)


def history_arrays(events: Events, kept: Events, user_ids: list[str]) -> Arrays:
    """The arrays of `Histories`: of each user, from all settled events, those that were kept (`orders.bounded`)."""
    return {
        **id_arrays(user_ids, "user"),
        "offsets": np.searchsorted(kept.users, np.arange(len(user_ids) + 1)).astype(np.int64),
        "items": kept.items,
        "kinds": kept.kinds,
        "times": kept.times,
        "orders": kept.orders,
        "order_ids": kept.order_ids,
        "quantities": kept.quantities,
        "prices": kept.prices,
        "kept": kept.kept,
        **_owned_arrays(events, kept, len(user_ids)),
    }


def _owned_arrays(events: Events, kept: Events, n_users: int) -> Arrays:
    """Return what `orders.owned_of` finds in every user's history, end to end; orders are counted over all events."""
    bought = kept.where((kept.kinds == EventType.PURCHASE) & (kept.items >= 0))
    order = np.lexsort((bought.items, bought.users))  # which keeps those of one item by time
    last = np.ones(len(bought), bool)
    last[:-1] = (np.diff(bought.users[order]) != 0) | (np.diff(bought.items[order]) != 0)
    owned = bought.where(order[last])
    lines = events.where(events.kinds == EventType.PURCHASE)
    counts, latest = np.zeros(n_users, np.int32), np.zeros(n_users, np.int64)
    np.maximum.at(counts, lines.users, lines.orders + 1)
    np.maximum.at(latest, lines.users, lines.times)
    return {
        "owned_offsets": np.searchsorted(owned.users, np.arange(n_users + 1)).astype(np.int64),
        "owned_items": owned.items,
        "owned_at": owned.times,
        "order_count": counts,
        "last_order": latest,
    }
