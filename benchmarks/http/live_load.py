"""Cost of a live log: one synthetic shop served with it and without it, both running, asked by wrk in turn."""

from __future__ import annotations

import random
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from benchmarks.http.bench import prepare as prepare_shop
from benchmarks.http.bench import say
from benchmarks.http.service import Service, publish_fit, running
from recsys import clock
from recsys.clock import DAY, MINUTE
from recsys.engine.pipeline import Engine, answer
from recsys.engine.serving_state import ServingState
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.log import EventLog
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.snapshot.store import CURRENT, Snapshot, current_version, open_snapshot
from recsys.types import CANCELLED, EVENT_TYPES, Event, EventType, History, Link, Query, SnapshotError
from simulator import default_items

ASKED = 20_000
"""Shoppers asked for, all seen in the 30 days before."""
LIVE_EVENTS = 10
"""Live events of each of them: their own last ones once more, a minute apart, so that they still are who they were."""
UPDATED, LINKED = 1_000, 1_000
"""Items with a new price and stock, and shoppers with a newly linked anonymous id."""
EVENTS_PER_SHOPPER = 50
BATCH = 10_000
TIMED = 4_000
KEY = "live-" + "k" * 40
SEED = 20


def load(folder: Path, users: int, rounds: int, seconds: int) -> dict[str, float]:
    """Requests per second with the log over those without, paired round by round, and what reading costs inside."""
    _prepare(folder, users)
    with_log, without = _variant(folder, "with"), _variant(folder, "without")
    settings = load_settings(with_log)
    snapshot = _open(settings)
    asked = _shoppers(snapshot)
    say("writing the live log")
    written = _write_log(log_in(settings.path(settings.state.folder)), snapshot, asked)
    figures = {"live events": written, **_inside(Engine(snapshot, settings), asked)}
    file = folder / "asked.txt"
    file.write_text("\n".join(quote(user, safe="") for user in asked))
    with running(with_log, KEY) as live, running(without, KEY) as bare:
        for service in (live, bare):
            service.wrk(file, seconds)
        pairs = [_round(number, live, bare, file, seconds) for number in range(rounds)]
    return figures | _summary(pairs)


class Pace(NamedTuple):
    """One service in one round: requests per second, 99th percentile in ms, processor µs of the workers per request."""

    rate: float
    p99: float
    cpu: float


def _round(number: int, live: Service, bare: Service, file: Path, seconds: int) -> tuple[Pace, Pace]:
    """Ask both in turn, the other one first than in the last round; the live one's pace comes first."""
    say(f"round {number + 1}")
    paces = {}
    for service in (live, bare) if number % 2 else (bare, live):
        before = service.cpu_seconds()
        rate, p99 = service.wrk(file, seconds)
        paces[service] = Pace(rate, p99, (service.cpu_seconds() - before) / (rate * seconds) * 1e6)
    return paces[live], paces[bare]


def _summary(pairs: Sequence[tuple[Pace, Pace]]) -> dict[str, float]:
    ratios = [ours.rate / without.rate for ours, without in pairs]
    return {
        "requests/s with": round(statistics.median(ours.rate for ours, _ in pairs)),
        "requests/s without": round(statistics.median(without.rate for _, without in pairs)),
        "requests/s with / without": round(statistics.median(ratios), 3),
        "lowest round": round(min(ratios), 3),
        "highest round": round(max(ratios), 3),
        "p99 with / without": round(statistics.median(ours.p99 / without.p99 for ours, without in pairs), 2),
        "processor µs per request with": round(statistics.median(ours.cpu for ours, _ in pairs)),
        "processor µs per request without": round(statistics.median(without.cpu for _, without in pairs)),
    }


def _prepare(folder: Path, users: int) -> None:
    """Make and train the shop, unless it is there and can be served."""
    prepare_shop(folder, users, default_items(users), users * EVENTS_PER_SHOPPER)
    settings, artifacts = load_settings(folder / "settings.toml"), folder / "artifacts"
    if (artifacts / CURRENT).exists() and (artifacts / CURRENT).stat().st_mtime > (folder / "size").stat().st_mtime:
        try:
            Engine(_open(settings), settings)
            return
        except (SnapshotError, KeyError):
            say("the snapshot there cannot be served any more")
    shutil.rmtree(artifacts, ignore_errors=True)
    publish_fit(settings)


def _variant(folder: Path, name: str) -> Path:
    """The shop's settings with a state folder of their own, empty as yet."""
    state, file = folder / f"state-{name}", folder / f"{name}.toml"
    shutil.rmtree(state, ignore_errors=True)
    file.write_text((folder / "settings.toml").read_text() + f'[state]\nfolder = "{state.name}"\n')
    return file


def _open(settings: Settings) -> Snapshot:
    artifacts = settings.artifacts
    return open_snapshot(artifacts, current_version(artifacts) or "")


def _shoppers(snapshot: Snapshot) -> list[str]:
    """`ASKED` shoppers drawn from those who were seen in the last 30 days."""
    histories = snapshot.histories
    seen = [row for row in range(len(histories.users)) if (histories.at(row).times[-1:] > snapshot.as_of - 30 * DAY).any()]
    if len(seen) < ASKED:
        raise RuntimeError(f"only {len(seen):,} shoppers were seen lately, {ASKED:,} are needed: raise --users")
    return [histories.users.text(row) for row in random.Random(SEED).sample(seen, ASKED)]


def _write_log(state: EventLog, snapshot: Snapshot, asked: list[str]) -> int:
    """Write live events (each shopper's first, then each one's second …), links and item updates; returns how many events."""
    now, draw, catalog = clock.now(), random.Random(SEED), snapshot.catalog
    pasts = {user: _last_events(snapshot, user) for user in asked}
    events = (_event(snapshot, user, pasts[user], number) for number in range(LIVE_EVENTS) for user in asked)
    written = 0
    while batch := list(islice(events, BATCH)):
        written += sum(state.add_events(batch, now))
    state.add_links([Link(f"visitor-{n}", user, snapshot.as_of) for n, user in enumerate(asked[:LINKED])], now)
    items = draw.sample(range(catalog.n_items), UPDATED)
    state.add_items([ItemUpdate(catalog.item_id(row), stock=9.0, price=float(draw.randint(5, 500))) for row in items], now)
    state.close()
    return written


def _last_events(snapshot: Snapshot, user: str) -> list[tuple[int, int]]:
    """Kind and item row of a shopper's last events, at most `LIVE_EVENTS`, the newest last; refunds aside."""
    history = snapshot.histories.of(user)
    pairs = zip(history.kinds.tolist(), history.items.tolist(), strict=True)
    return [pair for pair in pairs if pair[0] not in (EventType.REFUND, CANCELLED)][-LIVE_EVENTS:]


def _event(snapshot: Snapshot, user: str, past: list[tuple[int, int]], number: int) -> Event:
    kind, item = past[number % len(past)]
    return Event(
        event_id=f"live-{user}-{number}",
        user_id=user,
        event_type=EVENT_TYPES[kind],
        timestamp=snapshot.as_of + (number + 1) * MINUTE,
        item_id=snapshot.catalog.item_id(item) if item >= 0 else None,
        order_id=f"live-{user}" if kind == EventType.PURCHASE else None,
    )


def _inside(engine: Engine, asked: list[str]) -> dict[str, float]:
    """Median microseconds in one process, without HTTP: finding a shopper's history and answering, without the log and with it."""
    state = log_in(engine.settings.path(engine.settings.state.folder))
    serving = ServingState(engine, state, None)
    figures: dict[str, float] = {}
    for name, now, find in (
        ("without", engine.snapshot.as_of, engine.snapshot.histories.of),
        ("with", engine.snapshot.as_of + (LIVE_EVENTS + 1) * MINUTE, lambda user: _caught_up(serving, user)),
    ):
        found, answered = _timed(engine, asked[:TIMED], now, find)
        figures |= {f"history {name}, µs": found, f"answer {name}, µs": answered}
    state.close()
    return figures


def _caught_up(serving: ServingState, user: str) -> History:
    serving.catch_up()
    return serving.history(user)


def _timed(engine: Engine, users: list[str], now: int, find: Callable[[str], History]) -> tuple[float, float]:
    found, answered = [], []
    for user in users:
        times = [time.perf_counter_ns()]
        history = find(user)
        times.append(time.perf_counter_ns())
        answer(engine, Query(now=now, user_id=user, limit=12), history)
        times.append(time.perf_counter_ns())
        found.append((times[1] - times[0]) / 1000)
        answered.append((times[2] - times[1]) / 1000)
    return round(statistics.median(found), 1), round(statistics.median(answered), 1)
