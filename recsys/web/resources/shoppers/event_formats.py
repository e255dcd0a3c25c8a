"""Events as tracking tools send them — GA4's Measurement Protocol, Segment's calls — turned into rows of canonical columns.

One tool event becomes a row for each of its items, or one row, or a link of two ids; what means nothing here is counted. The
rows are judged like everybody's; this file only says what stands where. docs/http.md has the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from recsys.categories import join_category
from recsys.ids.event_ids import id_problem
from recsys.tables.presets import Preset, mapping_of
from recsys.types import EVENT_TYPES
from recsys.web.http.answers import Rejection
from recsys.web.http.bodies import ID_ALLOWED, EventsBody, Ga4Body, Ga4Event, SegmentBatch, SegmentCall
from recsys.web.http.parameters import read_row
from recsys.web.http.problems import Problem, invalid

MAX_UNFOLDED = 5000
"""Rows that the events of one request may become, those of events that are rejected among them."""

SEGMENT = Preset(
    columns={
        "item_id": ("product_id", "sku"),
        "session_id": ("session_id",),
        "order_id": ("order_id",),
        "quantity": ("quantity",),
        "price": ("price",),
        "currency": ("currency",),
        "coupon": ("coupon",),
        "query": ("query",),
        "category": ("category",),
    },
    event_types={
        "products searched": "search",
        "performed search": "search",
        "product list viewed": "impression",
        "viewed product category": "impression",
        "product clicked": "click",
        "clicked product": "click",
        "product viewed": "view",
        "viewed product": "view",
        "product added": "cart_add",
        "added product": "cart_add",
        "wishlist product added to cart": "cart_add",
        "product removed": "cart_remove",
        "removed product": "cart_remove",
        "checkout started": "checkout",
        "started order": "checkout",
        "order completed": "purchase",
        "completed order": "purchase",
        "order refunded": "refund",
        "refunded order": "refund",
        "order cancelled": "refund",
        "cancelled order": "refund",
    },
)
"""Segment's e-commerce spec, version 2 and its aliases, names in lower case and with blanks."""
_LISTS = ("product list viewed", "viewed product category")
_HOME = ("home", "homepage", "home page")

Row: TypeAlias = dict[str, Any]
_OURS = ("recommendation_id", "send_id")
"""Columns of this service, which shops add to their tool's events under the same names."""
_OF_EVENT = ("order_id", "session_id", "currency", "coupon", "query", *_OURS)
"""Columns that an event says once for all of its items."""
_NUMBERS = ("quantity", "price")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,2})?")


@dataclass(slots=True)
class Unfolded:
    """Content of a request: rows of events and of links, each with its place in the list that was sent, and the rest.

    by_tool: each event of the list is a load of its own, whose items it holds; else the list is one.
    """

    rows: list[tuple[int, Any]] = field(default_factory=list)
    links: list[tuple[int, Row]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    ignored: int = 0
    by_tool: bool = True

    def loads(self) -> Iterator[tuple[int, tuple[int, Any]]]:
        """Each event row's place, and the row with the number of its load."""
        return ((place, (place if self.by_tool else 0, row)) for place, row in self.rows)


def unfold(body: EventsBody | Ga4Body | SegmentBatch | SegmentCall) -> Unfolded:
    """Turn a body of any shape into canonical rows.

    Raises:
        Problem: 400 if they are too many.
    """
    if isinstance(body, EventsBody):
        return Unfolded(list(enumerate(body.events)), by_tool=False)
    if isinstance(body, Ga4Body):
        ids = _Ids(_text(body.user_id), _text(body.client_id) or _text(body.app_instance_id))
        return _gathered(body.events, lambda raw: _of_ga4(read_row(raw, Ga4Event), body, ids))
    if isinstance(body, SegmentCall):
        return _gathered([body], _of_segment)
    return _gathered(body.batch, lambda raw: _of_segment(read_row(raw, SegmentCall)))


def _gathered(events: Iterable[Any], rows_of: Callable[[Any], Iterable[Row]]) -> Unfolded:
    found, left = Unfolded(), MAX_UNFOLDED
    for index, raw in enumerate(events):
        rows: list[tuple[int, Row]] = []
        rejected = None
        try:
            for row in islice(rows_of(raw), left + 1):
                rows.append((index, row))  # noqa: PERF401 - those before what is wrong count
        except Problem as problem:
            rejected = Rejection(index, str(problem))
        left -= len(rows)
        if left < 0:
            raise Problem(400, f"the events hold more than {MAX_UNFOLDED} items; allowed: up to {MAX_UNFOLDED} a request")
        if rejected is not None:
            found.rejected.append(rejected)
            continue
        found.links += [each for each in rows if "event_type" not in each[1]]
        found.rows += [each for each in rows if "event_type" in each[1]]
        found.ignored += not rows
    return found


class _Ids(NamedTuple):
    """Ids that a tool's event says once for all of its rows; `client_id` of GA4 is the anonymous one."""

    user_id: str | None
    anonymous_id: str | None
    message_id: str | None = None

    def check(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Hand rows on, if there are any and the ids can be ids: each row repeats them.

        Raises:
            Problem: 400, naming the id.
        """
        for place, row in enumerate(rows):
            for name, text in () if place else self._asdict().items():
                if text and (wrong := id_problem(text)):
                    raise invalid(name, text, ID_ALLOWED, wrong)
            yield row


def _of_ga4(event: Ga4Event, body: Ga4Body, ids: _Ids) -> Iterator[Row]:
    ga4 = mapping_of("ga4")
    kind = ga4.event_types.get(event.name, event.name if event.name in EVENT_TYPES else "")
    if not kind:
        return
    moment = body.timestamp_micros if event.timestamp_micros is None else event.timestamp_micros
    params = {"ga_session_id": (event.params or {}).get("session_id"), **(event.params or {})}
    user_id, anonymous_id = ids.user_id or ids.anonymous_id, ids.anonymous_id
    head = _kept(user_id=user_id, anonymous_id=anonymous_id, timestamp=moment, event_type=kind)
    yield from ids.check(_rows(head, params, "items", ga4))


def _of_segment(call: SegmentCall) -> Iterator[Row]:
    kind = call.type or ("track" if call.event else None)
    if kind is None:
        raise invalid("type", call.type, "track, page, screen, identify, alias, group", "is needed")
    anonymous_id, moment = _text(call.anonymous_id), call.timestamp or call.original_timestamp
    user_id = _text(call.user_id)
    if kind in ("identify", "alias"):
        before = anonymous_id if kind == "identify" else _text(call.previous_id) or anonymous_id
        if before and user_id:
            yield _kept(anonymous_id=before, user_id=user_id, timestamp=moment)
        return
    head = _kept(user_id=user_id or anonymous_id, anonymous_id=anonymous_id, timestamp=moment, channel=call.channel or None)
    ids = _Ids(user_id, anonymous_id, _text(call.message_id))
    for place, row in enumerate(ids.check(_segment_rows(kind, call, head))):
        yield row | ({"event_id": f"{ids.message_id}:{place}"} if ids.message_id and moment is None else {})


def _segment_rows(kind: str, call: SegmentCall, head: Row) -> Iterator[Row]:
    properties, name = call.properties or {}, (call.event or "").replace("_", " ").strip().lower()
    if kind in ("page", "screen"):
        if _is_home(call, properties):
            yield head | {"event_type": "home_view"}
    elif kind == "track" and name in SEGMENT.event_types:
        if name in _LISTS and (category := _text(properties.get("category"))):
            yield head | _shared(properties, SEGMENT) | {"event_type": "category_view", "category": category}
        yield from _rows(head | {"event_type": SEGMENT.event_types[name]}, properties, "products", SEGMENT)


def _is_home(call: SegmentCall, properties: Mapping[str, Any]) -> bool:
    name = call.name or properties.get("name")
    return properties.get("path") == "/" or (isinstance(name, str) and name.strip().lower() in _HOME)


def _rows(head: Row, said: Mapping[str, Any], list_name: str, preset: Preset) -> Iterator[Row]:
    """One row for each item of the event's list, or one for the event; an impression of nothing is none."""
    items = said.get(list_name)
    if not isinstance(items, list | None):
        raise invalid(list_name, items, "a list of objects")
    if not items:
        row = head | _columns(said, preset)
        if row["event_type"] != "impression" or {"item_id", *_OURS} & set(row):
            yield row
    shared = _shared(said, preset)
    for place, item in enumerate(items or ()):
        if not isinstance(item, dict):
            raise invalid(f"{list_name}[{place}]", item, "an object")
        yield _line(head | shared | _columns(item, preset))


def _line(row: Row) -> Row:
    """A refund of an item that cannot be told is not one of the whole order."""
    if row["event_type"] == "refund" and "item_id" not in row:
        return {name: value for name, value in row.items() if name != "order_id"}
    return row


def _shared(said: Mapping[str, Any], preset: Preset) -> Row:
    return {name: value for name, value in _columns(said, preset).items() if name in _OF_EVENT}


def _columns(said: Mapping[str, Any], preset: Preset) -> Row:
    """The canonical columns that an event or an item says something on."""
    found = {name: _first(name, said, preset) for name in (*preset.columns, *_OURS) if name in _TAKEN}
    if preset.category_levels:
        levels = (_text(said.get(name), preset) for name in preset.columns["category"])
        found["category"] = join_category(level for level in levels if level) or None
    return _kept(**found)


_TAKEN = ("item_id", *_NUMBERS, "category", *_OF_EVENT)


def _first(column: str, said: Mapping[str, Any], preset: Preset) -> Any:
    read = _number if column in _NUMBERS else _text
    values = (read(said.get(name), preset) for name in preset.columns.get(column, (column,)))
    return next((value for value in values if value is not None), None)


def _text(value: Any, preset: Preset = SEGMENT) -> str | None:
    """A word, which may have been sent as a number; None for what the tool writes where it knows nothing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    word = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return None if word in ("", *preset.null_values) else word


def _number(value: Any, preset: Preset = SEGMENT) -> float | None:
    """A number, which may have been sent as text; what is none is dropped, as it is in the tables."""
    word = _text(value, preset)
    return float(word) if word is not None and _NUMBER.fullmatch(word) else None


def _kept(**columns: Any) -> Row:
    return {name: value for name, value in columns.items() if value is not None}
