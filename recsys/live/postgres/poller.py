"""Poller of a database's commits: a thread with a connection of its own that asks for their count again and again, so that lists need
not ask.

What it knows is believed for `RECENT_SECONDS` from the moment at which it began to ask. Later, for whatever reason, whoever needs to
know asks the server.
"""

from __future__ import annotations

import logging
import threading
import time

import psycopg

from recsys.live.postgres.address import Address
from recsys.live.postgres.commits import COUNT, Commits
from recsys.live.postgres.connection import BoundedConnection

RECENT_SECONDS = 0.1
"""Age up to which an answer is believed."""
NAME = "recsys poller"
"""The connection's name in the server's list of activity."""
_COUNT = COUNT.replace("?", "%s").encode()
_POLL_SECONDS = 0.05
"""Between two questions."""
_WANTED_SECONDS = 1.0
"""After so long without a list nothing is asked."""
_SILENT_SECONDS = 2.0
"""After so long without an answer the connection is given up."""
_AWAY_SECONDS = 1.0
"""After so long a server that went away is looked for again."""

_log = logging.getLogger(__name__)


class Poller:
    """The thread of one process, from `start` to `stop`."""

    def __init__(self, address: Address, commits: Commits) -> None:
        self._address, self._commits = address, commits
        self._stopped, self._wanted = threading.Event(), threading.Event()
        self._wanted_at = self._answered_at = 0.0
        self._thread = threading.Thread(target=self._run, name="live-state-poller", daemon=True)

    def is_recent(self) -> bool:
        """Tell whether every commit of `RECENT_SECONDS` ago is known; the thread polls because it is asked this."""
        self._wanted_at = now = time.monotonic()
        if not self._wanted.is_set():
            self._wanted.set()
        return now < self._answered_at + RECENT_SECONDS and not self._stopped.is_set()

    def start(self) -> None:
        """Begin to poll, once somebody asks whether what is known is recent."""
        self._thread.start()

    def stop(self) -> None:
        """Poll no longer, and wait until the thread has ended, unless it waits for the server."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join(_WANTED_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._poll()
            except psycopg.Error as error:
                _log.info("%s: %s", self._address.name, " ".join(str(error).split()))
            except Exception:
                _log.exception("commits cannot be polled; each list asks for them")
            self._answered_at = 0.0
            self._stopped.wait(_AWAY_SECONDS)

    def _poll(self) -> None:
        self._wanted.wait()
        if self._stopped.is_set():
            return
        with BoundedConnection.connect(self._address.conninfo(), autocommit=True, application_name=NAME) as connection:
            connection.seconds = _SILENT_SECONDS
            self._commits.opened()
            while not self._stopped.is_set():
                question = self._commits.question()
                [[count]] = connection.execute(_COUNT, ("log",)).fetchall()
                self._commits.learn(count, question)
                self._answered_at = question.at
                if question.at - self._wanted_at > _WANTED_SECONDS:
                    self._wanted.clear()
                    if not self._stopped.is_set():  # or else whoever stops may have set both before
                        self._wanted.wait()
                self._stopped.wait(_POLL_SECONDS)
