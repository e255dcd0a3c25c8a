"""Sends and pins in the SQLite file: what a deletion that is stopped leaves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from recsys.live.erasure import Erased
from recsys.live.sqlite.log import FILE, SqliteLog
from recsys.types import Send, StateError
from tests.live.test_pinned_slates import item, pin

TABLES = ("images_served", "replacements", "pins")
USERS = [f"user-{number:04}" for number in range(1_200)]


def rows(file: sqlite3.Connection) -> int:
    """How many rows hang on sends."""
    return sum(file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES)


@pytest.mark.parametrize(("stopped_at", "left"), [("images_served", 2_600), ("replacements", 1_400), ("pins", 200)])
def test_a_drop_that_is_stopped_leaves_nothing_that_is_not_forgotten(tmp_path: Path, stopped_at: str, left: int) -> None:
    """Between two steps a pin may have lost replacements and images, but these never their pin: forgetting finds every row."""
    state = SqliteLog(tmp_path)
    state.pins.declare(Send(send_id="weekly", placement="home", limit=1, expires_at=5), 1)
    state.pins.pin_all([pin("weekly", user, "a") for user in USERS], 1)
    with closing(state), closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as file:
        new = msgspec.json.encode(item("x"))
        file.execute("INSERT INTO replacements SELECT seq + 10000, send_id, user_id, 0, 'a', ?, 1 FROM pins", (new,))
        file.execute("INSERT INTO images_served SELECT seq + 20000, send_id, user_id, 0, 'x', 1 FROM pins")
        file.execute(
            f"CREATE TRIGGER stop BEFORE DELETE ON {stopped_at} WHEN (SELECT count(*) FROM {stopped_at}) < 201 "
            "BEGIN SELECT RAISE(ABORT, 'stop'); END"
        )
        with pytest.raises(StateError, match="stop"):
            state.pins.drop_expired(6)
        file.execute("DROP TRIGGER stop")
        assert rows(file) == left
        assert state.forget([Erased("hash", user) for user in USERS], 9)["pins"] == left
        assert (rows(file), state.pins.send("weekly") is None) == (0, False)
