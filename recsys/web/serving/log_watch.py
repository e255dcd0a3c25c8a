"""Watch over a live log on another machine: whether it answers, and why it does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from recsys.types import StateError

SILENT_SECONDS = 1.0
"""After so long without an answer to one look, nobody waits for the log any more to answer a list."""

_log = logging.getLogger(__name__)


class LogWatch:
    """The knowledge that one worker has of the log. One thread looks again and again; all others are told at once what it found."""

    def __init__(self, is_remote: bool) -> None:
        """A log on this machine is not watched: it answers, or says at once why not."""
        self._is_remote = is_remote
        self.error: str | None = None
        """Why lists are answered from memory; None: they are not."""
        self._since: float | None = None

    @contextmanager
    def looking(self) -> Iterator[None]:
        """A look at the log; for as long as it lasts nobody knows whether the log is there."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def check(self) -> None:
        """Raise StateError if the look that is going on has been unanswered for too long."""
        since = self._since
        if self._is_remote and since is not None and time.monotonic() - since > SILENT_SECONDS:
            raise StateError("the live log says nothing")

    def is_well(self) -> None:
        """Take in that the log was read."""
        self.error = None

    def is_away(self, error: StateError) -> None:
        """Take in that it could not be read, and log it once."""
        if self.error is None:
            _log.error("lists are answered from memory: %s", error)
        self.error = str(error)
