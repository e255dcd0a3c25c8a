"""Item features of the ranker: what the shop's purchases say of every item at one moment, for fitting and for serving alike."""

from __future__ import annotations

import numpy as np

from recsys.clock import DAY
from recsys.snapshot.histories import Events
from recsys.types import Arrays, EventType

ITEM_FACTS = (
    "item_sold_7",
    "item_sold_28",
    "item_sold_90",
    "item_trend_7",
    "item_trend_28",
    "item_lines_per_buyer",
    "item_repeated_share",
    "item_age_days",
    "item_unsold_days",
)
"""Of the shop's purchases up to the snapshot's moment: lines of the last days (log1p), their pace against that of 90 days, lines per
buyer, the share of buyers who bought it again, days since the first and the last purchase."""


def item_facts(events: Events, n_items: int, as_of: int) -> Arrays:
    """Return what the shop's purchases up to `as_of` (microseconds) say of every item: facts float32[n, 9] (`ITEM_FACTS`)."""
    bought = events.where((events.kinds == EventType.PURCHASE) & (events.items >= 0) & (events.times <= as_of))
    ages = (as_of - bought.times) / DAY
    sold = {days: np.bincount(bought.items[ages < days], minlength=n_items) for days in (7, 28, 90)}
    lines = np.bincount(bought.items, minlength=n_items)
    pairs, times = np.unique(bought.users.astype(np.int64) * max(n_items, 1) + bought.items, return_counts=True)
    buyers = np.bincount(pairs % max(n_items, 1), minlength=n_items)
    again = np.bincount(pairs[times > 1] % max(n_items, 1), minlength=n_items)
    first, last = np.full(n_items, -1.0), np.full(n_items, np.inf)
    np.maximum.at(first, bought.items, ages)
    np.minimum.at(last, bought.items, ages)
    facts = (
        *(np.log1p(sold[days]) for days in (7, 28, 90)),
        *(sold[days] * (90 / days) / (sold[90] + 1) for days in (7, 28)),
        lines / np.maximum(buyers, 1),
        np.where(buyers > 0, again / np.maximum(buyers, 1), -1),
        first,
        np.where(np.isinf(last), -1, last),
    )
    return {"facts": np.stack(facts, axis=1).astype(np.float32)}
