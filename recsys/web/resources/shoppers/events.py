"""Intake of shoppers' events: each judged by itself, durable before the answer, counted once."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any
from uuid import uuid4

from recsys.categories import join_category, split_category
from recsys.clock import DAY
from recsys.engine.serving_state import ServingState
from recsys.ids.event_ids import EVENT_ID_LENGTH, ID_FIELD_SEPARATOR, ORDER_LINES, event_id_of
from recsys.ids.user_ids import NullUsers
from recsys.live.dislikes import Dislike
from recsys.types import Event, Link
from recsys.web.http.answers import EventsAnswer, Rejection
from recsys.web.http.bodies import (
    DISLIKE,
    UNDO,
    EventRow,
    EventsBody,
    Ga4Body,
    Ga4Event,
    SegmentBatch,
    SegmentCall,
    said_at,
    with_properties,
)
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.responses import Response
from recsys.web.http.row_results import ACCEPTED, judge, row_results_response
from recsys.web.operations import Call, Operation
from recsys.web.resources.shoppers.dislikes import DislikeReader
from recsys.web.resources.shoppers.event_formats import Row, unfold
from recsys.web.resources.shoppers.identities import Linker
from recsys.web.serving.live import Live

BROWSER_TYPES = (
    "home_view",
    "category_view",
    "search",
    "view",
    "cart_add",
    "cart_remove",
    "impression",
    "click",
    DISLIKE,
    UNDO,
)
"""What a browser token may say; what is paid for, and given back, only the shop's own servers know."""

MAX_NAMES = 20
"""Names of properties, and unknown items, that an answer repeats, so that what is misspelt is noticed."""


_ONLY_EMPTY = NullUsers(())


def post_events(call: Call[EventsBody | Ga4Body | SegmentBatch | SegmentCall]) -> Response:
    """Take events in; those under another user's id, or of a kind that a browser cannot know, are rejected for its token."""
    live, browser = call.service.live, call.caller.user_id
    received, found = live.received(), unfold(call.parameters)
    serving = live.serving(recent=True) if live.loaded else None  # what is written by it is asked for again as it is written
    now = live.now(serving)
    reader = EventReader(received if browser is None else now, now, browser, live.null_users, DislikeReader(live, serving))
    rows, bad_events = judge(found.loads(), reader.read)
    events, dislikes = [row for row in rows if isinstance(row, Event)], [row for row in rows if isinstance(row, Dislike)]
    links, bad_links = _linked(live, found.links, received, browser)
    fresh = live.accept(events, serving) if events else []
    live.dislike(dislikes)
    call.service.metrics.events(sum(fresh), len(fresh) - sum(fresh), len(bad_events))
    rejected = sorted([*found.rejected, *bad_events, *bad_links], key=_place)
    accepted, kept = (
        sum(fresh) + len(dislikes) + links,
        sorted({name for event in events for name in event.properties or ()}),
    )
    unknown = () if browser is not None or serving is None else _unknown(serving, events)
    return row_results_response(
        EventsAnswer(accepted, len(fresh) - sum(fresh), tuple(rejected), found.ignored, tuple(kept[:MAX_NAMES]), unknown)
    )


def _unknown(serving: ServingState, events: list[Event]) -> tuple[str, ...]:
    """Name items of these events that the catalogue does not have, as many as an answer repeats."""
    catalog = serving.engine.catalog
    named = {event.item_id for event in events if event.item_id is not None}
    return tuple(sorted(item_id for item_id in named if catalog.row(item_id) < 0)[:MAX_NAMES])


def _linked(live: Live, rows: list[tuple[int, Row]], received: int, browser: str | None) -> tuple[int, list[Rejection]]:
    """Write the links of a request down; returns how many, and those that are none."""
    if not rows or browser is not None:
        return 0, judge(rows, _refuse)[1]
    with live.state.linking():
        linker = Linker(live, received)
        links, rejected = judge(rows, linker.read)
        live.link(links, linker.serving)
    return len(links), rejected


class EventReader:
    """Reads the rows of one request, received at a moment (microseconds); `now` is the service's, for rows without a time;
    `browser`: the only user that a browser token speaks for. Where the user is nobody the anonymous id takes its place."""

    def __init__(
        self,
        received: int,
        now: int,
        browser: str | None = None,
        null_users: NullUsers = _ONLY_EMPTY,
        dislikes: DislikeReader | None = None,
    ) -> None:
        self._received, self._now, self._browser, self._null_users = received, now, browser, null_users
        self._dislikes = dislikes
        self._lines = Counter[tuple[int, str]]()

    def read(self, numbered: tuple[int, Any]) -> Event | Dislike:
        """Read one row, with the number of the load that it came in: equal lines of an order in one load are as many lines.

        Raises:
            Problem: 400, naming the column, its value and what is allowed.
        """
        load, raw = numbered
        row, browser = read_row(with_properties(raw), EventRow), self._browser
        user_id = self._null_users.first_named(row.user_id, row.anonymous_id)
        if browser is not None:
            user_id = row.user_id or row.anonymous_id or ""
            _check_browser(row, user_id, browser)
        said = said_at(row.timestamp, self._now)
        if browser is not None and said < self._now - DAY:
            raise invalid("timestamp", row.timestamp, "within the last day, for a browser token")
        if self._dislikes and (dislike := self._dislikes.read(row, user_id, min(said, self._received))):
            return dislike
        return Event(
            event_id=self._event_id(row, user_id, said, load),
            user_id=user_id,
            event_type=row.event_type,
            timestamp=min(said, self._received),
            **_ids(row),
            **_texts(row, browser is not None),
            **_money(row, browser is not None),
            properties=row.properties or None,
        )

    def _event_id(self, row: EventRow, user_id: str, said: int, load: int) -> str:
        """The row's own id, else the one derived; an event that has neither id nor time is like no other."""
        if row.event_id:
            return row.event_id if self._browser is None else _own_id(self._browser, row.event_id)
        if row.timestamp is None:
            return uuid4().hex
        line, fields = 0, (user_id, row.event_type, row.item_id or None, said, row.order_id or None)
        if row.order_id and row.event_type in ORDER_LINES:
            first = event_id_of(*fields)
            line = self._lines[load, first]
            self._lines[load, first] += 1
        return event_id_of(*fields, line)


def _check_browser(row: EventRow, user_id: str, browser: str) -> None:
    if user_id != browser:
        raise invalid("user_id", user_id, "the user that this token was issued for")
    if row.event_type not in BROWSER_TYPES:
        raise invalid("event_type", row.event_type, ", ".join(BROWSER_TYPES), "needs a key, a browser token will not do")


def _own_id(user_id: str, event_id: str) -> str:
    """Give a browser's event an id that no event of somebody else can have."""
    text = ID_FIELD_SEPARATOR.join(("browser", user_id, event_id))
    return hashlib.sha256(text.encode()).hexdigest()[:EVENT_ID_LENGTH]


def _ids(row: EventRow) -> dict[str, Any]:
    return {name: getattr(row, name) or None for name in row.IDS if name != "event_id"}


def _texts(row: EventRow, from_browser: bool) -> dict[str, Any]:
    """Return what words say; a browser's category is left out, or it would say where in the shop an item belongs."""
    texts = {name: (getattr(row, name) or "").strip() or None for name in ("query", "channel", "coupon")}
    if from_browser:
        return texts
    return {**texts, "category": join_category(split_category(row.category or "")) or None}


def _money(row: EventRow, from_browser: bool) -> dict[str, Any]:
    """Refunds carry positive numbers; a price is one piece's, and none where quantity is not above 0, or a browser says it."""
    sign = abs if row.event_type == "refund" else float
    quantity, price, discount = (None if value is None else sign(value) for value in (row.quantity, row.price, row.discount))
    if from_browser:
        return {"quantity": quantity}
    currency = (row.currency or "").strip().upper() or None
    priced = price if quantity is None or quantity > 0 else None
    return {"quantity": quantity, "price": priced, "discount": discount, "currency": currency}


def _refuse(link: Row) -> Link:
    raise Problem(403, "identify and alias link two ids, which needs a key of the scope events; a browser token will not do")


def _place(rejection: Rejection) -> int:
    return rejection.index


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="post",
        path="/v1/events",
        summary="Take in what shoppers do, in this service's words, GA4's or Segment's.",
        scope="events",
        browser=True,
        parameters=EventsBody,
        shapes={
            "client_id": Ga4Body,
            "app_instance_id": Ga4Body,
            "events": EventsBody,
            "batch": SegmentBatch,
            "type": SegmentCall,
            "event": SegmentCall,
        },
        rows=(EventRow, Ga4Event, SegmentCall),
        view=post_events,
        answers=(EventsAnswer,),
        status=ACCEPTED,
        problems=(413, 415, 503),
    ),
)
