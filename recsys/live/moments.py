"""Moments that were found due: rows of the live log, each with its line as it is answered, written before it is.

A moment's id is its key, so that of several who find it the first one writes it down and nobody does a second time. Old rows lose
their line, but not their id.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from recsys.live.database import LogFile
from recsys.live.pinned_slates import forget_sends

MOMENT = 9
"""Kind of these rows: subject is the user, the time when it was found due, event_type the kind of moment, body the line."""
SCHEMA = f"""CREATE INDEX log_moments ON log (event_type, seq, at) WHERE kind = {MOMENT};
CREATE INDEX log_moments_of ON log (subject, at, event_type) WHERE kind = {MOMENT};"""
_AT_ONCE = 5_000
"""Rows of one step of retiring, which takes about a tenth of a second."""
_PAUSE_SECONDS = 0.01
"""Between two steps, so that whoever waits for writing comes in."""
_ADD = f"""INSERT INTO log (kind, subject, at, received_at, key, event_type, body)
SELECT {MOMENT}, ?1, ?2, ?3, ?4, ?5, ?6 WHERE (SELECT count(*) FROM log INDEXED BY log_moments_of
WHERE kind = {MOMENT} AND subject = ?1 AND at >= ?7 AND at < ?8) < ?9
ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING"""
_NOTIFIED = "SELECT key FROM log INDEXED BY log_key WHERE key IN (SELECT value FROM json_each(?))"
_NOTIFIED_TO = f"""SELECT subject, event_type, at FROM log INDEXED BY log_moments_of
WHERE kind = {MOMENT} AND subject IN (SELECT value FROM json_each(?)) AND at >= ?"""
_LINES = f"""SELECT seq, body FROM log INDEXED BY log_moments
WHERE kind = {MOMENT} AND event_type = ? AND seq > ? AND body IS NOT NULL ORDER BY seq LIMIT ?"""
_LAST_UNTIL = f"""SELECT seq FROM log INDEXED BY log_moments
WHERE kind = {MOMENT} AND event_type = ? AND at <= ? ORDER BY seq DESC LIMIT 1"""
_OF = f"SELECT subject, at, body FROM log INDEXED BY log_key WHERE key = ? AND kind = {MOMENT} AND body IS NOT NULL"
_KEYS_OF = (
    f"SELECT key FROM log INDEXED BY log_moments_of WHERE kind = {MOMENT} AND subject IN (SELECT value FROM json_each(?))"
)
_FORGET = f"""DELETE FROM log INDEXED BY log_moments_of
WHERE kind = {MOMENT} AND subject IN (SELECT value FROM json_each(?))"""
_WITH_LINE = f"""SELECT seq FROM log NOT INDEXED
WHERE kind = {MOMENT} AND seq > ? AND received_at < ? AND body IS NOT NULL ORDER BY seq LIMIT {_AT_ONCE}"""
_OF_BEFORE = (
    f"SELECT seq FROM log NOT INDEXED WHERE kind = {MOMENT} AND seq > ? AND received_at < ? ORDER BY seq LIMIT {_AT_ONCE}"
)
_EMPTY = "UPDATE log SET body = NULL WHERE seq = ?"
_DROP = "DELETE FROM log WHERE seq = ?"
_PREFIX = "\x1fmoment\x1f"
"""Begins the keys of these rows; no id may hold its control characters, so they meet no event's id."""
_encode = msgspec.json.Encoder().encode


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
    """The moments of a log; what a call wrote is durable when it returns. Whatever fails is a StateError."""

    def __init__(self, log: LogFile) -> None:
        self._log = log

    def write(self, moments: Sequence[Moment], per_day: int, received_at: int) -> list[bool]:
        """Write moments down; False where the id is there, or the user had `per_day` moments on that day already."""
        if not moments:
            return []
        with self._log.writing() as log:
            return [
                log.execute(_ADD, (*_row(moment, received_at), *moment.day, per_day)).rowcount == 1 for moment in moments
            ]

    def notified(self, moment_ids: Sequence[str]) -> set[str]:
        """Those of these ids that are written down."""
        found = self._log.read(_NOTIFIED, _encode([_PREFIX + each for each in moment_ids]).decode()) if moment_ids else []
        return {key.removeprefix(_PREFIX) for (key,) in found}

    def of(self, moment_id: str) -> KeptMoment | None:
        """Look a moment up; None: there is none, it was erased, or its line was retired."""
        found = self._log.read(_OF, _PREFIX + moment_id)
        return KeptMoment(moment_id, *found[0]) if found else None

    def notified_to(self, user_ids: Sequence[str], since: int) -> list[Notified]:
        """What was found due for these users from a moment (microseconds) on."""
        rows = self._log.read(_NOTIFIED_TO, _encode(user_ids).decode(), since) if user_ids else []
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

        It goes 5,000 rows at a time, after each of which others may write.
        """
        return self._each(_WITH_LINE, _EMPTY, lines_before), self._each(_OF_BEFORE, _DROP, ids_before)

    def _each(self, chosen: str, change: str, before: int) -> int:
        changed = last = 0
        while rows := self._log.read(chosen, last, before):
            with self._log.writing() as log:
                changed += log.executemany(change, rows).rowcount
            last = rows[-1][0]
            time.sleep(_PAUSE_SECONDS)
        return changed


def forget_moments(log: sqlite3.Connection, ids: str) -> int:
    """Delete, inside a transaction, the moments of users (a JSON list of ids), and the sends that became of them; returns how many
    moments."""
    forget_sends(log, [key.removeprefix(_PREFIX) for (key,) in log.execute(_KEYS_OF, (ids,))])
    return log.execute(_FORGET, (ids,)).rowcount


def _row(moment: Moment, received_at: int) -> tuple[str, int, int, str, str, bytes]:
    return moment.user_id, moment.at, received_at, _PREFIX + moment.moment_id, moment.kind, moment.line
