"""A simulated day, polled each minute: every planted cart and visit is found exactly once, and nobody who bought."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from recsys.engine.pipeline import Engine
from recsys.settings.moments import MomentKind
from recsys.snapshot.store import open_snapshot
from tests.conftest import event
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import MESSAGES_KEY, bearer
from tests.support.shops.moment_shop import MomentShop, Row, Worker, user

DAY = datetime(2026, 4, 1, tzinfo=UTC)
MINUTES = 24 * 60
POLLED: tuple[MomentKind, ...] = ("cart", "browse")
ITEMS = ("sofa-1", "sofa-2", "sofa-3", "lamp-1", "lamp-2", "bag-1", "bag-2")
MESSAGES = bearer(MESSAGES_KEY)
MORE = """[moments]
kinds = ["cart", "browse"]
per_day = 9
"""


class Visit(NamedTuple):
    """What somebody does on one visit, and the kind of moment that it is due for in the end, if any."""

    user_id: str
    rows: list[Row]
    kind: MomentKind | None


def planted(seed: int, visits: int, minutes: int) -> list[Visit]:
    """Visits of one user each hours apart: some leave a cart, some a product, some buy, some only look around."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(visits):
        sort = ("cart", "browse", "bought cart", "bought view", "emptied", "home")[number % 6]
        begun = DAY + timedelta(minutes=int(rng.integers(0, minutes)), seconds=int(rng.integers(0, 60)))
        name, items = f"v{number}", [str(item) for item in rng.permutation(ITEMS)]
        steps: list[tuple[str | None, str]] = (
            [(items[0], "view"), (items[1], "view")] if sort != "home" else [(None, "home_view")]
        )
        if sort in ("cart", "bought cart", "emptied"):
            steps.append((items[0], "cart_add"))
        if sort == "emptied":
            steps.append((items[0], "cart_remove"))
        if sort.startswith("bought"):
            steps.append((items[int(rng.integers(0, 3))], "purchase"))
        pauses = np.cumsum(rng.uniform(0.1, 15, len(steps)))
        rows = [event(name, *step, begun + timedelta(minutes=float(at))) for step, at in zip(steps, pauses, strict=True)]
        kind: MomentKind | None = "cart" if sort == "cart" else "browse" if sort in ("browse", "emptied") else None
        found.append(Visit(name, rows, kind))
    return found


def shop_in(folder: Path, visits: list[Visit]) -> MomentShop:
    """The busy shop, whose people are the visitors too."""
    people = [
        user(f"{name}{n}", timezone="UTC") for name, max_n in (("v", len(visits)), ("user-", 30)) for n in range(max_n)
    ]
    return MomentShop(folder, people=people, more=MORE)


def by_minute(visits: list[Visit]) -> dict[int, list[Row]]:
    """All that happens, by the minute of the day in which it is sent."""
    found: dict[int, list[Row]] = {}
    for visit in visits:
        for row in visit.rows:
            found.setdefault(int((row["timestamp"] - DAY) / timedelta(minutes=1)) + 1, []).append(row)
    return found


class Tool:
    """A message tool: it stores the number up to which it has taken rows together with the rows, and loses answers."""

    def __init__(self) -> None:
        self.taken: dict[str, list[Row]] = {kind: [] for kind in POLLED}
        self.reached: dict[str, Any] = dict.fromkeys(POLLED)

    def take(self, kind: str, lines: list[bytes], reached: Any) -> None:
        """Store an answer."""
        self.taken[kind] += [msgspec.json.decode(line) for line in lines]
        self.reached[kind] = reached

    def check(self, visits: list[Visit]) -> None:
        """Each planted moment was taken once, and no other."""
        for kind in POLLED:
            notified = Counter(line["user_id"] for line in self.taken[kind])
            assert notified == Counter(visit.user_id for visit in visits if visit.kind == kind)
            assert len({line["moment_id"] for line in self.taken[kind]}) == len(self.taken[kind])


def _poll_and_tell(engine: Engine, folder: Path, now: datetime, said: Connection) -> None:
    worker = Worker(engine, folder)
    said.send_bytes(b"begun")
    for kind in POLLED:
        worker.find(kind, now)


def killed_poll(engine: Engine, folder: Path, now: datetime) -> None:
    """Have another process poll, and kill it while it does."""
    context = multiprocessing.get_context("fork")
    contributing, said = context.Pipe(duplex=False)
    child = context.Process(target=_poll_and_tell, args=(engine, folder, now, said))
    child.start()
    contributing.recv_bytes()
    child.kill()
    child.join()
    contributing.close()
    said.close()


@pytest.mark.long
def test_a_day_of_polls_with_kills_and_trainings(tmp_path: Path) -> None:
    """Two workers in turn, killed and begun anew, two trainings between, answers lost: each planted moment comes once."""
    visits = planted(20, visits=240, minutes=MINUTES - 180)
    happens, shop, tool = by_minute(visits), shop_in(tmp_path, visits), Tool()
    engine = shop.engine()
    workers = [Worker(engine, tmp_path), Worker(engine, tmp_path)]
    rng = np.random.default_rng(1)
    for minute in range(MINUTES):
        now = DAY + timedelta(minutes=minute)
        if rows := happens.get(minute):
            workers[0].post(*rows)
        if minute in (500, 1000):
            snapshot = open_snapshot(tmp_path / "artifacts", shop.publish(now=now))
            engine = Engine(snapshot, shop.settings)
            workers[0] = Worker(engine, tmp_path)
        if minute in (510, 1010):
            workers[1] = Worker(engine, tmp_path)
        if minute % 180 == 90:
            killed_poll(engine, tmp_path, now)
        for kind in POLLED:
            worker = workers[int(rng.integers(2))]
            worker.find(kind, now)
            lines = worker.state.moments.lines(kind, tool.reached[kind] or 0, 1000)
            if lines and rng.random() < 0.8:  # else the answer is lost, and asked for again
                tool.take(kind, [line for _, line in lines], lines[-1][0])
    tool.check(visits)


def polled(server: Server, kind: str, cursor: str | None) -> tuple[list[bytes], str]:
    """Poll over HTTP, again where a worker dies."""
    address = f"/v1/moments/{kind}" + (f"?cursor={cursor}" if cursor else "")
    while True:
        try:
            answer, body = server.get(address, MESSAGES)
        except (OSError, HTTPException):
            continue
        assert answer.status == 200, body
        return body.splitlines()[::-1], answer.headers["Next-Cursor"]


def kill_workers(server: Server) -> None:
    """Kill all worker processes; gunicorn begins new ones."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)


def post(server: Server, rows: list[Row]) -> None:
    """Send events, again where a worker dies: their ids keep them from counting twice."""
    events = [{**row, "timestamp": row["timestamp"].isoformat(), "event_id": f"{row}"[:250]} for row in rows]
    while True:
        try:
            assert server.send("POST", "/v1/events", {"events": events}, EVENTS)[0].status == 202
            return
        except (OSError, HTTPException):
            continue


def serve(folder: Path) -> Server:
    """Two workers whose clock is the newest event."""
    web = f'development = true\nclock = "events"\n{MORE}'
    return start(folder, folder / "artifacts", "--workers", "2", web=web, secrets={"RECSYS_KEYS_EVENTS": EVENTS_KEY})


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """Services that were started; all are stopped."""
    started: list[Server] = []
    yield started
    for server in started:
        if server.process.poll() is None:
            stop(server)


@pytest.mark.long
def test_two_hours_over_http_with_killed_workers(tmp_path: Path, servers: list[Server]) -> None:
    """The same over HTTP: workers killed while they answer, a training, the service killed as a whole, answers lost."""
    visits = planted(21, visits=48, minutes=50)
    happens, shop, tool = by_minute(visits), shop_in(tmp_path, visits), Tool()
    shop.publish(now=DAY)
    servers.append(serve(tmp_path))
    rng = np.random.default_rng(2)
    for minute in range(140):
        now = DAY + timedelta(minutes=minute)
        post(servers[-1], [*happens.get(minute, []), event("clock", None, "home_view", now)])
        if minute == 60:
            shop.publish(now=now)
        if minute == 90:
            kill_workers(servers[-1])
            servers[-1].process.kill()
            servers[-1].process.wait()
            servers.append(serve(tmp_path))
        for kind in POLLED:
            killer = Thread(target=kill_workers, args=(servers[-1],))
            if minute % 30 == 17:
                killer.start()
            lines, cursor = polled(servers[-1], kind, tool.reached[kind])
            if killer.ident:
                killer.join()
            if rng.random() < 0.8:
                tool.take(kind, lines, cursor)
    tool.check(visits)
