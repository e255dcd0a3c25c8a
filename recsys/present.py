"""What is newer than one snapshot: live events, links, item updates and the forgotten, laid over it as the log grows.

Small things that concern everybody are kept in memory and read on when the log has changed; a shopper's own events are looked
up when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from recsys.data.forgetting import Oblivion, Tombstones
from recsys.data.links import FOREVER, Period, periods
from recsys.data.snapshot import Snapshot
from recsys.data.state import LiveEvent, News, State
from recsys.settings import Settings
from recsys.timeline import continued
from recsys.types import NO_HISTORY, History, ItemUpdate, Lines, Link

MOST_LINKED = 20
"""Most anonymous ids of one user whose events an answer takes in, those linked last."""


class Present:
    """One snapshot and the log after it, for one worker."""

    def __init__(self, snapshot: Snapshot, state: State, oblivion: Oblivion | None, settings: Settings) -> None:
        self._snapshot, self._state = snapshot, state
        self._behaviour, self._most = snapshot.manifest.behaviour, settings.state.user_events
        self._folded = self._read = snapshot.manifest.state_sequence
        self._version: tuple[int, int] | None = None
        self._links: dict[str, list[Link]] = {}
        self._linked: dict[str, set[str]] = {}
        if self._folded > state.last():
            state.reach(self._folded)
        self._forgotten = Tombstones(oblivion, state.tombstones())
        self._newest = snapshot.as_of

    def catch_up(self) -> None:
        """Take in what was written since the last look; costs a few microseconds where nothing was.

        Raises:
            StateError: if the log cannot be read.
            SettingsError: if somebody was forgotten under a secret that is not there.
        """
        version = self._state.version()
        if version == self._version:
            return
        with self._state.reading():
            last = max(self._state.last(), self._read)
            self._take(self._state.news(self._read))
            self._newest = max(self._newest, self._state.newest(self._read) or 0)
        self._read, self._version = last, version

    @property
    def now(self) -> int:
        """The later of the snapshot's moment and the newest accepted event, in microseconds."""
        return self._newest

    def history(self, user_id: str) -> History:
        """What a shopper did, in the rows of the snapshot: under this id, and under the anonymous ids that are theirs."""
        base = self._snapshot.histories.of(user_id)
        if self._read == self._folded and not self._forgotten:
            return base  # nothing was written since the snapshot, by anybody
        live = self._state.events_of(user_id, self._folded, self._most)
        parts, events = [self._remembered(user_id, base)], self._after(user_id, live)
        for period, theirs in self._under_other_ids(user_id):
            parts.append(_within(self._snapshot.histories.of(period.anonymous_id), period))
            events = events + [each for each in theirs if period.since <= each.timestamp < period.until]
        if not events and len(parts) == 1:
            return parts[0]
        return continued(parts, events, self._snapshot.catalog, self._behaviour)

    def _under_other_ids(self, user_id: str) -> list[tuple[Period, list[LiveEvent]]]:
        """When anonymous ids were this user's, with what they did since the snapshot. A snapshot gives linked ids' events to their
        users, so an id counts only if it did something since, or was linked since."""
        events_of, links = self._state.events_of, self._links
        theirs = {each: events_of(each, self._folded, self._most) for each in self._anonymous_ids(user_id)}
        asked = [each for each, events in theirs.items() if events or each in links]
        return [(period, theirs[period.anonymous_id]) for period in self._periods(user_id, asked)] if asked else []

    def is_known(self, user_id: str) -> bool:
        """Whether others are linked to this id, or the shop's user table has it."""
        if self.forgotten_at(user_id) is None:
            return user_id in self._linked or self._snapshot.links.is_known(user_id)
        return any(link.user_id == user_id for each in self._anonymous_ids(user_id) for link in self._links_of(each))

    def is_told(self, link: Link) -> bool:
        """Whether a link says nothing new: that of its id's latest link, or a later one to the same user, repeats it."""
        latest = max(self._links_of(link.anonymous_id), key=lambda each: (each.timestamp, each.user_id), default=None)
        return latest is not None and latest.user_id == link.user_id and latest.timestamp <= link.timestamp

    def is_anonymous(self, user_id: str) -> bool:
        """Whether this id was linked to a user."""
        return bool(self._links_of(user_id))

    def ids_of(self, user_id: str) -> list[str]:
        """A user's id and every anonymous id that was ever linked to it."""
        return [user_id, *sorted({*self._snapshot.links.anonymous_ids(user_id), *self._linked.get(user_id, ())})]

    def forgotten_at(self, user_id: str) -> int | None:
        """Up to when everything of a user is forgotten, in microseconds; None: nothing is."""
        return self._forgotten.at(user_id)

    def _take(self, news: Iterable[News]) -> None:
        """Take rows in; of several updates of one item only what they come to."""
        updates: dict[str, ItemUpdate] = {}
        forgotten = []
        for each in news:
            row = each.row
            if isinstance(row, ItemUpdate):
                updates[row.item_id] = _later(updates.get(row.item_id), row)
                self._snapshot.catalog.revision = each.seq
            elif isinstance(row, Link):
                self._links.setdefault(row.anonymous_id, []).append(row)
                self._linked.setdefault(row.user_id, set()).add(row.anonymous_id)
            else:
                forgotten.append(row)
        self._forgotten.add(forgotten)
        for update in updates.values():
            self._snapshot.catalog.overlay(update, self._snapshot.catalog.revision)

    def _links_of(self, anonymous_id: str) -> list[Link]:
        """The links of an anonymous id that count: none from before it, or its user, was forgotten."""
        links = [*self._snapshot.links.of(anonymous_id), *self._links.get(anonymous_id, ())]
        if not self._forgotten:
            return links
        return [link for link in links if link.timestamp > self._forgotten_until(link)]

    def _forgotten_until(self, link: Link) -> int:
        moments = [self.forgotten_at(each) for each in (link.anonymous_id, link.user_id)]
        return max(FOREVER.min - 1 if moment is None else moment for moment in moments)

    def _anonymous_ids(self, user_id: str) -> Iterable[str]:
        found = self._snapshot.links.anonymous_ids(user_id)
        since = self._linked.get(user_id)
        return {*found, *since} if since else found

    def _periods(self, user_id: str, anonymous: Iterable[str]) -> list[Period]:
        """When each anonymous id was this user's, the last linked ones; none from before they were forgotten."""
        found = [period for each in anonymous for period in periods(self._links_of(each)) if period.user_id == user_id]
        found = sorted(found, key=lambda period: (period.since, period.anonymous_id))[-MOST_LINKED:]
        if not self._forgotten:
            return found
        moments = [(each, self.forgotten_at(each.anonymous_id), self.forgotten_at(user_id)) for each in found]
        return [each._replace(since=max(each.since, _after(own), _after(theirs))) for each, own, theirs in moments]

    def _remembered(self, user_id: str, history: History) -> History:
        moment = self.forgotten_at(user_id)
        return history if moment is None else _within(history, Period("", user_id, moment + 1, FOREVER.max))

    def _after(self, user_id: str, live: list[LiveEvent]) -> list[LiveEvent]:
        moment = self.forgotten_at(user_id)
        return live if moment is None else [each for each in live if each.timestamp > moment]


def _later(one: ItemUpdate | None, other: ItemUpdate) -> ItemUpdate:
    """Two updates of an item as one; a stock without a word on availability speaks for itself."""
    if one is None:
        return other
    available = other.available if other.available is not None or other.stock is not None else one.available
    return ItemUpdate(
        other.item_id,
        available,
        one.stock if other.stock is None else other.stock,
        one.price if other.price is None else other.price,
    )


def _after(moment: int | None) -> int:
    return int(FOREVER.min) if moment is None else moment + 1


def _within(history: History, period: Period) -> History:
    """The events of a history in a period; its sums no longer hold unless all of it is."""
    if not len(history) or (period.since <= history.times[0] and history.times[-1] < period.until):
        return history
    first, last = (int(history.times.searchsorted(moment)) for moment in (period.since, period.until))
    if first >= last:
        return NO_HISTORY
    part, lines = slice(first, last), history.lines
    cut = lines and Lines(lines.order_ids[part], lines.quantities[part], lines.prices[part])
    orders = history.orders[part]
    earlier = orders[orders >= 0].min(initial=np.iinfo(np.int32).max)
    orders = np.where(orders >= 0, orders - earlier, orders)
    return History(history.items[part], history.kinds[part], history.times[part], orders, None, cut)
