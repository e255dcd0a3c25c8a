"""Appending to the live log: rows numbered by one sequence over all tables, in the order of their commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recsys.live.sqlite.database import Database


class Appending:
    """A transaction that appends rows; `connection` runs its other statements."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.last = int(connection.execute("SELECT last FROM sequence").fetchone()[0])

    def add(self, statement: str, *values: Any) -> bool:
        """Insert a row, whose first value is the next number; False, and the number is still free, if it conflicts."""
        added = self.connection.execute(statement, (self.last + 1, *values)).rowcount == 1
        self.last += added
        return added


@contextmanager
def appending(database: Database) -> Iterator[Appending]:
    """Append rows in one transaction: on the disk when it ends, nothing of it there if it raises."""
    with database.writing() as connection:
        rows = Appending(connection)
        first = rows.last
        yield rows
        if rows.last != first:
            connection.execute("UPDATE sequence SET last = ?", (rows.last,))
