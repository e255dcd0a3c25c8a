"""Stock cover: days that stock lasts at the pace of the last days, and the shortfall within the lead time.

An item's pace is what was sold of it in the last `SOLD_DAYS` days, an even share each day. Days of cover are the stock in days of
that pace; an item is at risk while they are fewer than the days that new stock takes to arrive (docs/stock.md).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.snapshot.catalog import SOLD_DAYS, Catalog
from recsys.snapshot.histories import Events
from recsys.types import EventType, Mask, Rows

Units: TypeAlias = NDArray[np.float32]


def days_of_cover(stock: Units, sold: Units) -> NDArray[np.float32]:
    """Days float32[n] that `stock` lasts, stock / (sold / 28); NaN where it is unknown, or nothing was sold.

    `stock` and `sold` are pieces float32[n], sold in the last `SOLD_DAYS` days. Less than no stock lasts 0 days.
    """
    days = np.full(len(stock), np.nan, np.float32)
    np.divide(np.maximum(stock, 0) * SOLD_DAYS, sold, out=days, where=sold > 0)
    return days


def at_risk(stock: Units, sold: Units, lead_days: float) -> Mask:
    """Tell whether each item's stock lasts fewer than `lead_days` days, bool[n]; where that is not known it is not at risk."""
    return days_of_cover(stock, sold) < lead_days


def runs_low(catalog: Catalog, lead_days: float, rows: Rows | None = None) -> Mask:
    """Tell whether an item can be bought, at least a piece is left, and its stock is at risk, bool[n], or bool[k] of some rows."""
    chosen = slice(None) if rows is None else rows
    stock = catalog.stock[chosen]
    return at_risk(stock, catalog.sold[chosen], lead_days) & catalog.available[chosen] & (stock >= 1)


def units_missing(stock: Units, sold: Units, lead_days: float) -> NDArray[np.float64]:
    """Pieces float64[n] that `lead_days` days of the same pace will want beyond the stock, at least 0; NaN where it is unknown."""
    wanted = sold.astype(np.float64) / SOLD_DAYS * lead_days
    return np.maximum(wanted - np.maximum(stock, 0), 0)


def units_sold(events: Events, catalog: Catalog, until: int) -> Units:
    """Pieces of each item, float32[n], that were sold in the `SOLD_DAYS` days up to `until` (microseconds).

    A line of unknown quantity is one piece.
    """
    recent = (events.times > until - SOLD_DAYS * DAY) & (events.times <= until)
    lines = events.where(recent & (events.kinds == EventType.PURCHASE) & (events.items >= 0))
    return np.bincount(lines.items, np.nan_to_num(lines.kept, nan=1.0), catalog.n_items).astype(np.float32)
