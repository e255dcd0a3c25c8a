"""Logged slates in the table `logged_slates`: a server that stops may lose the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from recsys.live.erasure import Tombstones
from recsys.live.postgres.address import Address
from recsys.live.postgres.database import Database, Transaction
from recsys.live.slate_log import LoggedSlate, SlateLog, TombstonesNow, is_erased
from recsys.types import DataError

_CONNECTIONS = 2
"""Of one process: the thread that writes, and somebody who erases."""
_ADD = """INSERT INTO logged_slates (seq, recommendation_id, user_id, answered_at, slate) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (recommendation_id) DO NOTHING"""
_BOUND = "DELETE FROM logged_slates WHERE seq <= (SELECT max(seq) FROM logged_slates) - %s"
_BY_ID = "SELECT slate FROM logged_slates WHERE recommendation_id = %s"
_NEWEST = "SELECT slate FROM logged_slates ORDER BY seq DESC LIMIT %s"
_USERS = "SELECT DISTINCT user_id FROM logged_slates WHERE user_id IS NOT NULL"
_OF_USER = "SELECT seq, slate FROM logged_slates WHERE user_id = %s"
_DROP = "DELETE FROM logged_slates WHERE seq = ANY(%s)"


class PostgresSlateLog(SlateLog):
    """The logged slates of a shop, at most `max_n`."""

    def __init__(self, address: Address, max_n: int, tombstones: TombstonesNow = lambda: Tombstones(None, ())) -> None:
        """`tombstones` is asked when nobody else can write: who is erased after that deletes what was written."""
        self._database = Database(address, "slates", _CONNECTIONS, synchronous=False)
        self._max_n, self._tombstones = max_n, tombstones

    def write(self, slates: Sequence[LoggedSlate]) -> None:
        with self._database.writing() as log:
            erased = self._tombstones()
            for each in slates:
                if not is_erased(each, erased):
                    log.add(_ADD, each.recommendation_id, each.user_id, each.answered_at, msgspec.json.encode(each))
            log.change(_BOUND, self._max_n)

    def read(self, recommendation_id: str) -> LoggedSlate:
        found = self._database.read(_BY_ID, recommendation_id)
        if not found:
            raise DataError(
                f"no slate {recommendation_id!r} is logged in {self._database.address.name}; a share of `state.slate_share` of all "
                "slates is, the oldest are dropped"
            )
        return _slate(found[0][0])

    def newest(self, max_n: int) -> list[LoggedSlate]:
        return [_slate(body) for (body,) in self._database.read(_NEWEST, max_n)]

    def forget(self, user_ids: Sequence[str] | None = None) -> int:
        with self._database.writing() as log:
            erased = self._tombstones()
            chosen = [user_id for (user_id,) in log.read(_USERS)] if user_ids is None else user_ids
            gone = [seq for each in chosen if erased.spans(each) for seq in _erased(log, each, erased)]
            return log.change(_DROP, gone) if gone else 0

    def close(self) -> None:
        self._database.close()


def _erased(log: Transaction, user_id: str, erased: Tombstones) -> Iterator[int]:
    return (seq for seq, body in log.read(_OF_USER, user_id) if is_erased(_slate(body), erased))


def _slate(body: bytes) -> LoggedSlate:
    return msgspec.json.decode(body, type=LoggedSlate)
