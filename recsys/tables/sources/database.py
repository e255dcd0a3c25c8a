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
from recsys.tables.sources.connections import DRIVERS, Connection, target_of
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.types import SettingsError

_KEPT = (pl.String, pl.Boolean, pl.Date, pl.Datetime, pl.Decimal)
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
        columns = connection.schema(f"SELECT * FROM (\n{inner}\n) AS asked LIMIT 0")
        check_schema(columns)
        sql, note = _select(connection, inner, columns, times, before)
        written = connection.written()
        with connection.stream(sql) as frame:
            return copied_piece(name, frame, dict(frame.collect_schema()), written, (f"read from {target.scheme}", *note))


def _inner(table: Table, key: str) -> str:
    if bool(table.query) == bool(table.table):
        raise SettingsError(f"{key}: a database needs a `query` or a `table`, one of them")
    if table.paths:
        raise SettingsError(f"{key}: `paths` and `database` do not go together; name one")
    if table.table:
        return "SELECT * FROM " + ".".join(_quoted(part) for part in table.table.split("."))
    return table.query.strip().rstrip(";")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _select(
    connection: Connection, inner: str, columns: pl.Schema, times: Sequence[str], before: datetime | None
) -> tuple[str, tuple[str, ...]]:
    """The question as it is sent, and what is said of it."""
    read = [_quoted(name) if connection.typed and _is_kept(dtype) else _as_text(name) for name, dtype in columns.items()]
    sql = f"SELECT {', '.join(read)} FROM (\n{inner}\n) AS asked"
    time = next((name for name in times if name in columns), None)
    if before is None or time is None or not connection.typed or not isinstance(columns[time], pl.Date | pl.Datetime):
        return sql, ()
    dtype = columns[time]
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    limit = before if zoned else before + _SLACK
    literal = f"TIMESTAMPTZ '{limit:%Y-%m-%d %H:%M:%S.%f}+00'" if zoned else f"TIMESTAMP '{limit:%Y-%m-%d %H:%M:%S.%f}'"
    return f"{sql} WHERE {_quoted(time)} IS NULL OR {_quoted(time)} < {literal}", (
        f"rows of {time} before {limit:%Y-%m-%d %H:%M}",
    )


def _as_text(name: str) -> str:
    return f"CAST({_quoted(name)} AS VARCHAR) AS {_quoted(name)}"


def _is_kept(dtype: pl.DataType) -> bool:
    """Whether values of a type come as they are; others, such as UUIDs, JSON and exact numbers of a server, come as text."""
    if isinstance(dtype, pl.List | pl.Array):
        return _is_kept(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return all(_is_kept(field.dtype) for field in dtype.fields)  # type: ignore[arg-type]
    return isinstance(dtype, _KEPT) or dtype.is_numeric()
