"""A live log of format 2, as the program wrote it when one table held ten kinds of rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from recsys.live.sqlite.log import FILE

SCHEMA = """
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, subject TEXT NOT NULL, at INTEGER NOT NULL,
    received_at INTEGER NOT NULL, key TEXT, event_type INTEGER, item_id TEXT, order_id TEXT, quantity REAL, price REAL,
    currency TEXT, body BLOB
);
CREATE UNIQUE INDEX log_key ON log (key) WHERE key IS NOT NULL;
CREATE INDEX log_events ON log (kind, subject, at, seq, event_type, item_id, order_id, quantity, price, currency)
WHERE kind = 1;
CREATE INDEX log_times ON log (kind, seq, at) WHERE kind = 1;
CREATE INDEX log_news ON log (seq) WHERE kind IN (2, 3, 4);
CREATE INDEX log_sends ON log (kind, subject) WHERE kind IN (5, 6, 7);
CREATE INDEX log_changes ON log (at) WHERE kind = 10;
CREATE INDEX log_moments ON log (event_type, seq, at) WHERE kind = 9;
CREATE INDEX log_moments_of ON log (subject, at, event_type) WHERE kind = 9;
PRAGMA user_version = 2;
COMMIT;
"""
EVENT, LINK, ITEM_UPDATE, TOMBSTONE, SEND, PIN, REPLACEMENT, IMAGE_SERVED, MOMENT, ITEM_CHANGE = range(1, 11)
COLUMNS = (
    "kind", "subject", "at", "received_at", "key", "event_type", "item_id", "order_id", "quantity", "price", "currency", "body",
)  # fmt: skip
Row: TypeAlias = dict[str, Any]
SLATE_ITEM = ["sofa-1", 1 / 3, {"code": "bought", "text": "Because of 沙发", "because_item_id": "sofa-9"}, "item_item"]
SLATE = {
    "send_id": "weekly",
    "user_id": "ann",
    "recommendation_id": "r",
    "snapshot": "v1",
    "strategy": "blend",
    "personalized": True,
    "fallback": "trending",
    "items": [SLATE_ITEM, ["lamp-1", 0.25, {"code": "popular", "text": "Popular"}, "trending"]],
}


def row(kind: int, subject: str, at: int, body: Any = None, **columns: Any) -> Row:
    """One row, received at 1,000,000."""
    text = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"kind": kind, "subject": subject, "at": at, "received_at": 1_000_000, "body": text, **columns}


def an_event(number: int, user: str = "ann", **columns: Any) -> Row:
    """A view."""
    return row(EVENT, user, 10 + number, **{"key": f"e{number}", "event_type": 3, "item_id": "sofa-1", **columns})


ONE_OF_EACH = (
    an_event(1),
    an_event(2, event_type=7, order_id="o", quantity=2.5, price=19.99, currency="EUR", body=b'{"query":"\xc3\xbc","discount":0.1}'),
    row(LINK, "guest", 5, {"user_id": "ann"}),
    row(ITEM_UPDATE, "sofa-1", 1_000_000, {"available": False, "price": 0.1}),
    row(ITEM_UPDATE, "lamp-1", 1_000_000, {"stock": 3.0}),
    row(TOMBSTONE, "0123abcd:00", 7),
    row(SEND, "weekly", 2_000_000, {"send_id": "weekly", "placement": "home", "limit": 4, "expires_at": 2_000_000,
                                    "template": "plain"}, key="\x1fsend\x1fweekly"),
    row(SEND, "bare", 3_000_000, {"send_id": "bare", "placement": "home", "limit": 1, "expires_at": 3_000_000, "template": None},
        key="\x1fsend\x1fbare"),
    row(PIN, "ann", 1_000_000, SLATE, key="\x1fpin\x1fweekly\x1fann\x1f"),
    row(REPLACEMENT, "ann", 1_000_000, {"place": 0, "out": "sofa-1", "item": ["bag-1", 0.1, {"code": "c", "text": "t"}, "ease"]},
        key="\x1fpin\x1fweekly\x1fann\x1f0\x1fsofa-1"),
    row(IMAGE_SERVED, "ann", 1_000_000, {"place": 0, "item_id": "bag-1"}, key="\x1fpin\x1fweekly\x1fann\x1fpicture\x1f0\x1fbag-1"),
    row(MOMENT, "ann", 100, b'{"line":1}', key="\x1fmoment\x1fm1", event_type="cart"),
    row(MOMENT, "bob", 90, None, key="\x1fmoment\x1fm2", event_type="browse"),
    row(ITEM_CHANGE, "sofa-1", 50, {"change": "price_drop", "before": 900.0, "after": 0.1}),
    row(ITEM_CHANGE, "lamp-1", 60, {"change": "back_in_stock"}),
)  # fmt: skip


def write(folder: Path, rows: Iterable[Row]) -> Path:
    """Write a log of the old format; two more events have been deleted again, so that its numbers go on above its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    log = sqlite3.connect(folder / FILE, isolation_level=None)
    log.executescript(SCHEMA)
    log.execute("BEGIN")
    values = ([each.get(name) for name in COLUMNS] for each in [*rows, an_event(-1), an_event(-2)])
    log.executemany(f"INSERT INTO log ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", values)
    log.execute("DELETE FROM log WHERE key IN ('e-1', 'e-2')")
    log.execute("COMMIT")
    log.close()
    return folder / FILE
