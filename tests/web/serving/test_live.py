"""Live state over real workers: what one accepts counts in the other's next answer, and a killed one loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from recsys.live.sqlite.log import FILE
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import ADMIN, READ

SECRETS = {"RECSYS_KEYS_EVENTS": EVENTS_KEY, "RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters"}
ROUNDS = 20
"""Times that both workers are killed under load."""
EVENTS_AT_ONCE = 3


def run(folder: Path) -> Server:
    """Two workers over the folder's snapshot and log."""
    return start(folder, folder / "artifacts", "--workers", "2", web='development = true\nclock = "events"', secrets=SECRETS)


@pytest.fixture
def server(artifacts: Path, tmp_path: Path) -> Iterator[Server]:
    """Two workers over a shop of the test's own."""
    shutil.copytree(artifacts, tmp_path / "artifacts")
    running = run(tmp_path)
    yield running
    stop(running)


def view(user: str, item: str, **more: Any) -> dict[str, Any]:
    """The body that tells of one event."""
    return {"events": [{"user_id": user, "item_id": item, "event_type": "view", **more}]}


def known_to_every_worker(server: Server, user: str) -> dict[str, int]:
    """How many events of a user's last session each worker says that it knows."""
    stated = server.from_every_worker(f"/v1/users/{user}/profile", ADMIN)
    return {worker: (json.loads(body)["session"] or {"events": 0})["events"] for worker, body in stated.items()}


@pytest.mark.long
def test_an_event_counts_in_every_workers_next_answer(server: Server) -> None:
    """Whichever worker accepts an event, both know of it at once; so it is with links, items and the forgotten."""
    seen = set()
    for number in range(1, 7):
        answer, row_result = server.send("POST", "/v1/events", view("fresh", "i1", event_id=f"e{number}"), EVENTS)
        assert (answer.status, row_result["accepted"]) == (202, 1)
        seen.add(answer.headers["X-Recsys-Worker"])
        assert set(known_to_every_worker(server, "fresh").values()) == {number}
    shown = json.loads(server.get("/v1/bestsellers?limit=1", READ)[1])["items"][0]["item_id"]
    assert server.send("PATCH", "/v1/items", {"items": [{"item_id": shown, "stock": 0}]}, EVENTS)[0].status == 202
    for body in server.from_every_worker("/v1/bestsellers?limit=100", READ).values():
        assert shown not in [item["item_id"] for item in json.loads(body)["items"]]
    link = {"identities": [{"anonymous_id": "fresh", "user_id": "somebody"}]}
    assert server.send("POST", "/v1/identities", link, EVENTS)[0].status == 202
    assert set(known_to_every_worker(server, "somebody").values()) == {6}
    assert server.send("DELETE", "/v1/users/somebody", None, ADMIN)[0].status == 200
    assert set(known_to_every_worker(server, "somebody").values()) == {0}


class Sender(threading.Thread):
    """A shop's backend: sends events until it is told to stop, each again under its id until it is accepted or a duplicate."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(name=name)
        self.server, self.accepted, self.stopping = server, set[str](), threading.Event()

    def run(self) -> None:
        """Send."""
        number = 0
        while not self.stopping.is_set():
            number += 1
            ids = [f"{self.name}-{number}-{part}" for part in range(EVENTS_AT_ONCE)]
            rows = [view("busy", "i1", event_id=each)["events"][0] for each in ids]
            while not self._sent(rows) and not self.stopping.is_set():
                pass
            else:
                self.accepted.update(ids if not self.stopping.is_set() else ())

    def _sent(self, rows: list[dict[str, Any]]) -> bool:
        try:
            answer, row_result = self.server.send("POST", "/v1/events", {"events": rows}, EVENTS)
        except (OSError, HTTPException, ValueError):
            return False
        return answer.status == 202 and row_result["accepted"] + row_result["duplicates"] == len(rows)


def workers_of(server: Server) -> list[int]:
    """Process ids of the two workers, as they name themselves."""
    return [int(worker) for worker in server.from_every_worker("/healthz", READ)]


def until(condition: Any) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


@pytest.mark.long
def test_killed_workers_lose_and_double_nothing(server: Server, tmp_path: Path) -> None:
    """Twenty times both workers are killed while events arrive, and at last the whole service: every accepted event is in the log
    exactly once, and the service goes on from there."""
    senders = [Sender(server, f"sender-{number}") for number in range(3)]
    for sender in senders:
        sender.start()
    for _ in range(ROUNDS):
        reached = sum(len(sender.accepted) for sender in senders) + 10
        until(lambda reached=reached: sum(len(sender.accepted) for sender in senders) >= reached)
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
    for sender in senders:
        sender.stopping.set()
    os.kill(server.process.pid, signal.SIGKILL)
    for sender in senders:
        sender.join(PATIENCE_SECONDS)
    accepted = set().union(*(sender.accepted for sender in senders))
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as log:
        found = Counter(key for (key,) in log.execute("SELECT event_id FROM events"))
        assert log.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(accepted) >= ROUNDS * 10
    assert accepted <= set(found)
    assert set(found.values()) == {1}
    again = run(tmp_path)
    try:
        assert set(known_to_every_worker(again, "busy").values()) != {0}
        _, row_result = again.send("POST", "/v1/events", view("busy", "i1", event_id=min(accepted)), EVENTS)
        assert row_result["duplicates"] == 1
    finally:
        stop(again)
