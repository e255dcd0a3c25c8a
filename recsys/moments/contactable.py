"""Everybody whom the shop may write to, as arrays: when each was last seen and ordered, kept up to date as the log grows.

They say who is worth a closer look, for all at once; whether somebody is due is for the rules, which look at one shopper's history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from recsys.engine.serving_state import ServingState
from recsys.live.log import Active, EventLog
from recsys.snapshot.histories import NEVER
from recsys.snapshot.store import Snapshot
from recsys.types import EventType, Mask, Rows, Times

Consent = Literal["required", "assumed"]


class ContactIndex:
    """The people of one snapshot, each at a place 0…p-1, for one worker; about 35 bytes a person.

    last_seen, last_order int64[p] (`NEVER`: never) · orders int32[p] · active bool[p] who did anything since the snapshot · ordered
    bool[p] who bought or gave back something since, of whom `last_order` and `orders` no longer hold · contactable bool[p] as the
    consents say.

    These are the people of the user table. Where consent is assumed and the shop has no such table, it is everybody with an event.
    """

    def __init__(self, snapshot: Snapshot, consent: Consent) -> None:
        people, histories = snapshot.people, snapshot.histories
        self.everybody = consent == "assumed" and not len(people)
        self._ids = histories.users if self.everybody else people.users
        self._newcomers: dict[str, int] = {}
        self._newcomer_ids: list[str] = []
        self.contactable = np.ones(len(self._ids), bool) if self.everybody else people.consented
        if consent == "assumed" and not self.everybody:
            self.contactable |= people.silent
        rows = self._ids.rows_in(histories.users)
        self.last_seen = _taken(histories.last_seen, rows, NEVER)
        self.last_order = _taken(histories.last_order, rows, NEVER)
        self.orders = _taken(histories.order_count, rows, 0)
        self.active, self.ordered = np.zeros(len(self._ids), bool), np.zeros(len(self._ids), bool)
        self._histories = histories
        self._places_of = np.full(len(histories) + 1, -1, np.int32)  # one more, for rows that are none
        self._places_of[rows] = np.arange(len(self._ids))
        self._places_of[-1] = -1
        self._read = self._folded = snapshot.manifest.state_sequence
        self._linked: dict[str, int] = {}
        self._joined: dict[str, str] = {}
        self._joins_known = 0, 0

    def __len__(self) -> int:
        return len(self.last_seen)

    def user_id(self, place: int) -> str:
        """The id of the person at a place."""
        known = len(self._ids)
        return self._ids.text(place) if place < known else self._newcomer_ids[place - known]

    def place(self, user_id: str) -> int:
        """The place of a person; -1: of nobody."""
        row = self._ids.row(user_id)
        return row if row >= 0 else self._newcomers.get(user_id, -1)

    def catch_up(self, serving: ServingState, state: EventLog) -> Rows:
        """Take in what people did and were linked to since the last look; returns the places of those who did or were."""
        with state.reading():
            last = max(state.last(), self._read)
            active = state.active(self._read, last) if last > self._read else []
            seen = [one for each in active for one in _by_user(each, serving)]
            seen += self._newly_linked(serving) + self._newly_joined(serving)
        seen = [each for each in seen if each.user_id not in serving.null_users]
        self._read = last
        self._welcome(each.user_id for each in seen)
        changed = set()
        for each in seen:
            if (place := self.place(each.user_id)) >= 0:
                self.last_seen[place] = max(self.last_seen[place], each.at)
                self.active[place] = True
                self.ordered[place] |= each.ordered
                changed.add(place)
        return np.array(sorted(changed), np.int32)

    def who_did(self, kinds: Sequence[EventType], since: int, items: Mask | None = None) -> Mask:
        """Find who did one of these things later than `since` (microseconds), with one of the items, bool[n], if any are given, as the
        snapshot knows it, bool[p]."""
        found = np.zeros(len(self), bool)
        found[self.places(self._histories.who_did(kinds, since, items))] = True
        return found

    def interested(self, state: EventLog, serving: ServingState, items: Mask, since: int) -> Mask:
        """Find who viewed or carted one of these items, bool[n], later than `since` (microseconds), bool[p]."""
        if not items.any():
            return np.zeros(len(self), bool)
        catalog = serving.engine.catalog
        found = self.who_did((EventType.VIEW, EventType.CART_ADD), since, items)
        live = state.interested([catalog.item_id(row) for row in np.flatnonzero(items).tolist()], self._folded)
        for user_id in {user_id for each in live for user_id in serving.users_of(each)}:
            if (place := self.place(user_id)) >= 0:
                found[place] = True
        return found

    def places(self, rows: Rows) -> Rows:
        """Places of the people at these rows of the snapshot's histories; of those who are not in the index none."""
        places = self._places_of[rows]
        return places[places >= 0]

    def _newly_linked(self, serving: ServingState) -> list[Active]:
        """Users to whom an anonymous id was linked since the last look, who may have got orders with it."""
        counts = {user_id: len(ids) for user_id, ids in serving.linked.items()}
        changed = [user_id for user_id, count in counts.items() if self._linked.get(user_id) != count]
        self._linked = counts
        return [Active(user_id, _last_seen(user_id, serving), True) for user_id in changed]

    def _newly_joined(self, serving: ServingState) -> list[Active]:
        """Accounts that were joined or parted since the last look, and those that their history belongs, or belonged, to."""
        known = serving.accounts.read, len(serving.forgotten)
        if known == self._joins_known:
            return []
        self._joins_known, owners = known, serving.accounts.owners()
        changed = {user_id for pair in owners.items() ^ self._joined.items() for user_id in pair}
        self._joined = owners
        return [Active(user_id, _last_seen(user_id, serving), True) for user_id in sorted(changed)]

    def _welcome(self, user_ids: Iterable[str]) -> None:
        """Give places to those whom the snapshot does not know, where everybody counts."""
        if not self.everybody:
            return
        before = len(self)
        for user_id in user_ids:
            if self.place(user_id) < 0:
                self._newcomers[user_id] = len(self._ids) + len(self._newcomers)
                self._newcomer_ids.append(user_id)
        more = len(self._ids) + len(self._newcomers) - before
        if more:
            self.contactable = np.append(self.contactable, np.ones(more, bool))
            self.last_seen = np.append(self.last_seen, np.full(more, NEVER))
            self.last_order = np.append(self.last_order, np.full(more, NEVER))
            self.orders = np.append(self.orders, np.zeros(more, np.int32))
            self.active = np.append(self.active, np.zeros(more, bool))
            self.ordered = np.append(self.ordered, np.zeros(more, bool))


def _by_user(active: Active, serving: ServingState) -> list[Active]:
    """Find who it was, under whatever id; of several whose it may be, when each was last seen."""
    users = serving.users_of(active.user_id)
    if len(users) == 1:
        return [active._replace(user_id=user_id) for user_id in users]
    return [active._replace(user_id=user_id, at=_last_seen(user_id, serving)) for user_id in users]


def _last_seen(user_id: str, serving: ServingState) -> int:
    history = serving.history(user_id)
    return int(history.times[-1]) if len(history) else NEVER


def _taken(values: Times | Rows, rows: Rows, otherwise: int) -> Times:
    """Values at rows; `otherwise` where a row is -1."""
    if not len(values):
        return np.full(len(rows), otherwise, np.int64)
    return np.where(rows >= 0, values[rows], otherwise).astype(np.int64)
