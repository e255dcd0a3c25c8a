"""Connections to databases: where they lead, a stream of rows, and what went wrong, without passwords and without values."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import polars as pl
from polars.exceptions import PolarsError

from recsys.optional import needed
from recsys.settings import Settings
from recsys.tables.sources.places import expanded, scheme_of
from recsys.tables.sources.words import reason_of
from recsys.types import DataError, SettingsError

_SPEAKING_OF_NAMES = ("08", "0A", "25", "28", "3D", "42", "53", "57")
"""Classes of SQL states whose messages speak of servers, tables and grammar, never of values."""
_KEPT = (pl.String, pl.Boolean, pl.Date, pl.Datetime)
_POSTGRES_KEPT = {
    "text",
    "character varying",
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "date",
    "timestamp without time zone",
    "timestamp with time zone",
}
_SECONDS_TO_CONNECT = "10"


@dataclass(frozen=True, slots=True)
class Target:
    """One database. shown: its address for people, without user and password."""

    scheme: str
    address: str
    shown: str


def target_of(settings: Settings, database: str, key: str) -> Target:
    """Resolve the setting `database`.

    Raises:
        SettingsError: if a password stands in it, or its scheme is not known.
        DataError: if a file that it names is not there.
    """
    scheme = scheme_of(database) or scheme_of(address := expanded(database, f"{key}.database"))
    if _has_password(database):
        raise SettingsError(
            f"{key}.database: holds a password, which does not belong into a file of settings; put it into the environment as "
            'PGPASSWORD, or the whole address as a variable, such as database = "$SHOP_DATABASE"'
        )
    address = expanded(database, f"{key}.database")
    scheme = {"postgres": "postgresql"}.get(scheme_of(address), scheme_of(address))
    if scheme not in DRIVERS:
        known = ", ".join(f"{each}://" for each in DRIVERS)
        raise SettingsError(f"{key}.database: {scheme or 'an address without scheme'} is not known; known are {known}")
    if scheme == "postgresql":
        parts = urlsplit(address)
        return Target(scheme, address, f"{scheme}://{parts.hostname or ''}{parts.path}")
    path = settings.path(address.partition("://")[2].removeprefix("/"))
    if not path.is_file():
        raise DataError(f"there is no file {path}; check `{key}.database` in the settings")
    return Target(scheme, str(path), f"{scheme}:///{path}")


def _has_password(database: str) -> bool:
    try:
        parts = urlsplit(database)
        secrets = [parts.password, *(value for name, value in parse_qsl(parts.query) if name == "password")]
    except ValueError:
        return True
    return any(value and not value.startswith("$") for value in secrets)


class Connection(ABC):
    """One open database.

    typed: whether a column has one type that all its values keep.
    """

    typed = True

    @abstractmethod
    def __init__(self, target: Target) -> None:
        """Connect."""

    def schema(self, inner: str) -> pl.Schema:
        """The columns that a question gives."""
        with self.stream(f"SELECT * FROM (\n{inner}\n) AS asked LIMIT 0") as frame:
            return pl.Schema(frame.collect_schema())

    def values(self, inner: str, columns: pl.Schema) -> list[str]:
        """Return how each column of a question is asked for: as it is, or as text where tables have no use for its type."""
        return [quoted(name) if self.typed and _is_kept(dtype) else _as_text(name) for name, dtype in columns.items()]

    @abstractmethod
    def stream(self, sql: str) -> Any:
        """A context with a lazy frame that can be read once."""

    @abstractmethod
    def written(self) -> int:
        """Return when what is read was written at the latest, µs since 1970."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""

    @classmethod
    @contextmanager
    def in_words(cls, target: Target) -> Iterator[None]:
        """Say what goes wrong inside in a DataError that names the database."""
        raised: tuple[type[Exception], ...] = (PolarsError, OSError, *cls.errors())
        try:
            yield
        except raised as error:
            raise DataError(f"{target.shown} cannot be read: {_reason(error)}") from error

    @classmethod
    @abstractmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        """Return what the driver raises."""


class _Adbc(Connection):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @contextmanager
    def stream(self, sql: str) -> Iterator[pl.LazyFrame]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(sql)
            yield pl.scan_arrow_c_stream(cursor.fetch_arrow())

    def close(self) -> None:
        self._connection.close()

    @classmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        with needed("adbc-driver-manager", "databases", "the table stands in a database"):
            from adbc_driver_manager import Error
        return (Error,)


class Postgres(_Adbc):
    """A PostgreSQL server, in a read-only session."""

    def __init__(self, target: Target) -> None:
        """Connect."""
        with needed("adbc-driver-postgresql", "databases", f"{target.shown} is a PostgreSQL database"):
            from adbc_driver_postgresql import dbapi
        super().__init__(dbapi.connect(_read_only(target.address)))

    def values(self, inner: str, columns: pl.Schema) -> list[str]:
        """As they are, or as text: the server tells its own types, where `money` is no whole number and `char(n)` has no blanks."""
        types = ", ".join(f"CAST(pg_typeof(asked.{quoted(name)}) AS text) AS {quoted(name)}" for name in columns)
        empty = f"SELECT * FROM (\n{inner}\n) AS inside LIMIT 0"
        with self.stream(f"SELECT {types} FROM (SELECT 1) AS one LEFT JOIN ({empty}) AS asked ON true") as frame:
            secrets = frame.collect().row(0, named=True)
        return [_of_postgres(name, secrets[name]) for name in columns]

    def written(self) -> int:
        """The server's clock."""
        with self.stream("SELECT CAST(extract(epoch FROM now()) * 1000000 AS bigint) AS now") as frame:
            return int(frame.collect().item())


class Sqlite(_Adbc):
    """An SQLite file, opened for reading."""

    typed = False

    def __init__(self, target: Target) -> None:
        """Open the file."""
        with needed("adbc-driver-sqlite", "databases", f"{target.shown} is an SQLite database"):
            from adbc_driver_sqlite import dbapi
        self._path = Path(target.address)
        super().__init__(dbapi.connect(f"file:{quote(target.address)}?mode=ro"))

    def written(self) -> int:
        """Return when the file was."""
        return self._path.stat().st_mtime_ns // 1000


class DuckDb(Connection):
    """A DuckDB file, opened for reading."""

    def __init__(self, target: Target) -> None:
        """Open the file."""
        with needed("duckdb", "databases", f"{target.shown} is a DuckDB database"):
            import duckdb
        self._path = Path(target.address)
        self._connection = duckdb.connect(target.address, read_only=True, config={"enable_external_access": "false"})

    @contextmanager
    def stream(self, sql: str) -> Iterator[pl.LazyFrame]:
        """A context with a lazy frame that can be read once."""
        yield pl.scan_arrow_c_stream(self._connection.sql(sql))

    def written(self) -> int:
        """Return when the file was."""
        return self._path.stat().st_mtime_ns // 1000

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @classmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        """Return what DuckDB raises."""
        with needed("duckdb", "databases", "the table stands in a DuckDB database"):
            import duckdb
        return (duckdb.Error,)


DRIVERS: Mapping[str, type[Connection]] = {"postgresql": Postgres, "sqlite": Sqlite, "duckdb": DuckDb}
"""Known schemes and what connects to them."""


def quoted(name: str) -> str:
    """A name of a column or table as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _as_text(name: str) -> str:
    return f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}"


def _of_postgres(name: str, kind: str) -> str:
    if kind == "money":
        return f"CAST(CAST({quoted(name)} AS numeric) AS VARCHAR) AS {quoted(name)}"
    return quoted(name) if kind.removesuffix("[]") in _POSTGRES_KEPT else _as_text(name)


def _is_kept(dtype: pl.DataType) -> bool:
    """Tell whether values of a type come as they are."""
    if isinstance(dtype, pl.List | pl.Array):
        return _is_kept(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return all(_is_kept(field.dtype) for field in dtype.fields)  # type: ignore[arg-type]
    return isinstance(dtype, _KEPT) or dtype.is_numeric()


def _read_only(address: str) -> str:
    parts = urlsplit(address)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    given.setdefault("connect_timeout", _SECONDS_TO_CONNECT)
    given.setdefault("options", "-c default_transaction_read_only=on -c timezone=UTC")
    return parts._replace(query=urlencode(given, quote_via=quote)).geturl()


def _reason(error: Exception) -> str:
    """Return what a driver says, if it speaks of names only; else in which state it is."""
    state = getattr(error, "sqlstate", None)
    text = re.sub(r"^.*?ERROR: *", "", str(error).partition("\n")[0].partition(" Query was:")[0])
    if state and not state.startswith(_SPEAKING_OF_NAMES):
        return f"a value does not fit what the query asks of it (SQLSTATE {state})"
    return text if state else reason_of(error)
