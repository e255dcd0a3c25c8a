"""Joins of two accounts of one person, as rows of the live log: into which account another one went, until it is undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from recsys.live.driver import Driver, Row, Transaction

MAX_JOINS = 200_000
"""Most joins that a shop keeps."""
_ADD = """INSERT INTO joins (seq, account_id, user_id, joined_at, received_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account_id) DO UPDATE SET seq = excluded.seq, user_id = excluded.user_id, joined_at = excluded.joined_at,
received_at = excluded.received_at"""
_STANDING = "SELECT joined_at FROM joins WHERE account_id = ? AND user_id IS NOT NULL"
_COUNT = "SELECT count(*) FROM joins WHERE user_id IS NOT NULL"
_CHANGES = "SELECT seq, account_id, user_id, joined_at FROM joins WHERE seq > ? ORDER BY seq"
_FORGET = "DELETE FROM joins WHERE (account_id = ? OR user_id = ?) AND joined_at >= ? AND joined_at < ?"


class Join(msgspec.Struct, frozen=True, gc=False):
    """A known user's account that was joined into another one of the same person at `timestamp` (microseconds)."""

    account_id: str
    user_id: str
    timestamp: int


class JoinChange(NamedTuple):
    """A join as it was written; None: the account is on its own again."""

    seq: int
    account_id: str
    join: Join | None


class Joins:
    """The joins of a live log; what a call wrote is durable when it returns. Every failure is a StateError.

    One that was undone leaves its row, without the other account, so that every worker hears of it.
    """

    def __init__(self, log: Driver) -> None:
        self._log = log

    def add(self, join: Join, received_at: int) -> bool:
        """Write a join instead of what there was of its account; False: there are too many, nothing is written."""
        with self._log.writing() as log:
            is_new = not log.read(_STANDING, join.account_id)
            if is_new and log.read(_COUNT)[0][0] >= MAX_JOINS:
                return False
            log.add(_ADD, join.account_id, join.user_id, join.timestamp, received_at)
        return True

    def undo(self, account_id: str, received_at: int) -> bool:
        """Have an account stand on its own again; False: it did."""
        with self._log.writing() as log:
            if not (found := log.read(_STANDING, account_id)):
                return False
            log.add(_ADD, account_id, None, found[0][0], received_at)
        return True

    def changes(self, after: int) -> list[JoinChange]:
        """Return what was joined and undone with seq > `after`, the last of each account, by seq."""
        return [change_of(row) for row in self._log.read(_CHANGES, after)]


def change_of(row: Row) -> JoinChange:
    """Read a row of number, account, user, and when they were joined."""
    seq, account_id, user_id, at = row
    return JoinChange(seq, account_id, None if user_id is None else Join(account_id, user_id, at))


def forget(log: Transaction, periods: Sequence[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, the joins of ids that were made in their periods; returns how many."""
    return sum(log.change(_FORGET, each[0], *each) for each in periods)
