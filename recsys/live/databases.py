"""The databases that may hold the live state: which one the settings name, opened for the service and the job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.live.log import EventLog
from recsys.live.slate_log import SlateLog, TombstonesNow
from recsys.live.sqlite.host_sign import check_host, put_sign
from recsys.live.sqlite.local_disk import check_local
from recsys.live.sqlite.log import SqliteLog
from recsys.live.sqlite.slate_log import SqliteSlateLog
from recsys.settings import Settings
from recsys.settings.stores.database_url import full_url
from recsys.types import SettingsError

if TYPE_CHECKING:
    from recsys.live.postgres.address import Address


def open_log(settings: Settings) -> EventLog:
    """The live log of a shop."""
    if address := _address(settings):
        from recsys.live.postgres.log import PostgresLog

        return PostgresLog(address)
    return SqliteLog(settings.path(settings.state.folder))


def check_place(settings: Settings) -> None:
    """Check before anything is written that live state may stand where the settings say.

    Raises:
        StateError: for a folder that other machines may write to as well, or do.
    """
    if not settings.state.database:
        check_local(settings.path(settings.state.folder))
        check_host(settings.path(settings.state.folder))


def sign_place(settings: Settings) -> None:
    """Say that a service of this machine uses live state that stands in a folder.

    Raises:
        StateError: if a service of another machine does, too.
    """
    if not settings.state.database:
        put_sign(settings.path(settings.state.folder))


def log_in(folder: Path) -> EventLog:
    """A live log of its own in a folder, for what must not touch that of a shop."""
    return SqliteLog(folder)


def open_slates(settings: Settings, tombstones: TombstonesNow | None = None) -> SlateLog:
    """The logged slates of a shop; `tombstones` is needed to write and to forget."""
    shared = () if tombstones is None else (tombstones,)
    if address := _address(settings):
        from recsys.live.postgres.slate_log import PostgresSlateLog

        return PostgresSlateLog(address, settings.state.slates, *shared)
    return SqliteSlateLog(settings.path(settings.state.folder), settings.state.slates, *shared)


def migrate(settings: Settings) -> list[str] | None:
    """Bring the tables of the database to the present format; returns the migrations taken, None: files migrate when they are opened.

    Raises:
        StateError: if the database cannot be reached or changed, or is newer than this program.
    """
    if address := _address(settings):
        from recsys.live.postgres.migrations import migrate

        return migrate(address)
    return None


def _address(settings: Settings) -> Address | None:
    """Return where the database is that the settings name, None: files. Its driver is imported where there is one only.

    Raises:
        SettingsError: if the driver is not installed.
    """
    state = settings.state
    if not state.database:
        return None
    try:
        from recsys.live.postgres.address import Address
    except ImportError as error:
        raise SettingsError(
            f"state.database: its driver is not installed: `.venv/bin/pip install '.[postgres]'` in the project's folder ({error})"
        ) from error
    return Address(full_url(state.database, os.environ), state.schema, state.connections, state.statement_seconds)
