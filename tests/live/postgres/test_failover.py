"""Live state in PostgreSQL when one server takes the place of another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.types import StateError
from tests.live.postgres.test_crash import AWAY, until_it_answers, whole_lines, writer
from tests.live.test_log import RECEIVED, event, stored
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
