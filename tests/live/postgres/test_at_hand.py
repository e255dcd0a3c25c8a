"""Lists of one worker while its database is away: from memory, never more than was allowed before, and none where nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from recsys import clock
from recsys.engine.state_at_hand import NOTICE
from recsys.live.postgres.address import Address
from recsys.live.postgres.migrations import migrate
from recsys.types import StateError
from recsys.web.app import Application, create_app
from tests.conftest import Shop, busy_events
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.postgres import PASSWORD, PostgresServer, postgres_server
from tests.support.servers.serving import ADMIN, ENVIRONMENT, READ, serving_settings

SECRETS = {**ENVIRONMENT, "RECSYS_KEYS_EVENTS": EVENTS_KEY, "RECSYS_FORGET_SECRETS": "s" * 40}


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    """A server of these tests, to be killed and started again."""
    with postgres_server() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop of its own, published."""
    shop = Shop(tmp_path, busy_events())
    shop.publish()
    return shop


@pytest.fixture
def app(shop: Shop, database: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    """A worker over a schema of its own, which has taken in what there is."""
    if not (database.folder / "data" / "postmaster.pid").exists():
        database.start()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    schema = f"t{uuid4().hex}"
    migrate(Address(database.url, schema))
    app = create_app(settings(shop, database, schema), SECRETS)
    yield app
    app.service.live.state.close()


def settings(shop: Shop, database: PostgresServer, schema: str) -> Any:
    """Settings of a shop whose state is in a schema."""
    plain = serving_settings(shop.folder / "artifacts")
    return structs.replace(plain, state=structs.replace(plain.state, database=database.address, schema=schema))


def listed(client: FlaskClient, user_id: str, placement: str = "home") -> dict[str, Any]:
    """A shopper's list."""
    answer = client.get(f"/v1/users/{user_id}/recommendations?placement={placement}", headers=READ)
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


@pytest.mark.long
def test_what_was_at_hand_goes_on(app: Application, database: PostgresServer) -> None:
    """A history that was asked for stays whole, others are those of the snapshot; lists say so, and are counted."""
    client = app.test_client()
    shown = listed(client, "user-1")["items"][0]["item_id"]
    seen = {"user_id": "ana", "item_id": shown, "event_type": "view"}
    assert client.post("/v1/events", json={"events": [seen, {**seen, "user_id": "ben"}]}, headers=EVENTS).status_code == 202
    before = listed(client, "ana", "not_found")
    assert (before["strategy"], before["notices"]) == ("recently_viewed", [])
    database.kill()
    for _ in range(3):
        during = listed(client, "ana", "not_found")
        assert during["items"] == before["items"]
        assert during["notices"] == [NOTICE]
    assert listed(client, "ben", "not_found")["strategy"] != "recently_viewed"
    assert listed(client, "user-2")["personalized"]
    assert "recsys_slates_at_hand_total 5.0" in client.get("/metrics", headers=ADMIN).text
    assert client.post("/v1/events", json={"events": [seen]}, headers=EVENTS).status_code == 503
    database.start()
    while (after := listed(client, "ben", "not_found"))["notices"]:
        pass
    assert after["strategy"] == "recently_viewed"


def test_the_forgotten_stay_forgotten(app: Application, database: PostgresServer) -> None:
    """Who was forgotten before the database went away is a stranger while it is away."""
    client = app.test_client()
    assert listed(client, "user-1")["personalized"]
    assert client.delete("/v1/users/user-1", headers=ADMIN).status_code == 200
    assert not listed(client, "user-1")["personalized"]
    database.kill()
    found = listed(client, "user-1")
    assert found["notices"] == [NOTICE]
    assert not found["personalized"]


@pytest.mark.long
def test_a_new_snapshot_waits_for_the_log(app: Application, shop: Shop, database: PostgresServer) -> None:
    """One that is published meanwhile answers once it is known who was forgotten; until then the one before does."""
    client = app.test_client()
    old = listed(client, "user-1")["snapshot"]
    database.kill()
    new = shop.publish(now=clock.to_datetime(clock.now()))
    app.service.live.refresh()
    assert listed(client, "user-1")["snapshot"] == old
    assert client.get("/readyz").json["snapshot"] == old  # type: ignore[index]
    database.start()
    while (found := listed(client, "user-1"))["snapshot"] != new:
        app.service.live.refresh()
    assert found["notices"] == []


@pytest.mark.long
def test_nobody_waits_for_a_database_that_says_nothing(
    shop: Shop, database: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists are answered from memory while the server hangs, however long a statement may take; afterwards they are whole again."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    if not (database.folder / "data" / "postmaster.pid").exists():
        database.start()
    migrate(Address(database.url, "silent"))
    chosen = settings(shop, database, "silent")
    app = create_app(structs.replace(chosen, state=structs.replace(chosen.state, statement_seconds=3600.0)), SECRETS)
    live, client = app.service.live, app.test_client()
    assert listed(client, "user-1")["notices"] == []
    live.start()
    try:
        database.freeze()
        until(live.log_watch.check)
        assert listed(client, "user-1")["notices"] == [NOTICE]
        assert client.get("/readyz").json["error"] is not None  # type: ignore[index]
    finally:
        database.thaw()
    while listed(client, "user-1")["notices"]:
        pass
    assert client.get("/readyz").json["error"] is None  # type: ignore[index]
    live.stop()
    live.state.close()


def until(check: Callable[[], None]) -> None:
    """Return once something raises."""
    try:
        while True:
            check()
    except StateError:
        return


def test_nothing_is_answered_before_the_log_was_read(app: Application, database: PostgresServer) -> None:
    """A worker that never knew who was forgotten answers no list, and is not ready; a process does not start at all."""
    database.kill()
    assert app.test_client().get("/v1/popular", headers=READ).status_code == 503
    assert app.test_client().get("/readyz").status_code == 503
    with pytest.raises(StateError):
        create_app(app.service.settings, SECRETS)
