"""The live log: one SQLite database of events, identities, item updates and changes, tombstones, sends and pinned slates.

One table is the log, and what an answer reads is a query on it. Every process of one machine may read and write; a call
that wrote has reached the disk when it returns, whole or not at all. Rows are numbered by `seq` in the order of their commit.
Times are int64 microseconds since 1970 UTC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from recsys.live import item_changes
from recsys.live import moments as moment_log
from recsys.live import pinned_slates as pins
from recsys.live.database import LogFile, Row
from recsys.live.item_changes import ItemChanges, Standing, change_row, changes
from recsys.live.moments import MomentLog
from recsys.live.pinned_slates import PinnedSlates
from recsys.types import EVENT_TYPES, SHOWN_TYPES, Event, EventType, ItemUpdate, Link

FILE = "log.sqlite3"
BATCH = 50_000
"""Most events that one step of `events_between` holds."""
_DROPPED_AT_ONCE = 10_000
_PAUSE_SECONDS = 0.01
"""Between two steps of deleting, so that whoever waits for writing comes in."""
_SCHEMA_VERSION = 2
_EVENT, _LINK, _ITEM, _FORGOTTEN = 1, 2, 3, 4
_SHOWN = ", ".join(str(int(kind)) for kind in SHOWN_TYPES)
_ORDERS = f"{int(EventType.PURCHASE)}, {int(EventType.REFUND)}"
_NEWS_KINDS = f"kind IN ({_LINK}, {_ITEM}, {_FORGOTTEN})"
"""As the index has it, word for word, or SQLite would not use it."""
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, subject TEXT NOT NULL, at INTEGER NOT NULL,
    received_at INTEGER NOT NULL, key TEXT, event_type INTEGER, item_id TEXT, order_id TEXT, quantity REAL, price REAL,
    currency TEXT, body BLOB
);
CREATE UNIQUE INDEX log_key ON log (key) WHERE key IS NOT NULL;
CREATE INDEX log_events ON log (kind, subject, at, seq, event_type, item_id, order_id, quantity, price, currency)
WHERE kind = {_EVENT};
CREATE INDEX log_times ON log (kind, seq, at) WHERE kind = {_EVENT};
CREATE INDEX log_news ON log (seq) WHERE {_NEWS_KINDS};
{pins.SCHEMA}
{item_changes.SCHEMA}
{moment_log.SCHEMA}
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""
_COLUMNS = ("event_id", "user_id", "event_type", "timestamp", "item_id", "order_id", "quantity", "price", "currency")
_OTHERS = tuple(name for name in Event.__struct_fields__ if name not in _COLUMNS)
"""Fields of an event that no answer reads: they stand together in `body`."""
_CODES = {word: code for code, word in enumerate(EVENT_TYPES)}
_ADD = f"""INSERT INTO log (kind, subject, at, received_at, key, event_type, item_id, order_id, quantity, price, currency, body)
VALUES ({_EVENT}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING"""
_ADD_NEWS = "INSERT INTO log (kind, subject, at, received_at, body) VALUES (?, ?, ?, ?, ?)"
_FORGET_EVENTS = f"DELETE FROM log WHERE kind = {_EVENT} AND subject IN (SELECT value FROM json_each(?))"
_FORGET_LINKS = f"""DELETE FROM log INDEXED BY log_news WHERE {_NEWS_KINDS} AND kind = {_LINK}
AND (subject IN (SELECT value FROM json_each(?1))
OR json_extract(CAST(body AS TEXT), '$.user_id') IN (SELECT value FROM json_each(?1)))"""
_EVENTS_OF = f"""SELECT seq, at, event_type, item_id, order_id, quantity, price, currency FROM log INDEXED BY log_events
WHERE kind = {_EVENT} AND subject = ? AND seq > ? AND event_type NOT IN ({_SHOWN}) ORDER BY at DESC, seq DESC LIMIT ?"""
_ORDERS_OF = f"""SELECT seq, at, event_type, item_id, order_id, quantity, price, currency FROM log INDEXED BY log_events
WHERE kind = {_EVENT} AND subject = ? AND seq > ? AND event_type IN ({_ORDERS}) AND at <= ? ORDER BY at DESC, seq DESC LIMIT ?"""
_ACTIVE = f"""SELECT subject, max(at), max(event_type IN ({_ORDERS})) FROM log INDEXED BY log_times
WHERE kind = {_EVENT} AND seq > ? AND seq <= ? AND event_type NOT IN ({_SHOWN}) GROUP BY subject"""
_INTERESTED = f"""SELECT DISTINCT subject FROM log INDEXED BY log_events WHERE kind = {_EVENT} AND seq > ?
AND event_type IN ({int(EventType.VIEW)}, {int(EventType.CART_ADD)}) AND item_id IN (SELECT value FROM json_each(?))"""
_NEWEST = f"SELECT max(at) FROM log INDEXED BY log_times WHERE kind = {_EVENT} AND seq > ?"
_SUBJECTS = f"SELECT subject FROM log NOT INDEXED WHERE kind = {_EVENT} AND seq > ? ORDER BY seq LIMIT ?"
_EVENTS_BETWEEN = f"""SELECT seq, received_at, key, subject, event_type, at, item_id, order_id, quantity, price, currency, body
FROM log NOT INDEXED WHERE kind = {_EVENT} AND seq > ? AND seq <= ? ORDER BY seq LIMIT {BATCH}"""
_NEWS = f"""SELECT seq, received_at, kind, subject, at, body FROM log INDEXED BY log_news
WHERE {_NEWS_KINDS} AND seq > ? ORDER BY seq"""
_ALL_OF = f"""SELECT seq, received_at, kind, subject, at, body FROM log INDEXED BY log_news
WHERE {_NEWS_KINDS} AND kind = ? AND seq <= ? ORDER BY seq"""
_ITEMS_BEFORE = f"""SELECT seq, subject, body FROM log INDEXED BY log_news
WHERE {_NEWS_KINDS} AND kind = {_ITEM} AND seq < ? ORDER BY seq DESC LIMIT {_DROPPED_AT_ONCE}"""
_TOMBSTONES = f"""SELECT subject, max(at) FROM log INDEXED BY log_news
WHERE {_NEWS_KINDS} AND kind = {_FORGOTTEN} GROUP BY subject"""
_FIRST_EVENT = f"SELECT seq FROM log NOT INDEXED WHERE kind = {_EVENT} AND seq > ? AND seq <= ? ORDER BY seq LIMIT 1"
_DROP_EVENTS = f"DELETE FROM log NOT INDEXED WHERE kind = {_EVENT} AND seq > ? AND seq <= ?"
_HIGHEST = 2**63 - 1


class LiveEvent(NamedTuple):
    """What an answer reads of one live event; `event_type` is the code."""

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


class Tombstone(msgspec.Struct, frozen=True, gc=False):
    """A tombstone: whatever the user behind the keyed hash `subject` did up to `timestamp` is ignored."""

    subject: str
    timestamp: int


class SharedRow(NamedTuple):
    """A row that concerns everybody, with its number and when it was received."""

    seq: int
    received_at: int
    row: Link | ItemUpdate | Tombstone


class EventLog:
    """The live log in one folder of a local disk, for every thread and process of the machine.

    Nothing is opened before it is used; until something is written there is no file and every read answers nothing. Whatever
    fails is a StateError that names the file.
    """

    def __init__(self, folder: Path) -> None:
        self._log = LogFile(folder / FILE, _SCHEMA, _SCHEMA_VERSION)
        self.pins = PinnedSlates(self._log)
        self.item_changes = ItemChanges(self._log)
        self.moments = MomentLog(self._log)

    def add_events(self, events: Sequence[Event], received_at: int) -> list[bool]:
        """Write events, durably when it returns; False where an event_id is in the log or came earlier in this call."""
        rows = [_event_row(event, received_at) for event in events]
        if not rows:
            return []
        with self._log.writing() as log:
            return [log.execute(_ADD, row).rowcount == 1 for row in rows]

    def add_links(self, links: Sequence[Link], received_at: int) -> None:
        """Write identities, durably when it returns."""
        rows = [
            (_LINK, link.anonymous_id, link.timestamp, received_at, msgspec.json.encode({"user_id": link.user_id}))
            for link in links
        ]
        if rows:
            with self._log.writing() as log:
                log.executemany(_ADD_NEWS, rows)

    def add_items(self, updates: Sequence[ItemUpdate], received_at: int, standing: Standing | None = None) -> None:
        """Write item updates, durably when it returns, with what they change for shoppers as far as a standing tells."""
        rows = [(_ITEM, each.item_id, received_at, received_at, msgspec.json.encode(_changes(each))) for each in updates]
        if not rows:
            return
        with self._log.writing() as log:
            if standing is not None:
                written = [_item_update(row) for row in log.execute(_NEWS, (standing.sequence,)) if row[2] == _ITEM]
                rows += [change_row(each) for each in changes(standing, written, updates)]
            log.executemany(_ADD_NEWS, rows)

    def forget(self, hashes: Sequence[str], ids: Sequence[str], at: int) -> dict[str, int]:
        """Write a tombstone per hash and delete what the log has of the ids, in one transaction; counts what was deleted."""
        with self._log.writing() as log:
            log.executemany(_ADD_NEWS, [(_FORGOTTEN, subject, at, at, None) for subject in dict.fromkeys(hashes)])
            chosen = (msgspec.json.encode(ids).decode(),)
            counts = {"events": log.execute(_FORGET_EVENTS, chosen).rowcount}
            counts["identities"] = log.execute(_FORGET_LINKS, chosen).rowcount
            counts["pins"] = pins.forget_pins(log, *chosen)
            counts["moments"] = moment_log.forget_moments(log, *chosen)
        self._log.wipe()
        return counts

    def version(self) -> tuple[int, int]:
        """Tell commits apart: another pair after any commit of any process; (0, 0) before the first."""
        return self._log.changes()

    def last(self) -> int:
        """The newest row's number, also when rows were deleted since; 0 if nothing was ever written."""
        found = self._log.read("SELECT seq FROM sqlite_sequence WHERE name = 'log'")
        return int(found[0][0]) if found else 0

    def news(self, after: int) -> list[SharedRow]:
        """Links, item updates and tombstones with seq > `after`, by seq."""
        return [_news(row) for row in self._log.read(_NEWS, after)]

    def newest(self, after: int) -> int | None:
        """Time of the latest event with seq > `after`; looks at each of them, so ask for what you have not seen yet."""
        found = self._log.read(_NEWEST, after)
        return found[0][0] if found else None

    def active(self, after: int, until: int) -> list[Active]:
        """Who did something with `after` < seq ≤ `until`, impressions and clicks aside; looks at each event, so ask for new ones."""
        return [Active(user_id, at, bool(ordered)) for user_id, at, ordered in self._log.read(_ACTIVE, after, until)]

    def interested(self, item_ids: Sequence[str], after: int) -> list[str]:
        """Who viewed or carted one of these items with seq > `after`."""
        chosen = msgspec.json.encode(item_ids).decode()
        return [user_id for (user_id,) in self._log.read(_INTERESTED, after, chosen)]

    def subjects(self, after: int, max_n: int) -> list[str]:
        """Under which ids events with seq > `after` were written, at most so many, some of them repeatedly."""
        return [row[0] for row in self._log.read(_SUBJECTS, after, max_n)]

    def events_of(self, user_id: str, after: int, max_n: int) -> list[LiveEvent]:
        """What one shopper did with seq > `after`, oldest first by (timestamp, seq): the newest `max_n` events, and as many older
        purchases and refunds. Impressions and clicks are not among them."""
        rows = self._log.read(_EVENTS_OF, user_id, after, max_n)
        if len(rows) == max_n:
            oldest = {row[0] for row in rows if row[1] == rows[-1][1]}
            older = self._log.read(_ORDERS_OF, user_id, after, rows[-1][1], max_n)
            rows += [row for row in older if row[0] not in oldest]
        return list(map(LiveEvent._make, reversed(rows)))

    def reading(self) -> AbstractContextManager[None]:
        """Have all reads of this thread inside a `with` see the same moment of the log; it cannot write there."""
        return self._log.reading()

    def events_between(self, after: int, until: int) -> Iterator[list[tuple[int, int, Event]]]:
        """Events with `after` < seq ≤ `until` by seq, as (seq, received_at, event) in batches of at most 50,000."""
        while rows := self._log.read(_EVENTS_BETWEEN, after, until):
            yield [(row[0], row[1], _event(row)) for row in rows]
            after = rows[-1][0]

    def links(self, until: int) -> list[tuple[int, int, Link]]:
        """All links with seq ≤ `until` by seq, as (seq, received_at, link)."""
        return [(row[0], row[1], _link(row)) for row in self._log.read(_ALL_OF, _LINK, until)]

    def item_updates(self, until: int) -> list[tuple[int, int, ItemUpdate]]:
        """All item updates with seq ≤ `until` by seq, as (seq, received_at, update)."""
        return [(row[0], row[1], _item_update(row)) for row in self._log.read(_ALL_OF, _ITEM, until)]

    def tombstones(self) -> list[Tombstone]:
        """Every forgotten subject once, with the newest time."""
        return [Tombstone(subject, at) for subject, at in self._log.read(_TOMBSTONES)]

    def reach(self, seq: int) -> None:
        """Number what comes from now on above `seq`: a log that was lost, or put back from a backup, ends below what a snapshot has
        folded in, and what it would number again would not be seen."""
        with self._log.writing() as log:
            if not log.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'log'", (seq,)).rowcount:
                log.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('log', ?)", (seq,))

    def drop_events(self, until_seq: int) -> int:
        """Delete the events with seq ≤ `until_seq`, from the oldest on and 10,000 at a time; returns how many.

        Each step is a transaction of its own, after which others may write. Whoever is stopped in between has deleted the oldest.
        """
        dropped = last = 0
        while found := self._log.read(_FIRST_EVENT, last, until_seq):
            before, last = last, min(found[0][0] + _DROPPED_AT_ONCE - 1, until_seq)
            with self._log.writing() as log:
                dropped += log.execute(_DROP_EVENTS, (before, last)).rowcount
            time.sleep(_PAUSE_SECONDS)
        return dropped

    def count_events(self) -> int:
        """How many events the log holds."""
        found = self._log.read(f"SELECT count(*) FROM log WHERE kind = {_EVENT}")
        return int(found[0][0]) if found else 0

    def drop_superseded_items(self, until_seq: int = _HIGHEST - 1) -> int:
        """Delete the item updates whose every value a later one with seq ≤ `until_seq` replaces; returns how many."""
        known: dict[str, set[str]] = {}
        dropped, before = 0, until_seq + 1
        while rows := self._log.read(_ITEMS_BEFORE, before):
            old = [(seq,) for seq, item_id, body in rows if _replaced(known.setdefault(item_id, set()), body)]
            with self._log.writing() as log:
                dropped += log.executemany("DELETE FROM log WHERE seq = ?", old).rowcount if old else 0
            before = rows[-1][0]
        return dropped

    def close(self) -> None:
        """Close what this process opened; the next call opens it again."""
        self._log.close()


def _event_row(event: Event, received_at: int) -> Row:
    others = {name: value for name in _OTHERS if (value := getattr(event, name)) is not None}
    return (
        event.user_id,
        event.timestamp,
        received_at,
        event.event_id,
        _CODES[event.event_type],
        event.item_id,
        event.order_id,
        event.quantity,
        event.price,
        event.currency,
        msgspec.json.encode(others) if others else None,
    )


def _event(row: Row) -> Event:
    _, _, event_id, user_id, code, timestamp, item_id, order_id, quantity, price, currency, body = row
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
        **(msgspec.json.decode(body) if body else {}),
    )


def _changes(update: ItemUpdate) -> dict[str, Any]:
    values = {"available": update.available, "stock": update.stock, "price": update.price}
    return {name: value for name, value in values.items() if value is not None}


def _replaced(known: set[str], body: bytes) -> bool:
    """Whether later updates set all that this one sets; from now on what this one sets counts among them."""
    fields = set(msgspec.json.decode(body))
    replaced = fields <= known
    known |= fields
    return replaced


def _news(row: Row) -> SharedRow:
    seq, received_at, kind, subject, at, _ = row
    if kind == _LINK:
        return SharedRow(seq, received_at, _link(row))
    if kind == _ITEM:
        return SharedRow(seq, received_at, _item_update(row))
    return SharedRow(seq, received_at, Tombstone(subject, at))


def _link(row: Row) -> Link:
    return Link(row[3], msgspec.json.decode(row[5])["user_id"], row[4])


def _item_update(row: Row) -> ItemUpdate:
    return ItemUpdate(row[3], **msgspec.json.decode(row[5]))
