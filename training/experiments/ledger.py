"""Ledger of what shoppers did: orders as training settles them, and the lists that they saw and clicked."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.snapshot.catalog import Catalog
from recsys.tables.identities import with_joins
from recsys.types import CANCELLED, EventType
from training.job.job import Prepared, prepare

_TIME = pl.col("timestamp").dt.epoch("us").alias("time")


class Ledger(NamedTuple):
    """Frames by person (`unit`) and `time` in microseconds.

    lines: purchased lines with `item_id`, `order`, `amount` kept in the shop's currency, `units` kept and `returned` · seen: lists,
    one row each · clicks: items clicked on lists, one row each, with `send_id` · owners: `id` and the person that it belongs to.
    """

    lines: pl.DataFrame
    seen: pl.DataFrame
    clicks: pl.DataFrame
    owners: pl.DataFrame
    currency: str | None


def read_ledger(settings: Settings, now: datetime, erasure_keys: ErasureKeys | None = None) -> Ledger:
    """Read the shop's tables and the live log up to now; raises as `prepare` does."""
    prepared = prepare(settings, now=now, erasure_keys=erasure_keys)
    shown = prepared.shop.events.filter(
        pl.col("event_type").is_in(["impression", "click"]) & pl.col("recommendation_id").is_not_null()
    )
    lists = shown.select(
        pl.col("user_id").alias("unit"),
        _TIME,
        pl.col("event_type").cast(pl.String),
        "recommendation_id",
        "item_id",
        "send_id",
    )
    found = lists.drop_nulls("unit").sort("time").collect()
    seen = found.unique(["unit", "recommendation_id"], keep="first", maintain_order=True)
    clicks = found.filter(pl.col("event_type") == "click")
    return Ledger(
        lines=purchased(prepared),
        seen=seen.select("unit", "time", "recommendation_id", "send_id"),
        clicks=clicks.unique(["unit", "recommendation_id", "item_id"], keep="first", maintain_order=True).drop("event_type"),
        owners=owners_of(with_joins(prepared.shop.links, prepared.shop.joins)),
        currency=prepared.shop.currency,
    )


def purchased(prepared: Prepared) -> pl.DataFrame:
    """The lines of settled orders; a quantity that the shop did not say is one unit, a price that it did not say is nothing."""
    events = prepared.events
    bought = events.where(np.flatnonzero(np.isin(events.kinds, (EventType.PURCHASE, CANCELLED))))
    quantities = np.nan_to_num(bought.quantities.astype(np.float64), nan=1.0)
    kept = np.where(bought.kinds == CANCELLED, 0.0, np.nan_to_num(bought.kept.astype(np.float64), nan=1.0))
    return pl.DataFrame(
        {
            "unit": pl.Series(prepared.user_ids, dtype=pl.String).gather(bought.users.astype(np.int64)),
            "time": bought.times,
            "item_id": _item_ids(prepared, bought.items),
            "order": bought.orders,
            "amount": np.nan_to_num(bought.prices.astype(np.float64)) * kept,
            "units": kept,
            "returned": np.maximum(quantities - kept, 0.0),
        }
    )


def _item_ids(prepared: Prepared, rows: NDArray[np.int32]) -> pl.Series:
    """Ids of rows of the catalogue; null for items that it does not have."""
    items = Catalog(prepared.base).items
    ids = pl.Series([items.text(row) for row in range(len(items))], dtype=pl.String)
    known = pl.Series(np.where(rows >= 0, rows, -1)).cast(pl.Int64)
    return ids.gather(known.set(known < 0, None))


def owners_of(links: pl.DataFrame) -> pl.DataFrame:
    """Whose each linked id is: the user that it was linked to last."""
    latest = links.sort("timestamp", "user_id").unique("anonymous_id", keep="last", maintain_order=True)
    return latest.select(pl.col("anonymous_id").alias("id"), pl.col("user_id").alias("unit"))
