"""A database that counts how often it sends something to the server and waits for the answer."""

from __future__ import annotations

from typing import IO

from recsys.live.postgres.address import Address
from recsys.live.postgres.connection import BoundedConnection
from recsys.live.postgres.database import Database


class CountedDatabase(Database):
    """The log's database over one connection, which writes down each message that it sends and gets."""

    def __init__(self, address: Address, trace: IO[bytes]) -> None:
        super().__init__(address, "log", 1)
        self._trace, self._traced = trace, list[BoundedConnection]()

    def _bound(self, connection: BoundedConnection) -> None:
        super()._bound(connection)
        self._traced.append(connection)
        connection.pgconn.trace(self._trace.fileno())

    def trips(self) -> int:
        """Count how often something was sent and waited for since the last count."""
        for connection in self._traced:
            connection.pgconn.untrace()  # which writes down the last ones
            connection.pgconn.trace(self._trace.fileno())
        self._trace.seek(0)
        count = self._trace.read().count(b"\tReadyForQuery\t")
        self._trace.seek(0)
        self._trace.truncate()
        return count
