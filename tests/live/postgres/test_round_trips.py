"""Round trips to a database on another machine: each costs the time of the network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from recsys.engine.serving_state import ServingState
from recsys.live.log import EventLog
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.types import Link
from tests.conftest import NOW, Shop, micros
from tests.live.test_log import event
from tests.support.servers.intake import intake, row_results, send
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.round_trips import CountedDatabase

WARM = 10
"""Calls after which every query is prepared."""


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[CountedDatabase]:
    """A schema of its own whose round trips are counted."""
    address = Address(postgres.url, "trips")
    migrate(address)
    with tempfile.TemporaryFile() as trace:
        yield CountedDatabase(address, trace)


def test_a_list_after_a_write_asks_three_times_and_a_write_once(busy_shop: Shop, database: CountedDatabase) -> None:
    """Whatever was written: did something change, what, and what this shopper did. Who wrote nothing is asked about once, and what
    this process wrote itself has changed something without being asked."""
    with closing(EventLog(database)) as log, closing(PostgresLog(database.address)) as other:
        serving = ServingState(busy_shop.published_engine(), log, None)
        for number in range(WARM):
            log.add_events([event(f"warm-{number}", user="user-1")], micros(NOW))
            serving.catch_up()
            serving.history("user-1")
            serving.history("user-2")
        database.trips()
        log.add_events([event("one", user="user-1")], micros(NOW))
        assert database.trips() == 1
        serving.catch_up()
        serving.history("user-1")
        assert database.trips() == 2
        other.add_events([event("another", user="user-1")], micros(NOW))
        serving.catch_up()
        serving.history("user-1")
        assert database.trips() == 3
        serving.catch_up()
        serving.history("user-2")
        assert database.trips() == 1
        log.add_links([Link("cookie", "user-2", 5)], micros(NOW))
        assert database.trips() == 1
        serving.catch_up()
        assert database.trips() == 1
        assert serving.is_anonymous("cookie")
        serving.catch_up()
        assert database.trips() == 1


def test_who_wrote_nothing_since_the_snapshot_is_not_looked_up(busy_shop: Shop, database: CountedDatabase) -> None:
    """What is new says who wrote; everybody else's history is that of the snapshot."""
    with closing(EventLog(database)) as log, closing(PostgresLog(database.address)) as other:
        other.add_events([event("one", user="user-1")], micros(NOW))
        serving = ServingState(busy_shop.published_engine(), log, None)
        serving.catch_up()
        database.trips()
        known = len(serving.history("user-2"))
        assert database.trips() == 0
        serving.history("user-1")
        assert database.trips() == 1
        other.add_events([event("two", user="user-2")], micros(NOW))
        serving.catch_up()
        database.trips()
        assert len(serving.history("user-2")) == known + 1
        assert database.trips() == 1


def test_what_others_wrote_before_and_after_is_seen_beside_the_own(database: CountedDatabase) -> None:
    """The pair of `version` is another one after each commit, whoever made it and in whichever order one asks."""
    with closing(EventLog(database)) as log, closing(PostgresLog(database.address)) as other:
        log.add_events([event("first")], micros(NOW))
        pairs = [log.version()]
        for name, writers in (("a", (log, other)), ("b", (other, log)), ("c", (other,)), ("d", (log, log))):
            for number, writer in enumerate(writers):
                writer.add_events([event(f"{name}-{number}")], micros(NOW))
            pairs.append(log.version())
            seen = log.news(0).last
            pairs.append(log.version())  # what came before this pair is in what is read after it
            assert seen == log.last()
        assert len(set(pairs)) >= len(("first", "a", "b", "c", "d"))
        assert log.version() == log.version() == pairs[-1]


def test_a_request_with_events_looks_once_and_writes_once(
    artifacts: Path, database: CountedDatabase, tmp_path: Path
) -> None:
    """However many events it brings: one look at what changed, one statement that writes."""
    app = intake(artifacts, tmp_path)
    with closing(EventLog(database)) as log:
        app.service.live.state = log
        app.service.live.refresh()
        for name in [f"warm-{number}" for number in range(WARM)] + ["one", "two"]:
            app.service.live.serving()
            database.trips()
            stated = [
                {"user_id": "ann", "event_type": "view", "item_id": "sofa-1", "event_id": f"{name}-{n}"} for n in range(50)
            ]
            assert row_results(send(app, {"events": stated}))["accepted"] == len(stated)
        assert database.trips() == 2


def test_what_is_said_no_to_is_looked_up_once_beside_an_event(
    artifacts: Path, database: CountedDatabase, tmp_path: Path
) -> None:
    """Beside an event: a look, one write of the event, a look at who was forgotten, and a transaction: who was forgotten since that
    look, and each dislike's statement."""
    app = intake(artifacts, tmp_path)
    with closing(EventLog(database)) as log:
        app.service.live.state = log
        app.service.live.refresh()
        item = app.service.live.serving().engine.catalog.item_id(0)
        for name in [f"warm-{number}" for number in range(WARM)] + ["one", "two"]:
            app.service.live.serving()
            database.trips()
            stated = [
                {"user_id": "ann", "event_type": "view", "item_id": item, "event_id": f"beside-{name}"},
                *({"user_id": "ann", "event_type": "dislike", "item_id": item, "hides": "brand"} for _ in range(20)),
            ]
            assert row_results(send(app, {"events": stated}))["accepted"] == len(stated)
        assert database.trips() == (1 + 1 + 1) + (1 + 1 + 20 + 1 + 1)
