"""Item changes: items that are back in stock, or cost less or more since an item update, as rows of the live log.

A change is found where an update is written down, in the same transaction: against what the worker's catalogue has, and what others
wrote since then, so that of two workers that say the same only the first one's update is a change. All that one call says
of an item counts at once, as nobody sees a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import nan
from typing import Literal, NamedTuple

from recsys.item_updates import ItemUpdate
from recsys.live.driver import Driver
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.overlay import Room

MIN_DROP = 0.01
"""Smallest share of its price by which an item gets cheaper that is worth a word: less is rounding, or another exchange rate."""
_KEPT_AS = {"price_rise": "price_drop"}
_AT_ONCE = 10_000
"""Rows of one step of deleting."""
ADD_CHANGE = """INSERT INTO item_changes (seq, item_id, change, changed_at, price_before, price_after)
VALUES (?, ?, ?, ?, ?, ?)"""
_SINCE = """SELECT item_id, changed_at, change, price_before, price_after FROM item_changes WHERE changed_at > ?
ORDER BY changed_at DESC, seq DESC"""
_DROP = f"DELETE FROM item_changes WHERE seq IN (SELECT seq FROM item_changes WHERE changed_at < ? LIMIT {_AT_ONCE})"

ChangeKind = Literal["back_in_stock", "price_drop", "price_rise"]
"""A rise is no news, but says that what an item cost before a later drop was not what it cost before that. The log keeps it as a
drop to a higher price, which nodes of a version that knows no rises tell nobody of."""


class Change(NamedTuple):
    """An item became available that was not, or changed its price, at a moment in microseconds; prices are those of such a change."""

    item_id: str
    at: int
    change: ChangeKind
    before: float | None = None
    after: float | None = None


class Standing(NamedTuple):
    """Items as a worker serves them at `now` (microseconds): its catalogue has the log's item updates in it up to the row numbered
    `sequence`."""

    catalog: Catalog
    sequence: int
    now: int


class ItemChanges:
    """The changes that a log holds; whatever fails is a StateError."""

    def __init__(self, log: Driver) -> None:
        self._log = log

    def since(self, moment: int) -> list[Change]:
        """The changes later than `moment` (microseconds), the newest first."""
        return [_read(Change._make(row)) for row in self._log.read(_SINCE, moment)]

    def drop(self, before: int) -> int:
        """Delete the changes from before a moment, in steps after which others may write; returns how many."""
        return self._log.repeat(_DROP, before, step=_AT_ONCE)


def kept(change: Change) -> tuple[str, str, int, float | None, float | None]:
    """The values of a row of the log behind its number."""
    return change.item_id, _KEPT_AS.get(change.change, change.change), change.at, change.before, change.after


def _read(change: Change) -> Change:
    rises = change.before is not None and change.after is not None and change.after > change.before
    return change._replace(change="price_rise") if rises else change


class _Offer(NamedTuple):
    available: bool
    price: float
    """NaN: none."""


def changes(standing: Standing, written: Iterable[ItemUpdate], updates: Sequence[ItemUpdate]) -> list[Change]:
    """Tell what updates change for shoppers; `written` are those that the log took since the standing.

    An item that the catalogue does not have does not change.
    """
    catalog, known = standing.catalog, dict[str, _Offer]()
    for update in updates:
        if (row := catalog.row(update.item_id)) >= 0:
            known[update.item_id] = _Offer(bool(catalog.available[row]), float(catalog.price[row]))
    before = _updated(catalog, known, written)
    after = _updated(catalog, before, updates)
    return [change for item_id in known for change in _differences(item_id, standing.now, before[item_id], after[item_id])]


def is_cheaper(price: float, before: float) -> bool:
    """Tell whether a price is less than another one by so much that it is worth a word."""
    return before > 0 and round(1 - price / before, 9) >= MIN_DROP


def without_room(standing: Standing, written: Iterable[ItemUpdate], updates: Sequence[ItemUpdate]) -> list[str | None]:
    """Tell of each update why there is no room for its item, None where there is, after those `written` since the standing."""
    room = Room(standing.catalog)
    for update in written:
        room.problem(update)
    return [room.problem(update) for update in updates]


def _updated(catalog: Catalog, offers: Mapping[str, _Offer], updates: Iterable[ItemUpdate]) -> dict[str, _Offer]:
    """Offers of items of the catalogue after updates, one after the other."""
    offers = dict(offers)
    for update in updates:
        if old := offers.get(update.item_id):
            available = catalog.available_after(catalog.row(update.item_id), update)
            price = old.price if update.price is None else update.price
            if update.item is not None and update.price is None:
                price = nan
            offers[update.item_id] = _Offer(old.available if available is None else available, price)
    return offers


def _differences(item_id: str, at: int, before: _Offer, after: _Offer) -> Iterator[Change]:
    if after.available and not before.available:
        yield Change(item_id, at, "back_in_stock")
    if is_cheaper(after.price, before.price):
        yield Change(item_id, at, "price_drop", before.price, after.price)
    if after.price > before.price > 0:
        yield Change(item_id, at, "price_rise", before.price, after.price)


def lowest_before(item_changes: Iterable[Change], within: int) -> dict[str, float]:
    """Find of each item the lowest price that it had in so many microseconds before its newest drop, as far as changes, the newest
    first, tell."""
    lowest, dropped_at = dict[str, float](), dict[str, int]()
    for change in item_changes:
        item_id = change.item_id
        if change.before is None:
            continue
        if item_id not in lowest:
            if change.change == "price_drop":
                lowest[item_id], dropped_at[item_id] = change.before, change.at
        elif change.at > dropped_at[item_id] - within:
            known = change.before if change.after is None else min(change.before, change.after)
            lowest[item_id] = min(lowest[item_id], known)
    return lowest
