"""Moments that were found due: rows of the live log, each with its line as it is answered, written before it is.

A moment's id is its key, so that of several who find it the first one writes it down and nobody does a second time. Old rows lose
their line, but not their id.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple


class Moment(NamedTuple):
    """A moment found due: `at` when (microseconds), `day` the first microsecond of the user's day then, and of the next one."""

    moment_id: str
    user_id: str
    kind: str
    at: int
    day: tuple[int, int]
    line: bytes


class Notified(NamedTuple):
    """A moment of this kind was found due for a user at a moment in microseconds."""

    user_id: str
    kind: str
    at: int


class KeptMoment(NamedTuple):
    """A moment that is written down, with its line; `at` when it was found due (microseconds)."""

    moment_id: str
    user_id: str
    at: int
    line: bytes


class MomentLog(ABC):
    """The moments of a log; what a call wrote is durable when it returns. Whatever fails is a StateError."""

    @abstractmethod
    def write(self, moments: Sequence[Moment], per_day: int, received_at: int) -> list[bool]:
        """Write moments down; False where the id is there, or the user had `per_day` moments on that day already."""

    @abstractmethod
    def notified(self, moment_ids: Sequence[str]) -> set[str]:
        """Those of these ids that are written down."""

    @abstractmethod
    def of(self, moment_id: str) -> KeptMoment | None:
        """Look a moment up; None: there is none, it was erased, or its line was retired."""

    @abstractmethod
    def notified_to(self, user_ids: Sequence[str], since: int) -> list[Notified]:
        """Return what was found due for these users from a moment (microseconds) on."""

    @abstractmethod
    def lines(self, kind: str, after: int, max_n: int) -> list[tuple[int, bytes]]:
        """Number and line of a kind's rows with seq > `after`, the first `max_n` of them, by seq."""

    @abstractmethod
    def last_until(self, kind: str, moment: int) -> int:
        """Number of the last row of a kind that was found due up to a moment (microseconds); 0: there is none."""

    @abstractmethod
    def retire(self, lines_before: int, ids_before: int) -> tuple[int, int]:
        """Empty the lines of rows received before a moment (microseconds), and delete rows received before another; counts both.

        It goes in steps, after each of which others may write.
        """
