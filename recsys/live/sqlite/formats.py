"""Formats of a SQLite file: numbered steps, of which a new file takes all and an older one those that it lacks.

A file's `user_version` is the number of its last step. Steps that lack are taken in one transaction, so that a process that is
killed on the way leaves the older file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

from recsys.types import StateError

_CACHE_KIB = 32 << 10
"""Memory of a migration (KiB): indexes are filled in no order, and pages that do not stay at hand are written again and again."""


class Step(NamedTuple):
    """One step: statements that change the tables, then what brings over the rows of the number before.

    A new file takes the statements alone.
    """

    number: int
    statements: Sequence[str]
    bring_over: Callable[[sqlite3.Connection], None]


def nothing_to_bring(connection: sqlite3.Connection) -> None:
    """Of a step whose statements say it all: the rows stay where they are."""


class Format:
    """The steps of one kind of file, in order."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.number, self._oldest = steps[-1].number, steps[0].number - 1

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the tables of a new file."""
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        with connection:
            connection.execute("BEGIN")
            for step in self.steps:
                _run(connection, step.statements)
            connection.execute(f"PRAGMA user_version = {self.number}")

    def check(self, connection: sqlite3.Connection) -> bool:
        """Tell whether a file is of the present format; False: `migrate` makes it so.

        Raises:
            StateError: for a file of a newer format, or one that no step begins from.
        """
        found = _number(connection)
        if found > self.number:
            raise StateError(
                f"has format {found}, and this program knows formats up to {self.number}: a newer version of the program wrote it; "
                "start that one again, or put a backup from before it in the file's place"
            )
        if found < self._oldest:
            raise StateError(
                f"has format {found}; this program reads formats {self._oldest} to {self.number}: it is another file, or was written "
                "by a version of the program that is too old"
            )
        return found == self.number

    def migrate(self, connection: sqlite3.Connection) -> None:
        """Take the steps that a file lacks, all or none; nothing if somebody else has taken them."""
        usual = connection.execute("PRAGMA cache_size").fetchone()[0]
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        try:
            self._take_steps(connection)
        finally:
            connection.execute(f"PRAGMA cache_size = {usual}")

    def _take_steps(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            found = _number(connection)
            for step in self.steps:
                if step.number > found:
                    _run(connection, step.statements)
                    step.bring_over(connection)
                    connection.execute(f"PRAGMA user_version = {step.number}")


def _number(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _run(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(statement)
