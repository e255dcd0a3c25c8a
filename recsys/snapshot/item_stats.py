"""Facts about items that are learned from events before any recommender: order of ties, repurchase gaps, what is replenishable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.jit import INT, ROWS, TIMES, compiled
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.snapshot.stock import units_sold
from recsys.types import Arrays, EventType, Mask, Rows, Times

_NEVER = int(np.iinfo(np.int64).max)


def item_stats(
    events: Events,
    catalog: Catalog,
    declared: NDArray[np.int8],
    settings: BehaviourSettings,
    as_of: int,
    guest_orders: Events | None = None,
) -> Arrays:
    """Learn tie_rank int32[n], gap_days float32[n], replenishable bool[n], sold float32[n] and first_seen int64[n] of every item.

    `declared` int8[n] is what the shop itself says of replenishable: 1 yes, 0 no, -1 nothing; `guest_orders` count as sold and
    seen only.
    """
    users, items, times = _purchases(events)
    again = (np.diff(users) == 0) & (np.diff(items) == 0)
    gaps = (np.diff(times) / DAY)[again].astype(np.float32)
    gap_days = _gap_days(items[1:][again], gaps, catalog)
    sold = units_sold(events, catalog, as_of)
    first_seen, last_seen = _seen(events.items, events.times, catalog.n_items)
    if guest_orders is not None:
        sold += units_sold(guest_orders, catalog, as_of)
        first_seen = np.minimum(first_seen, _seen(guest_orders.items, guest_orders.times, catalog.n_items)[0])
    learned = _repurchased(users, items, again, catalog, settings)
    return {
        "tie_rank": _tie_rank(last_seen, catalog),
        "gap_days": gap_days,
        "replenishable": np.where(declared >= 0, declared == 1, learned),
        "sold": sold,
        "first_seen": np.where(first_seen < _NEVER, first_seen, 0),
    }


def _purchases(events: Events) -> tuple[Rows, Rows, NDArray[np.int64]]:
    """One row per user, item and order, by user, item and time."""
    bought = events.where((events.kinds == EventType.PURCHASE) & (events.items >= 0))
    bought = bought.where(np.lexsort((bought.times, bought.orders, bought.items, bought.users)))
    first = np.ones(len(bought), bool)
    first[1:] = (np.diff(bought.users) != 0) | (np.diff(bought.items) != 0) | (np.diff(bought.orders) != 0)
    lines = bought.where(first)
    lines = lines.where(np.lexsort((lines.times, lines.items, lines.users)))
    return lines.users, lines.items, lines.times


def _gap_days(items: Rows, gaps: NDArray[np.float32], catalog: Catalog) -> NDArray[np.float32]:
    """Median gap of the item with at least three, else of its leaf category, else NaN."""
    own = _medians(items, gaps, catalog.n_items, 3)
    leaf = catalog.category[items]
    of_leaf = _medians(leaf[leaf >= 0], gaps[leaf >= 0], len(catalog.parent), 3)
    fallback = np.append(of_leaf, np.float32(np.nan))[catalog.category]
    return np.where(np.isnan(own), fallback, own).astype(np.float32)


def _medians(groups: Rows, values: NDArray[np.float32], n: int, fewest: int) -> NDArray[np.float32]:
    order = np.lexsort((values, groups))
    groups, values = groups[order], values[order]
    starts = np.searchsorted(groups, np.arange(n))
    counts = np.searchsorted(groups, np.arange(n), side="right") - starts
    enough = counts >= fewest
    medians = np.full(n, np.nan, np.float32)
    medians[enough] = values[(starts + counts // 2)[enough]]
    return medians


def _repurchased(users: Rows, items: Rows, again: Mask, catalog: Catalog, settings: BehaviourSettings) -> Mask:
    """Tell whether enough of the item's buyers, or of its leaf category's items' buyers, bought it a second time."""
    n = catalog.n_items
    first = np.ones(len(items), bool)
    first[1:] = ~again
    second = np.zeros(len(items), bool)
    second[1:] = again & first[:-1]
    buyers, repeaters = np.bincount(items[first], minlength=n), np.bincount(items[second], minlength=n)
    leaf = catalog.category + 1
    leaves = len(catalog.parent) + 1
    leaf_buyers, leaf_repeaters = np.bincount(leaf, buyers, leaves)[leaf], np.bincount(leaf, repeaters, leaves)[leaf]
    own = buyers >= settings.repurchase_buyers
    whole = (leaf > 0) & (leaf_buyers >= settings.repurchase_buyers)
    share = np.where(
        own, repeaters / np.maximum(buyers, 1), np.where(whole, leaf_repeaters / np.maximum(leaf_buyers, 1), -1)
    )
    return np.asarray(share >= settings.repurchase_share)


@compiled(ROWS, TIMES, INT)
def _seen(items: Rows, times: Times, n_items: int) -> tuple[Times, Times]:
    """Moments int64[n] of the first event of every item, and of the last (microseconds)."""
    first, last = np.full(n_items, _NEVER, np.int64), np.zeros(n_items, np.int64)
    for place in range(len(items)):
        item = items[place]
        if item >= 0:
            first[item], last[item] = min(first[item], times[place]), max(last[item], times[place])
    return first, last


def _tie_rank(last_seen: Times, catalog: Catalog) -> Rows:
    """Place int32[n] of every item when scores are equal: latest event first, then item id."""
    n = catalog.n_items
    ids = [catalog.item_id(row) for row in range(catalog.n_known)]
    by_id = np.arange(n, dtype=np.int32)  # spare rows last
    by_id[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    rank = np.empty(n, np.int32)
    rank[np.lexsort((by_id, -last_seen))] = np.arange(n)
    return rank
