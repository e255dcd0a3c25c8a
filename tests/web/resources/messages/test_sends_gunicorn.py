"""Sends over real workers: whoever is asked first pins, and everybody answers that, also after a training and a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from recsys.web.http.answers import SentSlateAnswer
from tests.conftest import Shop, ago, busy_events, event
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import MESSAGES_KEY, READ, bearer

WEB = 'development = true\nclock = "events"'
DECLARED = {"placement": "email_weekly", "limit": 3, "expires_at": "2099-01-01T00:00:00Z"}
USERS = [f"user-{number}" for number in range(12)]


def run(shop: Shop) -> Server:
    """Two workers over the shop's snapshots and log."""
    secrets = {"RECSYS_KEYS_EVENTS": EVENTS_KEY}
    return start(shop.folder, shop.folder / "artifacts", "--workers", "2", web=WEB, secrets=secrets)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A published shop."""
    shop = Shop(tmp_path, busy_events())
    shop.publish()
    return shop


@pytest.fixture
def server(shop: Shop) -> Iterator[Server]:
    """Its service."""
    running = run(shop)
    yield running
    stop(running)


def address(user: str) -> str:
    """Where the slate of the one send is."""
    return f"/v1/users/{user}/recommendations?send_id=weekly"


def everywhere(server: Server) -> dict[str, bytes]:
    """Each user's slate, the same bytes from both workers."""
    found = {}
    for user in USERS:
        bodies = set(server.from_every_worker(address(user)).values())
        assert len(bodies) == 1
        found[user] = bodies.pop()
    return found


def fetched_at_once(server: Server) -> dict[str, set[bytes]]:
    """What six message tools get that fetch all users' slates at the same time, each in another order."""
    found: dict[str, set[bytes]] = {user: set() for user in USERS}
    gate = threading.Barrier(6)

    def fetch(offset: int) -> None:
        gate.wait()
        for user in [*USERS[offset:], *USERS[:offset]]:
            answer, body = server.get(address(user))
            found[user].add(body if answer.status == 200 else b"")

    tools = [threading.Thread(target=fetch, args=(offset % 3,)) for offset in range(6)]
    for tool in tools:
        tool.start()
    for tool in tools:
        tool.join()
    return found


@pytest.mark.long
def test_a_slate_is_the_same_for_good(server: Server, shop: Shop) -> None:
    """Six tools at once, both workers, what the shoppers do since, a training and a restart: one slate a user."""
    put, _ = server.send("PUT", "/v1/sends/weekly", DECLARED, bearer(MESSAGES_KEY))
    assert put.status == 201
    at_once = fetched_at_once(server)
    first = everywhere(server)
    assert at_once == {user: {body} for user, body in first.items()}
    slates = [msgspec.json.decode(body, type=SentSlateAnswer) for body in first.values()]
    assert all(slate.pinned and len(slate.items) == 3 for slate in slates)
    assert len({tuple(item.item_id for item in slate.items) for slate in slates}) > 1
    bought = [{"user_id": user, "event_type": "purchase", "item_id": slates[0].items[0].item_id} for user in USERS]
    assert server.send("POST", "/v1/events", {"events": bought}, EVENTS)[0].status == 202
    assert everywhere(server) == first
    shop.add(*(event(user, "lamp-3", "purchase", ago(minutes=1), order_id=f"late-{user}") for user in USERS))
    version = shop.publish()
    while {msgspec.json.decode(body)["snapshot"] for body in server.from_every_worker("/readyz").values()} != {version}:
        pass
    assert everywhere(server) == first
    assert stop(server) == 0
    again = run(shop)
    try:
        assert everywhere(again) == first
        plain = msgspec.json.decode(again.get("/v1/users/user-0/recommendations?placement=email_weekly", READ)[1])
        assert plain["snapshot"] == version != slates[0].snapshot
    finally:
        stop(again)
