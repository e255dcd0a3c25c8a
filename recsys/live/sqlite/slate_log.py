"""Logged slates in a SQLite file beside the live log: a machine that stops may lose the last ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from recsys.live.erasure import Tombstones
from recsys.live.slate_log import SlateLog, TombstonesNow
from recsys.live.sqlite.database import Database
from recsys.live.sqlite.formats import Format, Step
from recsys.live.sqlite.transaction import Numbering

FILE = "slates.sqlite3"
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


_NUMBERING = Numbering("SELECT coalesce(max(seq), 0) AS last FROM logged_slates")


class SqliteSlateLog(SlateLog):
    """The logged slates in one folder; until something is written there is no file."""

    def __init__(self, folder: Path, max_n: int, tombstones: TombstonesNow = lambda: Tombstones(None, ())) -> None:
        super().__init__(Database(folder / FILE, SLATES_FORMAT, _NUMBERING, "NORMAL"), max_n, tombstones)
