"""One SQLite file: made whole or not at all, brought to the present format, opened by each thread and process for itself.

A process that inherits an open connection from the one that forked it also inherits SQLite's belief that the file's locks are
its own, though the system gave them to the parent only. Its writes can lose rows that were committed: another
process may take itself for the last one and remove the write-ahead file. So connections are closed before a fork, and where one
was busy then, the child refuses the file.

A file that was deleted or replaced under a process is refused: what it would write there, nobody would see.

Writers queue at a lock file beside it. That is fair and wakes them at once, and it keeps commits and checkpoints of several
processes from running at the same time, which SQLite before 3.51.3 does not survive in every case (sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from recsys.disk import locked, sync
from recsys.live.driver import Driver, Row
from recsys.live.sqlite.formats import Format
from recsys.live.sqlite.host_sign import check_host
from recsys.live.sqlite.local_disk import check_local
from recsys.live.sqlite.transaction import ONE_SEQUENCE, Numbering, SqliteTransaction, fetched
from recsys.types import StateError

BUSY_SECONDS = 5.0
"""How long a call waits for a writer that does not queue, such as SQLite's own shell."""
_LARGEST_WAL = 64 << 20
"""Bytes that the write-ahead file may keep once everything in it is in the file itself."""
_CACHE_KIB = 512
"""Pages that a connection keeps, and each thread has its own: with SQLite's usual 2,000 a thread keeps 2.1 MB, with these .6."""
_FIRST_BYTE = 0xFF
_OPEN_ANEW = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)
"""After these a connection stays as it is, even when the disk is well again: the next call opens another."""
_ADVICE = {
    sqlite3.SQLITE_FULL: "free some space on its disk",
    sqlite3.SQLITE_IOERR: "look at its disk: is it full, may files grow so large, does it report errors?",
    sqlite3.SQLITE_BUSY: f"something else has been writing for {BUSY_SECONDS:g} seconds; try again",
    sqlite3.SQLITE_READONLY: "this process must be allowed to write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "this process must be allowed to write the file and its folder",
    sqlite3.SQLITE_CORRUPT: "stop the service, move it aside with its -wal and -shm, and put a backup in its place",
    sqlite3.SQLITE_NOTADB: "stop the service, move it aside with its -wal and -shm, and put a backup in its place",
}


class _Connection(sqlite3.Connection):
    """A connection that ends with the last that knows of it; SQLite would close it too, but Python 3.13 and later warn first."""

    def __del__(self) -> None:
        with suppress(sqlite3.Error):  # one that could not be opened cannot be closed
            self.close()


class _Opened(NamedTuple):
    connection: sqlite3.Connection
    thread: threading.Thread
    pid: int


class _Mine(threading.local):
    connection: sqlite3.Connection | None = None
    pid = 0
    absent = False
    """True inside a `reading` that began before there was a file: it goes on seeing nothing."""


class Database(Driver):
    """One SQLite file of one format; until something is written it need not exist."""

    def __init__(
        self,
        path: Path,
        form: Format,
        numbering: Numbering = ONE_SEQUENCE,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
    ) -> None:
        """`FULL`: every commit has reached the disk when it returns; `NORMAL`: a machine that stops may lose the last ones."""
        self.path, self._format, self._numbering = path, form, numbering
        self._settings = (
            f"synchronous = {synchronous}",
            "secure_delete = ON",
            f"journal_size_limit = {_LARGEST_WAL}",
            f"cache_size = -{_CACHE_KIB}",
        )
        self._mine = _Mine()
        self._lock = threading.RLock()
        self._opened: list[_Opened] = []
        self._watch: sqlite3.Connection | None = None
        self._watches = 0
        self._identity: tuple[int, int] | None = None
        """Device and inode of the file that this process opened first."""
        _mind_forks(weakref.ref(self))

    @property
    def name(self) -> str:
        return str(self.path)

    def has_begun(self) -> bool:
        return self._connection() is not None

    def read(self, query: str, *values: Any) -> list[Row]:
        try:
            connection = self._connection()
            return [] if connection is None else fetched(connection, query, values)
        except (sqlite3.Error, OSError) as error:
            raise self._named(error) from error

    @contextmanager
    def writing(self) -> Iterator[SqliteTransaction]:
        try:
            connection = self._connection() or self._create()
            if connection.in_transaction:
                raise StateError(f"{self.path}: a thread cannot write while it reads one moment of the log")
            with self._turn(), connection:
                connection.execute("BEGIN IMMEDIATE")
                turn = SqliteTransaction(connection, self._numbering)
                yield turn
                turn.note_last()
        except (sqlite3.Error, OSError) as error:
            raise self._named(error) from error

    @contextmanager
    def alone(self, purpose: str) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.path.with_name(f"{purpose}.lock")):
            yield

    @property
    def numbered(self) -> str:
        return self._numbering.last

    def _turn(self) -> AbstractContextManager[None]:
        """Queue for writing. SQLite alone has those who wait look again now and then, and a busy writer starves them."""
        return locked(self.path.with_name(f"{self.path.name}.lock"))

    @contextmanager
    def reading(self) -> Iterator[None]:
        outermost = self._begin()
        try:
            yield
        finally:
            if outermost:
                self._end()

    def changes(self) -> tuple[int, int]:
        try:
            with self._lock:
                self._check_same()
                if self._watch is None:
                    if not self.exists():
                        return 0, 0
                    self._watch = self._connect()
                    self._watches += 1
                return self._watches, self._watch.execute("PRAGMA data_version").fetchone()[0]
        except (sqlite3.Error, OSError) as error:
            raise self._named(error) from error

    def wipe(self) -> None:
        """Have nothing of deleted rows left in the write-ahead file, unless somebody reads from it just now."""
        connection = self._connection()
        if connection is None:
            return
        # The rows are deleted already: what cannot be done now, the next checkpoint does.
        with suppress(sqlite3.Error, OSError), self._turn():
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")

    def close(self) -> None:
        """Close what this process opened, when no other thread is at it; the next call opens it again."""
        with self._lock:
            self._close([each for each in self._opened if each.pid == os.getpid()])
            self._close_watch()
            self._mine, self._identity = _Mine(), None

    def _connection(self) -> sqlite3.Connection | None:
        """This thread's own; None while there is no file."""
        self._check_same()
        mine = self._mine
        if mine.pid == os.getpid() and mine.connection is not None:
            return mine.connection
        return self._open() if self.exists() and not mine.absent else None

    def exists(self) -> bool:
        """Tell whether something was ever written."""
        return self._found() is not None

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _check_same(self) -> None:
        """Raise StateError if the file was deleted or replaced since it was opened; a few microseconds."""
        if self._identity is not None and (found := self._found()) != self._identity:
            what = "deleted" if found is None else "replaced"
            raise StateError(
                f"{self.path}: was {what} while the service had it open; put it back, or stop the service to put a backup there"
            )

    def _open(self) -> sqlite3.Connection:
        with self._lock:
            connection = self._connect()
            self._close([each for each in self._opened if not each.thread.is_alive()])
            self._opened.append(_Opened(connection, threading.current_thread(), os.getpid()))
        self._mine.connection, self._mine.pid = connection, os.getpid()
        return connection

    def _connect(self) -> sqlite3.Connection:
        if inherited := [each.pid for each in self._opened if each.pid != os.getpid()]:
            raise StateError(
                f"{self.path}: was in use when process {inherited[0]} forked this one, which cannot use it safely"
            )
        if self._identity is None:
            check_local(self.path.parent)
            check_host(self.path.parent)
            self._identity = self._found()
        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(
            uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=_Connection, uri=True
        )
        try:
            for setting in self._settings:
                connection.execute(f"PRAGMA {setting}").fetchall()
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the file to the present format, unless it is there or another process does it."""
        try:
            if not self._format.check(connection):
                with self._turn():
                    self._format.migrate(connection)
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except StateError as error:
            raise StateError(f"{self.path}: {error}") from error

    def _create(self) -> sqlite3.Connection:
        """Make the file aside and give it its name when it is whole: of several processes the first wins, and none sees a part."""
        if self._mine.absent:
            raise StateError(f"{self.path}: a thread cannot write while it reads one moment of the log")
        folder = self.path.parent
        check_local(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(folder.parent)
        with tempfile.TemporaryDirectory(prefix=f".{self.path.name}-", dir=folder) as aside:
            whole = Path(aside, self.path.name)
            whole.touch(mode=0o600)
            with closing(sqlite3.connect(whole, isolation_level=None)) as connection:
                self._format.create(connection)
            with suppress(FileExistsError):
                os.link(whole, self.path)
        sync(folder)
        return self._open()

    def _begin(self) -> bool:
        try:
            connection = self._connection()
            if self._mine.absent or (connection is not None and connection.in_transaction):
                return False
            if connection is None:
                self._mine.absent = True
            else:
                connection.execute("BEGIN")
                # SQLite settles on a moment at the first read only.
                connection.execute("PRAGMA data_version").fetchall()
            return True
        except (sqlite3.Error, OSError) as error:
            raise self._named(error) from error

    def _end(self) -> None:
        self._mine.absent = False
        if self._mine.connection is not None and self._mine.connection.in_transaction:
            self._mine.connection.execute("ROLLBACK")

    def _close(self, opened: list[_Opened]) -> None:
        for each in opened:
            each.connection.close()
            self._opened.remove(each)
            if each.connection is self._mine.connection:
                self._mine.connection = None

    def _close_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._close_watch()
        mine = self._mine.connection
        idle = mine is not None and not mine.in_transaction
        self._close([each for each in self._opened if not each.thread.is_alive() or (idle and each.connection is mine)])

    def _after_fork(self) -> None:
        self._lock.release()

    def _named(self, error: Exception) -> StateError:
        code = getattr(error, "sqlite_errorcode", 0) & _FIRST_BYTE
        if code in _OPEN_ANEW:
            with self._lock, suppress(sqlite3.Error):
                self._close([each for each in self._opened if each.connection is self._mine.connection])
        advice = _ADVICE.get(code)
        return StateError(f"{self.path}: {error}" + (f"; {advice}" if advice else ""))


def _mind_forks(reference: weakref.ref[Database]) -> None:
    def before() -> None:
        if file := reference():
            file._before_fork()

    def after() -> None:
        if file := reference():
            file._after_fork()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
