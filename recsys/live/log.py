"""The live log as the service and the job ask it: events, identity links, item updates, tombstones, and what hangs on them.

Every process of the shop may read and write; a call that wrote is durable when it returns, whole or not at all. Rows of all kinds are
numbered by one sequence `seq` in the order of their commit. Times are int64 microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import NamedTuple, cast

from recsys.item_updates import ItemUpdate
from recsys.live import dislikes, experiments, joins, moments, pinned_slates, rows
from recsys.live.campaigns import StoredCampaigns
from recsys.live.dislikes import Dislikes
from recsys.live.driver import Appended, Driver, Step, Transaction
from recsys.live.erasure import Erased, Tombstone, Tombstones
from recsys.live.experiments import ExperimentLog
from recsys.live.item_changes import ADD_CHANGE, ItemChanges, Standing, changes, kept, without_room
from recsys.live.joins import Joins
from recsys.live.moments import MomentLog
from recsys.live.pinned_slates import PinnedSlates
from recsys.live.rows import EVER, HIGHEST, News
from recsys.snapshot.identity_links import Span
from recsys.types import Event, Link

_NO_SPANS: Mapping[str, Sequence[Span]] = MappingProxyType({})
_PERIODS_AT_ONCE = 20
"""Periods of forgotten ids in one step of deleting."""


class LiveEvent(NamedTuple):
    """Fields of a live event that an answer reads; `event_type` is the code."""

    seq: int
    timestamp: int
    event_type: int
    item_id: str | None
    order_id: str | None
    quantity: float | None
    price: float | None
    currency: str | None = None


class Active(NamedTuple):
    """A shopper did something: the time of the latest event in microseconds, and whether there was a purchase or refund."""

    user_id: str
    at: int
    ordered: bool


class EventLog:
    """The live log. Until something is written every read answers nothing.

    Every failure is a StateError that names the database.
    """

    def __init__(self, log: Driver) -> None:
        self._log = log
        self.pins = PinnedSlates(log)
        self.item_changes = ItemChanges(log)
        self.moments = MomentLog(log)
        self.experiments = ExperimentLog(log)
        self.campaigns = StoredCampaigns(log)
        self.joins = Joins(log)
        self.dislikes = Dislikes(log)

    @property
    def name(self) -> str:
        """Return where it is, for people."""
        return self._log.name

    @property
    def driver(self) -> Driver:
        """Return the database, for a copy of all its rows."""
        return self._log

    @property
    def is_remote(self) -> bool:
        """Tell whether a read may wait for another machine."""
        return self._log.is_remote

    @property
    def lineage(self) -> str:
        """Return which course of the log is read: in another one rows may lack that were read, and others have their numbers."""
        return self._log.lineage

    # --- writing

    def add_events(self, events: Sequence[Event], received_at: int) -> list[bool]:
        """Write events; False where an event_id is in the log or came earlier in this call."""
        return self._append_events(events, received_at, None).fresh

    def add_events_unless_forgotten(self, events: Sequence[Event], received_at: int, known: int) -> Appended:
        """Write events by what is known up to a number, without a look at the log before.

        Raises:
            ForgottenSinceError: nothing is written, for somebody was forgotten after number `known`, or that cannot be told.
        """
        return self._append_events(events, received_at, known)

    def _append_events(self, events: Sequence[Event], received_at: int, known: int | None) -> Appended:
        if not events:
            return Appended([])
        return self._log.append(rows.ADD_EVENTS, [rows.event_row(event, received_at) for event in events], known)

    def add_links(self, links: Sequence[Link], received_at: int) -> None:
        """Write identities."""
        if links:
            values = [(each.anonymous_id, each.user_id, each.timestamp, received_at) for each in links]
            self._log.append(rows.ADD_LINK, values)

    def linking(self) -> AbstractContextManager[None]:
        """Keep every other process from `linking` inside a `with`: links stay as they are between a look at them and `add_links`."""
        return self._log.alone("links")

    def add_items(
        self, updates: Sequence[ItemUpdate], received_at: int, standing: Standing | None = None
    ) -> list[str | None]:
        """Write item updates, with what they change for shoppers as far as a standing tells; says why an update was not written (of an
        item for which the standing has no room), None where it was."""
        if not updates:
            return []
        with self._log.writing() as log:
            found, problems = [], cast("list[str | None]", [None] * len(updates))
            if standing is not None:
                written = log.read(rows.ITEM_UPDATES, standing.sequence, HIGHEST)
                since = [rows.item_update_of(*row[2:]) for row in written]
                problems = without_room(standing, since, updates)
                updates = [update for update, problem in zip(updates, problems, strict=True) if problem is None]
                found = changes(standing, since, updates)
            log.add_all(rows.ADD_ITEM_UPDATE, [rows.item_update_row(each, received_at) for each in updates])
            log.add_all(ADD_CHANGE, [kept(each) for each in found])
        return problems

    def forget(self, erased: Sequence[Erased], at: int) -> dict[str, int]:
        """Write a tombstone per erased id, which ends at `at` at the latest, and delete what the log has of the ids in their periods;
        counts what was deleted, by kind."""
        return self.delete_rest(erased, at, self.ignore(erased, at))

    def ignore(self, erased: Sequence[Erased], at: int) -> dict[str, int]:
        """Write all tombstones, so that nobody sees anything of the ids any more, and delete what the log has of the first of them, in
        one transaction; counts what was deleted, by kind."""
        subjects = dict.fromkeys((each.subject, each.since, each.until) for each in erased)
        with self._log.writing() as log:
            stones = [(name, None if since == EVER else since, min(until - 1, at), at) for name, since, until in subjects]
            log.add_all(rows.ADD_TOMBSTONE, stones)
            return _delete(log, [(each.user_id, each.since, each.until) for each in erased[:_PERIODS_AT_ONCE]])

    def delete_rest(
        self, erased: Sequence[Erased], at: int, deleted: Mapping[str, int], before: Mapping[str, Sequence[Span]] = _NO_SPANS
    ) -> dict[str, int]:
        """Delete what `ignore` left, which counted `deleted`, and of ids that were erased `before` what a call that was cut off left,
        in steps after which others may write; returns the counts of all.

        at: the latest moment of what is there, by the wall clock too. What is cut off is left to the next call, or to `forget_again`.
        """
        rest = [(each.user_id, each.since, min(each.until, at + 1)) for each in erased[_PERIODS_AT_ONCE:]]
        rest += [(each, since, until + 1) for each, spans in before.items() for since, until in spans]
        steps = [deleted, *self._delete(rest)]
        self._log.wipe()
        return {kind: sum(step[kind] for step in steps) for kind in deleted}

    def forget_again(self, forgotten: Tombstones) -> int:
        """Delete what tombstones cover and is there all the same, put back from a backup for example, in steps after which others may
        write; returns how many rows."""
        deleted = 0
        for query in rows.NAMED:
            last = ""
            while found := [user_id for (user_id,) in self._log.read(query, last)]:
                last = found[-1]
                periods = [(each, since, until + 1) for each in found for since, until in forgotten.spans(each)]
                deleted += sum(sum(counts.values()) for counts in self._delete(periods))
        if deleted:
            self._log.wipe()
        return deleted

    def _delete(self, periods: Sequence[tuple[str, int, int]]) -> Iterator[dict[str, int]]:
        """Delete what the log has of ids in their periods, some of them at a time; counts of each step, by kind."""
        for start in range(0, len(periods), _PERIODS_AT_ONCE):
            self._log.pause()
            with self._log.writing() as log:
                counts = _delete(log, periods[start : start + _PERIODS_AT_ONCE])
            yield counts

    def reach(self, seq: int) -> None:
        """Number what comes from now on above `seq`: a log that was lost, or put back from a backup, ends below what a snapshot has
        folded in, and what it would number again would not be seen."""
        with self._log.writing() as log:
            log.last = max(log.last, seq)

    # --- what everybody reads

    def version(self) -> tuple[int, int]:
        """Tell commits apart: another pair after any commit of any process; (0, 0) before the first."""
        return self._log.changes()

    def recent_version(self) -> tuple[int, int]:
        """The same without a wait for another machine, as far as `poll` goes: every commit of this machine, and those of others from a
        tenth of a second on."""
        return self._log.recent_changes()

    def known_version(self) -> tuple[int, int] | None:
        """The same as `recent_version`, where that is known without asking another machine; None: it is not."""
        return self._log.known_changes()

    def took(self, step: Step) -> None:
        """Note that what was written in a step is taken in: the next `version` looks whether there is more."""
        self._log.took(step)

    def poll(self) -> None:
        """Look for commits in a thread, again and again, so that `recent_version` need not."""
        self._log.poll()

    def stop_polling(self) -> None:
        """End that; `close` does so too."""
        self._log.stop_polling()

    def last(self) -> int:
        """The newest row's number, also when rows were deleted since; 0 if nothing was ever written."""
        return self._log.last()

    def reading(self) -> AbstractContextManager[None]:
        """Have all reads of this thread inside a `with` see the same moment of the log; it cannot write there."""
        return self._log.reading()

    def news(self, after: int, max_n: int = 0, joins_after: int = HIGHEST, campaigns_after: int = HIGHEST) -> News:
        """All with seq > `after` that concerns everybody, and who wrote at most `max_n` events since, of one moment; joins and
        campaigns with numbers of their own. Looks at each event, so ask for what you have not seen yet."""
        values = (after, after, max_n, after, after, after, joins_after, campaigns_after)
        return rows.news_of(self._log.read(rows.since_query(self._log.numbered), *values))

    def tombstones(self) -> list[Tombstone]:
        """Every erased subject once for each beginning of a period, with the last end."""
        return [rows.tombstone_of(*row) for row in self._log.read(rows.LAST_TOMBSTONES)]

    # --- shoppers

    def events_of(self, user_id: str, after: int, max_n: int) -> list[LiveEvent]:
        """Return what one shopper did with seq > `after`, oldest first by (timestamp, seq): the newest `max_n` events, and as many
        older purchases and refunds. Impressions and clicks are not among them."""
        looked = max(rows.MAX_LOOKED, max_n)
        found = self._log.read(rows.EVENTS_OF, user_id, after, user_id, looked, EVER, max_n)
        if len(found) == max_n:
            oldest = {row[0] for row in found if row[1] == found[-1][1]}
            older = self._log.read(rows.ORDERS_OF, user_id, after, found[-1][1], max_n)
            found += [row for row in older if row[0] not in oldest]
        return list(map(LiveEvent._make, reversed(found)))

    def impressions_of(self, user_id: str, max_n: int) -> list[tuple[str, int, bool]]:
        """The items that one shopper was shown, and those clicked (true), with the moment of each (microseconds): the newest ones that
        the log holds."""
        found = self._log.read(rows.IMPRESSIONS_OF, user_id, max_n)
        return [(item_id, timestamp, bool(clicked)) for item_id, timestamp, clicked in found]

    def active(self, after: int, until: int) -> list[Active]:
        """Find who did something with `after` < seq ≤ `until`, impressions and clicks aside;
        looks at each event, so ask for new ones."""
        return [Active(user_id, at, bool(ordered)) for user_id, at, ordered in self._log.read(rows.ACTIVE, after, until)]

    def interested(self, item_ids: Sequence[str], after: int) -> list[str]:
        """Find who viewed or carted one of these items with seq > `after`."""
        return [user_id for (user_id,) in self._log.read(rows.INTERESTED, after, list(item_ids))]

    # --- the job

    def events_between(self, after: int, until: int) -> Iterator[list[tuple[int, int, Event]]]:
        """Events with `after` < seq ≤ `until` by seq, as (seq, received_at, event) in batches of at most `BATCH`."""
        while found := self._log.read(rows.EVENTS_BETWEEN, after, until):
            yield [(row[0], row[1], rows.event_of(row)) for row in found]
            after = found[-1][0]

    def links(self, until: int) -> list[tuple[int, int, Link]]:
        """All links with seq ≤ `until` by seq, as (seq, received_at, link)."""
        return [(row[0], row[1], rows.link_of(*row[2:])) for row in self._log.read(rows.LINKS, 0, until)]

    def item_updates(self, until: int, after: int = 0) -> list[tuple[int, int, ItemUpdate]]:
        """All item updates with `after` < seq ≤ `until` by seq, as (seq, received_at, update)."""
        return [(row[0], row[1], rows.item_update_of(*row[2:])) for row in self._log.read(rows.ITEM_UPDATES, after, until)]

    def count_events(self) -> int:
        """Return how many events the log holds."""
        found = self._log.read("SELECT count(*) FROM events")
        return int(found[0][0]) if found else 0

    def drop_events(self, until_seq: int) -> int:
        """Delete the events with seq ≤ `until_seq`, from the oldest on, in steps after which others may write; returns how many.

        A process that is stopped in between has deleted the oldest.
        """
        dropped = last = 0
        while found := self._log.read(rows.FIRST_EVENT, last, until_seq):
            before, last = last, min(found[0][0] + rows.AT_ONCE - 1, until_seq)
            with self._log.writing() as log:
                dropped += log.change(rows.DROP_EVENTS, before, last)
            self._log.pause()
        return dropped

    def drop_superseded_items(self, until_seq: int | None = None) -> int:
        """Delete the item updates whose every value a later one with seq ≤ `until_seq` replaces; returns how many."""
        known: dict[str, set[int]] = {}
        dropped, before = 0, HIGHEST if until_seq is None else until_seq + 1
        while found := self._log.read(rows.ITEMS_BEFORE, before):
            old = [seq for seq, item_id, *said in found if rows.is_superseded(known.setdefault(item_id, set()), said)]
            if old:
                with self._log.writing() as log:
                    dropped += log.change(rows.DROP_ITEM_UPDATES, old)
            before = found[-1][0]
        return dropped

    def close(self) -> None:
        """Close what this process opened; the next call opens it again."""
        self._log.close()


def _delete(log: Transaction, periods: Sequence[tuple[str, int, int]]) -> dict[str, int]:
    """Delete what a log has of ids in their periods; counts it by kind."""
    return {
        "events": sum(log.change(rows.FORGET_EVENTS, *each) for each in periods),
        "identities": sum(log.change(rows.FORGET_LINKS, each[0], *each) for each in periods),
        "joins": joins.forget(log, periods),
        "dislikes": dislikes.forget(log, periods),
        "pins": pinned_slates.forget(log, periods),
        "moments": moments.forget(log, periods),
        "exposures": experiments.forget(log, periods),
    }
