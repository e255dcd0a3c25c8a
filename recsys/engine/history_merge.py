"""One shopper's history now: what the snapshot holds and what happened since, in one order, with one meaning.

What comes out is what a snapshot trained at this moment would hold: orders are settled over both as one past (`orders.settle`), and of
too long a past the newest part stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from recsys.behaviour import PURCHASE
from recsys.live.log import LiveEvent
from recsys.orders import ORDER_KINDS, REFUND, bounded, owned_of, settle
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.snapshot.id_index import order_key, unknown_item
from recsys.snapshot.identity_links import Period
from recsys.types import CANCELLED, NO_HISTORY, History, Lines, Owned

_UNKNOWN = np.float32(np.nan)


def merge_histories(
    parts: Sequence[History], live: Sequence[LiveEvent], catalog: Catalog, settings: BehaviourSettings
) -> History:
    """Lay histories of a snapshot (of one shopper under several ids) and live events into one, in time order.

    A part without `owned` was cut, and is settled anew.
    """
    parts = [part for part in parts if len(part)]
    if len(parts) == 1 and parts[0].owned is not None:
        if not live:
            return parts[0]
        if _only_looked(parts[0], live):
            return _looked_on(parts[0], live, catalog, settings)
    events = _in_order([*map(_events_of, parts), _mapped(live, catalog)])
    if not len(events):
        return NO_HISTORY
    settled, older = settle(events, settings), sum(map(_older_orders, parts))
    if older:
        settled = replace(settled, orders=np.where(settled.orders >= 0, settled.orders + np.int32(older), np.int32(-1)))
    history = _history(bounded(settled, settings))
    items = owned_of(history)
    return msgspec.structs.replace(history, owned=Owned(items.items, items.at, *_orders(settled, parts, older)))


def converted(events: list[LiveEvent], rates: Mapping[str, float]) -> list[LiveEvent]:
    """Give prices in a currency with a rate in the catalogue's, as the offline job does (`tables/values/money.py`)."""
    if not rates:
        return events
    worth = [None if each.price is None else rates.get(each.currency or "") for each in events]
    return [
        each if rate is None or each.price is None else each._replace(price=each.price * rate, currency=None)
        for each, rate in zip(events, worth, strict=True)
    ]


def _only_looked(base: History, live: Sequence[LiveEvent]) -> bool:
    """The most frequent case: later events of which none is an order or changes one."""
    last = base.times[-1]
    return all(each.timestamp > last and each.event_type != PURCHASE and each.event_type != REFUND for each in live)


def _looked_on(base: History, live: Sequence[LiveEvent], catalog: Catalog, settings: BehaviourSettings) -> History:
    """Add them in as few steps as it takes; orders stay what they were."""
    rows = sorted([(each.timestamp, each.event_type, _item(each, catalog)) for each in live])
    times, kinds, items = zip(*rows, strict=True)
    history = History(
        np.concatenate((base.items, np.array(items, np.int32))),
        np.concatenate((base.kinds, np.array(kinds, np.int8))),
        np.concatenate((base.times, np.array(times, np.int64))),
        np.concatenate((base.orders, np.full(len(rows), -1, np.int32))),
        base.owned,
        base.lines,
    )
    looks = np.flatnonzero(~np.isin(history.kinds, ORDER_KINDS))
    if len(looks) <= settings.history_events:
        return history
    kept = np.ones(len(history), bool)
    kept[looks[: -settings.history_events]] = False
    return history.where(kept, base.owned)


def _mapped(live: Sequence[LiveEvent], catalog: Catalog) -> Events:
    """Live events in the rows of the catalogue."""
    rows = [
        (
            each.timestamp,
            each.event_type,
            _item(each, catalog),
            -1 if each.order_id is None else order_key(each.order_id),
            _UNKNOWN if each.quantity is None else each.quantity,
            _price(each, catalog),
        )
        for each in live
    ]
    times, kinds, items, order_ids, quantities, prices = zip(*rows, strict=True) if rows else ((),) * 6
    units = np.array(quantities, np.float32)
    return Events(
        users=np.zeros(len(rows), np.int32),
        items=np.array(items, np.int32),
        kinds=np.array(kinds, np.int8),
        times=np.array(times, np.int64),
        order_ids=np.array(order_ids, np.int64),
        orders=np.full(len(rows), -1, np.int32),
        quantities=units,
        prices=np.array(prices, np.float32),
        kept=units,
    )


def _item(event: LiveEvent, catalog: Catalog) -> int:
    if event.item_id is None:
        return -1
    row = catalog.row(event.item_id)
    return row if row >= 0 else unknown_item(event.item_id)


def _price(event: LiveEvent, catalog: Catalog) -> float:
    """Prices in another currency than the catalogue's count in no revenue."""
    return np.nan if event.price is None or event.currency not in (None, catalog.currency) else event.price


def _events_of(history: History) -> Events:
    """A history's events, without whose they are."""
    lines, length = history.lines, len(history)
    order_ids, (quantities, prices, kept) = np.full(length, -1), np.full((3, length), _UNKNOWN)
    if lines is not None:
        known = slice(len(lines.order_ids))
        order_ids[known], quantities[known] = lines.order_ids, lines.quantities
        prices[known], kept[known] = lines.prices, lines.kept
    nobody = np.zeros(length, np.int32)
    return Events(nobody, history.items, history.kinds, history.times, order_ids, history.orders, quantities, prices, kept)


def _in_order(pieces: Sequence[Events]) -> Events:
    """Join pieces in the order of the offline job: by time, and what happened at one time by what it was."""
    joined = Events(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in Events.__slots__))
    kinds = np.where(joined.kinds == CANCELLED, np.int8(PURCHASE), joined.kinds)
    order_ids = np.maximum(joined.order_ids, -1)
    keys = (joined.prices, joined.quantities, order_ids, joined.items, kinds, joined.times)
    return joined.where(np.lexsort(keys))


def _older_orders(part: History) -> int:
    """Orders of which the snapshot kept no line; they still count."""
    return 0 if part.owned is None else part.owned.orders - len(np.unique(part.orders[part.orders >= 0]))


def _orders(settled: Events, parts: Sequence[History], older: int) -> tuple[int, int | None]:
    """Return how many orders there were, and when the last one was."""
    bought = settled.times[settled.kinds == PURCHASE]
    if len(bought):
        return int(settled.orders.max()) + 1, int(bought[-1])
    return older, max((part.owned.last_order or 0 for part in parts if part.owned), default=None) if older else None


def _history(events: Events) -> History:
    lines = Lines(events.order_ids, events.quantities, events.prices, events.kept)
    return History(events.items, events.kinds, events.times, events.orders, None, lines)


def within(history: History, period: Period) -> History:
    """The events of a history in a period; unless that is all of it, it has to be settled anew."""
    if not len(history) or (period.since <= history.times[0] and history.times[-1] < period.until):
        return history
    first, last = (int(history.times.searchsorted(moment)) for moment in (period.since, period.until))
    return history.where(slice(first, max(first, last)))
