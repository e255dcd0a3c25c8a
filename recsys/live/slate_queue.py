"""Slates that wait to be logged: gathered by a thread of its own, written together, tried again while the log cannot be written.

Slates of pages are sampled, and a full queue drops them; for those of sends it is waited until there is room. Every slate that is not
written is counted.
"""

from __future__ import annotations

import logging
import threading

from recsys.live.slate_log import LoggedSlate, SlateLog
from recsys.types import StateError

WAITING = 1000
"""Most slates that wait to be written."""
GATHER_SECONDS = 1.0
"""How long slates are gathered before they are written together."""
MAX_SECONDS = 1.0
"""How long a slate of a send waits for room: no longer than a message tool has patience."""
RETRY_SECONDS = 1.0
"""Pause before slates that could not be written are tried again."""
_BATCH = 200

_log = logging.getLogger(__name__)


class SlateQueue:
    """The queue before a log of slates; until `start` and after `stop` each slate is written at once."""

    def __init__(self, log: SlateLog) -> None:
        self.log = log
        self._waiting: list[LoggedSlate] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = self._failing = False
        self._dropped = 0

    def offer(self, slate: LoggedSlate) -> None:
        """Have a slate written soon."""
        self._put(slate, 0)

    def keep(self, slate: LoggedSlate) -> None:
        """Have a slate written soon, and wait for room rather than drop it; a log that cannot be written is not waited for."""
        self._put(slate, MAX_SECONDS)

    def take_dropped(self) -> int:
        """Return how many slates were given up since this was asked last."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def start(self) -> None:
        """Write what is offered in a thread from now on. Call it in each worker, after it was forked."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._work, name="slate-log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the thread; what cannot be written is given up."""
        if self._thread is not None:
            with self._changed:
                self._stopping = True
                self._changed.notify_all()
            self._thread.join()
            self._thread = None

    def _put(self, slate: LoggedSlate, patience: float) -> None:
        if self._thread is None:
            self.log.write([slate])
            return
        with self._changed:
            if self._changed.wait_for(self._has_room, 0 if self._failing else patience):
                self._waiting.append(slate)
                self._changed.notify_all()
            else:
                self._dropped += 1

    def _has_room(self) -> bool:
        return len(self._waiting) < WAITING

    def _work(self) -> None:
        while batch := self._gathered():
            self._write(batch)

    def _gathered(self) -> list[LoggedSlate]:
        """The slates to write next; none: the thread is to end, and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            self._changed.wait_for(lambda: len(self._waiting) >= _BATCH or self._stopping, GATHER_SECONDS)
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            self._changed.notify_all()
            return batch

    def _write(self, batch: list[LoggedSlate]) -> None:
        """Write slates, and try again until it succeeds or the thread is to end."""
        while not self._written(batch):
            with self._changed:
                if self._stopping:
                    self._dropped += len(batch) + len(self._waiting)
                    self._waiting = []
                    return
                self._changed.wait_for(lambda: self._stopping, RETRY_SECONDS)

    def _written(self, batch: list[LoggedSlate]) -> bool:
        """Try to write slates; False: the log cannot be written now. A slate that cannot be written at all is given up alone."""
        try:
            self.log.write(batch)
            self._failing = False
        except StateError as error:
            if not self._failing:
                _log.error("slates wait until they can be logged: %s", error)
            self._failing = True
            return False
        except Exception:
            if len(batch) > 1:
                for each in batch:
                    self._write([each])
            else:
                _log.exception("a slate cannot be logged")
                with self._changed:
                    self._dropped += 1
        return True
