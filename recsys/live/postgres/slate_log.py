"""Logged slates in a PostgreSQL database: a server that stops may lose the last ones."""

from __future__ import annotations

from recsys.live.erasure import Tombstones
from recsys.live.postgres.address import Address
from recsys.live.postgres.database import Database
from recsys.live.slate_log import SlateLog, TombstonesNow

_CONNECTIONS = 2
"""Of one process: the thread that writes, and somebody who erases."""


class PostgresSlateLog(SlateLog):
    """The logged slates of one schema."""

    def __init__(self, address: Address, max_n: int, tombstones: TombstonesNow = lambda: Tombstones(None, ())) -> None:
        super().__init__(Database(address, "slates", _CONNECTIONS, synchronous=False), max_n, tombstones)
