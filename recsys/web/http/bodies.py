"""Request bodies: sends, and the rows of events and identities with the bodies that hold them.

A body's list is read as it is and its rows one by one, so that a bad row is named and the others are taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from recsys.clock import SECOND
from recsys.ids.event_ids import MAX_ID_BYTES, id_problem
from recsys.item_filters import Conditions
from recsys.live.dislikes import HIDES, Hides
from recsys.types import EVENT_TYPES
from recsys.web.http.parameters import ALLOWED, HIGHEST_PRICE, LONGEST_CATEGORY
from recsys.web.http.problems import invalid
from recsys.web.http.times import microseconds

MAX_ROWS = 1000
"""Rows of the longest list in a body."""
LONGEST_TEXT = 2000
MAX_PROPERTIES_BYTES = 2000
MAX_PROPERTIES_LEVELS = 20
"""Of an event's properties, as JSON."""
HIGHEST_QUANTITY = 1e9
EARLIEST, TOO_LATE = 0, 7_258_118_400 * SECOND
"""From 1970 to before 2200, in microseconds."""
EARLIEST_EVENT = 31_536_000 * SECOND
"""1971: a time of an event before it is of a clock that was never set, or no time."""
DISLIKE, UNDO = "dislike", "undo"
SAID_TYPES = (*EVENT_TYPES, DISLIKE, UNDO)
"""Event types of a row: those of the tables, and what a shopper says of a list, which is kept beside the events."""
INSTEAD_OF_ITEM: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("view", "cart_add", "cart_remove", "purchase", DISLIKE, UNDO), ()),
    "refund": ("order_id",),
    **dict.fromkeys(("impression", "click"), ("recommendation_id", "send_id")),
}
"""Event types that mean nothing without an item, and what may say instead what they are of: a whole order, a list, a message batch."""

ID_ALLOWED = f"one id, 1 to {MAX_ID_BYTES} bytes of UTF-8 without control characters"
TEXT_ALLOWED = f"text of up to {LONGEST_TEXT} characters"
_MONEY = f"a number from 0 to {HIGHEST_PRICE:.0f}; in a refund its sign is dropped"
TIME_ALLOWED = "an ISO 8601 time with its zone, or seconds, milliseconds or microseconds since 1970; before the year 2200"
_PLACEMENT = ALLOWED["placement"]
_CURRENCY = "three letters (ISO 4217)"
_PROPERTIES = f"an object of up to {MAX_PROPERTIES_BYTES} bytes as JSON, up to {MAX_PROPERTIES_LEVELS} levels deep"
LIST_ALLOWED = f"a list of up to {MAX_ROWS} objects"

Id: TypeAlias = Annotated[str, Meta(description=f"Allowed: {ID_ALLOWED}.")]
Text: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Money: TypeAlias = Annotated[float, Meta(ge=-HIGHEST_PRICE, le=HIGHEST_PRICE, description=f"Allowed: {_MONEY}.")]
Time: TypeAlias = Annotated[int | str, Meta(description=f"Allowed: {TIME_ALLOWED}.")]


def list_of(row: str, meaning: str) -> Meta:
    """Describe a list of at most `MAX_ROWS` rows of a type, each judged by itself."""
    rows = {"items": {"$ref": f"#/components/schemas/{row}"}}
    return Meta(description=f"{meaning} Each is judged by itself.", max_length=MAX_ROWS, extra_json_schema=rows)


def read_time(given: int | str) -> int | None:
    """Read a point in time as microseconds since 1970; None where it is none from 1970 to before 2200.

    A number below 10^11 is seconds, below 10^14 milliseconds, below 10^17 microseconds, else nanoseconds, as in the tables.
    """
    moment = microseconds(given)
    if moment is not None and (isinstance(given, int) or given.isdecimal()):
        size = abs(moment)
        moment = moment * SECOND if size < 10**11 else moment * 1000 if size < 10**14 else moment
        moment = moment // 1000 if size >= 10**17 else moment
    return moment if moment is not None and EARLIEST <= moment < TOO_LATE else None


def said_at(timestamp: int | str | None, received: int) -> int:
    """The moment that a checked row names, else when it was received; in microseconds."""
    moment = None if timestamp is None else read_time(timestamp)
    return received if moment is None else moment


def _check_time(given: int | str | None) -> None:
    if given is not None and ((moment := read_time(given)) is None or moment < EARLIEST_EVENT):
        raise invalid("timestamp", given, f"{TIME_ALLOWED}, of 1971 or later")


def check_id(name: str, text: str) -> None:
    """Check that a text can be an id.

    Raises:
        Problem: 400, naming the member.
    """
    if wrong := id_problem(text):
        raise invalid(name, text, ID_ALLOWED, wrong)


class EventRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event: the columns of the shop's table `events` (docs/data.md). Empty text in an optional one is nothing."""

    user_id: Annotated[Id | None, Meta(description="Empty or absent: `anonymous_id` takes its place.")] = None
    timestamp: Annotated[Time | None, Meta(description="Absent: when it was received, which is also the latest.")] = None
    event_type: Annotated[str, Meta(extra_json_schema={"enum": list(SAID_TYPES)})]
    item_id: Id | None = None
    event_id: Annotated[Id | None, Meta(description="An event is taken once. Absent: derived from the others.")] = None
    session_id: Id | None = None
    anonymous_id: Id | None = None
    order_id: Id | None = None
    quantity: Annotated[float, Meta(ge=-HIGHEST_QUANTITY, le=HIGHEST_QUANTITY)] | None = None
    price: Money | None = None
    currency: str | None = None
    category: Annotated[str, Meta(max_length=LONGEST_CATEGORY)] | None = None
    query: Text | None = None
    channel: Text | None = None
    recommendation_id: Id | None = None
    send_id: Id | None = None
    coupon: Text | None = None
    discount: Money | None = None
    hides: Annotated[
        Hides | Literal[""] | None,
        Meta(description="Of dislike and undo: the item, or all of its brand or leading category. Absent: the item."),
    ] = None
    properties: Annotated[
        dict[str, Any] | None,
        Meta(
            description=f"Whatever else the shop wants to keep with the event, and every other member. Allowed: {_PROPERTIES}."
        ),
    ] = None

    IDS: ClassVar[tuple[str, ...]] = (
        "item_id",
        "event_id",
        "session_id",
        "anonymous_id",
        "order_id",
        "recommendation_id",
        "send_id",
    )
    """Columns that hold ids and may be empty."""
    ALLOWED: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("user_id", *IDS), ID_ALLOWED),
        **dict.fromkeys(("query", "channel", "coupon"), TEXT_ALLOWED),
        **dict.fromkeys(("price", "discount"), _MONEY),
        "event_type": "one of " + ", ".join(SAID_TYPES),
        "timestamp": TIME_ALLOWED,
        "quantity": f"a number from -{HIGHEST_QUANTITY:.0f} to {HIGHEST_QUANTITY:.0f}",
        "currency": _CURRENCY,
        "hides": "one of " + ", ".join(HIDES),
        "properties": _PROPERTIES,
    }
    """Column = what it accepts, in words."""

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400, naming the column.
        """
        if self.user_id or not self.anonymous_id:
            check_id("user_id", self.user_id or "")
        for name in self.IDS:
            if text := getattr(self, name):
                check_id(name, text)
        if self.event_type not in SAID_TYPES:
            raise invalid("event_type", self.event_type, self.ALLOWED["event_type"])
        _check_time(self.timestamp)
        if self.currency and not _LETTERS.fullmatch(self.currency.strip()):
            raise invalid("currency", self.currency, _CURRENCY)
        for name in ("price", "discount") if self.event_type != "refund" else ():
            if (getattr(self, name) or 0) < 0:
                raise invalid(name, getattr(self, name), _MONEY)
        if self.properties and not _is_within(self.properties, MAX_PROPERTIES_LEVELS):
            raise invalid("properties", None, _PROPERTIES, "are nested too deeply")
        if self.properties and (size := len(msgspec.json.encode(self.properties))) > MAX_PROPERTIES_BYTES:
            raise invalid("properties", None, _PROPERTIES, f"have {size} bytes as JSON")
        self._check_subject()

    def _check_subject(self) -> None:
        others = INSTEAD_OF_ITEM.get(self.event_type)
        if others is None or self.item_id or any(getattr(self, name) for name in others):
            return
        allowed = f"{ID_ALLOWED}, or instead of it {' or '.join(others)}" if others else ID_ALLOWED
        raise invalid("item_id", self.item_id, allowed, f"is needed for {self.event_type}")


def _is_within(value: Any, levels: int) -> bool:
    """Tell whether lists and objects lie no deeper than so many levels within each other."""
    if not isinstance(value, dict | list):
        return True
    return levels > 0 and all(
        _is_within(each, levels - 1) for each in (value.values() if isinstance(value, dict) else value)
    )


def with_properties(raw: Any) -> Any:
    """Move what is no column of an event among its properties; what is no object is left to be refused."""
    if not isinstance(raw, dict) or not isinstance(raw.get("properties"), dict | None) or raw.keys() <= _COLUMNS:
        return raw
    own = {name: value for name, value in raw.items() if name not in _COLUMNS}
    columns = {name: value for name, value in raw.items() if name in _COLUMNS}
    return {**columns, "properties": {**(raw.get("properties") or {}), **own}}


_COLUMNS = frozenset(EventRow.__struct_fields__)
_LETTERS = re.compile(r"[A-Za-z]{3}")


class IdentityRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A visitor who turned out to be a user; anonymous ids are linked to known users only."""

    anonymous_id: Annotated[Id, Meta(description="The visitor's id, under which the events so far stand.")]
    user_id: Annotated[Id, Meta(description="The user's own id.")]
    timestamp: Annotated[
        Time | None, Meta(description="Since when. Absent: when it was received, which is also the latest.")
    ] = None

    ALLOWED: ClassVar[Mapping[str, str]] = {"anonymous_id": ID_ALLOWED, "user_id": ID_ALLOWED, "timestamp": TIME_ALLOWED}

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400, naming the member.
        """
        check_id("anonymous_id", self.anonymous_id)
        check_id("user_id", self.user_id)
        _check_time(self.timestamp)


class AccountBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another account of the same person."""

    account_id: Annotated[
        Id, Meta(description="A known user's id; what was done under it belongs to the person from now on.")
    ]

    ALLOWED: ClassVar[Mapping[str, str]] = {"account_id": ID_ALLOWED}

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400, naming the member.
        """
        check_id("account_id", self.account_id)


class SendBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Declaration of a send: the same to everybody who asks, until it expires."""

    placement: Annotated[str, Meta(description=f"Where its slates are asked. Allowed: {_PLACEMENT}.")]
    limit: (
        Annotated[int, Meta(ge=1, le=100, description="Most items of a slate. Absent: the placement's own, as it is now.")]
        | None
    ) = None
    template: Annotated[Id | None, Meta(description="What it is rendered with.")] = None
    attributes: Annotated[Conditions | None, Meta(description="Only items for which all of this holds.")] = None
    expires_at: Annotated[Time, Meta(description="Up to when its slates are pinned.")]

    ALLOWED: ClassVar[Mapping[str, str]] = {"template": ID_ALLOWED, "expires_at": TIME_ALLOWED}

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400, naming the member.
        """
        if self.template is not None:
            check_id("template", self.template)
        if read_time(self.expires_at) is None:
            raise invalid("expires_at", self.expires_at, TIME_ALLOWED)


class EventsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Events of shoppers."""

    events: Annotated[tuple[Any, ...], list_of("EventRow", "The events.")]
    ALLOWED: ClassVar[Mapping[str, str]] = {"events": LIST_ALLOWED}


class IdentitiesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Links of visitors to known users."""

    identities: Annotated[tuple[Any, ...], list_of("IdentityRow", "The links, in order.")]
    ALLOWED: ClassVar[Mapping[str, str]] = {"identities": LIST_ALLOWED}


Word: TypeAlias = str | int | float | None
"""An id or a word as tools send it, sometimes as a number."""


class Ga4Event(Struct, frozen=True, kw_only=True):
    """One event of Google Analytics 4; members that are not named here mean nothing to this service."""

    name: str
    params: dict[str, Any] | None = None
    timestamp_micros: int | str | None = None
    ALLOWED: ClassVar[Mapping[str, str]] = {"name": "the event's name", "params": "an object"}


class Ga4Body(Struct, frozen=True, kw_only=True):
    """A request of the GA4 Measurement Protocol, told by `client_id` or `app_instance_id`."""

    client_id: Word = None
    app_instance_id: Word = None
    user_id: Word = None
    timestamp_micros: int | str | None = None
    events: Annotated[tuple[Any, ...], list_of("Ga4Event", "The events.")]
    ALLOWED: ClassVar[Mapping[str, str]] = {"events": LIST_ALLOWED, "user_id": "text or a number"}


class SegmentCall(Struct, frozen=True, kw_only=True, rename="camel"):
    """One call of Segment's spec; members that are not named here mean nothing to this service."""

    type: str | None = None
    event: str | None = None
    user_id: Word = None
    anonymous_id: Word = None
    previous_id: Word = None
    message_id: Word = None
    timestamp: int | str | None = None
    original_timestamp: int | str | None = None
    name: str | None = None
    channel: str | None = None
    properties: dict[str, Any] | None = None
    ALLOWED: ClassVar[Mapping[str, str]] = {"properties": "an object"}


class SegmentBatch(Struct, frozen=True):
    """A batch of Segment's calls, told by `batch`."""

    batch: Annotated[tuple[Any, ...], list_of("SegmentCall", "The calls.")]
    ALLOWED: ClassVar[Mapping[str, str]] = {"batch": LIST_ALLOWED}
