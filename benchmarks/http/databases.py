"""The cost of state in PostgreSQL for a request, against state in SQLite files; both are asked in turn, in one run.

`make benchmark-databases` serves one synthetic shop twice, each service with one worker: over SQLite files, and over a PostgreSQL
server of its own on this machine (a socket, fsync on). Each shopper does something, is asked for at once (a read after a write), and a
page that nobody wrote for is asked for next; the service that is asked first changes each time. Times are of one caller on connections
that stay open, so that a call waits for no other one. A network between service and server adds its own time for each round trip; they
are counted in the driver.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from benchmarks.http.service import Service, publish_fit, running
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.log import EventLog
from recsys.live.postgres.address import Address
from recsys.live.postgres.migrations import migrate
from recsys.settings.load import load_settings
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import Event
from recsys.web.serving.intake import write_down
from simulator import make_shop, shop_settings
from tests.support.servers.postgres import postgres_server
from tests.support.servers.round_trips import CountedDatabase
from training import console

OUT = Path("benchmarks/out/databases")
KEY = "databases-" + "k" * 40
EVENTS_KEY = "events-" + "k" * 40
KINDS = ("event", "list after a write", "list", "similar items")
WARM = 100
"""Turns that are not measured: connections open, queries are prepared."""
FLOOR = 500
"""Bare statements of each kind to each database."""
TRACED = 20
"""Turns of which round trips are counted."""
Times = dict[str, dict[str, list[float]]]


def main() -> int:
    """Measure, print the tables and write databases.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1500, help="calls of each kind to each service (default: 1,500)")
    parser.add_argument("--users", type=int, default=2000, help="users of the shop (default: 2,000)")
    parser.add_argument("--trips-only", action="store_true", help="count round trips and measure no time")
    chosen = parser.parse_args()
    settings = publish_shop(OUT.resolve(), chosen.users)
    with postgres_server("-c fsync=on") as server:
        address = Address(server.url, "counted")
        migrate(address)
        trips = _trips(settings, address)
        found: dict[str, object] = {"round trips": trips}
        if chosen.trips_only:
            console.facts("round trips to PostgreSQL", list(trips.items()))
        else:
            migrate(Address(server.url))
            with _services(settings, server.url) as services:
                times, spent = _turns(services, settings, chosen.turns)
            found["ratios"] = _show(times, trips)
            found["processor ms a call"] = spent
            found["floor"] = _floor(server.url, OUT.resolve())
            console.facts("processor time of a worker", [(name, f"{each:.2f} ms a call") for name, each in spent.items()])
    (OUT / "databases.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0


def publish_shop(folder: Path, users: int) -> Path:
    """Publish a synthetic shop into a folder; returns its settings file."""
    shutil.rmtree(folder, ignore_errors=True)
    make_shop(folder / "data", users=users, end=datetime.now(UTC))
    file = folder / "settings.toml"
    file.write_text(
        shop_settings().replace('"data/', f'"{folder}/data/') + f'\n[snapshot]\nartifacts = "{folder}/artifacts"\n'
    )
    publish_fit(load_settings(file))
    return file


def shoppers_and_items(settings: Path) -> tuple[list[str], list[str]]:
    """Shoppers and items of the snapshot."""
    artifacts = load_settings(settings).artifacts
    snapshot = open_snapshot(artifacts, current_version(artifacts) or "")
    users, items = snapshot.histories.users, snapshot.catalog.items
    return [*map(users.text, range(len(users)))], [*map(items.text, range(len(items)))]


@contextmanager
def _services(settings: Path, url: str) -> Iterator[dict[str, Service]]:
    with ExitStack() as stack:
        services = {}
        for name, secrets in (("SQLite", {}), ("PostgreSQL", {"RECSYS_STATE_DATABASE": url})):
            own = settings.with_name(f"{name}.toml")
            own.write_text(settings.read_text() + f'[state]\nfolder = "state-{name}"\n')
            services[name] = stack.enter_context(
                running(own, KEY, secrets={**secrets, "RECSYS_KEYS_EVENTS": EVENTS_KEY}, workers=1)
            )
        yield services


def _turns(services: Mapping[str, Service], settings: Path, turns: int) -> tuple[Times, dict[str, float]]:
    """Times of each kind by service, in milliseconds, and the processor time of a call."""
    users, items = shoppers_and_items(settings)
    times: Times = {name: {kind: [] for kind in KINDS} for name in services}
    before = dict[str, float]()
    with ExitStack() as stack:
        connections = {
            name: stack.enter_context(closing(HTTPConnection("127.0.0.1", each.port, timeout=60)))
            for name, each in services.items()
        }
        for turn in range(WARM + turns):
            if turn == WARM:
                before = {name: each.cpu_seconds() for name, each in services.items()}
            for name in list(services)[:: 1 if turn % 2 else -1]:
                for kind, taken in zip(KINDS, turn_of(connections[name], users, items, turn), strict=True):
                    if turn >= WARM:
                        times[name][kind].append(taken)
    calls = turns * len(KINDS)
    return times, {name: (each.cpu_seconds() - before[name]) / calls * 1e3 for name, each in services.items()}


def turn_of(connection: HTTPConnection, users: Sequence[str], items: Sequence[str], turn: int) -> Iterator[float]:
    """Ask for one call of each kind; the milliseconds that each took."""
    user, item = users[turn % len(users)], items[turn * 7 % len(items)]
    event = {"event_id": f"turn-{turn}", "user_id": user, "event_type": "view", "item_id": item}
    other = users[(turn + len(users) // 2) % len(users)]
    yield _asked(connection, "POST", "/v1/events", {"events": [event]})
    yield _asked(connection, "GET", f"/v1/users/{quote(user, safe='')}/recommendations")
    yield _asked(connection, "GET", f"/v1/users/{quote(other, safe='')}/recommendations")
    yield _asked(connection, "GET", f"/v1/items/{quote(item, safe='')}/similar")


def _asked(connection: HTTPConnection, method: str, address: str, body: object = None) -> float:
    text = None if body is None else json.dumps(body)
    began = time.perf_counter()
    key = EVENTS_KEY if body else KEY
    connection.request(method, address, text, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    taken = (time.perf_counter() - began) * 1e3
    if answer.status not in (200, 202):
        raise RuntimeError(f"{method} {address} answered {answer.status}: {said[:300]!r}")
    return taken


def _floor(url: str, folder: Path) -> dict[str, float]:
    """Print and return what one durable INSERT and one look-up of a row cost without any of our code, in milliseconds (p50): both
    sync the same disk at each commit."""
    values, table = "VALUES (?, ?, 'view')", "CREATE TABLE bare (seq bigint PRIMARY KEY, event_id text UNIQUE, type text)"
    read = "SELECT event_id FROM bare WHERE seq = ?"
    with (
        closing(sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)) as file,
        psycopg.connect(url, autocommit=True) as server,
    ):
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            file.execute(f"PRAGMA {setting}").fetchall()

        def asked(text: str, *given: Any) -> Iterator[float]:
            for execute, statement in ((file.execute, text), (server.execute, text.replace("?", "%s"))):
                began = time.perf_counter()
                execute(statement, given)
                yield (time.perf_counter() - began) * 1e3

        list(asked(table))
        inserts = [[*asked(f"INSERT INTO bare {values}", number, f"bare-{number}")] for number in range(FLOOR)]
        reads = [[*asked(read, number)] for number in range(FLOOR)]
    found = {
        f"{what}, {name}": statistics.median(each[place] for each in taken[WARM:])
        for what, taken in (("insert", inserts), ("look-up", reads))
        for place, name in enumerate(("SQLite", "PostgreSQL"))
    }
    console.facts("without our code", [(name, f"{each:.3f} ms") for name, each in found.items()])
    return found


def _show(times: Times, trips: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Print medians, 99th percentiles and their ratios; returns the ratios."""
    ratios, rows = {}, []
    every = {name: {**of, "all of them": [each for taken in of.values() for each in taken]} for name, of in times.items()}
    for kind in (*KINDS, "all of them"):
        cuts = {name: statistics.quantiles(of[kind], n=100, method="inclusive") for name, of in every.items()}
        values = [(cuts["SQLite"][at], cuts["PostgreSQL"][at]) for at in (49, 98)]
        ratios[kind] = {name: round(theirs / ours, 2) for name, (ours, theirs) in zip(("p50", "p99"), values, strict=True)}
        figures = [f"{each:.2f}" for pair in values for each in (*pair, pair[1] / pair[0])]
        rows.append((kind, *figures, trips.get(kind, "")))
    heads = [f"{what} {at}" for at in ("p50", "p99") for what in ("SQLite", "PostgreSQL", "ratio of")]
    console.table("milliseconds of a call", ("call", *heads, "round trips"), rows)
    return ratios


def _trips(settings: Path, address: Address) -> dict[str, float]:
    """Round trips to the database of what a call asks of the log, once queries are prepared."""
    loaded = load_settings(settings)
    engine = Engine(open_snapshot(loaded.artifacts, current_version(loaded.artifacts) or ""), loaded)
    (user, other, *_), (item, *_) = shoppers_and_items(settings)
    trips = dict.fromkeys(KINDS[:3], 0)
    with tempfile.TemporaryFile() as trace:
        database = CountedDatabase(address, trace)
        with closing(EventLog(database)) as log:
            serving = ServingState(engine, log, None)
            log.poll()
            for turn in range(WARM + TRACED):
                if turn == WARM:
                    trips = dict.fromkeys(KINDS[:3], 0)
                database.trips()
                serving.catch_up(recent=True)
                event = Event(event_id=f"e{turn}", user_id=user, event_type="view", timestamp=turn, item_id=item)
                write_down(log, [event], turn, serving, lambda: None, lambda: serving.forgotten)
                trips["event"] += database.trips()
                for kind, asked in ((KINDS[1], user), (KINDS[2], other)):
                    serving.catch_up(recent=True)
                    serving.history(asked)
                    trips[kind] += database.trips()
    return {kind: round(count / TRACED, 1) for kind, count in trips.items()}


if __name__ == "__main__":
    sys.exit(main())
