"""Events mapped to rows: what every fit reads (`Tables`), and each user's recent past as the service reads it (`Histories`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from recsys.data.catalog import Catalog
from recsys.data.ids import IdMap, id_arrays
from recsys.types import NO_HISTORY, Arrays, EventType, History, Mask, Rows, Times


@dataclass(frozen=True, slots=True)
class Events:
    """A shop's events as parallel arrays, by user, then time.

    users, items int32[e] (item -1: none or not in the catalogue) · kinds int8[e] · times int64[e] · order_ids int64[e] (-1:
    none) · orders int32[e] each user's orders numbered from 0 (-1: no purchase) · quantities float32[e] (NaN: unknown).
    """

    users: Rows
    items: Rows
    kinds: NDArray[np.int8]
    times: Times
    order_ids: NDArray[np.int64]
    orders: Rows
    quantities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.users)

    def where(self, chosen: Mask | NDArray[np.intp]) -> Events:
        """The events for which the mask bool[e] holds, in the same order, or those at the given positions."""
        return Events(*(getattr(self, name)[chosen] for name in self.__slots__))

    def since(self, time: int) -> Events:
        """The events later than `time`."""
        return self.where(self.times > time)


@dataclass(frozen=True, slots=True)
class Tables:
    """All that a fit may look at: events up to `as_of` (microseconds), the catalogue, and how many users there are."""

    events: Events
    catalog: Catalog
    n_users: int
    as_of: int
    seed: int


class Histories:
    """Every user's bounded past, memory-mapped: one range of three parallel arrays per user."""

    def __init__(self, arrays: Arrays) -> None:
        self.users = IdMap(arrays, "user")
        self._offsets = cast(NDArray[np.int64], arrays["offsets"])
        self._items = cast(Rows, arrays["items"])
        self._kinds = cast(NDArray[np.int8], arrays["kinds"])
        self._times = cast(Times, arrays["times"])
        self._orders = cast(Rows, arrays["orders"])

    def of(self, user_id: str) -> History:
        """One user's past; empty for an unknown id."""
        row = self.users.row(user_id)
        return NO_HISTORY if row < 0 else self.at(row)

    def at(self, row: int) -> History:
        """The past of the user at a row."""
        start, end = int(self._offsets[row]), int(self._offsets[row + 1])
        return History(self._items[start:end], self._kinds[start:end], self._times[start:end], self._orders[start:end])


def history_arrays(events: Events, user_ids: list[str], most_events: int, most_purchases: int) -> Arrays:
    """Keep each user's latest events, purchases bounded on their own, as the arrays of `Histories`."""
    purchases = events.kinds == EventType.PURCHASE
    kept = np.zeros(len(events), bool)
    for mask, most in ((purchases, most_purchases), (~purchases, most_events)):
        kept[_latest(events.users, mask, most)] = True
    recent = events.where(kept)
    return {
        **id_arrays(user_ids, "user"),
        "offsets": np.searchsorted(recent.users, np.arange(len(user_ids) + 1)).astype(np.int64),
        "items": recent.items,
        "kinds": recent.kinds,
        "times": recent.times,
        "orders": recent.orders,
    }


def _latest(users: Rows, mask: Mask, most: int) -> NDArray[np.intp]:
    positions = np.flatnonzero(mask)
    owners = users[positions]
    last = np.searchsorted(owners, owners, side="right") if len(positions) else positions
    return positions[last - np.arange(len(positions)) <= most]
