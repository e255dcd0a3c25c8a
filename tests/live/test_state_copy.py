"""Copies of a live state between files and PostgreSQL: every row once under its number, or none."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from recsys.live.driver import Driver, Row
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.live.sqlite.log import SqliteLog
from recsys.live.state_copy import LOG_TABLES, SLATE_TABLES, copy_state
from recsys.tables.live_rows import EVENTS_FOLDER
from recsys.types import Event, StateError
from tests.support.servers.postgres import PASSWORD, PostgresServer
from training.__main__ import main

COLUMNS = "SELECT name, type, \"notnull\" FROM pragma_table_info('{}')"
NOTHING = {"users": "", "links": ""}


def quiet(table: str, rows: int) -> None:
    """Nobody is told."""


def filled(folder: Path, rows: int = 3) -> SqliteLog:
    """A log with rows of every kind, with and without what may be absent."""
    state = SqliteLog(folder)
    state.add_events([Event(event_id="e", user_id="ann", event_type="view", timestamp=10, item_id="sofa-1")], 5)
    with state.driver.writing() as turn:
        for table in LOG_TABLES:
            made = {name: (kind, needed) for name, kind, needed in state.driver.read(COLUMNS.format(table)) if name != "seq"}
            for number in range(rows):
                values = [value(name, kind, needed, number) for name, (kind, needed) in made.items()]
                turn.change_all(
                    f"INSERT INTO {table} (seq, {', '.join(made)}) VALUES (?{', ?' * len(made)})", [(turn.last + 1, *values)]
                )
                turn.last += 1
    return state


def value(name: str, kind: str, needed: int, number: int) -> object:
    """A value of a column; every third is absent where it may be."""
    if not needed and number % 3 == 2:
        return None
    if name == "available":
        return number % 2
    return {"TEXT": f"{name}-{number}", "INTEGER": number + 2, "REAL": number + 0.5, "BLOB": f"{number}".encode()}[kind]


def everything(driver: Driver) -> dict[str, list[Row]]:
    """All rows of a log."""
    return {
        table: driver.read(f"SELECT seq, {', '.join(columns)} FROM {table} ORDER BY seq")
        for table, columns in LOG_TABLES.items()
    }


@pytest.fixture
def address(postgres: PostgresServer, tmp_path: Path) -> Address:
    """A schema of its own, whose tables are made."""
    address = Address(postgres.url, f"copy_{abs(hash(tmp_path))}")
    migrate(address)
    return address


@pytest.fixture
def database(address: Address) -> Iterator[PostgresLog]:
    """The log of that schema."""
    with closing(PostgresLog(address)) as log:
        yield log


def test_there_and_back_is_the_same(tmp_path: Path, database: PostgresLog) -> None:
    """Files into PostgreSQL and into files again: the same rows, the same last number, and the next one is above it."""
    with closing(filled(tmp_path / "a")) as first, closing(SqliteLog(tmp_path / "b")) as third:
        counts = copy_state(first.driver, database.driver, LOG_TABLES, quiet)
        copy_state(database.driver, third.driver, LOG_TABLES, quiet)
        assert counts == {table: 4 if table == "events" else 3 for table in LOG_TABLES}
        assert everything(first.driver) == everything(database.driver) == everything(third.driver)
        assert first.last() == database.last() == third.last() == 1 + 3 * len(LOG_TABLES)
        for log in (first, database, third):
            log.add_events([Event(event_id="new", user_id="ann", event_type="view", timestamp=10, item_id="sofa-1")], 5)
            assert log.last() == 2 + 3 * len(LOG_TABLES)


def test_every_table_and_column_is_copied(tmp_path: Path, database: PostgresLog) -> None:
    """A table or a column that a later format adds is in the list, in both databases."""
    with closing(filled(tmp_path)) as files:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('sequence', 'sqlite_sequence')"
        assert {name for [name] in files.driver.read(tables)} == set(LOG_TABLES)
        for table, columns in LOG_TABLES.items():
            assert {name for name, _, _ in files.driver.read(COLUMNS.format(table))} == {"seq", *columns}
    found: dict[str, set[str]] = {}
    for table, column in database.driver.read(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    ):
        found.setdefault(table, set()).add(column)
    known = {**LOG_TABLES, **SLATE_TABLES}
    assert set(found) - {"sequence", "migrations"} == set(known)
    assert all(found[table] == {"seq", *columns} for table, columns in known.items())


def test_only_into_what_is_empty(tmp_path: Path, database: PostgresLog) -> None:
    """A state that holds anything is never mixed with another."""
    with closing(filled(tmp_path)) as files:
        copy_state(files.driver, database.driver, LOG_TABLES, quiet)
        with pytest.raises(StateError, match="holds rows already"):
            copy_state(files.driver, database.driver, LOG_TABLES, quiet)


def test_nothing_is_copied_while_somebody_writes(tmp_path: Path, database: PostgresLog) -> None:
    """A service that was not stopped is noticed, and the copy taken back."""
    with closing(filled(tmp_path)) as files, closing(SqliteLog(tmp_path)) as service:

        def write(table: str, rows: int) -> None:
            event = Event(event_id=f"late-{table}", user_id="ann", event_type="view", timestamp=10, item_id="sofa-1")
            service.add_events([event], 5)

        with pytest.raises(StateError, match="was written to meanwhile; stop every service"):
            copy_state(files.driver, database.driver, LOG_TABLES, write)
    assert database.last() == 0
    assert not any(everything(database.driver).values())


COPIER = """
import os, signal, sys
from pathlib import Path
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.sqlite.log import SqliteLog
from recsys.live.state_copy import LOG_TABLES, copy_state

def told(table, rows):
    if table == sys.argv[4]:
        os.kill(os.getpid(), signal.SIGKILL)

copy_state(SqliteLog(Path(sys.argv[1])).driver, PostgresLog(Address(sys.argv[2], sys.argv[3])).driver, LOG_TABLES, told)
"""


@pytest.mark.long
def test_a_killed_copy_is_none(tmp_path: Path, address: Address, database: PostgresLog) -> None:
    """After kill -9 in the middle the target is as empty as before, and the next copy is whole."""
    with closing(filled(tmp_path)) as files:
        for table in ("events", "pins", list(LOG_TABLES)[-1]):
            done = subprocess.run([sys.executable, "-c", COPIER, str(tmp_path), address.url, address.schema, table])
            assert done.returncode == -signal.SIGKILL
            assert database.last() == 0
        copy_state(files.driver, database.driver, LOG_TABLES, quiet)
        assert everything(files.driver) == everything(database.driver)


def test_the_command(
    tmp_path: Path,
    postgres: PostgresServer,
    address: Address,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`state-copy` brings log, slates and compacted events over, says what comes next, and refuses what is no state."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[state]\nschema = "{address.schema}"\n')
    with closing(filled(tmp_path / "state")) as files:
        rows = everything(files.driver)
    (tmp_path / "state" / EVENTS_FOLDER).mkdir()
    file = tmp_path / "state" / EVENTS_FOLDER / "events-1-5.parquet"
    file.write_bytes(b"whatever")
    arguments = ["--settings", str(settings), "state-copy", "--from"]
    assert main([*arguments, str(tmp_path / "stat"), "--to", postgres.address]) == 1
    assert "holds no live state" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "state"), "--to", postgres.address]) == 0
    assert f'set state.database = "{postgres.address}"' in capsys.readouterr().out
    assert main([*arguments, postgres.address, "--to", str(tmp_path / "moved")]) == 0
    with closing(SqliteLog(tmp_path / "moved")) as moved:
        assert everything(moved.driver) == rows
    assert main([*arguments, postgres.address, "--to", str(tmp_path / "moved")]) == 1
    assert main([*arguments, postgres.address, "--to", postgres.address]) == 1
    assert main([*arguments, postgres.url, "--to", str(tmp_path / "other")]) == 1
    assert PASSWORD not in capsys.readouterr().err
