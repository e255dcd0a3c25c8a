"""The report's section on customers: lifecycle stages and their revenue shares, returning customers, orders and revenue by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import polars as pl

from recsys.engine.pipeline import Engine
from recsys.orders import settle
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog
from recsys.tables.schema import TIME
from recsys.tables.shop import ShopTables
from recsys.types import EventType, Lifecycle
from training.runners.rows import map_events

STAGES: tuple[Lifecycle, ...] = get_args(Lifecycle)


@dataclass(frozen=True)
class Stage:
    """A lifecycle stage: how many people, their share of all customers (leads: none), and of the revenue."""

    name: Lifecycle
    people: int
    share: float
    revenue: float
    revenue_share: float


@dataclass(frozen=True)
class Month:
    """Orders and revenue of one calendar month; `whole` unless the tables begin or end within it."""

    first: date
    orders: int
    returning: int
    """Orders that were not the customer's first."""
    revenue: float
    whole: bool


@dataclass(frozen=True)
class Customers:
    """The shop's customers as of the snapshot; money in the catalogue's currency.

    unpriced: purchase lines without a price, that count in no revenue · repeat: share of customers with two orders or more ·
    returning: share of orders that were not the customer's first.
    """

    stages: tuple[Stage, ...]
    months: tuple[Month, ...]
    customers: int
    orders: int
    revenue: float | None
    unpriced: int
    repeat: float
    returning: float


def sum_up_customers(shop: ShopTables, engine: Engine, now: int, since: date, before: datetime) -> Customers | None:
    """Sum the customers up at `now` (microseconds), of tables from `since` to `before`; None if nobody bought anything."""
    lines = order_lines(shop.events, engine.catalog, engine.snapshot.manifest.behaviour)
    if lines.is_empty():
        return None
    priced = lines["revenue"].is_not_null().any()
    orders = lines.group_by("user_id", "order").agg(pl.col("timestamp").min(), pl.col("revenue").sum())
    per_user = orders.group_by("user_id").agg(pl.len().alias("orders"), pl.col("revenue").sum())
    people = _lifecycles(engine, now).join(per_user, on="user_id", how="left")
    return Customers(
        stages=_stages(people),
        months=_months(orders, since, before),
        customers=per_user.height,
        orders=orders.height,
        revenue=float(orders["revenue"].sum()) if priced else None,
        unpriced=lines["revenue"].null_count(),
        repeat=float((per_user["orders"] > 1).to_numpy().mean()),
        returning=float((orders["order"] > 0).to_numpy().mean()),
    )


def order_lines(events: pl.LazyFrame, catalog: Catalog, settings: BehaviourSettings) -> pl.DataFrame:
    """The purchase lines that were kept: user_id, timestamp, order (each user's, from 0) and revenue, null where no price in the
    catalogue's currency is known. They are settled as for every fit (`orders.settle`)."""
    buyers = events.filter(pl.col("event_type") == "purchase").select("user_id").unique()
    mapped, user_ids = map_events(events.join(buyers, on="user_id", how="semi"), catalog)
    lines = settle(mapped, settings)
    lines = lines.where(lines.kinds == EventType.PURCHASE)
    return pl.DataFrame(
        {
            "user_id": pl.Series(user_ids, dtype=pl.String).gather(lines.users),
            "timestamp": pl.Series(lines.times).cast(TIME),
            "order": lines.orders,
            "revenue": pl.Series(lines.amounts, nan_to_null=True),
        }
    )


def _lifecycles(engine: Engine, now: int) -> pl.DataFrame:
    """Everybody's stage, as the pipeline sees it."""
    histories, profile = engine.snapshot.histories, engine.profiler.profile
    ids = [histories.users.text(row) for row in range(len(histories.users))]
    stages = [profile(None, histories.at(row), now).lifecycle for row in range(len(ids))]
    return pl.DataFrame({"user_id": ids, "stage": stages}, schema={"user_id": pl.String, "stage": pl.Enum(STAGES)})


def _stages(people: pl.DataFrame) -> tuple[Stage, ...]:
    summed = people.group_by("stage").agg(pl.len().alias("people"), pl.col("revenue").sum())
    found = {name: (count, revenue) for name, count, revenue in summed.iter_rows()}
    buyers = sum(count for name, (count, _) in found.items() if name != "lead")
    revenue = sum(money for _, money in found.values())
    stages = []
    for name in STAGES:
        count, money = found.get(name, (0, 0.0))
        share = 0.0 if name == "lead" else count / max(buyers, 1)
        stages.append(Stage(name, count, share, money, money / revenue if revenue else 0.0))
    return tuple(stages)


def _months(orders: pl.DataFrame, since: date, before: datetime) -> tuple[Month, ...]:
    monthly = orders.group_by(pl.col("timestamp").dt.truncate("1mo").dt.date().alias("month")).agg(
        pl.len(), (pl.col("order") > 0).sum().alias("returning"), pl.col("revenue").sum()
    )
    rows = {month: (count, returning, revenue) for month, count, returning, revenue in monthly.iter_rows()}
    months, end = [], before.astimezone(UTC).date()
    for month in pl.date_range(min(rows), max(rows), "1mo", eager=True):
        whole = since <= month and _next(month) <= end
        months.append(Month(month, *rows.get(month, (0, 0, 0.0)), whole))
    return tuple(months)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
