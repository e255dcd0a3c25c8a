"""Rows of sends and of what is pinned to them: what is read from them, in whichever database they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from recsys.item_filters import ItemFilter
from recsys.live.pinned_slates import PinnedItem, PinnedSlate, Replacement
from recsys.types import Send

_read_slate = msgspec.json.Decoder(PinnedSlate).decode
_read_filter = msgspec.json.Decoder(ItemFilter).decode
_read_item = msgspec.json.Decoder(PinnedItem).decode


def standing_pin(rows: Sequence[Sequence[Any]]) -> PinnedSlate | None:
    """The pinned slate of rows (slate, place, item_out, item_in), one for each replacement, in their order; None: it is gone, or was
    never."""
    if not rows:
        return None
    pin = _read_slate(rows[0][0])
    for _, place, out, item in rows:
        if item is not None:
            pin = Replacement(place, out, _read_item(item)).applied(pin)
    return pin


def standing_image(rows: Sequence[Sequence[Any]], place: int) -> str | None:
    """The item whose image went out last in a place, else the one pinned there, of rows (slate, item served last)."""
    if not rows:
        return None
    slate, served = rows[0]
    items = _read_slate(slate).items
    if place >= len(items):
        return None
    return items[place].item_id if served is None else str(served)


def send_of(row: Sequence[Any]) -> Send:
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
