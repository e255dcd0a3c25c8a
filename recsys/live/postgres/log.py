"""The live log in one schema of a PostgreSQL database, for every process of every machine of a shop."""

from __future__ import annotations

from recsys.live.log import EventLog
from recsys.live.postgres.address import Address
from recsys.live.postgres.database import Database


class PostgresLog(EventLog):
    """The live log of one schema."""

    def __init__(self, address: Address) -> None:
        super().__init__(Database(address, "log", address.connections))
