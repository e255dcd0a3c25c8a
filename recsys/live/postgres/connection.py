"""A connection to PostgreSQL whose every wait ends."""

from __future__ import annotations

import time
from select import POLLIN, poll

import psycopg
from psycopg.abc import RV, PQGen

from recsys.live.driver import Row

_POLL_SECONDS = 0.1


class BoundedConnection(psycopg.Connection[Row]):
    """A connection that waits for an answer no longer than its deadline, also where the server says nothing at all."""

    seconds: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = _POLL_SECONDS, timeout: float | None = None) -> RV:
        """Wait for an answer; after the deadline the connection is closed."""
        began = time.monotonic()
        try:
            return super().wait(gen, interval, self.seconds if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None and self.seconds is not None and time.monotonic() - began >= self.seconds:
                self.pgconn.finish()
            raise

    def check_idle(self) -> None:
        """Raise OperationalError if the server said something since the last answer: mostly that it ends the connection."""
        heard = poll()
        heard.register(self.pgconn.socket, POLLIN)
        if heard.poll(0):
            self.pgconn.finish()
            raise psycopg.OperationalError("the server ended the connection")
