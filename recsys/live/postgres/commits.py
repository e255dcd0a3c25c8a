"""Count of a database's commits as far as a process knows it, from what it wrote and what it asked."""

from __future__ import annotations

import math
import os
import threading
import time
from mmap import mmap
from typing import NamedTuple

COUNT = "SELECT commits FROM sequence WHERE name = ?"
_MARK_BYTES = 8


class Question(NamedTuple):
    """The moment at which the count is asked for (`time.monotonic`), and the mark that the processes of this machine left before."""

    at: float
    mark: bytes


class Commits:
    """The newest count that is known, shared by the threads of a process.

    Processes that were forked from one share a mark as well, which each leaves when it has written: before its caller is answered,
    all others know without asking that something is new.
    """

    def __init__(self) -> None:
        self._shared = mmap(-1, _MARK_BYTES)
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a process that was forked."""
        self._lock = threading.Lock()
        self._count, self._learned_at = 0, -math.inf
        self._epoch = 0
        """Counts what a count alone does not say: connections that were opened, marks of others, a database that was put back."""
        self._stated = (0, 0)
        self._mark = self._shared[:]

    def question(self) -> Question:
        """Begin to ask for the count."""
        return Question(time.monotonic(), self._shared[:])

    def learn(self, count: int, question: Question | None = None) -> None:
        """Take in a count, which may come late; a lower one than was known when it was asked for is that of a database put back."""
        with self._lock:
            is_back = question is not None and count < self._count and question.at > self._learned_at
            if count > self._count or is_back:
                self._count, self._learned_at = count, time.monotonic()
                self._epoch += is_back
            if question is not None:
                self._mark = question.mark  # whoever left it had committed before

    def wrote(self, count: int) -> None:
        """Take in a commit of this process, and have the others of this machine notice."""
        mark = os.urandom(_MARK_BYTES)
        with self._lock:
            if count > self._count:
                self._count, self._learned_at = count, time.monotonic()
            self._epoch += 1  # another process's mark may be replaced, of a commit since the count was told
            self._shared[:] = self._mark = mark

    def opened(self) -> None:
        """Take in a new connection, maybe to another server."""
        with self._lock:
            self._epoch += 1

    def look_around(self) -> None:
        """Notice what other processes of this machine wrote."""
        mark = self._shared[:]
        if mark != self._mark:
            with self._lock:
                self._mark = mark
                self._epoch += 1
                self._count = max(self._count, 1)  # whoever left it has committed

    @property
    def is_new(self) -> bool:
        """Tell whether more is known than `tell` told."""
        return self._stated != self._pair()

    def tell(self) -> tuple[int, int]:
        """Return a pair that was never told before something new was learned; (0, 0) before the first commit."""
        with self._lock:
            self._stated = self._pair()
            return self._stated

    def _pair(self) -> tuple[int, int]:
        return (self._epoch, self._count) if self._count else (0, 0)
