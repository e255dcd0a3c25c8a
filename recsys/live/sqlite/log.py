"""The live log in one SQLite file, for every thread and process of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from recsys.live.erasure import Erased, Tombstone
from recsys.live.item_changes import Standing, changes
from recsys.live.log import BATCH, Active, EventLog, LiveEvent, SharedRow
from recsys.live.sqlite import experiments, moments, pinned_slates
from recsys.live.sqlite.appending import appending
from recsys.live.sqlite.database import Database, Row
from recsys.live.sqlite.experiments import SqliteExperimentLog
from recsys.live.sqlite.item_changes import ADD_CHANGE, SqliteItemChanges
from recsys.live.sqlite.log_format import LOG_FORMAT
from recsys.live.sqlite.moments import SqliteMomentLog
from recsys.live.sqlite.pinned_slates import SqlitePinnedSlates
from recsys.snapshot.identity_links import FOREVER
from recsys.types import EVENT_TYPES, SHOWN_TYPES, Event, EventType, ItemUpdate, Link

FILE = "log.sqlite3"
_AT_ONCE = 10_000
"""Rows of one step of deleting."""
_MAX_LOOKED = 20_000
"""Of one user, most rows that a look-up of events goes through, the newest; as many as it is to find, if that is more."""
_SHOWN = ", ".join(str(int(kind)) for kind in SHOWN_TYPES)
_ORDERS = f"{int(EventType.PURCHASE)}, {int(EventType.REFUND)}"
_LOOKS = f"{int(EventType.VIEW)}, {int(EventType.CART_ADD)}"
_CODES = {word: code for code, word in enumerate(EVENT_TYPES)}
_COLUMNS = ("event_id", "user_id", "event_type", "timestamp", "item_id", "order_id", "quantity", "price", "currency")
_DETAILS = tuple(name for name in Event.__struct_fields__ if name not in _COLUMNS)
"""Fields of an event that no answer reads: they stand together as JSON."""

_ADD_EVENT = """INSERT INTO events (seq, event_id, user_id, event_type, timestamp, received_at, item_id, order_id, quantity, price,
currency, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"""
_ADD_LINK = "INSERT INTO links (seq, anonymous_id, user_id, timestamp, received_at) VALUES (?, ?, ?, ?, ?)"
_ADD_ITEM_UPDATE = "INSERT INTO item_updates (seq, item_id, available, stock, price, received_at) VALUES (?, ?, ?, ?, ?, ?)"
_ADD_TOMBSTONE = "INSERT INTO tombstones (seq, subject, since, until, received_at) VALUES (?, ?, ?, ?, ?)"
_LIVE_EVENT = "seq, timestamp, event_type, item_id, order_id, quantity, price, currency"
_EVENTS_OF = f"""SELECT {_LIVE_EVENT} FROM events
WHERE user_id = ?1 AND seq > ?2 AND event_type NOT IN ({_SHOWN}) AND timestamp >= coalesce(
    (SELECT timestamp FROM events WHERE user_id = ?1 ORDER BY timestamp DESC, seq DESC LIMIT 1 OFFSET max({_MAX_LOOKED}, ?3)),
    {FOREVER.min})
ORDER BY timestamp DESC, seq DESC LIMIT ?3"""
"""Bounded before it is read: a user may have half a million rows that were folded in, or that only note what was shown."""
_ORDERS_OF = f"""SELECT {_LIVE_EVENT} FROM events WHERE user_id = ? AND seq > ? AND event_type IN ({_ORDERS}) AND timestamp <= ?
ORDER BY timestamp DESC, seq DESC LIMIT ?"""
_ACTIVE = f"""SELECT user_id, max(timestamp), max(event_type IN ({_ORDERS})) FROM events
WHERE seq > ? AND seq <= ? AND event_type NOT IN ({_SHOWN}) GROUP BY user_id"""
_INTERESTED = f"""SELECT DISTINCT user_id FROM events
WHERE seq > ? AND event_type IN ({_LOOKS}) AND item_id IN (SELECT value FROM json_each(?))"""
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
_EVER, _HIGHEST = int(FOREVER.min), 2**63 - 1


class SqliteLog(EventLog):
    """The live log in one folder of a local disk. Nothing is opened before it is used, and until something is written there is no
    file."""

    def __init__(self, folder: Path) -> None:
        self._log = Database(folder / FILE, LOG_FORMAT)
        self.pins = SqlitePinnedSlates(self._log)
        self.item_changes = SqliteItemChanges(self._log)
        self.moments = SqliteMomentLog(self._log)
        self.experiments = SqliteExperimentLog(self._log)

    @property
    def name(self) -> str:
        return str(self._log.path)

    def add_events(self, events: Sequence[Event], received_at: int) -> list[bool]:
        rows = [_event_row(event, received_at) for event in events]
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

    def add_items(self, updates: Sequence[ItemUpdate], received_at: int, standing: Standing | None = None) -> None:
        if not updates:
            return
        with appending(self._log) as log:
            found = []
            if standing is not None:
                written = log.connection.execute(_ITEM_UPDATES, (standing.sequence, _HIGHEST))
                found = changes(standing, [_item_update(*row[2:]) for row in written], updates)
            for each in updates:
                log.add(_ADD_ITEM_UPDATE, each.item_id, each.available, each.stock, each.price, received_at)
            for change in found:
                log.add(ADD_CHANGE, change.item_id, change.change, change.at, change.before, change.after)

    def forget(self, erased: Sequence[Erased], at: int) -> dict[str, int]:
        periods = [(each.user_id, each.since, each.until) for each in erased]
        with appending(self._log) as log:
            for subject, since, until in dict.fromkeys((each.subject, each.since, each.until) for each in erased):
                log.add(_ADD_TOMBSTONE, subject, None if since == _EVER else since, min(until - 1, at), at)
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
        return [SharedRow(seq, received_at, _SHARED[kind](*values)) for seq, received_at, kind, *values in rows]

    def newest(self, after: int) -> int | None:
        found = self._log.read(_NEWEST, after)
        return found[0][0] if found else None

    def tombstones(self) -> list[Tombstone]:
        return [_tombstone(*row) for row in self._log.read(_LAST_TOMBSTONES)]

    def events_of(self, user_id: str, after: int, max_n: int) -> list[LiveEvent]:
        rows = self._log.read(_EVENTS_OF, user_id, after, max_n)
        if len(rows) == max_n:
            oldest = {row[0] for row in rows if row[1] == rows[-1][1]}
            older = self._log.read(_ORDERS_OF, user_id, after, rows[-1][1], max_n)
            rows += [row for row in older if row[0] not in oldest]
        return list(map(LiveEvent._make, reversed(rows)))

    def active(self, after: int, until: int) -> list[Active]:
        return [Active(user_id, at, bool(ordered)) for user_id, at, ordered in self._log.read(_ACTIVE, after, until)]

    def interested(self, item_ids: Sequence[str], after: int) -> list[str]:
        chosen = msgspec.json.encode(item_ids).decode()
        return [user_id for (user_id,) in self._log.read(_INTERESTED, after, chosen)]

    def subjects(self, after: int, max_n: int) -> list[str]:
        return [user_id for (user_id,) in self._log.read(_SUBJECTS, after, max_n)]

    def events_between(self, after: int, until: int) -> Iterator[list[tuple[int, int, Event]]]:
        while rows := self._log.read(_EVENTS_BETWEEN, after, until):
            yield [(row[0], row[1], _event(row)) for row in rows]
            after = rows[-1][0]

    def links(self, until: int) -> list[tuple[int, int, Link]]:
        return [(row[0], row[1], _link(*row[2:])) for row in self._log.read(_LINKS, 0, until)]

    def item_updates(self, until: int) -> list[tuple[int, int, ItemUpdate]]:
        return [(row[0], row[1], _item_update(*row[2:])) for row in self._log.read(_ITEM_UPDATES, 0, until)]

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
        dropped, before = 0, _HIGHEST if until_seq is None else until_seq + 1
        while rows := self._log.read(_ITEMS_BEFORE, before):
            old = [(seq,) for seq, item_id, *said in rows if _replaced(known.setdefault(item_id, set()), said)]
            with self._log.writing() as log:
                dropped += log.executemany("DELETE FROM item_updates WHERE seq = ?", old).rowcount if old else 0
            before = rows[-1][0]
        return dropped

    def close(self) -> None:
        self._log.close()


def _event_row(event: Event, received_at: int) -> Row:
    details = {name: value for name in _DETAILS if (value := getattr(event, name)) is not None}
    return (
        event.event_id,
        event.user_id,
        _CODES[event.event_type],
        event.timestamp,
        received_at,
        event.item_id,
        event.order_id,
        event.quantity,
        event.price,
        event.currency,
        msgspec.json.encode(details) if details else None,
    )


def _event(row: Row) -> Event:
    _, _, event_id, user_id, code, timestamp, item_id, order_id, quantity, price, currency, details = row
    more: dict[str, Any] = msgspec.json.decode(details) if details else {}
    return Event(
        event_id=event_id,
        user_id=user_id,
        event_type=EVENT_TYPES[code],
        timestamp=timestamp,
        item_id=item_id,
        order_id=order_id,
        quantity=quantity,
        price=price,
        currency=currency,
        **more,
    )


def _link(anonymous_id: str, user_id: str, timestamp: int, _: None = None) -> Link:
    return Link(anonymous_id, user_id, timestamp)


def _item_update(item_id: str, available: int | None, stock: float | None, price: float | None) -> ItemUpdate:
    return ItemUpdate(item_id, None if available is None else bool(available), stock, price)


def _tombstone(subject: str, since: int | None, until: int, _: None = None) -> Tombstone:
    return Tombstone(subject, until, _EVER if since is None else since)


_SHARED: dict[str, Callable[..., Link | ItemUpdate | Tombstone]] = {
    "link": _link,
    "item_update": _item_update,
    "tombstone": _tombstone,
}


def _replaced(known: set[int], said: Sequence[int]) -> bool:
    """Whether later updates set all that this one sets; from now on what this one sets counts among them."""
    fields = {field for field, is_said in enumerate(said) if is_said}
    replaced = fields <= known
    known |= fields
    return replaced
