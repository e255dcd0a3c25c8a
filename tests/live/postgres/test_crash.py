"""Accidents that live state in PostgreSQL survives: writers and servers that are killed, a server that says nothing, forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import psycopg
import pytest

from recsys.live.log import EventLog
from recsys.live.postgres.address import CONNECT_SECONDS, Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.types import StateError
from tests.live.test_log import RECEIVED, event, stored, times
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.postgres import PostgresServer, postgres_server
from tests.support.servers.postgres_pair import PostgresPair

ROOT = Path(__file__).parents[3]
AWAY = "away\n"
WRITER = """
import sys
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.types import Event, StateError

state, name, number = PostgresLog(Address(sys.argv[1], sys.argv[2])), sys.argv[3], 0
while True:
    ids = [f"{name}-{number}-{place}" for place in range(number % 4 + 1)]
    events = [Event(event_id=each, user_id="ann", event_type="view", timestamp=10, item_id="sofa-1") for each in ids]
    try:
        assert state.add_events([*events, events[0]], 5) == [True] * len(ids) + [False]
        print(*ids, flush=True)
    except StateError:
        print("away", flush=True)
    number += 1
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of its own, to be killed."""
    with postgres_server("-c fsync=on") as running:
        yield running


def log_of(server: PostgresServer, schema: str, seconds: float = 5.0) -> PostgresLog:
    """A log whose tables are made."""
    migrate(Address(server.url, schema))
    return PostgresLog(Address(server.url, schema, seconds=seconds))


def writer(server: PostgresServer | PostgresPair, schema: str, name: str) -> tuple[subprocess.Popen[str], IO[str]]:
    """A process that writes as fast as it can, and what it says of each call that was accepted."""
    command = [sys.executable, "-c", WRITER, server.url, schema, name]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout


def whole_lines(text: str) -> Iterator[str]:
    """The ids of what a killed process said, without a line that it did not end."""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n") and line != AWAY:
            yield from line.split()


def until_it_answers(state: EventLog) -> None:
    """Ask until the database is there again."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            state.last()
            return
        except StateError:
            continue
    pytest.fail("the database did not come back")


@pytest.mark.long
def test_a_killed_writer_loses_nothing_that_it_accepted(postgres: PostgresServer) -> None:
    """After kill -9 every accepted call is there whole, each id once, and others go on at once."""
    with closing(log_of(postgres, "killed_writer")) as state:
        accepted = list[str]()
        for name in ("one", "two", "three"):
            process, said = writer(postgres, "killed_writer", name)
            accepted += [each for _ in range(30) for each in said.readline().split()]
            process.kill()
            accepted += whole_lines(process.communicate()[0])
            assert state.add_events([event(f"after {name}")], RECEIVED) == [True]
        ids = [each.event_id for each in stored(state).values()]
        assert set(accepted) <= set(ids)
        assert len(ids) == len(set(ids))
        calls = {each.rpartition("-")[0] for each in ids if each.count("-") == 2}
        assert all(f"{call}-{int(call.split('-')[1]) % 4}" in ids for call in calls)


@pytest.mark.long
def test_a_killed_server_loses_nothing_that_it_accepted(server: PostgresServer) -> None:
    """After kill -9 of the whole server every accepted event is there, each once, and readers and writers go on by themselves."""
    with closing(log_of(server, "shop")) as state:
        assert state.last() == 0
        process, said = writer(server, "shop", "w")
        accepted = [each for _ in range(30) for each in said.readline().split()]
        server.kill()
        while (line := said.readline()) != AWAY:
            accepted += line.split()
        with pytest.raises(StateError):
            state.last()
        server.start()
        while (line := said.readline()) == AWAY:
            pass
        accepted += line.split()
        process.kill()
        accepted += whole_lines(process.communicate()[0])
        until_it_answers(state)
        ids = [each.event_id for each in stored(state).values()]
        assert set(accepted) <= set(ids)
        assert len(ids) == len(set(ids))
        assert state.add_events([event("after")], RECEIVED) == [True]


@pytest.mark.long
def test_a_server_that_restarts_between_two_calls_is_not_noticed(server: PostgresServer) -> None:
    """Connections that broke while nobody used them are replaced before anything is read or written."""
    with closing(log_of(server, "shop")) as state:
        state.add_events([event("a")], RECEIVED)
        server.kill()
        server.start()
        assert times(state) == [10]
        server.kill()
        server.start()
        assert state.add_events([event("b")], RECEIVED) == [True]


@pytest.mark.long
def test_a_server_that_says_nothing_is_given_up(server: PostgresServer) -> None:
    """Every wait has an end, also where the connection stands and no answer comes, and all goes on after."""
    with closing(log_of(server, "shop", seconds=0.5)) as state:
        state.add_events([event("a")], RECEIVED)
        server.signal(signal.SIGSTOP)
        try:
            for use in (lambda: times(state), lambda: state.add_events([event("b")], RECEIVED)):
                began = time.monotonic()
                with pytest.raises(StateError):
                    use()
                assert time.monotonic() - began < 4 * CONNECT_SECONDS + 2
        finally:
            server.signal(signal.SIGCONT)
        until_it_answers(state)
        assert state.add_events([event("c")], RECEIVED) == [True]


def test_a_writer_does_not_wait_for_ever_for_another(postgres: PostgresServer) -> None:
    """Somebody who holds the turn and does not end costs a writer the time of a statement; readers do not wait."""
    with closing(log_of(postgres, "held", seconds=0.5)) as state, psycopg.connect(postgres.url) as holder:
        state.add_events([event("a")], RECEIVED)
        holder.execute("UPDATE held.sequence SET commits = commits WHERE name = 'log'")
        with pytest.raises(StateError, match="statement timeout"):
            state.add_events([event("b")], RECEIVED)
        assert times(state) == [10]
        holder.rollback()
        assert state.add_events([event("b")], RECEIVED) == [True]


def test_a_row_that_commits_late_is_not_skipped(postgres: PostgresServer) -> None:
    """A number is seen only when every lower one was committed or given up: while a writer is at it, no other one numbers rows."""
    with closing(log_of(postgres, "late")) as state, closing(log_of(postgres, "late", seconds=0.5)) as other:
        with state._log.writing() as slow:
            slow.add("INSERT INTO links VALUES (%s, %s, %s, %s, %s)", "anon", "ann", 5, RECEIVED)
            with pytest.raises(StateError):
                other.add_events([event("a")], RECEIVED)
            assert (other.last(), other.news(0).shared) == (0, [])
        assert (other.last(), len(other.news(0).shared)) == (1, 1)
        assert other.add_events([event("a")], RECEIVED) == [True]
        assert list(stored(other)) == [2]


def test_a_fork_begins_anew(postgres: PostgresServer) -> None:
    """A process that is forked while connections are open uses none of them, and neither disturbs the other."""
    with closing(log_of(postgres, "forked")) as state:
        state.add_events([event("parent")], RECEIVED)
        child = os.fork()
        if child == 0:
            os._exit(0 if state.add_events([event("child")], RECEIVED) == [True] and len(times(state)) == 2 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert state.add_events([event("after")], RECEIVED) == [True]
        assert len(times(state)) == 3
