"""Sends and what is pinned to them: rows of the live log of which the first that was written stands.

A slate is pinned to (send, user); a swap replaces one of its items for good; a picture notes whose image went out in a place after
that. The keys of these rows begin with a control character, which no id may hold, so they meet no event's id. A pin's key is the
beginning of those of its swaps and pictures, and a send's name that of its pins: what belongs together is one range of the index
over keys.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence

import msgspec

from recsys.live.database import LogFile, Row
from recsys.types import Reason, Send

SEND, PIN, REPLACEMENT, IMAGE_SERVED = 5, 6, 7, 8
"""Kinds of rows: a send's subject is its id and its time the expiry, those of the others are the user and when it was written."""
SCHEMA = f"CREATE INDEX log_sends ON log (kind, subject) WHERE kind IN ({SEND}, {PIN}, {REPLACEMENT});"
_DROPPED_AT_ONCE = 1_000
"""Rows of one step of deleting, which takes about a tenth of a second."""
_PAUSE_SECONDS = 0.01
"""Between two steps of deleting, so that whoever waits for writing comes in."""
_FIELD, _AFTER_FIELD = "\x1f", "\x20"
"""What ends a field of a key, and the first text behind all that continue it."""
_OURS = f"kind IN ({SEND}, {PIN}, {REPLACEMENT})"
_ADD = """INSERT INTO log (kind, subject, at, received_at, key, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING"""
_BY_KEY = "SELECT body FROM log INDEXED BY log_key WHERE key = ?"
_BY_KEYS = "SELECT kind, body FROM log INDEXED BY log_key WHERE key >= ? AND key < ? ORDER BY seq"
_NEWEST_PINS = f"""SELECT body FROM log INDEXED BY log_sends WHERE {_OURS} AND kind = {PIN} AND subject = ?
ORDER BY seq DESC LIMIT ?"""
_EXPIRED = f"SELECT subject FROM log INDEXED BY log_sends WHERE {_OURS} AND kind = {SEND} AND at < ?"
_DROP = f"""DELETE FROM log WHERE seq IN
(SELECT seq FROM log INDEXED BY log_key WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT {_DROPPED_AT_ONCE})"""
"""From the end: whoever is stopped leaves no row of a pin without the pin, by which it is forgotten."""
_KEYS_OF = f"""SELECT key FROM log INDEXED BY log_sends WHERE {_OURS} AND kind = {PIN}
AND subject IN (SELECT value FROM json_each(?))"""
_FORGET = "DELETE FROM log INDEXED BY log_key WHERE key >= ? AND key < ?"


class PinnedItem(msgspec.Struct, frozen=True, array_like=True):
    """One place of a pinned slate as it was answered, its item by id: rows never leave a snapshot."""

    item_id: str
    score: float
    reason: Reason
    source: str


class PinnedSlate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a send shows a user for good: the slate that was answered first, items sold out since replaced in their places.

    `replaced` are the items that stood there before, in the order of the swaps.
    """

    send_id: str
    user_id: str
    recommendation_id: str
    snapshot: str
    strategy: str
    personalized: bool
    fallback: str | None = None
    items: tuple[PinnedItem, ...] = ()
    replaced: tuple[str, ...] = ()

    @property
    def shown(self) -> list[str]:
        """Every item that it shows or has shown."""
        return [*(each.item_id for each in self.items), *self.replaced]


class Replacement(msgspec.Struct, frozen=True):
    """At `place` (from 0) of a pinned slate, `item` stands instead of the item `out`."""

    place: int
    out: str
    item: PinnedItem

    def fits(self, pin: PinnedSlate) -> bool:
        """Whether its item is still the one in that place, and the other one is new to the slate."""
        return self.item.item_id not in pin.shown and pin.items[self.place].item_id == self.out

    def applied(self, pin: PinnedSlate) -> PinnedSlate:
        """The pin with it."""
        items = (*pin.items[: self.place], self.item, *pin.items[self.place + 1 :])
        return msgspec.structs.replace(pin, items=items, replaced=(*pin.replaced, self.out))


class ImageServed(msgspec.Struct, frozen=True):
    """At `place` (from 0) of a pinned slate, the image of this item went out."""

    place: int
    item_id: str


_encode = msgspec.json.Encoder().encode
_read_send = msgspec.json.Decoder(Send).decode
_read_pin = msgspec.json.Decoder(PinnedSlate).decode
_read_replacement = msgspec.json.Decoder(Replacement).decode
_read_image_served = msgspec.json.Decoder(ImageServed).decode


class PinnedSlates:
    """Sends and pins in the live log; what a call wrote is durable when it returns. Whatever fails is a StateError."""

    def __init__(self, log: LogFile) -> None:
        self._log = log

    def declare(self, send: Send, received_at: int) -> Send:
        """Declare a send, unless one of its id is declared already; returns the one that stands."""
        key = _send_key(send.send_id)
        with self._log.writing() as log:
            log.execute(_ADD, (SEND, send.send_id, send.expires_at, received_at, key, _encode(send)))
            return _read_send(log.execute(_BY_KEY, (key,)).fetchone()[0])

    def send(self, send_id: str) -> Send | None:
        """Look a send up; None: it is not declared."""
        found = self._log.read(_BY_KEY, _send_key(send_id))
        return _read_send(found[0][0]) if found else None

    def pin(self, pin: PinnedSlate, received_at: int) -> PinnedSlate:
        """Pin a slate to its send and user, unless one is pinned there already; returns the one that stands."""
        return self.pin_all([pin], received_at)[0]

    def pin_all(self, pins: Sequence[PinnedSlate], received_at: int) -> list[PinnedSlate]:
        """Pin several slates in one step, each as `pin` does."""
        if not pins:
            return []
        with self._log.writing() as log:
            return [_pinned(log, pin, received_at) for pin in pins]

    def pin_of(self, send_id: str, user_id: str) -> PinnedSlate | None:
        """What is pinned to a send and a user, swaps applied; None: nothing."""
        return _with_replacements(self._log.read(_BY_KEYS, *_pin_range(send_id, user_id)))

    def replace_items(self, pin: PinnedSlate, replacements: Sequence[Replacement], received_at: int) -> PinnedSlate:
        """Swap items of a pinned slate for good; what does not fit what stands by now is passed over. Returns what stands."""
        key, until = _pin_range(pin.send_id, pin.user_id)
        with self._log.writing() as log:
            standing = _with_replacements(log.execute(_BY_KEYS, (key, until)).fetchall())
            if standing is None:
                return pin
            for each in replacements:
                if each.fits(standing):
                    own = f"{key}{each.place}{_FIELD}{each.out}"
                    log.execute(_ADD, (REPLACEMENT, pin.user_id, received_at, received_at, own, _encode(each)))
                    standing = each.applied(standing)
            return standing

    def image_served(self, send_id: str, user_id: str, place: int) -> str | None:
        """The item whose image went out last in a place (from 0), at first the one pinned there; None: there is no such place."""
        return _image_served(self._log.read(_BY_KEYS, *_pin_range(send_id, user_id)), place)

    def serve_image(self, pin: PinnedSlate, place: int, received_at: int) -> None:
        """Note that the image of the item in a place goes out, unless it is the one that went out last."""
        item_id = pin.items[place].item_id
        if self.image_served(pin.send_id, pin.user_id, place) == item_id:
            return
        key, until = _pin_range(pin.send_id, pin.user_id)
        with self._log.writing() as log:
            if _image_served(log.execute(_BY_KEYS, (key, until)).fetchall(), place) not in (None, item_id):
                own, body = f"{key}picture{_FIELD}{place}{_FIELD}{item_id}", _encode(ImageServed(place, item_id))
                log.execute(_ADD, (IMAGE_SERVED, pin.user_id, received_at, received_at, own, body))

    def pins_of(self, user_id: str, max_n: int) -> list[PinnedSlate]:
        """What the `max_n` sends pinned last show a user, swaps applied, the newest first."""
        pins = [_read_pin(body) for (body,) in self._log.read(_NEWEST_PINS, user_id, max_n)]
        return [self.pin_of(pin.send_id, user_id) or pin for pin in pins]

    def drop_expired(self, before: int) -> Mapping[str, int]:
        """Delete the sends that expired before a moment (microseconds) and all that is pinned to them; tells how many of each.

        Each step is a transaction of its own, after which others may write. A send goes after all that is pinned to it.
        """
        counts = {"sends": 0, "pins": 0}
        for (send_id,) in self._log.read(_EXPIRED, before):
            counts["pins"] += self._drop(*_pins_range(send_id))
            counts["sends"] += self._drop(key := _send_key(send_id), key + "\x00")
        return counts

    def _drop(self, key: str, until: str) -> int:
        total, dropped = 0, _DROPPED_AT_ONCE
        while dropped == _DROPPED_AT_ONCE:
            with self._log.writing() as log:
                dropped = log.execute(_DROP, (key, until)).rowcount
            total += dropped
            time.sleep(_PAUSE_SECONDS)
        return total


def forget_pins(log: sqlite3.Connection, ids: str) -> int:
    """Delete, inside a transaction, what is pinned to users (a JSON list of ids); returns how many rows it was."""
    keys = log.execute(_KEYS_OF, (ids,)).fetchall()
    return sum(log.execute(_FORGET, (key, _end(key))).rowcount for (key,) in keys)


def forget_sends(log: sqlite3.Connection, send_ids: Sequence[str]) -> None:
    """Delete, inside a transaction, the declarations of sends that were one user's own."""
    log.executemany("DELETE FROM log WHERE key = ?", [(_send_key(each),) for each in send_ids])


def _pinned(log: sqlite3.Connection, pin: PinnedSlate, received_at: int) -> PinnedSlate:
    key, until = _pin_range(pin.send_id, pin.user_id)
    if log.execute(_ADD, (PIN, pin.user_id, received_at, received_at, key, _encode(pin))).rowcount:
        return pin
    return _with_replacements(log.execute(_BY_KEYS, (key, until)).fetchall()) or pin


def _with_replacements(rows: Sequence[Row]) -> PinnedSlate | None:
    """The pin of the rows of one send and user, which come in the order in which they were written; None: it is gone, or was never."""
    if not rows or rows[0][0] != PIN:
        return None
    pin = _read_pin(rows[0][1])
    for kind, body in rows[1:]:
        if kind == REPLACEMENT:
            pin = _read_replacement(body).applied(pin)
    return pin


def _image_served(rows: Sequence[Row], place: int) -> str | None:
    """The item whose image went out last in a place, of the rows of one send and user."""
    first = _with_replacements(rows[:1])
    if first is None or place >= len(first.items):
        return None
    pictures = [_read_image_served(body) for kind, body in rows if kind == IMAGE_SERVED]
    return [first.items[place].item_id, *(each.item_id for each in pictures if each.place == place)][-1]


def _send_key(send_id: str) -> str:
    return f"{_FIELD}send{_FIELD}{send_id}"


def _pins_range(send_id: str) -> tuple[str, str]:
    key = f"{_FIELD}pin{_FIELD}{send_id}{_FIELD}"
    return key, _end(key)


def _pin_range(send_id: str, user_id: str) -> tuple[str, str]:
    key = f"{_pins_range(send_id)[0]}{user_id}{_FIELD}"
    return key, _end(key)


def _end(key: str) -> str:
    """The end of the range of what a key begins."""
    return key.removesuffix(_FIELD) + _AFTER_FIELD
