"""Histories that a worker keeps at hand, so that the second list of a page costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from recsys.types import History

EVENTS_KEPT = 2_000_000
"""Most events of the histories that a worker keeps at hand, 17 bytes each; with what lies around them, some 40 MB."""
_BESIDES = 50
"""What a history costs beside its events, in events."""

MAX_DROPPED = 1_000
"""Where more wrote since the last look, all histories are dropped together."""


class KeptHistories:
    """Histories by user id, those asked for last, of at most so many events together; threads may share it."""

    def __init__(self, max_n: int) -> None:
        self._max_n, self._events = max_n, 0
        self._histories: dict[str, History] = {}
        self._lock = threading.RLock()
        self.changes = 0
        """Counts beginnings and ends of changes: odd during one."""

    def __len__(self) -> int:
        return len(self._histories)

    def get(self, user_id: str) -> History | None:
        """A user's history, which counts as asked for last from now on; None: it is not kept."""
        with self._lock:
            found = self._histories.pop(user_id, None)
            if found is not None:
                self._histories[user_id] = found
            return found

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Take in what changes histories: none that was read before or meanwhile is kept."""
        self.changes += 1
        try:
            yield
        finally:
            self.changes += 1

    def put(self, user_id: str, history: History, changes: int = 0) -> None:
        """Keep a history that was read after so many `changes`, if there were none since; those asked for longest ago make room."""
        with self._lock:
            if changes != self.changes or changes % 2:
                return
            self.drop(user_id)
            self._histories[user_id] = history
            self._events += len(history) + _BESIDES
            while self._events > self._max_n:
                self.drop(next(iter(self._histories)))

    def drop(self, user_id: str) -> None:
        """Keep a user's history no longer."""
        with self._lock:
            if (history := self._histories.pop(user_id, None)) is not None:
                self._events -= len(history) + _BESIDES

    def drop_written(self, wrote: Collection[str], users_of: Callable[[str], Iterable[str]], are_all: bool = True) -> None:
        """Drop the histories that what was written under these ids, which are those users', may have changed; all, unless these
        `are_all` who wrote."""
        if not are_all or len(wrote) > MAX_DROPPED:
            self.clear()
        for each in wrote if self._histories else ():
            self.drop(each)
            for user_id in users_of(each):
                self.drop(user_id)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._histories.clear()
            self._events = 0
