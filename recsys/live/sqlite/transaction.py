"""Transactions of a SQLite file, and queries as SQLite has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from recsys.live.driver import Row, Transaction

_encode = msgspec.json.Encoder().encode


class Numbering(NamedTuple):
    """Number that a file gave last: the query that finds it, and the statement that notes it; None: its rows tell."""

    last: str
    note: str | None = None


ONE_SEQUENCE = Numbering("SELECT last FROM sequence", "UPDATE sequence SET last = ?")
"""One sequence over all tables."""


class SqliteTransaction(Transaction):
    """A transaction of one connection, begun by whoever makes it."""

    def __init__(self, connection: sqlite3.Connection, numbering: Numbering) -> None:
        self._connection, self._numbering = connection, numbering
        self._first = self.last = int(connection.execute(numbering.last).fetchone()[0])

    def read(self, query: str, *values: Any) -> list[Row]:
        return fetched(self._connection, query, values)

    def change(self, statement: str, *values: Any) -> int:
        return self._connection.execute(sql(statement), list(_bound(values))).rowcount

    def change_all(self, statement: str, rows: Sequence[Row]) -> None:
        self._connection.executemany(sql(statement), rows)

    def note_last(self) -> None:
        """Note the number given last, for transactions after this one."""
        if self.last != self._first and self._numbering.note is not None:
            self._connection.execute(self._numbering.note, (self.last,))


def fetched(connection: sqlite3.Connection, query: str, values: Iterable[Any]) -> list[Row]:
    """Fetch every row of a query."""
    return connection.execute(sql(query), list(_bound(values))).fetchall()


@cache
def sql(query: str) -> str:
    """A query as SQLite has it: a list is one value, JSON."""
    return query.replace("= ANY(?)", "IN (SELECT value FROM json_each(?))")


def _bound(values: Iterable[Any]) -> Iterator[Any]:
    return (_encode(value).decode() if isinstance(value, list) else value for value in values)
