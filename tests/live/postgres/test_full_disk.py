"""Live state in PostgreSQL whose server has no room left."""

from __future__ import annotations

from contextlib import closing
from itertools import count

import pytest

from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.types import StateError
from tests.live.postgres.test_crash import until_it_answers
from tests.live.test_log import RECEIVED, event, stored, times
from tests.support.servers.postgres import postgres_server
from tests.support.small_disk import disk, fill

AT_ONCE = 500
"""Events of a call."""


@pytest.mark.long
def test_a_full_disk_of_the_server_refuses_writes_and_loses_nothing() -> None:
    """A call that finds no room is not there in part, what was accepted stays and is read, and with room all goes on."""
    with disk(200) as folder, postgres_server("-c fsync=on", inside=folder) as server:
        migrate(Address(server.url, "shop"))
        with closing(PostgresLog(Address(server.url, "shop"))) as state:
            state.add_events([event("first")], RECEIVED)
            accepted, refused = ["first"], list[str]()
            filler = fill(folder)
            for call in count():
                ids = [f"{call}-{place}-{'x' * 100}" for place in range(AT_ONCE)]
                try:
                    assert all(state.add_events([event(each, user=each) for each in ids], RECEIVED))
                    accepted += ids
                except StateError:
                    refused += ids
                    break
            filler.unlink()
            until_it_answers(state)
            assert times(state) == [10]
            there = [each.event_id for each in stored(state).values()]
            assert there in (
                accepted,
                accepted + refused,
            )  # an answer may be lost when the server gives up; no part of a call is there
            fresh = state.add_events([event(each) for each in refused], RECEIVED)
            assert set(fresh) == {there == accepted}
