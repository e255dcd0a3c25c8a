"""Moments in the live log's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from recsys.live.moments import KeptMoment, Moment, MomentLog, Notified
from recsys.live.sqlite import pinned_slates
from recsys.live.sqlite.appending import appending
from recsys.live.sqlite.database import Database

_AT_ONCE = 5_000
"""Rows of one step of retiring, which takes about a tenth of a second."""
_ADD = """INSERT INTO moments (seq, moment_id, user_id, kind, found_at, received_at, line)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE (SELECT count(*) FROM moments WHERE user_id = ?3 AND found_at >= ?8 AND found_at < ?9) < ?10
ON CONFLICT (moment_id) DO NOTHING"""
_NOTIFIED = "SELECT moment_id FROM moments WHERE moment_id IN (SELECT value FROM json_each(?))"
_NOTIFIED_TO = """SELECT user_id, kind, found_at FROM moments
WHERE user_id IN (SELECT value FROM json_each(?)) AND found_at >= ?"""
_LINES = "SELECT seq, line FROM moments WHERE kind = ? AND seq > ? AND line IS NOT NULL ORDER BY seq LIMIT ?"
_LAST_UNTIL = "SELECT seq FROM moments WHERE kind = ? AND found_at <= ? ORDER BY seq DESC LIMIT 1"
_OF = "SELECT user_id, found_at, line FROM moments WHERE moment_id = ? AND line IS NOT NULL"
_OF_PERIOD = "SELECT moment_id FROM moments WHERE user_id = ? AND found_at >= ? AND found_at < ?"
_FORGET = "DELETE FROM moments WHERE user_id = ? AND found_at >= ? AND found_at < ?"
_WITH_LINE = (
    f"""SELECT seq FROM moments WHERE seq > ? AND received_at < ? AND line IS NOT NULL ORDER BY seq LIMIT {_AT_ONCE}"""
)
_BEFORE = f"SELECT seq FROM moments WHERE seq > ? AND received_at < ? ORDER BY seq LIMIT {_AT_ONCE}"
_EMPTY = "UPDATE moments SET line = NULL WHERE seq = ?"
_DROP = "DELETE FROM moments WHERE seq = ?"
_encode = msgspec.json.Encoder().encode


class SqliteMomentLog(MomentLog):
    """The table `moments`."""

    def __init__(self, log: Database) -> None:
        self._log = log

    def write(self, moments: Sequence[Moment], per_day: int, received_at: int) -> list[bool]:
        if not moments:
            return []
        with appending(self._log) as log:
            return [
                log.add(_ADD, each.moment_id, each.user_id, each.kind, each.at, received_at, each.line, *each.day, per_day)
                for each in moments
            ]

    def notified(self, moment_ids: Sequence[str]) -> set[str]:
        found = self._log.read(_NOTIFIED, _encode(moment_ids).decode()) if moment_ids else []
        return {moment_id for (moment_id,) in found}

    def of(self, moment_id: str) -> KeptMoment | None:
        found = self._log.read(_OF, moment_id)
        return KeptMoment(moment_id, *found[0]) if found else None

    def notified_to(self, user_ids: Sequence[str], since: int) -> list[Notified]:
        rows = self._log.read(_NOTIFIED_TO, _encode(user_ids).decode(), since) if user_ids else []
        return [Notified._make(row) for row in rows]

    def lines(self, kind: str, after: int, max_n: int) -> list[tuple[int, bytes]]:
        return [(seq, line) for seq, line in self._log.read(_LINES, kind, after, max_n)]

    def last_until(self, kind: str, moment: int) -> int:
        found = self._log.read(_LAST_UNTIL, kind, moment)
        return int(found[0][0]) if found else 0

    def retire(self, lines_before: int, ids_before: int) -> tuple[int, int]:
        return self._each(_WITH_LINE, _EMPTY, lines_before), self._each(_BEFORE, _DROP, ids_before)

    def _each(self, chosen: str, change: str, before: int) -> int:
        changed = last = 0
        while rows := self._log.read(chosen, last, before):
            with self._log.writing() as log:
                changed += log.executemany(change, rows).rowcount
            last = rows[-1][0]
            self._log.pause()
        return changed


def forget(log: sqlite3.Connection, periods: Iterable[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, the moments of users from a moment on, until before another, and the sends that became of them;
    returns how many moments."""
    periods = list(periods)
    pinned_slates.forget_sends(log, [send_id for each in periods for (send_id,) in log.execute(_OF_PERIOD, each)])
    return log.executemany(_FORGET, periods).rowcount
