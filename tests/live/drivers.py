"""The databases that may hold the live state: every promise in this folder is asked of each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recsys.live.erasure import Tombstones
from recsys.live.log import EventLog
from recsys.live.slate_log import SlateLog, TombstonesNow
from recsys.live.sqlite.log import SqliteLog
from recsys.live.sqlite.slate_log import SqliteSlateLog


class Driver:
    """One database, which opens logs in a folder; it can be sent to another process."""

    def __init__(
        self, name: str, log: Callable[[Path], EventLog], slates: Callable[[Path, int, TombstonesNow], SlateLog]
    ) -> None:
        self.name, self._log, self._slates = name, log, slates

    def open_log(self, folder: Path) -> EventLog:
        """The live log of a folder."""
        return self._log(folder)

    def open_slates(self, folder: Path, max_n: int, tombstones: TombstonesNow = lambda: Tombstones(None, ())) -> SlateLog:
        """The logged slates of a folder."""
        return self._slates(folder, max_n, tombstones)


DRIVERS = [Driver("sqlite", SqliteLog, SqliteSlateLog)]
