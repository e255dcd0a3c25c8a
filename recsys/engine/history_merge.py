"""One shopper's history now: what the snapshot holds and what happened since, in one order, with one meaning.

What comes out is what a snapshot trained at this moment would hold: purchases given back are refunds, orders are numbered through,
and of too long a past the newest part stays. The rules themselves are those of `behaviour`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.behaviour import PURCHASE, cancel_refunded, number_orders
from recsys.live.log import LiveEvent
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.id_index import order_key
from recsys.types import EventType, History, Lines, Mask

_REFUND = int(EventType.REFUND)
_SETTLED = int(EventType.IMPRESSION)
"""Stands for a refund of the snapshot while newer ones are cancelled: it has found its purchase already."""


def merge_histories(
    parts: Sequence[History], live: Sequence[LiveEvent], catalog: Catalog, settings: BehaviourSettings
) -> History:
    """Lay histories of a snapshot (of one shopper under several ids) and live events into one, in time order."""
    parts = [part for part in parts if len(part)]
    kept = [each for each in live if each.event_type != PURCHASE or each.quantity is None or each.quantity > 0]
    if not kept and len(parts) == 1:
        return parts[0]
    kinds = {each.event_type for each in kept}
    bought = PURCHASE in kinds or _REFUND in kinds
    if len(parts) == 1 and not bought and kept[0].timestamp >= parts[0].times[-1]:
        return _bounded(_looked_on(parts[0], kept, catalog), settings)
    history, settled = _in_order([*parts, _mapped(kept, catalog)], sum(map(len, parts)))
    if len(parts) > 1 or bought:
        history = _counted(history, settled, _first_order(parts), _REFUND in kinds, settings)
    elif parts:
        history = History(history.items, history.kinds, history.times, history.orders, parts[0].owned, history.lines)
    return _bounded(history, settings)


def _looked_on(base: History, live: Sequence[LiveEvent], catalog: Catalog) -> History:
    """The most frequent case, in as few steps as it takes: later events of which none is an order or changes one."""
    rows = sorted(
        [(each.timestamp, each.event_type, -1 if each.item_id is None else catalog.row(each.item_id)) for each in live]
    )
    times, kinds, items = zip(*rows, strict=True)
    return History(
        np.concatenate((base.items, np.array(items, np.int32))),
        np.concatenate((base.kinds, np.array(kinds, np.int8))),
        np.concatenate((base.times, np.array(times, np.int64))),
        np.concatenate((base.orders, np.full(len(rows), -1, np.int32))),
        base.owned,
        base.lines,
    )


def _mapped(live: Sequence[LiveEvent], catalog: Catalog) -> History:
    """Live events in the rows of the catalogue, sorted as the offline job sorts events."""
    rows = [
        (
            each.timestamp,
            each.event_type,
            -1 if each.item_id is None else catalog.row(each.item_id),
            -1 if each.order_id is None else order_key(each.order_id),
            np.nan if each.quantity is None else each.quantity,
            _price(each, catalog),
        )
        for each in live
    ]
    rows.sort()
    times, kinds, items, orders, quantities, prices = zip(*rows, strict=True) if rows else ((),) * 6
    return History(
        np.array(items, np.int32),
        np.array(kinds, np.int8),
        np.array(times, np.int64),
        np.full(len(rows), -1, np.int32),
        None,
        Lines(np.array(orders, np.int64), np.array(quantities, np.float32), np.array(prices, np.float32)),
    )


def _price(event: LiveEvent, catalog: Catalog) -> float:
    """Prices in another currency than the catalogue's count in no revenue."""
    return np.nan if event.price is None or event.currency not in (None, catalog.currency) else event.price


def _in_order(pieces: Sequence[History], settled: int) -> tuple[History, Mask]:
    """Join pieces by time, those of the snapshot first where times are equal; tells which events, bool[h], were the snapshot's."""
    lines = [_lines(piece) for piece in pieces]
    joined = [
        *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("times", "items", "kinds", "orders")),
        *(np.concatenate([getattr(line, name) for line in lines]) for name in ("order_ids", "quantities", "prices")),
    ]
    old = np.arange(len(joined[0])) < settled
    if (joined[0][1:] < joined[0][:-1]).any():
        place = joined[0].argsort(kind="stable")
        joined, old = [each[place] for each in joined], old[place]
    times, items, kinds, orders, order_ids, quantities, prices = joined
    return History(items, kinds, times, orders, None, Lines(order_ids, quantities, prices)), old


def _lines(history: History) -> Lines:
    lines, length = history.lines, len(history)
    if lines is not None and len(lines.order_ids) == length:
        return lines
    order_ids, quantities, prices = np.full(length, -1), np.full(length, np.nan), np.full(length, np.nan)
    if lines is not None:
        known = len(lines.order_ids)
        order_ids[:known], quantities[:known], prices[:known] = lines.order_ids, lines.quantities, lines.prices
    return Lines(order_ids, quantities.astype(np.float32), prices.astype(np.float32))


def _first_order(parts: Sequence[History]) -> int:
    """The number of the oldest order that a snapshot kept; older ones still count."""
    kept = [part.orders[part.orders >= 0] for part in parts]
    return min((int(orders.min()) for orders in kept if len(orders)), default=0)


def _counted(history: History, settled: Mask, first: int, refunded: bool, settings: BehaviourSettings) -> History:
    """Cancel what was given back since, and number the orders through, from `first`."""
    assert history.lines is not None
    nobody = np.zeros(len(history), np.int32)
    kinds, lines = history.kinds, history.lines
    if refunded:
        old = settled & (kinds == _REFUND)
        kinds, quantities = cancel_refunded(
            nobody, history.items, np.where(old, np.int8(_SETTLED), kinds), lines.order_ids, lines.quantities
        )
        kinds[old] = _REFUND
        lines = Lines(lines.order_ids, quantities, lines.prices)
    orders = number_orders(nobody, history.times, kinds, lines.order_ids, settings)
    if first:
        orders[orders >= 0] += first
    return History(history.items, kinds, history.times, orders, None, lines)


def _bounded(history: History, settings: BehaviourSettings) -> History:
    """The newest events and purchases, as many as a snapshot keeps."""
    if len(history) <= min(settings.history_purchases, settings.history_events):
        return history
    purchases = history.kinds == PURCHASE
    bought = int(np.count_nonzero(purchases))
    if bought <= settings.history_purchases and len(history) - bought <= settings.history_events:
        return history
    kept = np.zeros(len(history), bool)
    kept[np.flatnonzero(purchases)[-settings.history_purchases :]] = True
    kept[np.flatnonzero(~purchases)[-settings.history_events :]] = True
    lines = _lines(history)
    return History(
        history.items[kept],
        history.kinds[kept],
        history.times[kept],
        history.orders[kept],
        history.owned,
        Lines(lines.order_ids[kept], lines.quantities[kept], lines.prices[kept]),
    )
