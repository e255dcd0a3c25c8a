"""Live state in PostgreSQL when one server takes the place of another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from recsys.live.postgres.address import Address
from recsys.live.postgres.lineage import UNKNOWN
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.types import StateError
from tests.live.postgres.test_crash import AWAY, until_it_answers, whole_lines, writer
from tests.live.test_log import RECEIVED, event, stored
from tests.support.servers.intake import intake
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.postgres_pair import PostgresPair, postgres_pair

SECONDS = 1.0
"""Longest wait of a statement, in the test that waits for it."""


@pytest.fixture
def pair() -> Iterator[PostgresPair]:
    """Two servers, the second of which has every commit before it returns."""
    with postgres_pair() as running:
        migrate(Address(running.url, "shop"))
        yield running


@pytest.mark.long
def test_a_standby_takes_over_with_everything_that_was_accepted(pair: PostgresPair) -> None:
    """Each accepted event is there once after a failover and after one back; writers and readers find the new server by themselves."""
    with closing(PostgresLog(Address(pair.url, "shop"))) as state:
        process, said = writer(pair, "shop", "w")
        accepted = list[str]()
        for _ in range(2):
            accepted += [each for _ in range(30) for each in said.readline().split()]
            pair.primary.kill()
            while (line := said.readline()) != AWAY:
                accepted += line.split()
            pair.promote()
            while (line := said.readline()) == AWAY:
                pass
            accepted += line.split()
            pair.follow()
        process.kill()
        accepted += whole_lines(process.communicate()[0])
        until_it_answers(state)
        ids = [each.event_id for each in stored(state).values()]
        assert set(accepted) - {AWAY.strip()} <= set(ids)
        assert len(ids) == len(set(ids))


@pytest.mark.long
def test_numbers_of_lost_rows_are_read_again_when_others_have_them(
    pair: PostgresPair, artifacts: Path, tmp_path: Path
) -> None:
    """A standby that is not waited for takes over without the last rows: a worker that had read them sees what is written instead."""
    live = intake(artifacts, tmp_path).service.live
    address = Address(pair.url, "shop")
    with closing(PostgresLog(address)) as log, closing(PostgresLog(address)) as other:
        live.state = log
        other.add_events([event("kept", user="ann")], RECEIVED)
        pair.standby.kill()
        pair._wait_for("")
        other.add_events([event(f"lost-{number}", user="bob") for number in range(3)], RECEIVED)
        known = [len(live.serving().history(each)) for each in ("ann", "bob", "cleo")]
        pair.primary.kill()
        pair.standby.start()
        pair.promote()
        until_it_answers(other)
        other.add_events([event(f"instead-{number}", user="cleo") for number in range(5)], RECEIVED)
        until_it_answers(log)
        assert [len(live.serving().history(each)) for each in ("ann", "bob", "cleo")] == [
            known[0],
            known[1] - 3,
            known[2] + 5,
        ]


def test_a_server_that_does_not_say_which_it_is_serves_all_the_same(
    postgres: PostgresServer, artifacts: Path, tmp_path: Path
) -> None:
    """As rented ones may not; numbers that go back are noticed there too."""
    live = intake(artifacts, tmp_path).service.live
    with psycopg.connect(postgres.url, autocommit=True) as owner:
        owner.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        owner.execute("GRANT CREATE ON DATABASE postgres TO plain")
        owner.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        try:
            address = Address(make_conninfo(postgres.url, user="plain", password="plain"), "plain")
            migrate(address)
            with closing(PostgresLog(address)) as log, closing(PostgresLog(address)) as other:
                live.state = log
                other.add_events([event(f"e{number}", user="bob") for number in range(5)], RECEIVED)
                known = len(live.serving().history("cleo"))
                assert log.lineage == UNKNOWN
                with other.driver.writing() as dump:
                    dump.change("DELETE FROM events WHERE seq > ?", 1)
                    dump.last = 1
                other.add_events([event("later", user="cleo")], RECEIVED)
                assert len(live.serving().history("cleo")) == known + 1
        finally:
            owner.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")


def test_numbers_that_go_back_are_read_again(postgres: PostgresServer, artifacts: Path, tmp_path: Path) -> None:
    """A schema that was put back from a dump, on the same server and without a connection that breaks, is read anew."""
    live = intake(artifacts, tmp_path).service.live
    address = Address(postgres.url, "put_back")
    migrate(address)
    with closing(PostgresLog(address)) as log, closing(PostgresLog(address)) as other:
        live.state = log
        other.add_events([event(f"e{number}", user="bob") for number in range(5)], RECEIVED)
        known = len(live.serving().history("cleo"))
        with other.driver.writing() as dump:
            dump.change("DELETE FROM events WHERE seq > ?", 1)
            dump.last = 1
        other.add_events([event("later", user="cleo")], RECEIVED)
        assert len(live.serving().history("cleo")) == known + 1


@pytest.mark.long
def test_what_the_standby_lacks_is_not_accepted(pair: PostgresPair) -> None:
    """A write that the standby has not got when its time is over is refused, since a failover would lose it."""
    with closing(PostgresLog(Address(pair.url, "shop", seconds=SECONDS))) as state:
        assert state.add_events([event("before")], RECEIVED) == [True]
        pair.standby.freeze()
        with pytest.raises(StateError):
            state.add_events([event("alone")], RECEIVED)
        with pytest.raises(StateError):
            state.add_events([event("alone")], RECEIVED)
        pair.standby.thaw()
        pair.fail_over()
        until_it_answers(state)
        assert [each.event_id for each in stored(state).values()][:1] == ["before"]
