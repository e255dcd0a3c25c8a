"""Item changes in the table `item_changes`."""

from __future__ import annotations

from recsys.live.item_changes import Change, ItemChanges
from recsys.live.postgres.database import Database

_AT_ONCE = 10_000
"""Rows of one step of deleting."""
ADD_CHANGE = """INSERT INTO item_changes (seq, item_id, change, changed_at, price_before, price_after)
VALUES (%s, %s, %s, %s, %s, %s)"""
_SINCE = """SELECT item_id, changed_at, change, price_before, price_after FROM item_changes WHERE changed_at > %s
ORDER BY changed_at DESC, seq DESC"""
_DROP = f"DELETE FROM item_changes WHERE seq IN (SELECT seq FROM item_changes WHERE changed_at < %s LIMIT {_AT_ONCE})"


class PostgresItemChanges(ItemChanges):
    """The table `item_changes`."""

    def __init__(self, log: Database) -> None:
        self._log = log

    def since(self, moment: int) -> list[Change]:
        return [Change._make(row) for row in self._log.read(_SINCE, moment)]

    def drop(self, before: int) -> int:
        return self._log.repeat(_DROP, before, step=_AT_ONCE)
