"""Logged slates: what was asked, what was known and what was answered, kept so that any of them can be answered again.

One SQLite file beside the log of events, bounded by number. They are written by a thread of their own, in batches. Those of pages are
sampled, and a full queue drops them and says how many it dropped; for those of sends it is waited until there is room.
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

from recsys.settings import Placement, ProfileSettings
from recsys.types import DataError, Query, StateError

FILE = "slates.sqlite3"
WAITING = 1000
"""Most slates that wait to be written."""
GATHER_SECONDS = 1.0
"""How long slates are gathered before they are written together."""
MAX_SECONDS = 1.0
"""How long a slate of a send waits for room: no longer than a message tool has patience."""
_BATCH = 200

_log = logging.getLogger(__name__)


IsForgotten: TypeAlias = Callable[[Sequence["LoggedSlate"]], list[bool]]
"""Tells which slates were answered before their users were forgotten."""


class LoggedEvent(msgspec.Struct, frozen=True, array_like=True):
    """One event of the history that was used; item None: none, or one unknown to the snapshot."""

    item_id: str | None
    kind: int
    timestamp: int
    order: int
    order_id: int
    quantity: float | None
    price: float | None


class LoggedSlate(msgspec.Struct, frozen=True, kw_only=True):
    """All that a slate was made from, in ids: rows never leave a snapshot."""

    recommendation_id: str
    answered_at: int
    user_id: str | None
    snapshot: str
    items_sequence: int
    """The last item update of the log that was taken in; 0: none."""
    query: Query
    placements: Mapping[str, Placement]
    profile: ProfileSettings
    history: tuple[LoggedEvent, ...]
    sha256: str
    """Of the slate's JSON."""


class SlateLog:
    """The file of logged slates; `write` at once, or `offer` to the thread that `start` begins."""

    def __init__(self, folder: Path, max_n: int, is_forgotten: IsForgotten = lambda slates: [False] * len(slates)) -> None:
        """`is_forgotten` is asked when nobody else can write: whoever is forgotten after that deletes what was written."""
        self._file, self._max_n, self._is_forgotten = folder / FILE, max_n, is_forgotten
        self._waiting: queue.Queue[LoggedSlate | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._dropped = 0

    def offer(self, slate: LoggedSlate) -> None:
        """Have a slate written soon; without a thread it is written now."""
        if self._thread is None:
            self.write([slate])
            return
        try:
            self._waiting.put_nowait(slate)
        except queue.Full:
            self._dropped += 1

    def keep(self, slate: LoggedSlate) -> None:
        """Have a slate written soon, and wait for room rather than drop it; a thread that does not get on is not waited for."""
        if self._thread is None:
            self.write([slate])
            return
        try:
            self._waiting.put(slate, timeout=MAX_SECONDS)
        except queue.Full:
            self._dropped += 1

    def take_dropped(self) -> int:
        """How many slates found the queue full since this was asked last."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def write(self, slates: Sequence[LoggedSlate]) -> None:
        """Write slates down; of one id the first stays. The oldest beyond the limit go.

        Raises:
            StateError: if the file cannot be written.
        """
        try:
            with closing(self._open()) as database, database:
                database.execute("BEGIN IMMEDIATE")
                kept = [each for each, gone in zip(slates, self._is_forgotten(slates), strict=True) if not gone]
                rows = [(each.recommendation_id, each.user_id, each.answered_at, msgspec.json.encode(each)) for each in kept]
                database.executemany("INSERT OR IGNORE INTO slates (id, user_id, at, body) VALUES (?, ?, ?, ?)", rows)
                database.execute("DELETE FROM slates WHERE seq <= (SELECT max(seq) FROM slates) - ?", (self._max_n,))
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{self._file}: slates cannot be logged ({error})") from error

    def read(self, recommendation_id: str) -> LoggedSlate:
        """Find a slate by its id.

        Raises:
            DataError: if it was not logged, or is no longer there.
        """
        row = None
        if self._file.exists():
            with closing(self._open()) as database:
                row = database.execute("SELECT body FROM slates WHERE id = ?", (recommendation_id,)).fetchone()
        if row is None:
            raise DataError(
                f"no slate {recommendation_id!r} is logged in {self._file}; a share of `state.slate_share` of all slates is, "
                "the oldest are dropped"
            )
        return msgspec.json.decode(row[0], type=LoggedSlate)

    def newest(self, max_n: int) -> list[LoggedSlate]:
        """The slates logged last, newest first."""
        if not self._file.exists():
            return []
        with closing(self._open()) as database:
            rows = database.execute("SELECT body FROM slates ORDER BY seq DESC LIMIT ?", (max_n,)).fetchall()
        return [msgspec.json.decode(body, type=LoggedSlate) for (body,) in rows]

    def forget(self, user_ids: Sequence[str]) -> int:
        """Delete every slate of these users; returns how many there were.

        Raises:
            StateError: if the file cannot be written.
        """
        if not self._file.exists():
            return 0
        try:
            with closing(self._open()) as database, database:
                return sum(database.execute("DELETE FROM slates WHERE user_id = ?", (each,)).rowcount for each in user_ids)
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{self._file}: slates cannot be deleted ({error})") from error

    def purge(self) -> int:
        """Delete the slates that were answered before their users were forgotten; returns how many.

        Raises:
            StateError: if the file cannot be written.
        """
        if not self._file.exists():
            return 0
        try:
            with closing(self._open()) as database, database:
                gone = []
                for (body,) in database.execute("SELECT body FROM slates WHERE user_id IS NOT NULL"):
                    slate = msgspec.json.decode(body, type=LoggedSlate)
                    gone += [(slate.recommendation_id,)] if self._is_forgotten([slate])[0] else []
                return database.executemany("DELETE FROM slates WHERE id = ?", gone).rowcount if gone else 0
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{self._file}: slates cannot be deleted ({error})") from error

    def start(self) -> None:
        """Write what is offered in a thread from now on. Call it in each worker, after it was forked."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="slate-log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the thread."""
        if self._thread is not None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=GATHER_SECONDS)
            self._thread.join(2 * GATHER_SECONDS)
            self._thread = None

    def _work(self) -> None:
        while True:
            batch = [self._waiting.get()]
            deadline = time.monotonic() + GATHER_SECONDS
            with suppress(queue.Empty):
                while len(batch) < _BATCH and batch[-1] is not None:
                    batch.append(self._waiting.get(timeout=max(deadline - time.monotonic(), 0)))
            try:
                if slates := [each for each in batch if each is not None]:
                    self.write(slates)
            except Exception:
                _log.exception("slates could not be logged")
            if batch[-1] is None:
                return

    def _open(self) -> sqlite3.Connection:
        if not self._file.exists():
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(self._file, timeout=5)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS slates "
            "(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, user_id TEXT, at INTEGER, body BLOB)"
        )
        database.execute("CREATE INDEX IF NOT EXISTS slates_user ON slates (user_id)")
        return database
