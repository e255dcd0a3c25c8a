"""Logged slates in a SQLite file beside the live log: a machine that stops may lose the last ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from recsys.live.erasure import Tombstones
from recsys.live.slate_log import LoggedSlate, SlateLog, TombstonesNow, is_erased
from recsys.live.sqlite.database import Database
from recsys.live.sqlite.formats import Format, Step
from recsys.types import DataError

FILE = "slates.sqlite3"
_ADD = """INSERT INTO logged_slates (recommendation_id, user_id, answered_at, slate) VALUES (?, ?, ?, ?)
ON CONFLICT (recommendation_id) DO NOTHING"""
_BOUND = "DELETE FROM logged_slates WHERE seq <= (SELECT max(seq) FROM logged_slates) - ?"
_BY_ID = "SELECT slate FROM logged_slates WHERE recommendation_id = ?"
_NEWEST = "SELECT slate FROM logged_slates ORDER BY seq DESC LIMIT ?"
_USERS = "SELECT DISTINCT user_id FROM logged_slates WHERE user_id IS NOT NULL"
_OF_USER = "SELECT seq, slate FROM logged_slates WHERE user_id = ?"
_DROP = "DELETE FROM logged_slates WHERE seq = ?"
_TABLES = (
    """CREATE TABLE logged_slates (
        seq INTEGER PRIMARY KEY, recommendation_id TEXT NOT NULL UNIQUE, user_id TEXT, answered_at INTEGER NOT NULL,
        slate BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX logged_slates_by_user ON logged_slates (user_id)",
)


def _bring_over(file: sqlite3.Connection) -> None:
    """Bring over what a file of format 0 has, if it has anything."""
    if file.execute("SELECT 1 FROM sqlite_master WHERE name = 'slates'").fetchone():
        file.execute("INSERT INTO logged_slates SELECT seq, id, user_id, at, body FROM slates ORDER BY seq")
        file.execute("DROP TABLE slates")


SLATES_FORMAT = Format(Step(1, _TABLES, _bring_over))


class SqliteSlateLog(SlateLog):
    """The logged slates in one folder, at most `max_n`; until something is written there is no file."""

    def __init__(self, folder: Path, max_n: int, tombstones: TombstonesNow = lambda: Tombstones(None, ())) -> None:
        """`tombstones` is asked when nobody else can write: who is erased after that deletes what was written."""
        self._file, self._max_n, self._tombstones = Database(folder / FILE, SLATES_FORMAT, "NORMAL"), max_n, tombstones

    def write(self, slates: Sequence[LoggedSlate]) -> None:
        with self._file.writing() as file:
            erased = self._tombstones()
            kept = [each for each in slates if not is_erased(each, erased)]
            file.executemany(_ADD, [_row(each) for each in kept])
            file.execute(_BOUND, (self._max_n,))

    def read(self, recommendation_id: str) -> LoggedSlate:
        found = self._file.read(_BY_ID, recommendation_id)
        if not found:
            raise DataError(
                f"no slate {recommendation_id!r} is logged in {self._file.path}; a share of `state.slate_share` of all slates is, "
                "the oldest are dropped"
            )
        return _slate(found[0][0])

    def newest(self, max_n: int) -> list[LoggedSlate]:
        return [_slate(body) for (body,) in self._file.read(_NEWEST, max_n)]

    def forget(self, user_ids: Sequence[str] | None = None) -> int:
        if not self._file.exists():
            return 0
        with self._file.writing() as file:
            erased = self._tombstones()
            chosen = [user_id for (user_id,) in file.execute(_USERS)] if user_ids is None else user_ids
            gone = [(seq,) for each in chosen if erased.spans(each) for seq in _erased(file, each, erased)]
            count = file.executemany(_DROP, gone).rowcount if gone else 0
        self._file.wipe()
        return count

    def close(self) -> None:
        self._file.close()


def _erased(file: sqlite3.Connection, user_id: str, erased: Tombstones) -> Iterator[int]:
    return (seq for seq, body in file.execute(_OF_USER, (user_id,)) if is_erased(_slate(body), erased))


def _row(slate: LoggedSlate) -> tuple[str, str | None, int, bytes]:
    return slate.recommendation_id, slate.user_id, slate.answered_at, msgspec.json.encode(slate)


def _slate(body: bytes) -> LoggedSlate:
    return msgspec.json.decode(body, type=LoggedSlate)
