"""The live log in one SQLite file, for every thread and process of the machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from recsys.disk import locked
from recsys.live.erasure import Erased, Tombstone
from recsys.live.item_changes import Standing, changes
from recsys.live.log import BATCH, Active, EventLog, LiveEvent, SharedRow
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
from recsys.live.sqlite import experiments, moments, pinned_slates
from recsys.live.sqlite.appending import appending
from recsys.live.sqlite.campaigns import SqliteCampaigns
from recsys.live.sqlite.database import Database
from recsys.live.sqlite.experiments import SqliteExperimentLog
from recsys.live.sqlite.item_changes import ADD_CHANGE, SqliteItemChanges
from recsys.live.sqlite.log_format import LOG_FORMAT
from recsys.live.sqlite.moments import SqliteMomentLog
from recsys.live.sqlite.pinned_slates import SqlitePinnedSlates
from recsys.types import Event, EventType, ItemUpdate, Link

FILE = "log.sqlite3"
_AT_ONCE = 10_000
"""Rows of one step of deleting."""

_ADD_EVENT = """INSERT INTO events (seq, event_id, user_id, event_type, timestamp, received_at, item_id, order_id, quantity, price,
currency, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"""
_ADD_LINK = "INSERT INTO links (seq, anonymous_id, user_id, timestamp, received_at) VALUES (?, ?, ?, ?, ?)"
_ADD_ITEM_UPDATE = "INSERT INTO item_updates (seq, item_id, available, stock, price, received_at) VALUES (?, ?, ?, ?, ?, ?)"
_ADD_TOMBSTONE = "INSERT INTO tombstones (seq, subject, since, until, received_at) VALUES (?, ?, ?, ?, ?)"
_LIVE_EVENT = "seq, timestamp, event_type, item_id, order_id, quantity, price, currency"
_EVENTS_OF = f"""SELECT {_LIVE_EVENT} FROM events
WHERE user_id = ?1 AND seq > ?2 AND event_type NOT IN ({SHOWN}) AND timestamp >= coalesce(
    (SELECT timestamp FROM events WHERE user_id = ?1 ORDER BY timestamp DESC, seq DESC LIMIT 1 OFFSET max({MAX_LOOKED}, ?3)),
    {EVER})
ORDER BY timestamp DESC, seq DESC LIMIT ?3"""
"""Bounded before it is read: a user may have half a million rows that were folded in, or that only note what was shown."""
_ORDERS_OF = f"""SELECT {_LIVE_EVENT} FROM events WHERE user_id = ? AND seq > ? AND event_type IN ({ORDERS}) AND timestamp <= ?
ORDER BY timestamp DESC, seq DESC LIMIT ?"""
_ACTIVE = f"""SELECT user_id, max(timestamp), max(event_type IN ({ORDERS})) FROM events
WHERE seq > ? AND seq <= ? AND event_type NOT IN ({SHOWN}) GROUP BY user_id"""
_INTERESTED = f"""SELECT DISTINCT user_id FROM events
WHERE seq > ? AND event_type IN ({LOOKS}) AND item_id IN (SELECT value FROM json_each(?))"""
_IMPRESSIONS_OF = f"""SELECT item_id, timestamp, event_type = {int(EventType.CLICK)} FROM events
WHERE user_id = ? AND event_type IN ({SHOWN}) AND item_id IS NOT NULL ORDER BY timestamp DESC, seq DESC LIMIT ?"""
_NEWEST = "SELECT max(timestamp) FROM events WHERE seq > ?"
_SUBJECTS = "SELECT user_id FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_EVENTS_BETWEEN = f"""SELECT seq, received_at, event_id, user_id, event_type, timestamp, item_id, order_id, quantity, price, currency,
details FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {BATCH}"""
_FIRST_EVENT = "SELECT seq FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1"
_DROP_EVENTS = "DELETE FROM events WHERE seq > ? AND seq <= ?"
_LINKS = "SELECT seq, received_at, anonymous_id, user_id, timestamp FROM links WHERE seq > ? AND seq <= ? ORDER BY seq"
_ITEM_UPDATES = """SELECT seq, received_at, item_id, available, stock, price FROM item_updates
WHERE seq > ? AND seq <= ? ORDER BY seq"""
_NEWS = """SELECT seq, received_at, 'link', anonymous_id, user_id, timestamp, NULL FROM links WHERE seq > ?1
UNION ALL SELECT seq, received_at, 'item_update', item_id, available, stock, price FROM item_updates WHERE seq > ?1
UNION ALL SELECT seq, received_at, 'tombstone', subject, since, until, NULL FROM tombstones WHERE seq > ?1 ORDER BY seq"""
"""One query for all three: every look at the log asks it, mostly for nothing."""
_LAST_TOMBSTONES = "SELECT subject, since, max(until) FROM tombstones GROUP BY subject, since"
_ITEMS_BEFORE = f"""SELECT seq, item_id, available IS NOT NULL, stock IS NOT NULL, price IS NOT NULL FROM item_updates
WHERE seq < ? ORDER BY seq DESC LIMIT {_AT_ONCE}"""
_FORGET_EVENTS = "DELETE FROM events WHERE user_id = ? AND timestamp >= ? AND timestamp < ?"
_FORGET_LINKS = "DELETE FROM links WHERE (anonymous_id = ?1 OR user_id = ?1) AND timestamp >= ?2 AND timestamp < ?3"


class SqliteLog(EventLog):
    """The live log in one folder of a local disk. Nothing is opened before it is used, and until something is written there is no
    file."""

    def __init__(self, folder: Path) -> None:
        self._log = Database(folder / FILE, LOG_FORMAT)
        self.pins = SqlitePinnedSlates(self._log)
        self.item_changes = SqliteItemChanges(self._log)
        self.moments = SqliteMomentLog(self._log)
        self.experiments = SqliteExperimentLog(self._log)
        self.campaigns = SqliteCampaigns(self._log)

    @property
    def name(self) -> str:
        return str(self._log.path)

    def add_events(self, events: Sequence[Event], received_at: int) -> list[bool]:
        rows = [event_row(event, received_at) for event in events]
        if not rows:
            return []
        with appending(self._log) as log:
            return [log.add(_ADD_EVENT, *row) for row in rows]

    def add_links(self, links: Sequence[Link], received_at: int) -> None:
        if not links:
            return
        with appending(self._log) as log:
            for link in links:
                log.add(_ADD_LINK, link.anonymous_id, link.user_id, link.timestamp, received_at)

    @contextmanager
    def linking(self) -> Iterator[None]:
        folder = self._log.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(folder / "links.lock"):
            yield

    def add_items(self, updates: Sequence[ItemUpdate], received_at: int, standing: Standing | None = None) -> None:
        if not updates:
            return
        with appending(self._log) as log:
            found = []
            if standing is not None:
                written = log.connection.execute(_ITEM_UPDATES, (standing.sequence, HIGHEST))
                found = changes(standing, [item_update_of(*row[2:]) for row in written], updates)
            for each in updates:
                log.add(_ADD_ITEM_UPDATE, each.item_id, each.available, each.stock, each.price, received_at)
            for change in found:
                log.add(ADD_CHANGE, change.item_id, change.change, change.at, change.before, change.after)

    def forget(self, erased: Sequence[Erased], at: int) -> dict[str, int]:
        periods = [(each.user_id, each.since, each.until) for each in erased]
        with appending(self._log) as log:
            for subject, since, until in dict.fromkeys((each.subject, each.since, each.until) for each in erased):
                log.add(_ADD_TOMBSTONE, subject, None if since == EVER else since, min(until - 1, at), at)
            counts = {
                "events": log.connection.executemany(_FORGET_EVENTS, periods).rowcount,
                "identities": log.connection.executemany(_FORGET_LINKS, periods).rowcount,
                "pins": pinned_slates.forget(log.connection, periods),
                "moments": moments.forget(log.connection, periods),
                "exposures": experiments.forget(log.connection, periods),
            }
        self._log.wipe()
        return counts

    def reach(self, seq: int) -> None:
        with self._log.writing() as log:
            log.execute("UPDATE sequence SET last = max(last, ?)", (seq,))

    def version(self) -> tuple[int, int]:
        return self._log.changes()

    def last(self) -> int:
        found = self._log.read("SELECT last FROM sequence")
        return int(found[0][0]) if found else 0

    def reading(self) -> AbstractContextManager[None]:
        return self._log.reading()

    def news(self, after: int) -> list[SharedRow]:
        rows = self._log.read(_NEWS, after)
        return [SharedRow(seq, received_at, SHARED[kind](*values)) for seq, received_at, kind, *values in rows]

    def newest(self, after: int) -> int | None:
        found = self._log.read(_NEWEST, after)
        return found[0][0] if found else None

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
        rows = self._log.read(_IMPRESSIONS_OF, user_id, max_n)
        return [(item_id, timestamp, bool(clicked)) for item_id, timestamp, clicked in rows]

    def active(self, after: int, until: int) -> list[Active]:
        return [Active(user_id, at, bool(ordered)) for user_id, at, ordered in self._log.read(_ACTIVE, after, until)]

    def interested(self, item_ids: Sequence[str], after: int) -> list[str]:
        chosen = msgspec.json.encode(item_ids).decode()
        return [user_id for (user_id,) in self._log.read(_INTERESTED, after, chosen)]

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
        found = self._log.read("SELECT count(*) FROM events")
        return int(found[0][0]) if found else 0

    def drop_events(self, until_seq: int) -> int:
        dropped = last = 0
        while found := self._log.read(_FIRST_EVENT, last, until_seq):
            before, last = last, min(found[0][0] + _AT_ONCE - 1, until_seq)
            with self._log.writing() as log:
                dropped += log.execute(_DROP_EVENTS, (before, last)).rowcount
            self._log.pause()
        return dropped

    def drop_superseded_items(self, until_seq: int | None = None) -> int:
        known: dict[str, set[int]] = {}
        dropped, before = 0, HIGHEST if until_seq is None else until_seq + 1
        while rows := self._log.read(_ITEMS_BEFORE, before):
            old = [(seq,) for seq, item_id, *said in rows if is_superseded(known.setdefault(item_id, set()), said)]
            with self._log.writing() as log:
                dropped += log.executemany("DELETE FROM item_updates WHERE seq = ?", old).rowcount if old else 0
            before = rows[-1][0]
        return dropped

    def close(self) -> None:
        self._log.close()
