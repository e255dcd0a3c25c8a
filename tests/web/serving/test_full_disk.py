"""A disk that is full under live state, a real one of its own size: what is accepted stays, answers go on, and it comes back."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from recsys.live.postgres.address import Address
from recsys.live.postgres.migrations import migrate
from recsys.settings import StateSettings
from recsys.web.app import Application, create_app
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.postgres import PASSWORD, PostgresServer, postgres_server
from tests.support.servers.serving import ENVIRONMENT, READ, serving_settings
from tests.support.small_disk import disk, fill

AT_ONCE, MAX_CALLS = 500, 400
"""Events of one call, and calls after which a full disk must have been noticed."""
SECRETS = {**ENVIRONMENT, "RECSYS_KEYS_EVENTS": EVENTS_KEY}


class Shop:
    """A service whose live state is on a small disk, with what it accepted."""

    def __init__(self, app: Application, folder: Path, server: PostgresServer | None) -> None:
        self.app, self.folder, self.server = app, folder, server
        self.client: FlaskClient = app.test_client()
        self.accepted, self.calls = list[str](), 0

    def post(self) -> int:
        """Send events; returns the status."""
        self.calls += 1
        ids = [f"{self.calls}-{number}-{'x' * 60}" for number in range(AT_ONCE)]
        events = [{"event_id": each, "user_id": "ana", "event_type": "view", "item_id": "sofa-1"} for each in ids]
        answer = self.client.post("/v1/events", json={"events": events}, headers=EVENTS)
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
        else:
            assert answer.json == {**(answer.json or {}), "accepted": AT_ONCE, "duplicates": 0}, answer.text
            self.accepted += ids
        return answer.status_code

    def list_status(self) -> int:
        """Ask for a list."""
        return self.client.get("/v1/users/user-1/recommendations", headers=READ).status_code

    def mend(self) -> None:
        """What whoever watches over a database does: start it again if it has ended."""
        if self.server and not self.server.runs():
            self.server.start()


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Both databases, each on a disk of its own."""
    with ExitStack() as stack:
        settings, server = serving_settings(artifacts, clock="events"), None
        if request.param == "sqlite":
            folder = stack.enter_context(disk(8))
            state = StateSettings(folder=str(folder / "state"))
        else:
            folder = stack.enter_context(disk(160))
            server = stack.enter_context(postgres_server("-c fsync=off -c max_wal_size=32MB", folder))
            monkeypatch.setenv("PGPASSWORD", PASSWORD)
            migrate(Address(server.url))
            state = StateSettings(folder=str(tmp_path / "state"), database=server.address)
        app = create_app(structs.replace(settings, state=state), SECRETS)
        yield Shop(app, folder, server)
        app.service.live.state.close()
        app.service.live.slates.log.close()


def test_a_full_disk_refuses_writes_and_nothing_else(shop: Shop) -> None:
    """Writes are 503 with Retry-After, lists go on; with room again writes are taken, the service was never restarted, and the log
    holds every accepted event once and nothing of a call that was refused."""
    assert (shop.post(), shop.list_status()) == (202, 200)
    filler = fill(shop.folder)
    assert any(shop.post() == 503 for _ in range(MAX_CALLS))
    for _ in range(3):
        assert (shop.post(), shop.list_status()) == (503, 200)
    os.unlink(filler)
    end = time.monotonic() + PATIENCE_SECONDS
    while shop.post() != 202:
        assert time.monotonic() < end
        shop.mend()
    assert shop.list_status() == 200
    log = shop.app.service.live.state
    stored = Counter(event.event_id for batch in log.events_between(0, 1 << 60) for _, _, event in batch)
    assert stored == Counter(shop.accepted)
