"""Events over PostgreSQL: written in one round trip, by what was known a moment ago, and never over an erasure."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg
import pytest

from recsys.clock import now
from recsys.live import rows
from recsys.live.driver import MAX_TRIES, Appended, ForgottenSinceError
from recsys.live.erasure import FORGET_SECRETS, Erased, ErasureKeys
from recsys.live.log import EventLog
from recsys.live.postgres.address import Address
from recsys.live.postgres.database import Database
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.settings.load import load_settings
from recsys.types import Event, Link
from recsys.web.app import Application, create_app
from tests.live.postgres.test_poller import is_recent, until
from tests.support.servers.intake import EVENTS_KEY, row_results, send
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.round_trips import CountedDatabase
from tests.support.servers.serving import ENVIRONMENT

SECRET = "forget-secret-of-at-least-32-characters"


@pytest.fixture
def address(postgres: PostgresServer, request: pytest.FixtureRequest) -> Address:
    """A schema of its own."""
    made = Address(postgres.url, request.node.name[:60])
    migrate(made)
    return made


@pytest.fixture
def database(address: Address) -> Iterator[CountedDatabase]:
    """The worker's own database, whose round trips are counted."""
    with tempfile.TemporaryFile() as trace:
        yield CountedDatabase(address, trace)


@pytest.fixture
def worker(artifacts: Path, database: CountedDatabase, tmp_path: Path) -> Iterator[Application]:
    """One worker that looks ahead, and knows what was written a moment ago."""
    (tmp_path / "settings.toml").write_text(f'[snapshot]\nartifacts = "{artifacts}"\n')
    secrets = {"RECSYS_KEYS_EVENTS": EVENTS_KEY, FORGET_SECRETS: SECRET}
    app = create_app(load_settings(tmp_path / "settings.toml"), ENVIRONMENT | secrets)
    with closing(EventLog(database)) as log:
        app.service.live.state = log
        app.service.live.refresh()
        log.poll()
        until(lambda: is_recent(log))
        yield app


def accepted(app: Application, *event_ids: str) -> int:
    """Post views of one shopper; returns how many were accepted."""
    stated = [{"user_id": "ann", "event_type": "view", "item_id": "sofa-1", "event_id": each} for each in event_ids]
    return int(row_results(send(app, {"events": stated}))["accepted"])


def test_an_event_is_written_in_one_round_trip(worker: Application, database: CountedDatabase) -> None:
    """Nothing is asked before: what was known a moment ago is checked as the event is written."""
    ids = map(str, count())

    def trips() -> int:
        worker.service.live.serving(recent=True)
        database.trips()
        assert accepted(worker, next(ids), next(ids)) == 2
        return database.trips()

    until(lambda: trips() == 1)  # not in a moment in which the poller did not get the processor


def test_an_event_of_somebody_whom_another_node_forgot_just_now_is_not_written(
    worker: Application, address: Address
) -> None:
    """It is accepted, and nothing of it is there, though this node has not heard of the erasure; what follows is a new history."""
    assert accepted(worker, "before") == 1
    with closing(PostgresLog(address)) as other:
        for number in range(20):
            worker.service.live.serving(recent=True)
            other.forget([Erased(ErasureKeys([SECRET]).sign("ann"), "ann")], now() + 10**9)
            assert accepted(worker, f"late-{number}") == 1
        assert other.count_events() == 0
        ben = {"user_id": "ben", "event_type": "view", "item_id": "sofa-1"}
        assert row_results(send(worker, {"events": [ben]}))["accepted"] == 1
        assert other.count_events() == 1


def test_the_list_after_an_own_event_looks_its_shopper_up_and_nothing_else(
    worker: Application, database: CountedDatabase
) -> None:
    """What a worker wrote it need not read, but for the history of whom it names."""
    ids = map(str, count())
    live = worker.service.live

    def trips() -> int:
        live.serving(recent=True)
        known = len(live.serving(recent=True).history("ann"))
        assert accepted(worker, next(ids)) == 1
        database.trips()
        serving = live.serving(recent=True)
        assert len(serving.history("ann")) == known + 1
        assert serving.read_to == database.last()
        return database.trips() - 1

    until(lambda: trips() == 1)


def test_what_others_wrote_beside_an_own_event_is_not_passed_over(worker: Application, address: Address) -> None:
    """Whichever came first, a call that asks has all in it that was written before."""
    live = worker.service.live
    with closing(PostgresLog(address)) as other:
        for number in range(30):
            if number % 3:
                live.serving(recent=number % 2 == 0)
            names = (f"early-{number}", f"late-{number}")
            other.add_links([Link(names[0], "ben", 5)], 5)
            assert accepted(worker, f"e{number}") == 1
            assert live.serving().is_anonymous(names[0])
            assert accepted(worker, f"f{number}") == 1
            other.add_links([Link(names[1], "ben", 5)], 5)
            assert live.serving().is_anonymous(names[1])


def test_an_event_that_waits_for_an_erasure_is_not_written(
    worker: Application, address: Address, postgres: PostgresServer
) -> None:
    """An erasure has its turn as the event comes, and commits while that waits: the event was of before, and is not there."""
    with closing(Database(address, "log", 1)) as other, ThreadPoolExecutor() as pool:
        worker.service.live.serving(recent=True)
        with other.writing() as log:
            event = pool.submit(accepted, worker, "late")
            until(lambda: waits(postgres))
            later = now() + 10**9
            log.add(rows.ADD_TOMBSTONE, ErasureKeys([SECRET]).sign("ann"), None, later, later)
        assert event.result() == 1
        assert other.read("SELECT count(*) FROM events") == [(0,)]


def waits(postgres: PostgresServer) -> bool:
    """Tell whether a statement waits for a turn."""
    with psycopg.connect(postgres.url) as connection:
        return connection.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone() is not None


def test_other_writes_of_other_nodes_hinder_no_event(worker: Application, address: Address) -> None:
    """Events and links that were written meanwhile name nobody who was forgotten."""
    with closing(PostgresLog(address)) as other:
        for number in range(20):
            other.add_links([Link(f"cookie-{number}", "ann", 5)], 5)
            assert accepted(worker, f"e{number}", f"e{number}") == 1
        assert other.count_events() == 20


def test_without_the_secret_of_an_erasure_nothing_is_written(worker: Application, address: Address) -> None:
    """Who was forgotten cannot be told: the event is refused, and may be sent again."""
    worker.service.live.serving(recent=True)
    with closing(PostgresLog(address)) as other:
        other.forget([Erased(ErasureKeys(["x" * 40]).sign("ben"), "ben")], now())
        ann = {"user_id": "ann", "event_type": "view", "item_id": "sofa-1"}
        assert send(worker, {"events": [ann]}).status_code == 503
        assert other.count_events() == 0


def test_an_event_is_never_written_over_an_erasure_that_came_while_another_was_noticed(
    worker: Application, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zoe is forgotten before the event comes, and Ann each time that it is tried once more; at last it is refused."""
    state, signed = worker.service.live.state, ErasureKeys([SECRET]).sign
    tried: list[int] = []
    plain = state.add_events_unless_forgotten

    def meanwhile(events: Sequence[Event], received: int, known: int) -> Appended:
        tried.append(known)
        other.forget([Erased(signed(f"zoe-{len(tried)}"), "zoe")], now() + 10**9)
        return plain(events, received, known)

    with closing(PostgresLog(address)) as other:
        monkeypatch.setattr(state, "add_events_unless_forgotten", meanwhile)
        ann = {"user_id": "ann", "event_type": "view", "item_id": "sofa-1"}
        assert send(worker, {"events": [ann]}).status_code == 503
        assert len(tried) == len(set(tried)) == MAX_TRIES
        assert other.count_events() == 0


def test_an_event_is_not_written_by_what_was_known_of_a_database_that_was_put_back(
    worker: Application, address: Address
) -> None:
    """Its numbers are below those that are known: whoever was forgotten in it is looked up first."""
    assert accepted(worker, "before") == 1
    worker.service.live.serving()
    state = worker.service.live.state
    with closing(Database(address, "log", 1)) as other, other.writing() as log:
        log.change("DELETE FROM events")
        log.last = 0
    assert state.add_events_unless_forgotten([], now(), 1).fresh == []
    event = Event(event_id="late", user_id="ann", event_type="view", timestamp=5, item_id="sofa-1")
    with pytest.raises(ForgottenSinceError):
        state.add_events_unless_forgotten([event], now(), 1)


def test_nothing_is_kept_of_whom_an_unknown_caller_asks_for(worker: Application) -> None:
    """Histories are kept of those who are asked for with a key, and nothing that was made ready stays."""
    live = worker.service.live
    kept = len(live.serving()._kept)
    until(lambda: worker.answers_at_once(b"GET /v1/users/nobody-7/recommendations HTTP/1.1"))
    assert worker.test_client().get("/v1/users/nobody-7/recommendations").status_code == 401
    assert len(live.serving()._kept) == kept
    assert live._ready.take() is None
    long = b"GET /v1/users/" + b"x" * 300 + b"/recommendations HTTP/1.1"
    assert not any(worker.answers_at_once(long) for _ in range(3))
