"""Sends and what is pinned to them, in tables of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from recsys.live.pin_rows import send_of, standing_image, standing_pin
from recsys.live.pinned_slates import PinnedSlate, PinnedSlates, Replacement
from recsys.live.postgres.database import Database, Transaction
from recsys.types import Send

_AT_ONCE = 1_000
"""Rows of one step of deleting."""
_ADD_SEND = """INSERT INTO sends (seq, send_id, placement, max_items, template, expires_at, received_at, filter)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (send_id) DO NOTHING"""
_SEND = "SELECT send_id, placement, max_items, template, expires_at, filter FROM sends WHERE send_id = %s"
_NEWEST_SENDS = "SELECT send_id, placement, max_items, template, expires_at, filter FROM sends ORDER BY seq DESC LIMIT %s"
_ADD_PIN = """INSERT INTO pins (seq, send_id, user_id, slate, received_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (send_id, user_id) DO NOTHING"""
_PIN = """SELECT slate, place, item_out, item_in FROM pins LEFT JOIN replacements USING (send_id, user_id)
WHERE send_id = %s AND user_id = %s ORDER BY replacements.seq"""
"""The slate as it was pinned, once for each replacement since, in their order."""
_ADD_REPLACEMENT = """INSERT INTO replacements (seq, send_id, user_id, place, item_out, item_in, received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (send_id, user_id, place, item_out) DO NOTHING"""
_IMAGE_SERVED = """SELECT slate, (SELECT item_id FROM images_served AS served
    WHERE served.send_id = pins.send_id AND served.user_id = pins.user_id AND place = %s ORDER BY seq DESC LIMIT 1)
FROM pins WHERE send_id = %s AND user_id = %s"""
_ADD_IMAGE_SERVED = """INSERT INTO images_served (seq, send_id, user_id, place, item_id, received_at)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (send_id, user_id, place, item_id) DO NOTHING"""
_PINNED_LAST = "SELECT send_id FROM pins WHERE user_id = %s ORDER BY seq DESC LIMIT %s"
_EXPIRED = "SELECT send_id FROM sends WHERE expires_at < %s"
_TABLES = ("images_served", "replacements", "pins")
"""In the order in which rows go: a row of a pin without the pin, by which it is forgotten, must never be left."""
_DROP = f"DELETE FROM {{0}} WHERE seq IN (SELECT seq FROM {{0}} WHERE send_id = %s LIMIT {_AT_ONCE})"
_DROP_SEND = "DELETE FROM sends WHERE send_id = %s"
_FORGET = """DELETE FROM {0} WHERE (send_id, user_id) IN
(SELECT send_id, user_id FROM pins WHERE user_id = %s AND received_at >= %s AND received_at < %s)"""
_encode = msgspec.json.Encoder().encode


class PostgresPinnedSlates(PinnedSlates):
    """The tables `sends`, `pins`, `replacements` and `images_served`."""

    def __init__(self, log: Database) -> None:
        self._log = log

    def declare(self, send: Send, received_at: int) -> Send:
        conditions = _encode(send.filter) if send.filter else None
        row = (send.send_id, send.placement, send.limit, send.template, send.expires_at, received_at, conditions)
        with self._log.writing() as log:
            log.add(_ADD_SEND, *row)
            return send_of(log.read(_SEND, send.send_id)[0])

    def send(self, send_id: str) -> Send | None:
        found = self._log.read(_SEND, send_id)
        return send_of(found[0]) if found else None

    def newest_sends(self, max_n: int) -> list[Send]:
        return [send_of(row) for row in self._log.read(_NEWEST_SENDS, max_n)]

    def pin_all(self, pins: Sequence[PinnedSlate], received_at: int) -> list[PinnedSlate]:
        if not pins:
            return []
        with self._log.writing() as log:
            return [_pinned(log, pin, received_at) for pin in pins]

    def pin_of(self, send_id: str, user_id: str) -> PinnedSlate | None:
        return standing_pin(self._log.read(_PIN, send_id, user_id))

    def replace_items(self, pin: PinnedSlate, replacements: Sequence[Replacement], received_at: int) -> PinnedSlate:
        pinned_to = pin.send_id, pin.user_id
        with self._log.writing() as log:
            standing = standing_pin(log.read(_PIN, *pinned_to))
            if standing is None:
                return pin
            for each in replacements:
                if each.fits(standing):
                    log.add(_ADD_REPLACEMENT, *pinned_to, each.place, each.out, _encode(each.item), received_at)
                    standing = each.applied(standing)
            return standing

    def image_served(self, send_id: str, user_id: str, place: int) -> str | None:
        return standing_image(self._log.read(_IMAGE_SERVED, place, send_id, user_id), place)

    def serve_image(self, pin: PinnedSlate, place: int, received_at: int) -> None:
        item_id, pinned_to = pin.items[place].item_id, (pin.send_id, pin.user_id)
        if self.image_served(*pinned_to, place) == item_id:
            return
        with self._log.writing() as log:
            before = standing_image(log.read(_IMAGE_SERVED, place, *pinned_to), place)
            if before not in (None, item_id):
                log.add(_ADD_IMAGE_SERVED, *pinned_to, place, item_id, received_at)

    def pins_of(self, user_id: str, max_n: int) -> list[PinnedSlate]:
        found = [self.pin_of(send_id, user_id) for (send_id,) in self._log.read(_PINNED_LAST, user_id, max_n)]
        return [pin for pin in found if pin is not None]

    def drop_expired(self, before: int) -> Mapping[str, int]:
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
    return standing_pin(log.read(_PIN, pin.send_id, pin.user_id)) or pin
