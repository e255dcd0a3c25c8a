"""Accounts of one person: known users who were joined, each with the account that the whole history belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.live.erasure import Tombstones
from recsys.live.joins import Join, JoinChange
from recsys.types import Link


class Accounts:
    """Joins as they stand; one that was made before an erasure of its account, or of the one it went into, counts no more."""

    def __init__(self, forgotten: Tombstones) -> None:
        self._forgotten = forgotten
        self._joins: dict[str, Join] = {}
        self._into: dict[str, list[str]] = {}
        self.read = 0
        """Number of the last join or undo that was taken in."""

    def __len__(self) -> int:
        return len(self._joins)

    def __contains__(self, user_id: str) -> bool:
        """Tell whether an account was joined into another one."""
        return self._standing(user_id) is not None

    def take(self, changes: Sequence[JoinChange]) -> None:
        """Take in what was joined and undone."""
        for each in changes:
            if (old := self._joins.pop(each.account_id, None)) is not None:
                self._into[old.user_id].remove(each.account_id)
            if each.join is not None:
                self._joins[each.account_id] = each.join
                self._into.setdefault(each.join.user_id, []).append(each.account_id)
            self.read = each.seq

    def owner(self, user_id: str) -> str:
        """The account that a user's history belongs to: mostly the user's own."""
        while (join := self._standing(user_id)) is not None:
            user_id = join.user_id
        return user_id

    def owners(self) -> dict[str, str]:
        """Every account that was joined into another one = whose its history is."""
        return {each: self.owner(each) for each in tuple(self._joins) if self._standing(each) is not None}

    def ids(self) -> set[str]:
        """All ids that were joined or joined into."""
        return {*tuple(self._joins), *tuple(self._into)}

    def joined(self, user_id: str) -> list[str]:
        """The accounts that were joined into one, also by way of another one, in the order of their joining."""
        found = [each for each in tuple(self._into.get(user_id, ())) if self._standing(each)]
        return [*found, *(further for each in found for further in self.joined(each))]

    def links(self, account_id: str) -> list[Link]:
        """The link that a join is for an account: from its first event on it belongs to the other one."""
        join = self._standing(account_id)
        return [] if join is None else [Link(account_id, self.owner(account_id), join.timestamp)]

    def join(self, account_id: str) -> Join | None:
        """The join of an account; None: it is on its own."""
        return self._standing(account_id)

    def _standing(self, account_id: str) -> Join | None:
        join = self._joins.get(account_id)
        if join is None or not self._forgotten:
            return join
        erased = any(self._forgotten.cover(each, join.timestamp) for each in (join.account_id, join.user_id))
        return None if erased else join
