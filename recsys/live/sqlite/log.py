"""The live log in one SQLite file, for every thread and process of the machine."""

from __future__ import annotations

from pathlib import Path

from recsys.live.log import EventLog
from recsys.live.sqlite.database import Database
from recsys.live.sqlite.log_format import LOG_FORMAT

FILE = "log.sqlite3"


class SqliteLog(EventLog):
    """The live log in one folder of a local disk; until something is written there is no file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Database(folder / FILE, LOG_FORMAT))
