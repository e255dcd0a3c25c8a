"""The databases that may hold the live state: which one the settings name, opened for the service and the job."""

from __future__ import annotations

from pathlib import Path

from recsys.live.log import EventLog
from recsys.live.slate_log import SlateLog, TombstonesNow
from recsys.live.sqlite.log import SqliteLog
from recsys.live.sqlite.slate_log import SqliteSlateLog
from recsys.settings import Settings


def open_log(settings: Settings) -> EventLog:
    """The live log of a shop."""
    return SqliteLog(settings.path(settings.state.folder))


def log_in(folder: Path) -> EventLog:
    """A live log of its own in a folder, for what must not touch that of a shop."""
    return SqliteLog(folder)


def open_slates(settings: Settings, tombstones: TombstonesNow | None = None) -> SlateLog:
    """The logged slates of a shop; `tombstones` is needed to write and to forget."""
    folder, max_n = settings.path(settings.state.folder), settings.state.slates
    return SqliteSlateLog(folder, max_n) if tombstones is None else SqliteSlateLog(folder, max_n, tombstones)
