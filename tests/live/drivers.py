"""The databases that may hold the live state: every promise in this folder is asked of each of them."""

from __future__ import annotations

import hashlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg

from recsys.live.erasure import Tombstones
from recsys.live.log import EventLog
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.live.postgres.slate_log import PostgresSlateLog
from recsys.live.slate_log import SlateLog, TombstonesNow
from recsys.live.sqlite.log import SqliteLog
from recsys.live.sqlite.slate_log import FILE as SLATES_FILE
from recsys.live.sqlite.slate_log import SqliteSlateLog

NOBODY_ERASED = Tombstones(None, ())


class Driver(ABC):
    """One database, which opens logs in a folder; it can be sent to another process."""

    @abstractmethod
    def open_log(self, folder: Path) -> EventLog:
        """The live log of a folder."""

    @abstractmethod
    def open_slates(self, folder: Path, max_n: int, tombstones: TombstonesNow = lambda: NOBODY_ERASED) -> SlateLog:
        """The logged slates of a folder."""

    @abstractmethod
    def busy_slates(self, folder: Path) -> AbstractContextManager[None]:
        """Have somebody else write slates all the time."""

    @abstractmethod
    def away(self, folder: Path) -> AbstractContextManager[None]:
        """Have what the folder stands for be out of reach; nothing was written there before."""


class SqliteDriver(Driver):
    """Files in the folder."""

    def open_log(self, folder: Path) -> EventLog:
        return SqliteLog(folder)

    def open_slates(self, folder: Path, max_n: int, tombstones: TombstonesNow = lambda: NOBODY_ERASED) -> SlateLog:
        return SqliteSlateLog(folder, max_n, tombstones)

    @contextmanager
    def busy_slates(self, folder: Path) -> Iterator[None]:
        with closing(sqlite3.connect(folder / SLATES_FILE, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            yield
            file.execute("ROLLBACK")

    @contextmanager
    def away(self, folder: Path) -> Iterator[None]:
        folder.write_text("no folder")
        yield
        folder.unlink()


class PostgresDriver(Driver):
    """A schema of one database for each folder."""

    def __init__(self, url: str) -> None:
        self._url = url

    def address(self, folder: Path) -> Address:
        """Where a folder's tables are."""
        return Address(self._url, f"test_{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}")

    def open_log(self, folder: Path) -> EventLog:
        migrate(self.address(folder))
        return PostgresLog(self.address(folder))

    def open_slates(self, folder: Path, max_n: int, tombstones: TombstonesNow = lambda: NOBODY_ERASED) -> SlateLog:
        migrate(self.address(folder))
        return PostgresSlateLog(self.address(folder), max_n, tombstones)

    @contextmanager
    def busy_slates(self, folder: Path) -> Iterator[None]:
        with psycopg.connect(self._url) as connection:
            connection.execute(
                f"UPDATE {self.address(folder).schema}.sequence SET commits = commits WHERE name = 'slates'".encode()
            )
            yield
            connection.rollback()

    @contextmanager
    def away(self, folder: Path) -> Iterator[None]:
        schema = self.address(folder).schema
        migrate(self.address(folder))
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"ALTER SCHEMA {schema} RENAME TO {schema}_away".encode())
            yield
            connection.execute(f"DROP SCHEMA IF EXISTS {schema}".encode())
            connection.execute(f"ALTER SCHEMA {schema}_away RENAME TO {schema}".encode())
