"""Driver of a database: what the rows of live state need of one, so that each query stands once and runs on all of them.

In a query a value stands as `?`, and `= ANY(?)` finds any of a list. What a driver cannot run as it is written, it rewrites.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeAlias, TypeVar

from recsys.types import SettingsError, StateError

_PAUSE_SECONDS = 0.01
"""Between two steps of a long change, so that others who wait for writing come in."""

Row: TypeAlias = tuple[Any, ...]
Written = TypeVar("Written")
MAX_TRIES = 5
"""Most attempts to write while others are forgotten at the same time."""
BEING_FORGOTTEN = "people are being forgotten just now, and nothing can be written beside it; send it again"


class ForgottenSinceError(StateError):
    """Somebody was forgotten since what is to be written was found, or that cannot be told: look again."""


class Step(NamedTuple):
    """The pairs of `Driver.changes` before and after a commit that was the only one between them."""

    before: tuple[int, int]
    after: tuple[int, int]


class Appended(NamedTuple):
    """Outcome of appending rows.

    fresh: False where one conflicts with a row that was there, or came earlier in the call · last: the number given last ·
    step: None where others may have committed since the last look.
    """

    fresh: list[bool]
    last: int = 0
    step: Step | None = None


class Transaction(ABC):
    """A transaction that has its turn to write: it numbers rows above `last`, in the order of commits."""

    last: int

    @abstractmethod
    def read(self, query: str, *values: Any) -> list[Row]:
        """Fetch every row of a query."""

    @abstractmethod
    def change(self, statement: str, *values: Any) -> int:
        """Run a statement; returns how many rows it changed."""

    @abstractmethod
    def change_all(self, statement: str, rows: Sequence[Row]) -> None:
        """Run a statement for each of several rows of values."""

    def add(self, statement: str, *values: Any) -> bool:
        """Insert a row, whose first value is the next number; False, and the number is still free, if it conflicts."""
        added = self.change(statement, self.last + 1, *values) == 1
        self.last += added
        return added

    def add_all(self, statement: str, rows: Sequence[Row]) -> None:
        """Insert rows that cannot conflict, as `add` does."""
        self.change_all(statement, [(self.last + place, *row) for place, row in enumerate(rows, 1)])
        self.last += len(rows)

    def check_forgotten(self, known: int | None) -> None:
        """Raise ForgottenSinceError if somebody was forgotten after number `known`, or that cannot be told; None asks nothing."""
        if known is None:
            return
        if known > self.last or self.read("SELECT 1 FROM tombstones WHERE seq > ? LIMIT 1", known):
            raise ForgottenSinceError(BEING_FORGOTTEN)


class Driver(ABC):
    """One database for all threads of a process. Nothing is opened before it is used, and whatever fails is a StateError that names
    the database and says what to do."""

    is_remote = False
    """Whether a read may wait for another machine."""
    lineage = ""
    """Which course of the database is read, as far as the open connections know: a standby that was promoted without the last rows
    gives their numbers to others."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Return where the database is, for people."""

    @abstractmethod
    def has_begun(self) -> bool:
        """Tell whether there may be rows: before, every read answers nothing."""

    @abstractmethod
    def read(self, query: str, *values: Any) -> list[Row]:
        """Fetch every row of a query."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Have every `read` of this thread see the same moment; it cannot write there."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Transaction]:
        """One transaction: on the disk when it ends, nothing of it there if it raises."""

    def append(self, statement: str, rows: Sequence[Row], known: int | None = None) -> Appended:
        """Insert rows in a transaction of their own, each by a statement whose first value is the next number; one that may conflict
        says `ON CONFLICT … DO NOTHING`.

        Raises:
            ForgottenSinceError: nothing is written, for somebody was forgotten after number `known`, as of the moment of writing.
        """
        with self.writing() as log:
            log.check_forgotten(known)
            return Appended([log.add(statement, *row) for row in rows], log.last)

    @abstractmethod
    def alone(self, purpose: str) -> AbstractContextManager[None]:
        """Keep every other process from doing the same at once; this thread reads and writes meanwhile."""

    @property
    @abstractmethod
    def numbered(self) -> str:
        """The query that finds the number given last, as `last`."""

    def last(self) -> int:
        """The number given last, also when its row was deleted since; 0: none was."""
        found = self.read(self.numbered)
        return int(found[0][0]) if found else 0

    @abstractmethod
    def changes(self) -> tuple[int, int]:
        """A pair that is another one after any commit of any thread or process; (0, 0) before the first."""

    def recent_changes(self) -> tuple[int, int]:
        """The same without a wait for another machine, as far as `poll` goes: every commit of this machine, and those of others from a
        tenth of a second on."""
        return self.changes()

    def known_changes(self) -> tuple[int, int] | None:
        """The same as `recent_changes`, where that is known without asking another machine; None: it is not."""
        return None if self.is_remote else self.changes()

    def took(self, step: Step) -> None:  # noqa: B027 - where a look costs nothing it is not spared
        """Note that a commit was taken in without a look: the next `changes` looks whether there are others."""

    def poll(self) -> None:  # noqa: B027 - where a look costs nothing nobody need look ahead
        """Look for commits in a thread, again and again, so that `recent_changes` need not."""

    def stop_polling(self) -> None:  # noqa: B027
        """End that; `close` does so too."""

    def wipe(self) -> None:  # noqa: B027 - most databases leave nothing that a caller could remove
        """Have nothing of deleted rows left where a database keeps what it changed, as far as that is ours to do."""

    @abstractmethod
    def close(self) -> None:
        """Close what this process opened; the next call opens it again."""

    def repeat(self, statement: str, *values: Any, step: int) -> int:
        """Run a statement that changes at most `step` rows until it changes fewer; returns how many rows it changed.

        Each time is a transaction of its own, after which others may write.
        """
        total, changed = 0, step if self.has_begun() else 0
        while changed == step:
            with self.writing() as log:
                changed = log.change(statement, *values)
            total += changed
            self.pause()
        return total

    @staticmethod
    def pause() -> None:
        """Let others write between two steps of a long change."""
        time.sleep(_PAUSE_SECONDS)


def until_written(write: Callable[[], Written], look: Callable[[], None]) -> Written:
    """Write what was found; where somebody was forgotten since, look and try again.

    Raises:
        StateError: if the log cannot be read or written, or others are forgotten all the time.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return write()
        except ForgottenSinceError:
            _look(look)
    return write()


def _look(look: Callable[[], None]) -> None:
    try:
        look()
    except SettingsError as error:  # somebody was forgotten by a service that has a secret which this one lacks
        raise StateError(str(error)) from error
