"""Format 2 of the live log, which had one table of ten kinds of rows, brought over into a table per kind.

The keys of kinds that are no events began with a name between two unit separators, which no id may hold: `pin`, send and user, then
of a replacement its place and item, for instance.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from recsys.types import StateError

_EVENT, _LINK, _ITEM_UPDATE, _TOMBSTONE, _SEND, _PIN, _REPLACEMENT, _IMAGE_SERVED, _MOMENT, _ITEM_CHANGE = range(1, 11)
_AFTER_PIN, _AFTER_MOMENT = len("\x1fpin\x1f") + 1, len("\x1fmoment\x1f") + 1
_SEND_ID = f"substr(key, {_AFTER_PIN}, instr(substr(key, {_AFTER_PIN}), char(31)) - 1)"
"""The send in the key of a pin, a replacement or a served image."""
_COPY = (
    f"""INSERT INTO events SELECT seq, key, subject, event_type, at, received_at, item_id, order_id, quantity, price, currency, body
    FROM log WHERE kind = {_EVENT} ORDER BY seq""",
    f"INSERT INTO tombstones SELECT seq, subject, NULL, at, received_at FROM log WHERE kind = {_TOMBSTONE} ORDER BY seq",
    f"""INSERT INTO pins SELECT seq, {_SEND_ID}, subject, body, received_at FROM log WHERE kind = {_PIN} ORDER BY seq""",
    f"""INSERT INTO moments SELECT seq, substr(key, {_AFTER_MOMENT}), subject, event_type, at, received_at, body
    FROM log WHERE kind = {_MOMENT} ORDER BY seq""",
)


class _LinkBody(msgspec.Struct):
    user_id: str


class _ItemUpdateBody(msgspec.Struct):
    available: bool | None = None
    stock: float | None = None
    price: float | None = None


class _ItemChangeBody(msgspec.Struct):
    change: str
    before: float | None = None
    after: float | None = None


class _SendBody(msgspec.Struct):
    placement: str
    limit: int
    template: str | None = None


class _ReplacementBody(msgspec.Struct):
    place: int
    out: str
    item: msgspec.Raw


class _ImageServedBody(msgspec.Struct):
    place: int
    item_id: str


class _Moved(NamedTuple):
    """Rows of a kind with a body: the columns that go over as they are, and what becomes of the body."""

    table: str
    kind: int
    columns: str
    body: type[msgspec.Struct]
    row: Callable[..., tuple[Any, ...]]
    """Values of the table after the number, from the body and the columns."""


_WITH_BODY = (
    _Moved(
        "links",
        _LINK,
        "subject, at, received_at",
        _LinkBody,
        lambda body, anonymous_id, at, received_at: (anonymous_id, body.user_id, at, received_at),
    ),
    _Moved(
        "item_updates",
        _ITEM_UPDATE,
        "subject, received_at",
        _ItemUpdateBody,
        lambda body, item_id, received_at: (item_id, body.available, body.stock, body.price, received_at),
    ),
    _Moved(
        "item_changes",
        _ITEM_CHANGE,
        "subject, at",
        _ItemChangeBody,
        lambda body, item_id, at: (item_id, body.change, at, body.before, body.after),
    ),
    _Moved(
        "sends",
        _SEND,
        "subject, at, received_at",
        _SendBody,
        lambda body, send_id, expires_at, received_at: (
            send_id,
            body.placement,
            body.limit,
            body.template,
            expires_at,
            received_at,
        ),
    ),
    _Moved(
        "replacements",
        _REPLACEMENT,
        f"{_SEND_ID}, subject, received_at",
        _ReplacementBody,
        lambda body, send_id, user_id, received_at: (send_id, user_id, body.place, body.out, bytes(body.item), received_at),
    ),
    _Moved(
        "images_served",
        _IMAGE_SERVED,
        f"{_SEND_ID}, subject, received_at",
        _ImageServedBody,
        lambda body, send_id, user_id, received_at: (send_id, user_id, body.place, body.item_id, received_at),
    ),
)


def bring_over(log: sqlite3.Connection) -> None:
    """Bring every row into its table under the number that it has, and the sequence to where it was; drop the old table.

    Raises:
        StateError: for a row that cannot be read.
    """
    for statement in _COPY:
        log.execute(statement)
    for moved in _WITH_BODY:
        _move(log, moved)
    log.execute("UPDATE sequence SET last = (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log')")
    log.execute("DROP TABLE log")


def _move(log: sqlite3.Connection, moved: _Moved) -> None:
    decoder = msgspec.json.Decoder(moved.body)
    for seq, body, *columns in log.execute(
        f"SELECT seq, body, {moved.columns} FROM log WHERE kind = ? ORDER BY seq", (moved.kind,)
    ):
        try:
            row = (seq, *moved.row(decoder.decode(body), *columns))
        except (msgspec.MsgspecError, TypeError) as error:
            raise StateError(
                f"row {seq} of the kind {moved.table} cannot be read ({error}); put a backup in its place"
            ) from error
        log.execute(f"INSERT INTO {moved.table} VALUES ({', '.join('?' * len(row))})", row)
