"""Two nodes that share nothing but a database: gunicorn twice, over folders of their own."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from recsys.engine.state_at_hand import NOTICE
from recsys.live.postgres.address import Address
from recsys.live.postgres.migrations import migrate
from recsys.live.postgres.poller import RECENT_SECONDS
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.postgres import PostgresServer, postgres_server
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import ADMIN


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    """A server of these tests, with the tables of the shop."""
    with postgres_server("-c fsync=on") as running:
        migrate(Address(running.url))
        yield running


@pytest.fixture(scope="module")
def nodes(
    artifacts: Path, database: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """Two services with two workers each."""
    secrets = {"RECSYS_STATE_DATABASE": database.url, "RECSYS_KEYS_EVENTS": EVENTS_KEY}
    with ExitStack() as running:
        made = []
        for name in ("a", "b"):
            folder = tmp_path_factory.mktemp(f"node-{name}")
            own = Path(shutil.copytree(artifacts, folder / "artifacts"))
            node = start(
                folder,
                own,
                "--workers",
                "2",
                secrets=secrets,
            )
            running.callback(stop, node)
            made.append(node)
        yield made[0], made[1]


def view(user_id: str, item_id: str, event_id: str = "") -> dict[str, Any]:
    """A view of an item a moment ago."""
    return {"user_id": user_id, "item_id": item_id, "event_type": "view", "event_id": event_id or uuid4().hex}


def post(node: Server, *events: dict[str, Any]) -> int:
    """Send events; returns the status."""
    return node.send("POST", "/v1/events", {"events": list(events)}, EVENTS)[0].status


def seen(node: Server, user_id: str) -> list[str]:
    """The item that a shopper viewed last, as a node answers; none: it knows of no shopper."""
    answer, body = node.get(f"/v1/users/{user_id}/recommendations?placement=not_found")
    assert answer.status == 200, body
    slate = json.loads(body)
    return [each["item_id"] for each in slate["items"]][:1] if slate["strategy"] == "recently_viewed" else []


def until_it_answers(node: Server) -> None:
    """Wait until both workers of a node have asked the database again."""
    end, ready = time.monotonic() + PATIENCE_SECONDS, set[str]()
    while len(ready) < 2:
        assert time.monotonic() < end
        answer, said = node.get("/readyz")
        if answer.status == 200 and json.loads(said)["error"] is None:
            ready.add(answer.headers["X-Recsys-Worker"])


def last_notices_within_the_bound(node: Server, address: str) -> list[str]:
    """The notices of the first list that has some, or of the first one asked for when no look at the database is believed any more."""
    since, asked, notices = time.monotonic(), 0.0, list[str]()
    while not notices and asked <= RECENT_SECONDS:
        asked = time.monotonic() - since
        answer, slate = node.get(address)
        assert answer.status == 200, slate
        notices = json.loads(slate)["notices"]
    return notices


def an_item(node: Server) -> str:
    """An item that is shown."""
    return str(json.loads(node.get("/v1/popular")[1])["items"][0]["item_id"])


@pytest.mark.long
def test_an_event_of_one_node_is_in_the_answers_of_the_other_a_tenth_of_a_second_later(nodes: tuple[Server, Server]) -> None:
    """Whoever asks so long after an event was accepted is answered with it, whichever node and worker; and no folder holds a log."""
    item_id = an_item(nodes[0])
    for number in range(300):
        first, second = nodes[:: 1 if number % 2 else -1]
        user_id = f"visitor-{number}"
        assert seen(second, user_id) == []
        assert post(first, view(user_id, item_id)) in (200, 202)
        asked = accepted = time.monotonic()
        while seen(second, user_id) != [item_id]:
            assert asked < accepted + RECENT_SECONDS
            asked = time.monotonic()
    assert not list(nodes[0].folder.rglob("log.sqlite3"))


@pytest.mark.long
def test_an_event_of_one_worker_is_in_the_next_answer_of_the_others(nodes: tuple[Server, Server]) -> None:
    """What a node accepted, each of its own workers answers with at once."""
    item_id = an_item(nodes[0])
    for number in range(20):
        address = f"/v1/users/guest-{number}/recommendations?placement=not_found"
        for slate in nodes[0].from_every_worker(address).values():
            assert json.loads(slate)["strategy"] != "recently_viewed"
        assert post(nodes[0], view(f"guest-{number}", item_id)) in (200, 202)
        for slate in nodes[0].from_every_worker(address).values():
            assert [each["item_id"] for each in json.loads(slate)["items"]][:1] == [item_id]


@pytest.mark.long
def test_while_the_database_is_away_lists_go_on_writes_are_503_and_it_comes_back(
    nodes: tuple[Server, Server], database: PostgresServer
) -> None:
    """Lists say so and go on, a write is 503 with Retry-After and nothing of it is there; both nodes come back without a restart."""
    item_id = an_item(nodes[0])
    assert post(nodes[0], view("keeper", item_id)) in (200, 202)
    for node in nodes:
        until_it_answers(node)
    database.kill()
    for node in nodes:
        answer, problem = node.send("POST", "/v1/events", {"events": [view("lost", item_id)]}, EVENTS)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1"), problem
        for address in ("/v1/users/keeper/recommendations", "/v1/popular", f"/v1/items/{item_id}/similar"):
            assert NOTICE in last_notices_within_the_bound(node, address)
        ready, said = node.get("/readyz")
        assert ready.status == 200
        assert json.loads(said)["error"].startswith("state: the database cannot be used")
        assert str(database.folder) not in said.decode()
        assert node.get("/healthz")[0].status == 200
    database.start()
    for node in nodes:
        until_it_answers(node)
        assert seen(node, "keeper") == [item_id]
        assert seen(node, "lost") == []


@pytest.mark.long
def test_a_killed_node_loses_no_accepted_event(nodes: tuple[Server, Server]) -> None:
    """After kill -9 of a node the other one answers with everything that it accepted."""
    first, second = nodes
    item_id = an_item(second)
    users = [f"killed-{number}" for number in range(20)]
    assert [post(first, view(user_id, item_id)) for user_id in users] == [202] * 20
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(PATIENCE_SECONDS)
    assert [seen(second, user_id) for user_id in users] == [[item_id]] * 20
    assert second.get("/metrics", ADMIN)[0].status == 200
