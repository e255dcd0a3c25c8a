"""Moments in SQLite's files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from recsys.live.erasure import Erased
from recsys.live.sqlite.log import SqliteLog
from tests.live.test_moments import RECEIVED, moment


def test_lines_of_the_forgotten_leave_the_files(tmp_path: Path) -> None:
    """No byte of a forgotten user's line is left in the log or beside it."""
    with closing(SqliteLog(tmp_path)) as state:
        state.moments.write([moment("a", line=b"SECRET"), moment("c", user="bob")], 9, RECEIVED)
        state.forget([Erased("00:aa", "ann")], RECEIVED)
    assert b"SECRET" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
