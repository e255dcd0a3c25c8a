"""Moments in the table `moments`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recsys.live.moments import KeptMoment, Moment, MomentLog, Notified
from recsys.live.postgres import pinned_slates
from recsys.live.postgres.database import Database, Transaction

_AT_ONCE = 5_000
"""Rows of one step of retiring."""
_ADD = """INSERT INTO moments (seq, moment_id, user_id, kind, found_at, received_at, line)
SELECT %s, each.moment_id, each.user_id, %s, %s, %s, %s FROM (VALUES (%s::text, %s::text)) AS each (moment_id, user_id)
WHERE (SELECT count(*) FROM moments AS told WHERE told.user_id = each.user_id AND found_at >= %s AND found_at < %s) < %s
ON CONFLICT (moment_id) DO NOTHING"""
_NOTIFIED = "SELECT moment_id FROM moments WHERE moment_id = ANY(%s)"
_NOTIFIED_TO = "SELECT user_id, kind, found_at FROM moments WHERE user_id = ANY(%s) AND found_at >= %s"
_LINES = "SELECT seq, line FROM moments WHERE kind = %s AND seq > %s AND line IS NOT NULL ORDER BY seq LIMIT %s"
_LAST_UNTIL = "SELECT seq FROM moments WHERE kind = %s AND found_at <= %s ORDER BY seq DESC LIMIT 1"
_OF = "SELECT user_id, found_at, line FROM moments WHERE moment_id = %s AND line IS NOT NULL"
_OF_PERIOD = "SELECT moment_id FROM moments WHERE user_id = %s AND found_at >= %s AND found_at < %s"
_FORGET = "DELETE FROM moments WHERE user_id = %s AND found_at >= %s AND found_at < %s"
_WITH_LINE = (
    f"SELECT seq FROM moments WHERE seq > %s AND received_at < %s AND line IS NOT NULL ORDER BY seq LIMIT {_AT_ONCE}"
)
_BEFORE = f"SELECT seq FROM moments WHERE seq > %s AND received_at < %s ORDER BY seq LIMIT {_AT_ONCE}"
_EMPTY = "UPDATE moments SET line = NULL WHERE seq = ANY(%s)"
_DROP = "DELETE FROM moments WHERE seq = ANY(%s)"


class PostgresMomentLog(MomentLog):
    """The table `moments`."""

    def __init__(self, log: Database) -> None:
        self._log = log

    def write(self, moments: Sequence[Moment], per_day: int, received_at: int) -> list[bool]:
        if not moments:
            return []
        with self._log.writing() as log:
            return [_add(log, each, per_day, received_at) for each in moments]

    def notified(self, moment_ids: Sequence[str]) -> set[str]:
        found = self._log.read(_NOTIFIED, list(moment_ids)) if moment_ids else []
        return {moment_id for (moment_id,) in found}

    def of(self, moment_id: str) -> KeptMoment | None:
        found = self._log.read(_OF, moment_id)
        return KeptMoment(moment_id, *found[0]) if found else None

    def notified_to(self, user_ids: Sequence[str], since: int) -> list[Notified]:
        rows = self._log.read(_NOTIFIED_TO, list(user_ids), since) if user_ids else []
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
                changed += log.change(change, [seq for (seq,) in rows])
            last = rows[-1][0]
            self._log.pause()
        return changed


def forget(log: Transaction, periods: Iterable[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, the moments of users from a moment on, until before another, and the sends that became of them;
    returns how many moments."""
    periods = list(periods)
    pinned_slates.forget_sends(log, [send_id for each in periods for (send_id,) in log.read(_OF_PERIOD, *each)])
    return sum(log.change(_FORGET, *each) for each in periods)


def _add(log: Transaction, each: Moment, per_day: int, received_at: int) -> bool:
    return log.add(_ADD, each.kind, each.at, received_at, each.line, each.moment_id, each.user_id, *each.day, per_day)
