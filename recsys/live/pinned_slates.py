"""Sends and what is pinned to them: rows of the live log of which the first that was written stands.

A slate is pinned to (send, user); a replacement takes the place of one of its items for good; a served image notes whose image went
out in a place after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from recsys.item_filters import ItemFilter
from recsys.live.driver import Driver, Transaction
from recsys.types import Assignment, Reason, Send

_AT_ONCE = 1_000
"""Rows of one step of deleting."""
_ADD_SEND = """INSERT INTO sends (seq, send_id, placement, max_items, template, expires_at, received_at, filter)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (send_id) DO NOTHING"""
_SEND = "SELECT send_id, placement, max_items, template, expires_at, filter FROM sends WHERE send_id = ?"
_NEWEST_SENDS = "SELECT send_id, placement, max_items, template, expires_at, filter FROM sends ORDER BY seq DESC LIMIT ?"
_ADD_PIN = """INSERT INTO pins (seq, send_id, user_id, slate, received_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (send_id, user_id) DO NOTHING"""
_PIN = """SELECT slate, place, item_out, item_in FROM pins LEFT JOIN replacements USING (send_id, user_id)
WHERE send_id = ? AND user_id = ? ORDER BY replacements.seq"""
"""The slate as it was pinned, once for each replacement since, in their order."""
_ADD_REPLACEMENT = """INSERT INTO replacements (seq, send_id, user_id, place, item_out, item_in, received_at)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (send_id, user_id, place, item_out) DO NOTHING"""
_IMAGE_SERVED = """SELECT slate, (SELECT item_id FROM images_served AS served
    WHERE served.send_id = pins.send_id AND served.user_id = pins.user_id AND place = ? ORDER BY seq DESC LIMIT 1)
FROM pins WHERE send_id = ? AND user_id = ?"""
_ADD_IMAGE_SERVED = """INSERT INTO images_served (seq, send_id, user_id, place, item_id, received_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (send_id, user_id, place, item_id) DO NOTHING"""
_PINNED_LAST = "SELECT send_id FROM pins WHERE user_id = ? ORDER BY seq DESC LIMIT ?"
_EXPIRED = "SELECT send_id FROM sends WHERE expires_at < ?"
_TABLES = ("images_served", "replacements", "pins")
"""In the order in which rows go: a row of a pin without the pin, by which it is forgotten, must never be left."""
_DROP = f"DELETE FROM {{0}} WHERE seq IN (SELECT seq FROM {{0}} WHERE send_id = ? LIMIT {_AT_ONCE})"
_DROP_SEND = "DELETE FROM sends WHERE send_id = ?"
_FORGET = """DELETE FROM {0} WHERE (send_id, user_id) IN
(SELECT send_id, user_id FROM pins WHERE user_id = ? AND received_at >= ? AND received_at < ?)"""
_encode = msgspec.json.Encoder().encode


class PinnedItem(msgspec.Struct, frozen=True, array_like=True):
    """One place of a pinned slate as it was answered, its item by id: rows never leave a snapshot."""

    item_id: str
    score: float
    reason: Reason
    source: str


class PinnedSlate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Slate that a send shows a user for good: the one that was answered first, items sold out since replaced in their places.

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
    experiments: tuple[Assignment, ...] = ()

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
        """Tell whether its item is still the one in that place, and the other one is new to the slate."""
        return self.item.item_id not in pin.shown and pin.items[self.place].item_id == self.out

    def applied(self, pin: PinnedSlate) -> PinnedSlate:
        """The pin with it."""
        items = (*pin.items[: self.place], self.item, *pin.items[self.place + 1 :])
        return msgspec.structs.replace(pin, items=items, replaced=(*pin.replaced, self.out))


_read_slate = msgspec.json.Decoder(PinnedSlate).decode
_read_filter = msgspec.json.Decoder(ItemFilter).decode
_read_item = msgspec.json.Decoder(PinnedItem).decode


class PinnedSlates:
    """Sends and pins in the live log; what a call wrote is durable when it returns. Every failure is a StateError."""

    def __init__(self, log: Driver) -> None:
        self._log = log

    def declare(self, send: Send, received_at: int, known: int | None = None) -> Send:
        """Declare a send, unless one of its id is declared already; returns the one that stands.

        Raises:
            ForgottenSinceError: as `pin`.
        """
        conditions = _encode(send.filter) if send.filter else None
        row = (send.send_id, send.placement, send.limit, send.template, send.expires_at, received_at, conditions)
        with self._log.writing() as log:
            log.check_forgotten(known)
            log.add(_ADD_SEND, *row)
            return _send_of(log.read(_SEND, send.send_id)[0])

    def send(self, send_id: str) -> Send | None:
        """Look a send up; None: it is not declared."""
        found = self._log.read(_SEND, send_id)
        return _send_of(found[0]) if found else None

    def newest_sends(self, max_n: int) -> list[Send]:
        """The sends that were declared last, the newest first."""
        return [_send_of(row) for row in self._log.read(_NEWEST_SENDS, max_n)]

    def pin(self, pin: PinnedSlate, received_at: int, known: int | None = None) -> PinnedSlate:
        """Pin a slate to its send and user, unless one is pinned there already; returns the one that stands.

        Raises:
            ForgottenSinceError: nothing is written, for somebody was forgotten after number `known`.
        """
        return self.pin_all([pin], received_at, known)[0]

    def pin_all(self, pins: Sequence[PinnedSlate], received_at: int, known: int | None = None) -> list[PinnedSlate]:
        """Pin several slates in one step, each as `pin` does."""
        if not pins:
            return []
        with self._log.writing() as log:
            log.check_forgotten(known)
            return [_pinned(log, pin, received_at) for pin in pins]

    def pin_of(self, send_id: str, user_id: str) -> PinnedSlate | None:
        """Return what is pinned to a send and a user, replacements applied; None: nothing."""
        return _standing_pin(self._log.read(_PIN, send_id, user_id))

    def replace_items(self, pin: PinnedSlate, replacements: Sequence[Replacement], received_at: int) -> PinnedSlate:
        """Replace items of a pinned slate for good; what does not fit what stands by now is passed over. Returns what stands.

        Nothing is written where it stands no more: its user was forgotten, and another slate may be pinned there since.
        """
        pinned_to = pin.send_id, pin.user_id
        with self._log.writing() as log:
            standing = _standing_pin(log.read(_PIN, *pinned_to))
            if standing is None or standing.recommendation_id != pin.recommendation_id:
                return pin
            for each in replacements:
                if each.fits(standing):
                    log.add(_ADD_REPLACEMENT, *pinned_to, each.place, each.out, _encode(each.item), received_at)
                    standing = each.applied(standing)
            return standing

    def image_served(self, send_id: str, user_id: str, place: int) -> str | None:
        """The item whose image went out last in a place (from 0), at first the one pinned there; None: there is no such place."""
        return _standing_image(self._log.read(_IMAGE_SERVED, place, send_id, user_id), place)

    def serve_image(self, pin: PinnedSlate, place: int, received_at: int) -> None:
        """Note that the image of the item in a place goes out, unless it is the one that went out last."""
        item_id, pinned_to = pin.items[place].item_id, (pin.send_id, pin.user_id)
        if self.image_served(*pinned_to, place) == item_id:
            return
        with self._log.writing() as log:
            rows = log.read(_IMAGE_SERVED, place, *pinned_to)
            stands = bool(rows) and _read_slate(rows[0][0]).recommendation_id == pin.recommendation_id
            if stands and _standing_image(rows, place) not in (None, item_id):
                log.add(_ADD_IMAGE_SERVED, *pinned_to, place, item_id, received_at)

    def pins_of(self, user_id: str, max_n: int) -> list[PinnedSlate]:
        """Return what the `max_n` sends pinned last show a user, replacements applied, the newest first."""
        found = [self.pin_of(send_id, user_id) for (send_id,) in self._log.read(_PINNED_LAST, user_id, max_n)]
        return [pin for pin in found if pin is not None]

    def drop_expired(self, before: int) -> Mapping[str, int]:
        """Delete the sends that expired before a moment (microseconds) and all that is pinned to them; tells how many of each.

        It goes in steps, after which others may write. A send goes after all that is pinned to it.
        """
        counts = {"sends": 0, "pins": 0}
        for (send_id,) in self._log.read(_EXPIRED, before):
            counts["pins"] += sum(self._log.repeat(_DROP.format(name), send_id, step=_AT_ONCE) for name in _TABLES)
            with self._log.writing() as log:
                counts["sends"] += log.change(_DROP_SEND, send_id)
        return counts


def forget(log: Transaction, periods: Iterable[tuple[str, int, int]]) -> int:
    """Delete, inside a transaction, what was pinned to users from a moment on, until before another; returns how many rows it was."""
    periods = list(periods)
    return sum(log.change(_FORGET.format(name), *each) for name in _TABLES for each in periods)


def forget_sends(log: Transaction, send_ids: Iterable[str]) -> None:
    """Delete, inside a transaction, the declarations of sends that were one user's own."""
    for each in send_ids:
        log.change(_DROP_SEND, each)


def _pinned(log: Transaction, pin: PinnedSlate, received_at: int) -> PinnedSlate:
    if log.add(_ADD_PIN, pin.send_id, pin.user_id, _encode(pin), received_at):
        return pin
    return _standing_pin(log.read(_PIN, pin.send_id, pin.user_id)) or pin


def _standing_pin(rows: Sequence[Sequence[Any]]) -> PinnedSlate | None:
    """The pinned slate of rows (slate, place, item_out, item_in), one for each replacement, in their order; None: it is gone, or was
    never."""
    if not rows:
        return None
    pin = _read_slate(rows[0][0])
    for _, place, out, item in rows:
        if item is not None:
            pin = Replacement(place, out, _read_item(item)).applied(pin)
    return pin


def _standing_image(rows: Sequence[Sequence[Any]], place: int) -> str | None:
    """The item whose image went out last in a place, else the one pinned there, of rows (slate, item served last)."""
    if not rows:
        return None
    slate, served = rows[0]
    items = _read_slate(slate).items
    if place >= len(items):
        return None
    return items[place].item_id if served is None else str(served)


def _send_of(row: Sequence[Any]) -> Send:
    """A send of a row (send_id, placement, max_items, template, expires_at, filter)."""
    send_id, placement, max_items, template, expires_at, conditions = row
    return Send(
        send_id=send_id,
        placement=placement,
        limit=max_items,
        expires_at=expires_at,
        template=template,
        filter=_read_filter(conditions) if conditions else (),
    )
