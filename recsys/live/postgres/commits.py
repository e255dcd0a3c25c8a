"""Count of a database's commits as far as a process knows it, from what it wrote and what it asked."""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
import weakref
from typing import NamedTuple

from recsys.live.driver import Step

COUNT = "SELECT commits FROM sequence WHERE name = ?"


class Question(NamedTuple):
    """The moment at which the count is asked for (`time.monotonic`), and how often other processes of this machine had written."""

    at: float
    others: int


class SharedCounter:
    """A counter that processes share which were forked from one: the position in an empty file, which the kernel moves for all of
    them, one after the other."""

    def __init__(self) -> None:
        self._file = _empty_file()
        weakref.finalize(self, os.close, self._file)

    def add(self) -> None:
        """Count one more."""
        os.lseek(self._file, 1, os.SEEK_CUR)

    def read(self) -> int:
        """Return how often any of the processes counted."""
        return os.lseek(self._file, 0, os.SEEK_CUR)


def _empty_file() -> int:
    if hasattr(os, "memfd_create"):  # on Linux, where no folder that can be written is needed
        made = os.memfd_create("recsys-commits")
        try:
            return os.open(
                f"/proc/self/fd/{made}", os.O_RDWR
            )  # only of an opened file the kernel moves the position atomically
        finally:
            os.close(made)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Commits:
    """The newest count that is known, shared by the threads of a process.

    Processes that were forked from one count together how often they wrote: before the caller of one is answered, all others know
    without asking that something is new.
    """

    def __init__(self) -> None:
        self._writes = SharedCounter()
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a process that was forked."""
        self._lock = threading.Lock()
        self._count, self._learned_at = 0, -math.inf
        self._opened_at = self._counted_at = -math.inf
        """When a connection was opened last, and when the count was asked for or moved that is known: of the same database or not."""
        self._epoch = 0
        """Counts what a count alone does not say: connections that were opened, writes of others, a database that was put back."""
        self._stated = (0, 0)
        self._own = 0
        self._others = self._written_by_others()

    def question(self) -> Question:
        """Begin to ask for the count."""
        with self._lock:
            return Question(time.monotonic(), self._written_by_others())

    def learn(self, count: int, question: Question | None = None) -> None:
        """Take in a count, which may come late; a lower one than was known when it was asked for is that of a database put back."""
        with self._lock:
            is_back = question is not None and count < self._count and question.at > self._learned_at
            if count > self._count or is_back:
                self._count, self._learned_at = count, time.monotonic()
                self._epoch += is_back
            if question is not None:
                self._counted_at = max(self._counted_at, question.at)
                self._others = question.others  # they had committed before

    def wrote(self, count: int) -> Step | None:
        """Take in a commit of this process, and have the others of this machine notice; returns the pairs of `tell` before and after
        it if it was the only commit between them."""
        with self._lock:
            self._writes.add()
            self._own += 1
            if count <= self._count:  # it is known already, or the database was put back
                self._epoch += 1
                return None
            before, is_next = self._pair(), count == self._count + 1 and self._counted_at > self._opened_at
            self._count = count
            self._learned_at = self._counted_at = time.monotonic()
            return Step(before, self._pair()) if is_next else None

    def took(self, step: Step) -> None:
        """Take in that nobody need be told of a step any more."""
        with self._lock:
            if self._stated == step.before:
                self._stated = step.after

    def opened(self) -> None:
        """Take in a new connection, maybe to another server."""
        with self._lock:
            self._epoch += 1
            self._opened_at = time.monotonic()

    def look_around(self) -> None:
        """Notice what other processes of this machine wrote."""
        with self._lock:
            others = self._written_by_others()
            if others != self._others:
                self._others = others
                self._epoch += 1
                self._count = max(self._count, 1)  # they have committed

    @property
    def is_new(self) -> bool:
        """Tell whether more is known than `tell` told."""
        return self._stated != self._pair()

    def tell(self) -> tuple[int, int]:
        """Return a pair that was never told before something new was learned; (0, 0) before the first commit."""
        with self._lock:
            self._stated = self._pair()
            return self._stated

    def _written_by_others(self) -> int:
        return self._writes.read() - self._own

    def _pair(self) -> tuple[int, int]:
        return (self._epoch, self._count) if self._count else (0, 0)
