"""One PostgreSQL database: connections of a process with deadlines on every wait, and transactions that number what they write.

Writers queue at the row of `sequence`, which they hold until they have committed: whoever has seen a number has seen all below it.
A database that breaks down is left alone for a moment and then asked anew. Connections are never handed on by a fork.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from recsys.live.driver import BEING_FORGOTTEN, Appended, Driver, ForgottenSinceError, Row, Step, Transaction
from recsys.live.postgres import migrations
from recsys.live.postgres.address import CONNECT_SECONDS, Address
from recsys.live.postgres.appending import appending
from recsys.live.postgres.commits import COUNT, Commits
from recsys.live.postgres.connection import BoundedConnection
from recsys.live.postgres.lineage import lineage_of
from recsys.live.postgres.poller import Poller
from recsys.types import StateError

AWAY_SECONDS = 1.0
"""For so long a database that could not be reached is not asked again: who comes meanwhile is told at once."""
_IDLE_SECONDS = 300.0
"""After so long a connection that is not needed is closed."""
_TURN = "BEGIN; SELECT last FROM sequence WHERE name = '{}' FOR UPDATE"
_COMMIT = "UPDATE sequence SET commits = commits + 1, last = {} WHERE name = '{}' RETURNING commits; COMMIT"
"""Two statements each, in one round trip."""
Pool: TypeAlias = "ConnectionPool[BoundedConnection]"
Counter: TypeAlias = Literal["log", "slates"]


class PostgresTransaction(Transaction):
    """A transaction of one connection that holds the row of `sequence`."""

    def __init__(self, connection: BoundedConnection, last: int) -> None:
        self._connection, self.last = connection, last

    def read(self, query: str, *values: Any) -> list[Row]:
        return self._connection.execute(_query(query), values).fetchall()

    def change(self, statement: str, *values: Any) -> int:
        return self._connection.execute(_query(statement), values).rowcount

    def change_all(self, statement: str, rows: Sequence[Row]) -> None:
        if len(rows) == 1:
            self.change(statement, *rows[0])
            return
        with self._connection.cursor() as cursor:
            cursor.executemany(_query(statement), rows)


class _Mine(threading.local):
    reading: BoundedConnection | None = None
    """The connection of a `reading` of this thread."""


class Database(Driver):
    """One schema of one database, with connections that wait no longer than their deadlines."""

    is_remote = True
    _looking: threading.Thread | None
    """The thread that looks whether a database that was away is back."""
    _poller: Poller | None

    def __init__(self, address: Address, counter: Counter, connections: int, synchronous: bool = True) -> None:
        """`counter` numbers what is written here; `connections` is the most that a process opens."""
        self.address, self._counter, self._connections = address, counter, connections
        self._conninfo = address.conninfo(synchronous)
        self._commits = Commits()
        self.forget_connections()
        os.register_at_fork(after_in_child=_forgetting(weakref.ref(self)))

    def __del__(self) -> None:
        self.close()

    @property
    def name(self) -> str:
        return self.address.name

    def has_begun(self) -> bool:
        return True

    def read(self, query: str, *values: Any) -> list[Row]:
        """Fetch every row of a query; on a connection that broke while it was idle it is asked once more."""
        if self._mine.reading is not None:
            with self._named():
                return self._mine.reading.execute(_query(query), values).fetchall()
        try:
            return self._read(query, values)
        except _BrokenError:
            return self._read(query, values)

    @contextmanager
    def writing(self) -> Iterator[PostgresTransaction]:
        self._check_writable()
        try:
            held, connection, first = self._take_turn()
        except _BrokenError:  # it broke while it was idle: nothing was written
            held, connection, first = self._take_turn()
        with held:
            turn = PostgresTransaction(connection, first)
            yield turn
            done = connection.execute(_COMMIT.format(turn.last, self._counter).encode(), prepare=False)
            [[commits]] = done.fetchall()
        self._commits.wrote(commits)

    def append(self, statement: str, rows: Sequence[Row], known: int | None = None) -> Appended:
        """Insert rows by one statement, in one round trip; its answer may be lost with the connection, and then nobody knows."""
        self._check_writable()
        query, values = appending(statement, self._counter, rows, known)
        try:
            held, connection = self._take_whole()
        except _BrokenError:
            if known is not None:  # the next one may lead to a server that was put back, where other rows have the numbers
                raise ForgottenSinceError(BEING_FORGOTTEN) from None
            held, connection = self._take_whole()
        with held:
            found = connection.execute(query, values).fetchall()
        if not found:
            raise ForgottenSinceError(BEING_FORGOTTEN)
        [[last, commits, added]] = found
        numbers = set(added)
        fresh = [number in numbers for number in range(last - len(rows) + 1, last + 1)]
        return Appended(fresh, last, self._commits.wrote(commits))

    @contextmanager
    def reading(self) -> Iterator[None]:
        if self._mine.reading is not None:
            yield
            return
        with self._connection() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute("SELECT FROM sequence")  # PostgreSQL settles on a moment at the first query only
            self._mine.reading = connection
            try:
                yield
            finally:
                self._mine.reading = None
                if not connection.closed:
                    connection.execute("ROLLBACK")

    @contextmanager
    def alone(self, purpose: str) -> Iterator[None]:
        with self._alone, self._connection() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || ' ' || %s))", (purpose,))
            yield

    @property
    def numbered(self) -> str:
        return f"SELECT last FROM sequence WHERE name = '{self._counter}'"

    def changes(self) -> tuple[int, int]:
        if not self._commits.is_new:  # else something has changed, and nobody need be asked
            question = self._commits.question()
            [[commits]] = self.read(COUNT, self._counter)
            self._commits.learn(commits, question)
        return self._commits.tell()

    def recent_changes(self) -> tuple[int, int]:
        known = self.known_changes()
        return self.changes() if known is None else known

    def known_changes(self) -> tuple[int, int] | None:
        poller = self._poller
        if poller is None or not poller.is_recent():
            return None
        self._commits.look_around()
        return self._commits.tell()

    def took(self, step: Step) -> None:
        self._commits.took(step)

    def poll(self) -> None:
        with self._lock:
            if self._poller is None:
                self._poller = Poller(self.address, self._commits)
                self._poller.start()

    def stop_polling(self) -> None:
        with self._lock:
            poller, self._poller = self._poller, None
        if poller is not None:
            poller.stop()

    def close(self) -> None:
        self.stop_polling()
        with self._lock:
            self._looking = None
            self._drop(self._pool)

    def forget_connections(self) -> None:
        """Begin anew, without what a process that forked this one has open."""
        self._mine, self._lock, self._alone = _Mine(), threading.RLock(), threading.Lock()
        self._pool: Pool | None = None
        self._away_until, self._away_because = 0.0, ""
        self._looking, self._poller = None, None
        self._commits.forget()

    def _take_turn(self) -> tuple[ExitStack, BoundedConnection, int]:
        """Begin a transaction that holds the row of `sequence`; returns its end, its connection, and the number given last."""
        with ExitStack() as held:
            connection = held.enter_context(self._connection())
            begun = connection.execute(_TURN.format(self._counter).encode(), prepare=False)
            begun.nextset()
            [[last]] = begun.fetchall()
            return held.pop_all(), connection, last

    def _take_whole(self) -> tuple[ExitStack, BoundedConnection]:
        """Take a connection that did not break while it was idle; returns its end too."""
        with ExitStack() as held:
            connection = held.enter_context(self._connection())
            connection.check_idle()
            return held.pop_all(), connection

    def _check_writable(self) -> None:
        if self._mine.reading is not None:
            raise StateError(f"{self.address.name}: a thread cannot write while it reads one moment of the log")

    def _read(self, query: str, values: Sequence[Any]) -> list[Row]:
        with self._connection() as connection:
            return connection.execute(_query(query), values).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[BoundedConnection]:
        pool = self._opened()
        with self._named(), pool.connection() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                if connection.closed or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                    with self._lock:
                        self._drop(pool)
                    raise _BrokenError(f"{self.address.name}: {_words(error)}") from error
                raise

    def _opened(self) -> Pool:
        with self._lock:
            if self._pool is None:
                if self._away_because:
                    self._look_again()
                    raise StateError(self._away_because)
                self._taken(self._open())
            assert self._pool is not None
            return self._pool

    def _taken(self, pool: Pool) -> None:
        self._pool, self._away_because = pool, ""
        self._commits.opened()

    def _look_again(self) -> None:
        """Look in a thread of its own whether the database is back, every second while somebody asks: nobody waits for that."""
        if (self._looking is None or not self._looking.is_alive()) and time.monotonic() >= self._away_until:
            self._looking = threading.Thread(target=self._look, name="live-state-away", daemon=True)
            self._looking.start()

    def _look(self) -> None:
        me = threading.current_thread()
        pool = None
        with suppress(StateError):
            pool = self._open()
        with self._lock:
            if self._looking is me:
                self._looking = None
                if pool is not None and self._pool is None:
                    return self._taken(pool)
        if pool is not None:  # closed meanwhile
            pool.close(CONNECT_SECONDS)

    def _open(self) -> Pool:
        """Look whether the database can be used, then open a pool of connections to it."""
        try:
            with self._named(), psycopg.connect(self._conninfo, autocommit=True) as connection:
                migrations.check(connection, self.address)
                lineage = lineage_of(connection)
        except StateError as error:
            self._away_until, self._away_because = time.monotonic() + AWAY_SECONDS, str(error)
            raise
        pool: Pool = ConnectionPool(
            self._conninfo,
            connection_class=BoundedConnection,
            kwargs={"autocommit": True},
            min_size=1,
            max_size=self._connections,
            timeout=CONNECT_SECONDS,
            max_idle=_IDLE_SECONDS,
            reconnect_timeout=CONNECT_SECONDS,
            configure=self._bound,
            num_workers=1,
            name="live-state",
            open=False,
        )
        pool.open()
        self.lineage = lineage
        return pool

    def _bound(self, connection: BoundedConnection) -> None:
        connection.seconds = self.address.seconds + CONNECT_SECONDS

    def _drop(self, pool: Pool | None) -> None:
        """Close a pool, unless another thread has done so."""
        if pool is not None and pool is self._pool:
            self._pool = None
            pool.close(CONNECT_SECONDS)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except psycopg.DataError:
            raise  # a value that no database takes: sending it again does not help
        except (psycopg.Error, PoolTimeout) as error:
            raise StateError(f"{self.address.name}: {_words(error)}") from error


class _BrokenError(StateError):
    """A connection that broke; another one may be well."""


def _forgetting(reference: weakref.ref[Database]) -> Any:
    def forget() -> None:
        if database := reference():
            database.forget_connections()

    return forget


@cache
def _query(text: str) -> bytes:
    """A query as psycopg has it: values stand as %s."""
    return text.replace("?", "%s").encode()


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
