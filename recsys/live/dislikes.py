"""Dislikes of shoppers, as rows of the live log: what somebody does not want to see, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from recsys.live.driver import Driver, Transaction

MAX_DISLIKES = 200
"""Most dislikes of one id that are kept, the latest."""
_AT_ONCE = 10_000
"""Rows of one step of deleting."""
_SAY = """INSERT INTO dislikes (seq, user_id, hides, value, said_at, until, received_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (user_id, hides, value) DO UPDATE SET seq = excluded.seq, said_at = excluded.said_at, until = excluded.until,
received_at = excluded.received_at WHERE excluded.said_at >= dislikes.said_at"""
_CROWDED = """DELETE FROM dislikes WHERE user_id = ? AND seq NOT IN
(SELECT seq FROM dislikes WHERE user_id = ? ORDER BY said_at DESC, seq DESC LIMIT ?)"""
_OF = "SELECT user_id, hides, value, said_at, until FROM dislikes WHERE user_id = ANY(?) ORDER BY user_id, hides, value"
_DROP = f"DELETE FROM dislikes WHERE seq IN (SELECT seq FROM dislikes WHERE until < ? LIMIT {_AT_ONCE})"
_FORGET = "DELETE FROM dislikes WHERE user_id = ? AND said_at >= ? AND said_at < ?"
Hides = Literal["item", "brand", "category"]
HIDES: tuple[str, ...] = get_args(Hides)


class Dislike(msgspec.Struct, frozen=True, gc=False):
    """At `at` an id said no to an item, a brand or a category, up to `until` (microseconds); an undo ends at once."""

    user_id: str
    hides: Hides
    value: str
    at: int
    until: int


class Dislikes:
    """The dislikes of a live log: of each id and value the one that was said last. Every failure is a StateError."""

    def __init__(self, log: Driver) -> None:
        self._log = log

    def say(self, dislikes: Sequence[Dislike], received_at: int, known: int | None = None) -> None:
        """Write dislikes, durably when it returns; an earlier one than there is of the same value changes nothing.

        Raises:
            ForgottenSinceError: nothing is written, for somebody was forgotten after number `known`, or that cannot be told.
        """
        if not dislikes:
            return
        with self._log.writing() as log:
            log.check_forgotten(known)
            for each in dislikes:
                log.add(_SAY, each.user_id, each.hides, each.value, each.at, each.until, received_at)
            for user_id in dict.fromkeys(each.user_id for each in dislikes):
                log.change(_CROWDED, user_id, user_id, MAX_DISLIKES)

    def of(self, user_ids: Sequence[str]) -> list[Dislike]:
        """Return what some ids said, undone or not, in order."""
        return [Dislike(*row) for row in self._log.read(_OF, list(user_ids))]

    def drop(self, before: int) -> int:
        """Delete those that ended before a moment, in steps after which others may write; returns how many."""
        return self._log.repeat(_DROP, before, step=_AT_ONCE)


def forget(log: Transaction, periods: Sequence[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, what ids said in their periods; returns how many."""
    return sum(log.change(_FORGET, *each) for each in periods)
