"""Rows of the live log as databases hold them: the values of a row, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from recsys.live.erasure import Tombstone
from recsys.snapshot.identity_links import FOREVER
from recsys.types import EVENT_TYPES, SHOWN_TYPES, Event, EventType, ItemUpdate, Link

SHOWN = ", ".join(str(int(kind)) for kind in SHOWN_TYPES)
"""Codes of impressions and clicks, for SQL; `ORDERS` those of purchases and refunds, `LOOKS` those of views and carts."""
ORDERS = f"{int(EventType.PURCHASE)}, {int(EventType.REFUND)}"
LOOKS = f"{int(EventType.VIEW)}, {int(EventType.CART_ADD)}"
MAX_LOOKED = 20_000
"""Of one user, most rows that a look-up of events goes through, the newest; as many as it is to find, if that is more."""
EVER, HIGHEST = int(FOREVER.min), 2**63 - 1
_CODES = {word: code for code, word in enumerate(EVENT_TYPES)}
_COLUMNS = ("event_id", "user_id", "event_type", "timestamp", "item_id", "order_id", "quantity", "price", "currency")
_DETAILS = tuple(name for name in Event.__struct_fields__ if name not in _COLUMNS)
"""Fields of an event that no answer reads: they stand together as JSON."""


def event_row(event: Event, received_at: int) -> tuple[Any, ...]:
    """The values of an event's row after its number."""
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


def event_of(row: Sequence[Any]) -> Event:
    """The event of a row that begins with seq and received_at."""
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


def link_of(anonymous_id: str, user_id: str, timestamp: int, _: None = None) -> Link:
    """The link of a row's values."""
    return Link(anonymous_id, user_id, timestamp)


def item_update_of(item_id: str, available: int | None, stock: float | None, price: float | None) -> ItemUpdate:
    """The item update of a row's values."""
    return ItemUpdate(item_id, None if available is None else bool(available), stock, price)


def tombstone_of(subject: str, since: int | None, until: int, _: None = None) -> Tombstone:
    """The tombstone of a row's values; since None: ever."""
    return Tombstone(subject, until, EVER if since is None else since)


SHARED: dict[str, Callable[..., Link | ItemUpdate | Tombstone]] = {
    "link": link_of,
    "item_update": item_update_of,
    "tombstone": tombstone_of,
}
"""What the rows of news are, by the name of their kind."""


def is_superseded(known: set[int], said: Sequence[int]) -> bool:
    """Tell whether later updates set all that this one sets; from now on what this one sets counts among them."""
    fields = {field for field, is_said in enumerate(said) if is_said}
    superseded = fields <= known
    known |= fields
    return superseded
