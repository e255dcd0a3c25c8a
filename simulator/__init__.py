"""A synthetic luxury and home shop, for the demo, for tests and for runs at any scale; docs/shop.md says what is planted.

`make_shop` lays out the calendar, the goods (`goods`) and the people (`people`), puts every visit that they
will pay into an agenda (`agenda`) and acts it out in time order (`visits`), a file of events at a time (`tables`), so that
memory stays bounded. Everything planted stands in `plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys import clock
from recsys.types import EVENT_TYPES, DataError, EventType
from simulator import plan
from simulator.agenda import Visits, plan_visits
from simulator.calendar import make_calendar
from simulator.goods import make_goods
from simulator.people import Shop, make_people
from simulator.tables import EventTexts, contents_table, name_people, users_table
from simulator.visits import Acts, act, in_time_order, mean_length

MAX_USERS = 10_000_000
MAX_EVENTS = 1_000_000_000
MIN_ITEMS, MAX_ITEMS = 200, 2_000_000
SHOP_ADDRESS = "https://shop.example"
"""Where the shop's pages are, unless they really are somewhere."""
VISITS_PER_FILE = 160_000
"""Visits acted out together: about a million events, one file."""

TABLES = ("events", "items", "users", "identities", "contents")
_MARK = ".synthetic-shop"
"""File beside the tables, by which a folder is known that may be written over."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ShopSummary:
    """Summary of the tables: rows of each table, rows of each event type, first and last event."""

    tables: dict[str, int]
    event_types: dict[str, int]
    first: datetime
    last: datetime


def make_shop(
    folder: Path,
    *,
    users: int,
    events: int | None = None,
    items: int | None = None,
    end: datetime,
    seed: int = 20,
    address: str = SHOP_ADDRESS,
    progress: Progress | None = None,
) -> ShopSummary:
    """Write the canonical tables of a synthetic shop into `folder`: the same arguments give the same tables.

    events-00000.parquet … (each in time order, and one after the other but for visits and refunds under way),
    items.parquet, users.parquet, identities.parquet and contents.parquet; event files already there are replaced.

    Args:
        folder: made if absent.
        users: known shoppers; guests come on top. From 200 on, every planted share is there to be measured.
        events: about how many events (within 5 %); none: 50 per user.
        items: how many items; none: 600 for 200 users growing to 100,000 for 200,000 users.
        end: the history's end; no event is later. It begins thirteen months before.
        seed: another seed gives another shop of the same kind.
        address: where its pages and pictures are.
        progress: called with the visits acted out and all visits after each file.

    Raises:
        DataError: if a number is out of range, `end` has no time zone, or the folder holds tables that this did not write.
    """
    events, items = _checked(users, events, items, end, seed)
    end = end.astimezone(UTC)
    calendar = make_calendar(end)
    goods = make_goods(items, clock.to_datetime(calendar.start), end, seed, address)
    shop = Shop(goods, make_people(users, goods, calendar, seed), calendar)
    visits = plan_visits(shop, events, mean_length, seed)
    names = name_people(shop, visits, seed)
    tables = {
        "items": goods.table,
        "users": users_table(shop.people, names, end, seed),
        "identities": names.identities,
        "contents": contents_table(end, seed),
    }
    _clear(folder, [f"{name}.parquet" for name in tables])
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet", compression="zstd")

    counts, first, last = _write_events(folder, shop, visits, EventTexts(shop, visits, names, seed), seed, progress)
    rows = {"events": int(counts.sum()), **{name: table.height for name, table in tables.items()}}
    kinds = {word: int(count) for word, count in zip(EVENT_TYPES, counts, strict=True)}
    return ShopSummary(rows, kinds, clock.to_datetime(first), clock.to_datetime(last))


def shop_settings(folder: str | Path = "data", tables: Sequence[str] = TABLES) -> str:
    """The settings text that reads what `make_shop` wrote into `folder` (relative to the settings file), or only these tables."""
    files = {name: f"{name}-*" if name == "events" else name for name in tables}
    return "".join(f'[data.{name}]\npaths = ["{folder}/{file}.parquet"]\n' for name, file in files.items())


def _clear(folder: Path, names: Sequence[str]) -> None:
    """Make the folder, without event files of an earlier and larger shop; a shop of flesh and blood keeps its tables there too."""
    folder.mkdir(parents=True, exist_ok=True)
    old = [*folder.glob("events-*.parquet"), *(folder / name for name in names if (folder / name).exists())]
    if old and not (folder / _MARK).exists():
        there = f"{old[0].name} is there, without the mark of `make shop` ({_MARK})"
        raise DataError(f"--out {folder}: {there}; name another folder, or delete it if it is a synthetic shop's")
    (folder / _MARK).touch()
    for file in old:
        file.unlink()


def default_items(users: int) -> int:
    """Return how many items a shop with so many users has where nobody says."""
    return int(np.clip(round(600 * (users / 200) ** 0.7406), 300, 100_000))


def _checked(users: int, events: int | None, items: int | None, end: datetime, seed: int) -> tuple[int, int]:
    """Fill in what is not given and check the ranges."""
    _within("users", users, 1, MAX_USERS)
    events = plan.EVENTS_PER_USER * users if events is None else events
    items = default_items(users) if items is None else items
    _within("events", events, plan.MIN_EVENTS_PER_USER * users, MAX_EVENTS)
    _within("items", items, MIN_ITEMS, MAX_ITEMS)
    _within("seed", seed, 0, 2**31 - 1)
    if end.tzinfo is None:
        raise DataError(f"end = {end.isoformat()}: needs a time zone, for instance {end.isoformat()}+00:00")
    return events, items


def _within(name: str, value: int, min_n: int, max_n: int) -> None:
    if not min_n <= value <= max_n:
        raise DataError(f"{name} = {value:,}: allowed are {min_n:,} to {max_n:,}")


def _write_events(
    folder: Path, shop: Shop, visits: Visits, texts: EventTexts, seed: int, progress: Progress | None
) -> tuple[NDArray[np.int64], int, int]:
    """Write the event files; returns rows per event type and the first and last time in microseconds.

    Refunds wait until their time has come.
    """
    counts = np.zeros(len(EVENT_TYPES), np.int64)
    waiting: list[Acts] = []
    times: list[int] = []
    for number, first in enumerate(range(0, len(visits), VISITS_PER_FILE)):
        next_visit = first + VISITS_PER_FILE
        horizon = visits.start[next_visit] if next_visit < len(visits) else shop.calendar.end + 1
        rng = np.random.default_rng([seed, 8, number])
        acts = in_time_order([*waiting, act(rng, visits.rows(slice(first, next_visit)), shop, first)])
        late = (acts.kind == EventType.REFUND) & (acts.time >= horizon)
        waiting, acts = [acts.rows(np.flatnonzero(late))], acts.rows(np.flatnonzero(~late))
        table = texts.table(acts, int(counts.sum()))
        table.write_parquet(folder / f"events-{number:05d}.parquet", compression="zstd", compression_level=1)
        counts += np.bincount(acts.kind, minlength=len(EVENT_TYPES))
        times += [int(acts.time[0]), int(acts.time[-1])]
        if progress:
            progress(min(next_visit, len(visits)), len(visits))
    return counts, min(times), max(times)
