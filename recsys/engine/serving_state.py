"""Serving state: one snapshot plus the live events, links, item updates and tombstones that are newer.

Small things that concern everybody are kept in memory and read on when the log has changed; a shopper's own events are looked
up when they are asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from recsys.engine.choice import Answered, Arms, Choice, answered
from recsys.engine.history_merge import converted, merge_histories, within
from recsys.engine.merchandising.campaigns import LiveCampaigns
from recsys.engine.pipeline import Engine
from recsys.engine.shoppers.accounts import Accounts
from recsys.engine.shoppers.dislikes import KnownDislikes, with_dislikes
from recsys.engine.shoppers.impressions import with_impressions
from recsys.engine.shoppers.kept_histories import EVENTS_KEPT, KeptHistories
from recsys.engine.shoppers.writers import MAX_EVENTS, Writers
from recsys.item_updates import ItemUpdate
from recsys.live.dislikes import Dislike
from recsys.live.driver import Appended
from recsys.live.erasure import ErasureKeys, Tombstone, Tombstones
from recsys.live.joins import JoinChange
from recsys.live.log import EventLog, LiveEvent
from recsys.live.rows import SharedRow
from recsys.reasons import reason_locale
from recsys.snapshot.customer_value import CustomerValue
from recsys.snapshot.identity_links import Period, always, periods, without
from recsys.snapshot.people import NOBODY, Person
from recsys.snapshot.put.arriving import Arriving
from recsys.types import NO_HISTORY, Event, History, Link, Query

MAX_LINKED = 20
"""Most periods of anonymous ids of one user whose events an answer takes in, those that began last."""
MAX_ASKED = 100
"""Most anonymous ids of one user that an answer looks up, those linked last: some of them may have done nothing lately."""


class ServingState:
    """One engine and the log after its snapshot, for one worker: what an answer is made from."""

    def __init__(self, engine: Engine, state: EventLog, keys: ErasureKeys | None, known: Tombstones | None = None) -> None:
        self.engine = engine
        self.arms: Arms | None = None
        self._snapshot, self._state, self._max_n = engine.snapshot, state, engine.settings.state.user_events
        self._rates = engine.settings.data.rates
        self.null_users = engine.settings.data.nobody
        """The ids that name nobody, of whom nothing is known."""
        self._folded = self.read_to = engine.snapshot.manifest.state_sequence
        """The number up to which every row that concerns everybody is taken in, tombstones among them."""
        self._version: tuple[int, int] | None = None
        self._lock, self._kept = threading.Lock(), KeptHistories(EVENTS_KEPT)
        self._writers, self._arriving = Writers(), Arriving(engine.catalog, engine.follow_items)
        self._links: dict[str, list[Link]] = {}
        self._linked: dict[str, dict[str, None]] = {}
        """User = anonymous ids, those linked last at the end."""
        if self._folded > state.last():
            state.reach(self._folded)
        self.forgotten, self.lineage = known or Tombstones(keys, state.tombstones()), state.lineage
        self.accounts, self.dislikes = Accounts(self.forgotten), KnownDislikes(state.dislikes)
        self._campaigns = LiveCampaigns(engine.campaigns)
        self.newest = engine.snapshot.as_of
        """The later of the snapshot's moment and the newest accepted event, in microseconds."""

    def catch_up(self, recent: bool = False) -> None:
        """Take in what was written since the last look; costs a few microseconds where nothing was. `recent`: what other machines
        wrote within a tenth of a second may be left for later, which spares the wait for a database, and many item updates but a few.

        Raises:
            StateError: if the log cannot be read.
            SettingsError: if somebody was forgotten under a secret that is not there.
        """
        look = self._state.recent_version if recent else self._state.version
        known, version = self._version, look()
        is_new = version != known
        if is_new:
            with self._lock:
                if self._version is known or (version := look()) != self._version:  # else another thread took it in
                    with self._kept.changing():
                        news = self._state.news(self.read_to, MAX_EVENTS + 1, self.accounts.read, self._campaigns.read)
                        if news.last < self.read_to:
                            self.lineage = ""  # the database was put back: numbers that were read are given again
                        are_all = news.n_wrote <= MAX_EVENTS
                        self._kept.drop_written(news.wrote, self.users_of, are_all)
                        self._writers.take(news.wrote, are_all)
                        self._take(news.shared, everything=known is None)
                        self._take_joins(news.joins)
                        self._campaigns.take(news.campaigns)
                        self.dislikes.take(news.disliked)
                        self.newest = max(self.newest, news.newest or 0)
                        self.read_to = max(news.last, self.read_to)  # before others keep a history: it says whether to ask
                    self._version = version
        if not (is_new and recent):
            self._arriving.go_on(self._take_items, once=recent)

    def take_own(self, events: Sequence[Event], added: Appended) -> None:
        """Take in events that this process wrote without a look at the log, where nobody wrote anything else since the last one."""
        if added.step is None or not self._lock.acquire(blocking=False):
            return  # the next look takes them in
        try:
            if self._version == added.step.before:
                fresh = [event for event, is_new in zip(events, added.fresh, strict=True) if is_new]
                wrote = {event.user_id for event in fresh}
                with self._kept.changing():
                    self._kept.drop_written(wrote, self.users_of)
                    self._writers.take(wrote)
                    self.newest = max(self.newest, *(event.timestamp for event in fresh), 0)
                    self.read_to = max(added.last, self.read_to)
                self._version = added.step.after
                self._state.took(added.step)
        finally:
            self._lock.release()

    def answer(self, query: Query, is_message: bool = False) -> Answered:
        """Answer a query with the shopper's history as of now."""
        query, history = self.asked(query), NO_HISTORY if query.user_id is None else self.history(query.user_id)
        return answered(self.choose(query, history, is_message), query, history)

    def answer_without_arms(self, query: Query, is_message: bool = False) -> Answered:
        """Answer a query as if no experiment ran."""
        query, history = self.asked(query), NO_HISTORY if query.user_id is None else self.history(query.user_id)
        return answered(Choice(self.engine.undrawn() if is_message else self.engine), query, history)

    def choose(self, query: Query, history: History, is_message: bool = False) -> Choice:
        """Find the engine that answers a query: under the arms of the shopper, if any; in a message nothing is drawn."""
        choice = Choice(self.engine) if self.arms is None else self.arms.choose(self, query, history, is_message)
        return choice._replace(engine=choice.engine.undrawn()) if is_message else choice

    def asked(self, query: Query) -> Query:
        """A query with what its shopper said no to, and was shown too often, where its placement minds that."""
        if query.user_id is None or query.user_id in self.null_users:
            return query
        query = with_dislikes(query, self.disliked(query.user_id))
        return with_impressions(query, self.engine.placement(query.placement), self._impressions_of)

    def disliked(self, user_id: str) -> Sequence[Dislike]:
        """Return what a shopper said no to, or took back, under any of the person's ids."""
        return self.dislikes.of(user_id, self.periods_of)

    def disliked_at(self, user_id: str, now: int) -> tuple[tuple[str, str], ...]:
        """Return what a shopper does not want to see at a moment (microseconds): an item, brand or category, and which."""
        return with_dislikes(Query(now=now), self.disliked(user_id)).disliked

    def answer_message(self, query: Query) -> Answered:
        """The same for a message, whose reasons are in the locale that the shopper reads."""
        return self.answer(msgspec.structs.replace(query, locale=self.reason_locale(query.user_id)), is_message=True)

    def history(self, user_id: str) -> History:
        """Return what a shopper did, in the rows of the snapshot: under this id, and under the other ids that are theirs."""
        user_id = self.accounts.owner(user_id)
        kept = self._kept.get(user_id)
        if kept is None:
            changes = self._kept.changes
            kept = self._history(user_id)
            self._kept.put(user_id, kept, changes)
        return kept

    def _history(self, user_id: str) -> History:
        if user_id in self.null_users:
            return NO_HISTORY
        base = self._snapshot.histories.of(user_id)
        if self.read_to == self._folded and not self.forgotten:
            return base  # nothing was written since the snapshot, by anybody
        parts, events = [base], self._events_of(user_id)
        if erased := self.forgotten.spans(user_id):
            left = without(always(user_id), erased)
            parts = [within(base, period) for period in left]
            events = [each for each in events if any(period.holds(each.timestamp) for period in left)]
        for period, theirs in self._under_other_ids(user_id):
            parts.append(within(self._snapshot.histories.of(period.anonymous_id), period))
            events = events + [each for each in theirs if period.holds(each.timestamp)]
        events = converted(events, self._rates)
        return merge_histories(parts, events, self._snapshot.catalog, self._snapshot.manifest.behaviour)

    def _events_of(self, user_id: str) -> list[LiveEvent]:
        if user_id not in self._writers:
            return []
        return self._state.events_of(user_id, self._folded, self._max_n)

    def _impressions_of(self, user_id: str, max_n: int) -> Iterable[Sequence[Any]]:
        return self._state.impressions_of(user_id, max_n)

    def _under_other_ids(self, user_id: str) -> list[tuple[Period, list[LiveEvent]]]:
        """Return when anonymous ids were this user's, with what they did since the snapshot. A snapshot gives linked ids' events to
        their users, so an id counts only if it did something since, or was linked since."""
        theirs = {each: self._events_of(each) for each in self.linked_last(user_id)}
        asked = [each for each, events in theirs.items() if events or each in self._links or each in self.accounts]
        return [(period, theirs[period.anonymous_id]) for period in self._periods(user_id, asked)] if asked else []

    def person(self, user_id: str) -> Person:
        """Return what the shop's user table says of a user; nothing of one who was forgotten."""
        unknown = user_id in self.null_users or self.forgotten.at(user_id) is not None
        return NOBODY if unknown else self._snapshot.people.of(user_id)

    def reason_locale(self, user_id: str | None) -> str:
        """The locale of `reasons.LOCALES` that a shopper reads: that of the user table, else the shop's."""
        shop, people = self.engine.settings.messages.locale, self._snapshot.people
        if user_id is None or (self.forgotten and self.forgotten.at(user_id) is not None):
            return reason_locale(shop)
        return reason_locale(people.locale_of(user_id), shop)

    def value(self, user_id: str) -> CustomerValue | None:
        """Return what a customer was worth when the snapshot was made; nothing is known of one who was forgotten."""
        row = self._snapshot.histories.users.row(self.accounts.owner(user_id))
        unknown = user_id in self.null_users or self.forgotten.at(user_id) is not None
        return None if unknown else self._snapshot.values.at(row)

    def is_known(self, user_id: str) -> bool:
        """Tell whether others are linked to this id, or the shop's user table has it."""
        if self.forgotten.at(user_id) is None:
            return user_id in self._linked or user_id in self.accounts or self._snapshot.links.is_known(user_id)
        return any(link.user_id == user_id for each in self.anonymous_ids(user_id) for link in self._links_of(each))

    def is_repeated(self, link: Link) -> bool:
        """Tell whether a link says nothing new: that of its id's latest link, or a later one to the same user, repeats it."""
        latest = max(self._links_of(link.anonymous_id), key=lambda each: (each.timestamp, each.user_id), default=None)
        if latest is None or latest.user_id != self.accounts.owner(link.user_id):
            return False
        return latest.timestamp <= link.timestamp and not any(
            latest.timestamp <= end <= link.timestamp for end in self.forgotten.ends(link.anonymous_id)
        )

    def with_own_limit(self, query: Query) -> Query:
        """A query that names no limit, with the one that its placement has for the shopper."""
        if self.arms is None or query.user_id is None or not self.arms.changes_limit(query.placement):
            return query
        engine = self.choose(query, self.history(query.user_id)).engine
        return msgspec.structs.replace(query, limit=engine.placement(query.placement).limit)

    def owner_of(self, user_id: str) -> str:
        """Whose an id is now: the user that it was linked to last, else itself."""
        latest = max(self._links_of(user_id), key=lambda each: (each.timestamp, each.user_id), default=None)
        return user_id if latest is None else latest.user_id

    def is_anonymous(self, user_id: str) -> bool:
        """Tell whether this id was linked to a user, as that of a visitor."""
        return bool(self._received_links(user_id))

    def ids_of(self, user_id: str) -> list[str]:
        """The id of a person's account, the accounts that were joined into it, and every anonymous id ever linked to one of them."""
        owner = self.accounts.owner(user_id)
        return [owner, *sorted(self._other_ids(owner))]

    def periods_of(self, user_id: str) -> list[Period]:
        """Return when which ids were this user's: their own always, anonymous ids between a link to them and the next one."""
        owner, *others = self.ids_of(user_id)
        return [always(owner), *self._owned(owner, others)]

    def users_of(self, user_id: str) -> set[str]:
        """Whose it may be what was done under an id: the users that it was ever linked to, else itself."""
        return {link.user_id for link in self._links_of(user_id)} or {user_id}

    @property
    def linked(self) -> Mapping[str, Collection[str]]:
        """User = the anonymous ids that were linked to it since the snapshot; a copy, for other threads link on meanwhile."""
        return dict(self._linked)

    def _take(self, news: Sequence[SharedRow], everything: bool = False) -> None:
        """Take rows in, first who is forgotten; of item updates a few, or `everything`, before anybody can be answered."""
        self.forgotten.add(each.row for each in news if isinstance(each.row, Tombstone))
        if any(isinstance(each.row, Tombstone | Link) for each in news):
            self.dislikes.clear()
            self._kept.clear()  # it may concern people under other ids than those it names
        for row in [each.row for each in news if isinstance(each.row, Link)]:
            self._links.setdefault(row.anonymous_id, []).append(row)
            linked = self._linked.setdefault(row.user_id, {})
            linked.pop(row.anonymous_id, None)
            linked[row.anonymous_id] = None
        if self.arms is not None and any(isinstance(each.row, Tombstone | Link) for each in news):
            self.arms.people_changed()  # once it is known whose ids are whose: what was read before is not kept after
        self._arriving.add((each.seq, each.row) for each in news if isinstance(each.row, ItemUpdate))
        if self._arriving.take(everything):
            self._kept.clear()  # their events may have been of an unknown item

    def _take_items(self) -> None:
        with self._lock, self._kept.changing():
            self._take(())

    def _take_joins(self, changes: Sequence[JoinChange]) -> None:
        """Take in which accounts were joined, and which stand on their own again."""
        if changes:
            self.accounts.take(changes)
            self.dislikes.clear()
            self._kept.clear()
            if self.arms is not None:
                self.arms.people_changed()

    def _links_of(self, some_id: str) -> list[Link]:
        """The links of an id that count, each to the account that its user's history belongs to; a joined account has one."""
        links = self._received_links(some_id)
        if not len(self.accounts):
            return links
        joined = [msgspec.structs.replace(link, user_id=self.accounts.owner(link.user_id)) for link in links]
        return joined + self.accounts.links(some_id)

    def _received_links(self, anonymous_id: str) -> list[Link]:
        """The links of an anonymous id as they were told: none from before it, or its user, was forgotten."""
        links = [*self._snapshot.links.of(anonymous_id), *self._links.get(anonymous_id, ())]
        if not self.forgotten:
            return links
        return [
            link
            for link in links
            if not any(self.forgotten.cover(each, link.timestamp) for each in (link.anonymous_id, link.user_id))
        ]

    def _other_ids(self, user_id: str) -> Iterable[str]:
        """The accounts that were joined into one, and the anonymous ids of all of them."""
        joined = self.accounts.joined(user_id)
        if not joined:
            return self.anonymous_ids(user_id)
        return {*joined, *(found for each in (user_id, *joined) for found in self.anonymous_ids(each))}

    def anonymous_ids(self, user_id: str) -> Iterable[str]:
        """Find the anonymous ids that were ever linked to one account."""
        found = self._snapshot.links.anonymous_ids(user_id)
        since = self._linked.get(user_id)
        return {*found, *since} if since else found

    def linked_last(self, user_id: str) -> list[str]:
        """The `MAX_ASKED` other ids of a user: joined accounts, then the anonymous ids that were linked last to any of them."""
        joined = self.accounts.joined(user_id)
        linked = [found for each in (user_id, *joined) for found in self._anonymous_linked_last(each)]
        return list(dict.fromkeys([*joined, *linked]))[:MAX_ASKED]

    def _anonymous_linked_last(self, user_id: str) -> list[str]:
        since = islice(reversed(self._linked.get(user_id, {})), MAX_ASKED)
        before = reversed(self._snapshot.links.anonymous_ids(user_id, MAX_ASKED))
        return list(dict.fromkeys([*since, *before]))[:MAX_ASKED]

    def _owned(self, user_id: str, anonymous: Iterable[str]) -> list[Period]:
        """Return when each anonymous id was this user's by its links."""
        found = [period for each in anonymous for period in periods(self._links_of(each), self.forgotten.ends(each))]
        return [period for period in found if period.user_id == user_id]

    def _periods(self, user_id: str, anonymous: Iterable[str]) -> list[Period]:
        """Return when each anonymous id was this user's, the last linked ones, without what is erased of either."""
        owned = self._owned(user_id, anonymous)
        found = sorted(owned, key=lambda each: (each.anonymous_id in self.accounts, each.since, each.anonymous_id))[
            -MAX_LINKED:
        ]
        erased = self.forgotten.spans(user_id)
        own = [left for period in found for left in without(period, erased)]
        return [left for period in own for left in without(period, self.forgotten.spans(period.anonymous_id))]
