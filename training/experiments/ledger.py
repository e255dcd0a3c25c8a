"""Ledger of what shoppers did: orders as training settles them, and the lists that they saw and clicked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.tables.identities import KNOWN, SINCE, UNTIL, periods, with_joins
from recsys.types import CANCELLED, EventType
from training.job.job import Prepared, prepare
from training.job.ranker.clicked_lists import list_events

_TIME = pl.col("timestamp").dt.epoch("us").alias("time")
PLAN_DAYS = 28
"""Days of the past that tell who would come to an experiment."""
NO_ITEMS = pl.DataFrame(schema={"item_id": pl.String, "cost": pl.Float64, "since": pl.Int64})
NO_VISITS = pl.DataFrame(schema={"unit": pl.String, "at": pl.Int64})


class Ledger(NamedTuple):
    """Frames by person (`unit`) and `time` in microseconds; staff and machines are in none of them.

    lines: purchased lines with `item_id`, `order`, `amount` kept in the shop's currency (null: the price is not known), `units` kept
    and `returned` · seen: lists, one row each · clicks: items clicked on lists, one row each, with `send_id` · owners: `id` and the
    person that it belongs to, `since` and `until` when (microseconds, null: for ever) ·
    items: those that may be shown, with `cost` of a unit (null: not known) and since when there is one (microseconds, null: not
    known) · came: persons of the last `PLAN_DAYS` before `as_of` (microseconds), `at` their first event in them · staff and machines:
    persons who are left out.
    """

    lines: pl.DataFrame
    seen: pl.DataFrame
    clicks: pl.DataFrame
    owners: pl.DataFrame
    currency: str | None
    items: pl.DataFrame = NO_ITEMS
    came: pl.DataFrame = NO_VISITS
    as_of: int = 0
    staff: frozenset[str] = frozenset()
    machines: frozenset[str] = frozenset()


def read_ledger(settings: Settings, now: datetime, erasure_keys: ErasureKeys | None = None) -> Ledger:
    """Read the shop's tables and the live log up to now; raises as `prepare` does."""
    prepared = prepare(settings, now=now, erasure_keys=erasure_keys)
    shown = list_events(prepared.shop, ("impression", "click"))
    lists = shown.select(
        pl.col("user_id").alias("unit"),
        _TIME,
        pl.col("event_type").cast(pl.String),
        "recommendation_id",
        "item_id",
        "send_id",
    )
    owners = owners_of(with_joins(prepared.shop.links, prepared.shop.joins))
    staff, machines = _persons(settings.data.staff, owners), frozenset(prepared.shop.machines.to_list())
    counts = ~pl.col("unit").is_in(sorted(staff | machines))
    found = lists.drop_nulls("unit").filter(counts).sort("time").collect()
    seen = found.unique(["unit", "recommendation_id"], keep="first", maintain_order=True)
    clicks = found.filter(pl.col("event_type") == "click")
    return Ledger(
        lines=purchased(prepared).filter(counts),
        seen=seen.select("unit", "time", "recommendation_id", "send_id"),
        clicks=clicks.unique(["unit", "recommendation_id", "item_id"], keep="first", maintain_order=True).drop("event_type"),
        owners=owners,
        currency=prepared.shop.currency,
        items=_items(prepared),
        came=_came(prepared).filter(counts),
        as_of=prepared.as_of,
        staff=staff,
        machines=machines,
    )


def purchased(prepared: Prepared) -> pl.DataFrame:
    """The lines of settled orders; a quantity that the shop did not say is one unit, a price that it did not say is not known."""
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
            "amount": pl.Series(bought.prices.astype(np.float64) * kept).fill_nan(None),
            "units": kept,
            "returned": np.maximum(quantities - kept, 0.0),
        }
    )


def _persons(ids: Iterable[str], owners: pl.DataFrame) -> frozenset[str]:
    """The persons whom some ids name, and the ids themselves."""
    named, by_now = set(ids), owners.filter(pl.col("until").is_null())
    return frozenset(named | {unit for name, unit in by_now.select("id", "unit").iter_rows() if name in named})


def _items(prepared: Prepared) -> pl.DataFrame:
    """The items that may be shown: what a unit costs the shop, and since when there is one, by its publication or first event."""
    items = prepared.shop.items.select("item_id", "cost", published=pl.col("published_at").dt.epoch("us"))
    events = prepared.events
    known = events.where(np.flatnonzero(events.items >= 0))
    touched = pl.DataFrame({"item_id": _item_ids(prepared, known.items), "first": known.times})
    first = touched.group_by("item_id").agg(pl.col("first").min())
    since = pl.coalesce("published", "first").alias("since")
    return items.join(first, on="item_id", how="left").select("item_id", "cost", since)


def _came(prepared: Prepared) -> pl.DataFrame:
    """Persons who did anything lately, with the first of it."""
    events: Events = prepared.events
    lately = events.where(np.flatnonzero(events.times > prepared.as_of - PLAN_DAYS * DAY))
    units = pl.Series(prepared.user_ids, dtype=pl.String).gather(lately.users.astype(np.int64))
    return pl.DataFrame({"unit": units, "at": lately.times}).group_by("unit").agg(pl.col("at").min()).sort("unit")


def _item_ids(prepared: Prepared, rows: NDArray[np.int32]) -> pl.Series:
    """Ids of rows of the catalogue; null for items that it does not have."""
    items = Catalog(prepared.base).items
    ids = pl.Series([items.text(row) for row in range(len(items))], dtype=pl.String)
    known = pl.Series(np.where(rows >= 0, rows, -1)).cast(pl.Int64)
    return ids.gather(known.set(known < 0, None))


def owners_of(links: pl.DataFrame) -> pl.DataFrame:
    """Whose each linked id is, from when until when (microseconds; null: for ever); the first user's reaches back for ever."""
    found = periods(links).rename({"anonymous_id": "id", KNOWN: "unit", SINCE: "since", UNTIL: "until"})
    return found.with_columns(pl.col("since", "until").dt.epoch("us"))
