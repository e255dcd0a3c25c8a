"""The live log in one schema of a PostgreSQL database, for every process of every machine of a shop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from recsys.live.erasure import Erased, Tombstone
from recsys.live.item_changes import Standing, changes
from recsys.live.log import BATCH, Active, EventLog, LiveEvent, SharedRow
from recsys.live.postgres import experiments, moments, pinned_slates
from recsys.live.postgres.address import Address
from recsys.live.postgres.campaigns import PostgresCampaigns
from recsys.live.postgres.database import Database
from recsys.live.postgres.experiments import PostgresExperimentLog
from recsys.live.postgres.item_changes import ADD_CHANGE, PostgresItemChanges
from recsys.live.postgres.moments import PostgresMomentLog
from recsys.live.postgres.pinned_slates import PostgresPinnedSlates
from recsys.live.rows import (
    EVER,
    HIGHEST,
    LOOKS,
    MAX_LOOKED,
    ORDERS,
    SHARED,
    SHOWN,
    event_of,
    event_row,
    is_superseded,
    item_update_of,
    link_of,
    tombstone_of,
)
from recsys.types import Event, EventType, ItemUpdate, Link

_AT_ONCE = 10_000
"""Rows of one step of deleting."""
_ADD_EVENTS = """INSERT INTO events (seq, event_id, user_id, event_type, timestamp, received_at, item_id, order_id, quantity, price,
currency, details) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
_KNOWN = "SELECT event_id FROM events WHERE event_id = ANY(%s)"
_ADD_LINK = "INSERT INTO links (seq, anonymous_id, user_id, timestamp, received_at) VALUES (%s, %s, %s, %s, %s)"
_ADD_ITEM_UPDATE = (
    "INSERT INTO item_updates (seq, item_id, available, stock, price, received_at) VALUES (%s, %s, %s, %s, %s, %s)"
)
_ADD_TOMBSTONE = "INSERT INTO tombstones (seq, subject, since, until, received_at) VALUES (%s, %s, %s, %s, %s)"
_LIVE_EVENT = "seq, timestamp, event_type, item_id, order_id, quantity, price, currency"
_EVENTS_OF = f"""WITH asked AS (SELECT %s::text AS user_id, %s::bigint AS after, %s::bigint AS max_n)
SELECT {_LIVE_EVENT} FROM events
WHERE user_id = (SELECT user_id FROM asked) AND seq > (SELECT after FROM asked) AND event_type NOT IN ({SHOWN})
AND timestamp >= coalesce((
    SELECT timestamp FROM events WHERE user_id = (SELECT user_id FROM asked) ORDER BY timestamp DESC, seq DESC
    LIMIT 1 OFFSET (SELECT greatest({MAX_LOOKED}, max_n) FROM asked)), '{EVER}'::bigint)
ORDER BY timestamp DESC, seq DESC LIMIT (SELECT max_n FROM asked)"""
"""Bounded before it is read: a user may have half a million rows that were folded in, or that only note what was shown."""
_ORDERS_OF = f"""SELECT {_LIVE_EVENT} FROM events
WHERE user_id = %s AND seq > %s AND event_type IN ({ORDERS}) AND timestamp <= %s ORDER BY timestamp DESC, seq DESC LIMIT %s"""
_ACTIVE = f"""SELECT user_id, max(timestamp), bool_or(event_type IN ({ORDERS})) FROM events
WHERE seq > %s AND seq <= %s AND event_type NOT IN ({SHOWN}) GROUP BY user_id"""
_INTERESTED = f"SELECT DISTINCT user_id FROM events WHERE seq > %s AND event_type IN ({LOOKS}) AND item_id = ANY(%s)"
_IMPRESSIONS_OF = f"""SELECT item_id, timestamp, event_type = {int(EventType.CLICK)} FROM events
WHERE user_id = %s AND event_type IN ({SHOWN}) AND item_id IS NOT NULL ORDER BY timestamp DESC, seq DESC LIMIT %s"""
_NEWEST = "SELECT max(timestamp) FROM events WHERE seq > %s"
_SUBJECTS = "SELECT user_id FROM events WHERE seq > %s ORDER BY seq LIMIT %s"
_EVENTS_BETWEEN = f"""SELECT seq, received_at, event_id, user_id, event_type, timestamp, item_id, order_id, quantity, price, currency,
details FROM events WHERE seq > %s AND seq <= %s ORDER BY seq LIMIT {BATCH}"""
_FIRST_EVENT = "SELECT seq FROM events WHERE seq > %s AND seq <= %s ORDER BY seq LIMIT 1"
_DROP_EVENTS = "DELETE FROM events WHERE seq > %s AND seq <= %s"
_LINKS = "SELECT seq, received_at, anonymous_id, user_id, timestamp FROM links WHERE seq > %s AND seq <= %s ORDER BY seq"
_ITEM_UPDATES = """SELECT seq, received_at, item_id, available, stock, price FROM item_updates
WHERE seq > %s AND seq <= %s ORDER BY seq"""
_NEWS_LINKS = "SELECT seq, received_at, 'link', anonymous_id, user_id, timestamp FROM links WHERE seq > %s"
_NEWS_ITEM_UPDATES = (
    "SELECT seq, received_at, 'item_update', item_id, available, stock, price FROM item_updates WHERE seq > %s"
)
_NEWS_TOMBSTONES = "SELECT seq, received_at, 'tombstone', subject, since, until FROM tombstones WHERE seq > %s"
_LAST_TOMBSTONES = "SELECT subject, since, max(until) FROM tombstones GROUP BY subject, since"
_ITEMS_BEFORE = f"""SELECT seq, item_id, available IS NOT NULL, stock IS NOT NULL, price IS NOT NULL FROM item_updates
WHERE seq < %s ORDER BY seq DESC LIMIT {_AT_ONCE}"""
_DROP_ITEM_UPDATES = "DELETE FROM item_updates WHERE seq = ANY(%s)"
_FORGET_EVENTS = "DELETE FROM events WHERE user_id = %s AND timestamp >= %s AND timestamp < %s"
_FORGET_LINKS = "DELETE FROM links WHERE %s IN (anonymous_id, user_id) AND timestamp >= %s AND timestamp < %s"
_REACH = "UPDATE sequence SET last = greatest(last, %s) WHERE name = 'log'"


class PostgresLog(EventLog):
    """The live log of one schema. Nothing is opened before it is used."""

    def __init__(self, address: Address) -> None:
        self._log = Database(address, "log", address.connections)
        self.pins = PostgresPinnedSlates(self._log)
        self.item_changes = PostgresItemChanges(self._log)
        self.moments = PostgresMomentLog(self._log)
        self.experiments = PostgresExperimentLog(self._log)
        self.campaigns = PostgresCampaigns(self._log)

    @property
    def name(self) -> str:
        return self._log.address.name

    def add_events(self, events: Sequence[Event], received_at: int) -> list[bool]:
        if not events:
            return []
        rows = [event_row(event, received_at) for event in events]
        with self._log.writing() as log:
            known = {event_id for (event_id,) in log.read(_KNOWN, [row[0] for row in rows])}
            added = []
            for row in rows:
                added.append(row[0] not in known)
                known.add(row[0])
            log.add_all(_ADD_EVENTS, [row for row, new in zip(rows, added, strict=True) if new])
            return added

    def add_links(self, links: Sequence[Link], received_at: int) -> None:
        if not links:
            return
        with self._log.writing() as log:
            log.add_all(_ADD_LINK, [(each.anonymous_id, each.user_id, each.timestamp, received_at) for each in links])

    def linking(self) -> AbstractContextManager[None]:
        return self._log.alone("links")

    def add_items(self, updates: Sequence[ItemUpdate], received_at: int, standing: Standing | None = None) -> None:
        if not updates:
            return
        with self._log.writing() as log:
            found = []
            if standing is not None:
                written = log.read(_ITEM_UPDATES, standing.sequence, HIGHEST)
                found = changes(standing, [item_update_of(*row[2:]) for row in written], updates)
            rows = [(each.item_id, each.available, each.stock, each.price, received_at) for each in updates]
            log.add_all(_ADD_ITEM_UPDATE, rows)
            log.add_all(ADD_CHANGE, [(each.item_id, each.change, each.at, each.before, each.after) for each in found])

    def forget(self, erased: Sequence[Erased], at: int) -> dict[str, int]:
        periods = [(each.user_id, each.since, each.until) for each in erased]
        with self._log.writing() as log:
            for subject, since, until in dict.fromkeys((each.subject, each.since, each.until) for each in erased):
                log.add(_ADD_TOMBSTONE, subject, None if since == EVER else since, min(until - 1, at), at)
            return {
                "events": sum(log.change(_FORGET_EVENTS, *each) for each in periods),
                "identities": sum(log.change(_FORGET_LINKS, *each) for each in periods),
                "pins": pinned_slates.forget(log, periods),
                "moments": moments.forget(log, periods),
                "exposures": experiments.forget(log, periods),
            }

    def reach(self, seq: int) -> None:
        with self._log.writing() as log:
            log.change(_REACH, seq)

    def version(self) -> tuple[int, int]:
        return self._log.changes()

    def last(self) -> int:
        return int(self._log.read("SELECT last FROM sequence WHERE name = 'log'")[0][0])

    def reading(self) -> AbstractContextManager[None]:
        return self._log.reading()

    def news(self, after: int) -> list[SharedRow]:
        with self._log.reading():
            rows = [
                row for each in (_NEWS_LINKS, _NEWS_ITEM_UPDATES, _NEWS_TOMBSTONES) for row in self._log.read(each, after)
            ]
        shared = [SharedRow(seq, received_at, SHARED[kind](*values)) for seq, received_at, kind, *values in rows]
        return sorted(shared, key=lambda each: each.seq)

    def newest(self, after: int) -> int | None:
        found: int | None = self._log.read(_NEWEST, after)[0][0]
        return found

    def tombstones(self) -> list[Tombstone]:
        return [tombstone_of(*row) for row in self._log.read(_LAST_TOMBSTONES)]

    def events_of(self, user_id: str, after: int, max_n: int) -> list[LiveEvent]:
        rows = self._log.read(_EVENTS_OF, user_id, after, max_n)
        if len(rows) == max_n:
            oldest = {row[0] for row in rows if row[1] == rows[-1][1]}
            older = self._log.read(_ORDERS_OF, user_id, after, rows[-1][1], max_n)
            rows += [row for row in older if row[0] not in oldest]
        return list(map(LiveEvent._make, reversed(rows)))

    def impressions_of(self, user_id: str, max_n: int) -> list[tuple[str, int, bool]]:
        return [
            (item_id, timestamp, clicked) for item_id, timestamp, clicked in self._log.read(_IMPRESSIONS_OF, user_id, max_n)
        ]

    def active(self, after: int, until: int) -> list[Active]:
        return [Active._make(row) for row in self._log.read(_ACTIVE, after, until)]

    def interested(self, item_ids: Sequence[str], after: int) -> list[str]:
        return [user_id for (user_id,) in self._log.read(_INTERESTED, after, list(item_ids))]

    def subjects(self, after: int, max_n: int) -> list[str]:
        return [user_id for (user_id,) in self._log.read(_SUBJECTS, after, max_n)]

    def events_between(self, after: int, until: int) -> Iterator[list[tuple[int, int, Event]]]:
        while rows := self._log.read(_EVENTS_BETWEEN, after, until):
            yield [(row[0], row[1], event_of(row)) for row in rows]
            after = rows[-1][0]

    def links(self, until: int) -> list[tuple[int, int, Link]]:
        return [(row[0], row[1], link_of(*row[2:])) for row in self._log.read(_LINKS, 0, until)]

    def item_updates(self, until: int) -> list[tuple[int, int, ItemUpdate]]:
        return [(row[0], row[1], item_update_of(*row[2:])) for row in self._log.read(_ITEM_UPDATES, 0, until)]

    def count_events(self) -> int:
        return int(self._log.read("SELECT count(*) FROM events")[0][0])

    def drop_events(self, until_seq: int) -> int:
        dropped = last = 0
        while found := self._log.read(_FIRST_EVENT, last, until_seq):
            before, last = last, min(found[0][0] + _AT_ONCE - 1, until_seq)
            with self._log.writing() as log:
                dropped += log.change(_DROP_EVENTS, before, last)
            self._log.pause()
        return dropped

    def drop_superseded_items(self, until_seq: int | None = None) -> int:
        known: dict[str, set[int]] = {}
        dropped, before = 0, HIGHEST if until_seq is None else until_seq + 1
        while rows := self._log.read(_ITEMS_BEFORE, before):
            old = [seq for seq, item_id, *said in rows if is_superseded(known.setdefault(item_id, set()), said)]
            if old:
                with self._log.writing() as log:
                    dropped += log.change(_DROP_ITEM_UPDATES, old)
            before = rows[-1][0]
        return dropped

    def close(self) -> None:
        self._log.close()
