"""Items whose stock runs out before new stock can arrive, as the snapshot has them, by revenue at risk (docs/stock.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.snapshot.catalog import Catalog
from training.batch.restock import scarce_items

MAX = 8
"""Items that are named; the rest is counted."""


@dataclass(frozen=True)
class Stock:
    """State of the stock: items with a stock figure, those of them that were sold lately, and those at risk, the worst first.

    sold_out: items at risk without any stock left · missing: pieces that the lead time will want beyond the stock · revenue: what
    these would bring, None where no item at risk has a price.
    """

    lead_days: float
    known: int
    selling: int
    at_risk: int
    sold_out: int
    missing: float
    revenue: float | None
    worst: tuple[Mapping[str, Any], ...]


def sum_up_stock(catalog: Catalog, lead_days: float) -> Stock | None:
    """Sum up which items are at risk at a lead time; None where the shop gives no stock."""
    known = ~np.isnan(catalog.stock)
    if not known.any():
        return None
    found = scarce_items(catalog, catalog.sold, lead_days)
    priced = found["revenue_at_risk"].drop_nulls()
    return Stock(
        lead_days=lead_days,
        known=int(known.sum()),
        selling=int((known & (catalog.sold > 0)).sum()),
        at_risk=found.height,
        sold_out=int((found["days_of_cover"] == 0).sum()),
        missing=float(found["pieces_missing"].sum()),
        revenue=float(priced.sum()) if len(priced) else None,
        worst=tuple(found.head(MAX).to_dicts()),
    )
