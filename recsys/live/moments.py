"""Moments that were found due: rows of the live log, each with its line as it is answered, written before it is.

A moment's id is its key, so that of several who find it the first one writes it down and nobody does a second time. Old rows lose
their line, but not their id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from recsys.live import pinned_slates
from recsys.live.driver import Driver, Transaction
from recsys.live.erasure import Tombstones

_AT_ONCE = 5_000
"""Rows of one step of retiring."""
_ADD = """INSERT INTO moments (seq, moment_id, user_id, kind, found_at, received_at, line) SELECT ?, ?, ?, ?, ?, ?, ?
WHERE (SELECT count(*) FROM moments WHERE user_id = ? AND found_at >= ? AND found_at < ?) < ? ON CONFLICT (moment_id) DO NOTHING"""
_NOTIFIED = "SELECT moment_id FROM moments WHERE moment_id = ANY(?)"
_NOTIFIED_TO = "SELECT user_id, kind, found_at FROM moments WHERE user_id = ANY(?) AND found_at >= ?"
_LINES = "SELECT seq, line FROM moments WHERE kind = ? AND seq > ? AND line IS NOT NULL ORDER BY seq LIMIT ?"
_LAST_UNTIL = "SELECT seq FROM moments WHERE kind = ? AND found_at <= ? ORDER BY seq DESC LIMIT 1"
_OF = "SELECT user_id, found_at, line FROM moments WHERE moment_id = ? AND line IS NOT NULL"
_OF_PERIOD = "SELECT moment_id FROM moments WHERE user_id = ? AND found_at >= ? AND found_at < ?"
_FORGET = "DELETE FROM moments WHERE user_id = ? AND found_at >= ? AND found_at < ?"
_WITH_LINE = f"SELECT seq FROM moments WHERE seq > ? AND received_at < ? AND line IS NOT NULL ORDER BY seq LIMIT {_AT_ONCE}"
_BEFORE = f"SELECT seq FROM moments WHERE seq > ? AND received_at < ? ORDER BY seq LIMIT {_AT_ONCE}"
_EMPTY = "UPDATE moments SET line = NULL WHERE seq = ANY(?)"
_DROP = "DELETE FROM moments WHERE seq = ANY(?)"


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


class MomentLog:
    """The moments of a log; what a call wrote is durable when it returns. Every failure is a StateError."""

    def __init__(self, log: Driver) -> None:
        self._log = log

    def write(self, moments: Sequence[Moment], per_day: int, received_at: int, known: int | None = None) -> list[bool]:
        """Write moments down; False where the id is there, or the user had `per_day` moments on that day already.

        Raises:
            ForgottenSinceError: nothing is written, for somebody was forgotten after number `known`.
        """
        if not moments:
            return []
        with self._log.writing() as log:
            log.check_forgotten(known)
            return [_add(log, each, per_day, received_at) for each in moments]

    def notified(self, moment_ids: Sequence[str]) -> set[str]:
        """Those of these ids that are written down."""
        found = self._log.read(_NOTIFIED, list(moment_ids)) if moment_ids else []
        return {moment_id for (moment_id,) in found}

    def of(self, moment_id: str) -> KeptMoment | None:
        """Look a moment up; None: there is none, it was erased, or its line was retired."""
        found = self._log.read(_OF, moment_id)
        return KeptMoment(moment_id, *found[0]) if found else None

    def notified_to(self, user_ids: Sequence[str], since: int) -> list[Notified]:
        """Return what was found due for these users from a moment (microseconds) on."""
        rows = self._log.read(_NOTIFIED_TO, list(user_ids), since) if user_ids else []
        return [Notified._make(row) for row in rows]

    def lines(self, kind: str, after: int, max_n: int) -> list[tuple[int, bytes]]:
        """Number and line of a kind's rows with seq > `after`, the first `max_n` of them, by seq."""
        return [(seq, line) for seq, line in self._log.read(_LINES, kind, after, max_n)]

    def last_until(self, kind: str, moment: int) -> int:
        """Number of the last row of a kind that was found due up to a moment (microseconds); 0: there is none."""
        found = self._log.read(_LAST_UNTIL, kind, moment)
        return int(found[0][0]) if found else 0

    def retire(self, lines_before: int, ids_before: int) -> tuple[int, int]:
        """Empty the lines of rows received before a moment (microseconds), and delete rows received before another; counts both.

        It goes in steps, after each of which others may write.
        """
        return self._each(_WITH_LINE, _EMPTY, lines_before), self._each(_BEFORE, _DROP, ids_before)

    def _each(self, chosen: str, change: str, before: int) -> int:
        changed = last = 0
        while rows := self._log.read(chosen, last, before):
            with self._log.writing() as log:
                changed += log.change(change, [seq for (seq,) in rows])
            last = rows[-1][0]
            self._log.pause()
        return changed


def not_forgotten(moments: Iterable[Moment], forgotten: Tombstones) -> list[Moment]:
    """Those of people who are not forgotten: nothing is due for one who ever was, nor at a moment of which nothing is known."""
    return [each for each in moments if forgotten.at(each.user_id) is None and not forgotten.cover(each.user_id, each.at)]


def forget(log: Transaction, periods: Iterable[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, the moments of users from a moment on, until before another, and the sends that became of them;
    returns how many moments."""
    periods = list(periods)
    pinned_slates.forget_sends(log, [send_id for each in periods for (send_id,) in log.read(_OF_PERIOD, *each)])
    return sum(log.change(_FORGET, *each) for each in periods)


def _add(log: Transaction, each: Moment, per_day: int, received_at: int) -> bool:
    row = (each.moment_id, each.user_id, each.kind, each.at, received_at, each.line)
    return log.add(_ADD, *row, each.user_id, *each.day, per_day)
