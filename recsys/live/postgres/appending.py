"""A whole transaction that appends rows, as one statement in one round trip."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from recsys.live.driver import Row

_APPEND = """WITH turn AS (
    UPDATE sequence SET commits = commits + 1, last = last + %s WHERE name = '{counter}'{unless_forgotten} RETURNING last, commits),
added AS (INSERT INTO {table} (seq, {columns})
    SELECT last - %s + ordinality, {columns} FROM turn, json_populate_recordset(NULL::{table}, %s) WITH ORDINALITY AS told
    ORDER BY ordinality {conflict} RETURNING seq)
SELECT last, commits, ARRAY(SELECT seq FROM added) FROM turn"""
"""It takes its turn before it adds the first row. A row that conflicts leaves a gap. Without a turn nothing is written or answered."""
_UNLESS_FORGOTTEN = " AND %s BETWEEN tombstone AND last"
"""The row of the turn as it is after waiting for it; the statement sees other tables as they were before. A database whose last number
is below the one that is known was put back: who is forgotten in it is not known."""
_INSERT = re.compile(r"INSERT INTO (\w+) \(seq, ([^)]+)\)\s+VALUES \([?, ]+\)(.*)", re.DOTALL)
_encode = msgspec.json.Encoder().encode


def appending(statement: str, counter: str, rows: Sequence[Row], known: int | None = None) -> tuple[bytes, Row]:
    """The statement that appends what an INSERT of one row would, with its values; it returns the number given last, the count of
    commits and the numbers that were added: no row where somebody was forgotten
    with seq > `known`."""
    query, columns = _query(statement, counter, known is not None)
    stated = _encode([dict(zip(columns, map(_as_json, row), strict=True)) for row in rows]).decode()
    return query, (len(rows), *(() if known is None else (known,)), len(rows), stated)


@cache
def _query(statement: str, counter: str, checks: bool) -> tuple[bytes, tuple[str, ...]]:
    """The statement, and the columns after the number."""
    table, named, conflict = _INSERT.fullmatch(statement).groups()  # type: ignore[union-attr] # our own statements
    columns = tuple(each.strip() for each in named.split(","))
    condition = _UNLESS_FORGOTTEN if checks else ""
    text = _APPEND.format(
        counter=counter, unless_forgotten=condition, table=table, columns=", ".join(columns), conflict=conflict
    )
    return text.encode(), columns


def _as_json(value: Any) -> Any:
    """A value as JSON has it, from which the server reads the column's type."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value
