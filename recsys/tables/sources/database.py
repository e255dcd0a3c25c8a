"""Tables and queries of databases, read once, batch by batch, into a Parquet copy.

PostgreSQL and SQLite through ADBC (of libpq, `PGPASSWORD`, `PGSSLMODE` and `~/.pgpass` count), DuckDB through its own package.
The question always stands inside one SELECT, and sessions are read-only, so nothing can be changed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

import polars as pl

from recsys.settings import Settings
from recsys.settings.tables import Table
from recsys.tables.sources.connections import DRIVERS, Connection, quoted, target_of
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.types import SettingsError

_SLACK = timedelta(days=1)
"""Times without a zone may be local ones, up to a day ahead."""


def open_database(settings: Settings, table: Table, times: Sequence[str], before: datetime | None, key: str) -> Piece:
    """Read a table or query whole; of a typed column of `times`, only what is before `before`.

    Raises:
        DataError: if the server does not answer, refuses, or stops in the middle.
        SettingsError: if the settings hold a password, or do not say what to read.
    """
    inner = _inner(table, key)
    target = target_of(settings, table.database, key)
    name = f"{target.shown}, {f'table {table.table}' if table.table else 'query'}"
    driver = DRIVERS[target.scheme]
    with driver.in_words(target), closing(driver(target)) as connection:
        columns = connection.schema(inner)
        check_schema(columns)
        sql, note = _select(connection, inner, columns, times, before)
        written = connection.written()
        with connection.stream(sql) as frame:
            return copied_piece(name, frame, dict(frame.collect_schema()), written, (f"read from {target.scheme}", *note))


def _inner(table: Table, key: str) -> str:
    if bool(table.query) == bool(table.table):
        raise SettingsError(f"{key}: a database needs a `query` or a `table`, one of them")
    if table.table:
        return "SELECT * FROM " + ".".join(quoted(part) for part in table.table.split("."))
    return table.query.strip().rstrip(";")


def _select(
    connection: Connection, inner: str, columns: pl.Schema, times: Sequence[str], before: datetime | None
) -> tuple[str, tuple[str, ...]]:
    """The question as it is sent, and what is said of it."""
    sql = f"SELECT {', '.join(connection.values(inner, columns))} FROM (\n{inner}\n) AS asked"
    time = next((name for name in times if name in columns), None)
    if before is None or time is None or not connection.typed or not isinstance(columns[time], pl.Date | pl.Datetime):
        return sql, ()
    dtype = columns[time]
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    limit = before if zoned else before + _SLACK
    literal = f"TIMESTAMPTZ '{limit:%Y-%m-%d %H:%M:%S.%f}+00'" if zoned else f"TIMESTAMP '{limit:%Y-%m-%d %H:%M:%S.%f}'"
    return f"{sql} WHERE {quoted(time)} IS NULL OR {quoted(time)} < {literal}", (
        f"rows of {time} before {limit:%Y-%m-%d %H:%M}",
    )
