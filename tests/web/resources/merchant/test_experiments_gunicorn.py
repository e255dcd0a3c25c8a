"""Experiments over real workers: one arm a shopper on all of them, and no exposure of an answered list is lost by a kill."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from recsys.live.databases import log_in
from tests.conftest import Shop, busy_events
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import ADMIN, ADMIN_KEY

TRIAL = {
    "placement": "home",
    "arms": [
        {"name": "control", "share": 0.5},
        {"name": "changed", "share": 0.5, "change": {"fallback": ["bestsellers"]}},
    ],
}
USERS = [f"user-{number}" for number in range(30)]


def run(shop: Shop) -> Server:
    """Two workers over the shop's snapshots and log."""
    web = 'development = true\nclock = "events"'
    return start(shop.folder, shop.folder / "artifacts", "--workers", "2", web=web, secrets={"RECSYS_KEYS_ADMIN": ADMIN_KEY})


def arm_of(server: Server, user: str) -> str | None:
    """The arm that a shopper's slate names."""
    answer, body = server.get(f"/v1/users/{user}/recommendations", ADMIN)
    assert answer.status == 200, body
    named = msgspec.json.decode(body).get("experiments", ())
    return named[0]["arm"] if named else None


@pytest.mark.long
def test_exposures_outlive_their_workers(tmp_path: Path) -> None:
    """Killed right after the last answer, the log has every shopper that was answered, in the arm of the answer; restarted, all of
    them are in the same arm."""
    shop = Shop(tmp_path, busy_events())
    shop.publish()
    server = run(shop)
    assert server.send("PUT", "/v1/experiments/trial", TRIAL, ADMIN)[0].status == 201
    workers: dict[str, bytes] = {}
    while not workers or any(b'"experiments"' not in body for body in workers.values()):
        workers = server.from_every_worker(f"/v1/users/{USERS[0]}/recommendations")
    answered = {user: arm_of(server, user) for user in USERS}
    for process in (server.process.pid, *map(int, workers)):
        os.kill(process, signal.SIGKILL)
    server.process.wait(PATIENCE_SECONDS)
    assert {*answered.values()} == {"control", "changed"}
    log = log_in(shop.folder / "state")
    assert {each.unit: each.arm for batch in log.experiments.exposures("trial") for each in batch} == answered
    log.close()
    again = run(shop)
    try:
        assert {user: arm_of(again, user) for user in USERS} == answered
    finally:
        stop(again)
