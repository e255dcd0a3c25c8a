"""Migrations of the schema: numbered SQL files, taken in order, each in one transaction, and never taken back.

A file that has the line `-- additive` only adds tables, indexes or columns with defaults: programs of before go on beside it, so that
nodes are upgraded one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import sql

from recsys.live.postgres.address import Address
from recsys.types import StateError

_FOLDER = files("recsys.live.postgres").joinpath("migrations")
_TABLE = """CREATE TABLE IF NOT EXISTS migrations (
    number integer PRIMARY KEY, name text NOT NULL, taken_at timestamptz NOT NULL DEFAULT now(),
    additive boolean NOT NULL DEFAULT false
)"""
_MARKED = "ALTER TABLE migrations ADD COLUMN IF NOT EXISTS additive boolean NOT NULL DEFAULT false"
_ADDITIVE = b"-- additive"
_TURN = "SELECT pg_advisory_lock(hashtext('recsys migrate ' || %s::text))"


def migrate(address: Address) -> list[str]:
    """Make the schema and take the migrations that it lacks; returns their names.

    Several may begin at once: one of them migrates, the others wait and find it done.

    Raises:
        StateError: if the database cannot be reached or changed, or is newer than this program.
    """
    try:
        with _migrating(address) as connection:
            connection.execute(_TURN, (address.schema,))  # before the schema is made: two that make one at once fail
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(address.schema)))
            connection.execute(_TABLE)
            connection.execute(_MARKED)
            found = _found(connection)
            if found > len(_steps()):
                raise _newer(address, found)
            lacking = _steps()[found:]
            for step in lacking:
                _take(connection, step)
            return [step.name for step in lacking]
    except psycopg.Error as error:
        raise StateError(f"{address.name}: {error}") from error


def check(connection: psycopg.Connection[Any], address: Address) -> None:
    """Check that the schema is one that this program can use.

    Raises:
        StateError: if it is older, not there, or newer by more than what was added.
    """
    try:
        found = _found(connection)
    except psycopg.errors.UndefinedTable:
        found = 0
    if found > len(_steps()) and not _only_added(connection):
        raise _newer(address, found)
    if found < len(_steps()):
        has = f"has migration {found} of {len(_steps())}" if found else "has no tables yet"
        raise StateError(f"{address.name}: {has}; run `make migrate` first")


@contextmanager
def _migrating(address: Address) -> Iterator[psycopg.Connection[Any]]:
    """A connection without a bound on its statements: a step may rewrite a large table."""
    with psycopg.connect(address.conninfo(), autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        yield connection


def _steps() -> list[Traversable]:
    return sorted((each for each in _FOLDER.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)


def _found(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
    return int(found[0]) if found else 0


def _only_added(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether all migrations beyond those that this program knows are additive."""
    found = connection.execute("SELECT bool_and(additive) FROM migrations WHERE number > %s", (len(_steps()),)).fetchone()
    return bool(found and found[0])


def _newer(address: Address, found: int) -> StateError:
    return StateError(
        f"{address.name}: has migration {found}, and this program knows migrations up to {len(_steps())}: a newer version of the "
        "program made it; start that one again, or restore a backup from before it"
    )


def _take(connection: psycopg.Connection[Any], step: Traversable) -> None:
    text = step.read_bytes()
    with connection.transaction():
        connection.execute(text)
        connection.execute(
            "INSERT INTO migrations (number, name, additive) VALUES (%s, %s, %s)",
            (int(step.name.partition("_")[0]), step.name, _ADDITIVE in text.splitlines()),
        )
