"""Rows of the live log as databases hold them: statements that write and find them, and what is read from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from recsys.item_updates import ItemUpdate, WholeItem
from recsys.live import campaigns, joins
from recsys.live.campaigns import CampaignChange
from recsys.live.driver import Row
from recsys.live.erasure import Tombstone
from recsys.live.joins import JoinChange
from recsys.snapshot.identity_links import FOREVER
from recsys.types import EVENT_TYPES, SHOWN_TYPES, Event, EventType, Link

_SHOWN = ", ".join(str(int(kind)) for kind in SHOWN_TYPES)
"""Codes of impressions and clicks, for SQL; `_ORDERS` those of purchases and refunds, `_LOOKS` those of views and carts."""
_ORDERS = f"{int(EventType.PURCHASE)}, {int(EventType.REFUND)}"
_LOOKS = f"{int(EventType.VIEW)}, {int(EventType.CART_ADD)}"
MAX_LOOKED = 20_000
"""Of one user, most rows that a look-up of events goes through, the newest; as many as it is to find, if that is more."""
BATCH = 50_000
"""Most events that one step of `events_between` holds."""
EVER, HIGHEST = int(FOREVER.min), 2**63 - 1
_CODES = {word: code for code, word in enumerate(EVENT_TYPES)}
_COLUMNS = ("event_id", "user_id", "event_type", "timestamp", "item_id", "order_id", "quantity", "price", "currency")
_DETAILS = tuple(name for name in Event.__struct_fields__ if name not in _COLUMNS)
"""Fields of an event that no answer reads: they stand together as JSON."""

AT_ONCE = 10_000
"""Rows of one step of deleting."""
ADD_EVENTS = """INSERT INTO events (seq, event_id, user_id, event_type, timestamp, received_at, item_id, order_id, quantity, price,
currency, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"""
ADD_LINK = "INSERT INTO links (seq, anonymous_id, user_id, timestamp, received_at) VALUES (?, ?, ?, ?, ?)"
ADD_ITEM_UPDATE = """INSERT INTO item_updates (seq, item_id, available, stock, price, item, received_at)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
ADD_TOMBSTONE = "INSERT INTO tombstones (seq, subject, since, until, received_at) VALUES (?, ?, ?, ?, ?)"
_LIVE_EVENT = "seq, timestamp, event_type, item_id, order_id, quantity, price, currency"
EVENTS_OF = f"""SELECT {_LIVE_EVENT} FROM events
WHERE user_id = ? AND seq > ? AND event_type NOT IN ({_SHOWN}) AND timestamp >= coalesce(
    (SELECT timestamp FROM events WHERE user_id = ? ORDER BY timestamp DESC, seq DESC LIMIT 1 OFFSET ?), ?)
ORDER BY timestamp DESC, seq DESC LIMIT ?"""
"""Bounded before it is read: a user may have half a million rows that were folded in, or that only note what was shown."""
ORDERS_OF = f"""SELECT {_LIVE_EVENT} FROM events
WHERE user_id = ? AND seq > ? AND event_type IN ({_ORDERS}) AND timestamp <= ? ORDER BY timestamp DESC, seq DESC LIMIT ?"""
ACTIVE = f"""SELECT user_id, max(timestamp), max(CASE WHEN event_type IN ({_ORDERS}) THEN 1 ELSE 0 END) FROM events
WHERE seq > ? AND seq <= ? AND event_type NOT IN ({_SHOWN}) GROUP BY user_id"""
INTERESTED = f"SELECT DISTINCT user_id FROM events WHERE seq > ? AND event_type IN ({_LOOKS}) AND item_id = ANY(?)"
IMPRESSIONS_OF = f"""SELECT item_id, timestamp, event_type = {int(EventType.CLICK)} FROM events
WHERE user_id = ? AND event_type IN ({_SHOWN}) AND item_id IS NOT NULL ORDER BY timestamp DESC, seq DESC LIMIT ?"""
EVENTS_BETWEEN = f"""SELECT seq, received_at, event_id, user_id, event_type, timestamp, item_id, order_id, quantity, price, currency,
details FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT {BATCH}"""
FIRST_EVENT = "SELECT seq FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1"
DROP_EVENTS = "DELETE FROM events WHERE seq > ? AND seq <= ?"
LINKS = "SELECT seq, received_at, anonymous_id, user_id, timestamp FROM links WHERE seq > ? AND seq <= ? ORDER BY seq"
ITEM_UPDATES = """SELECT seq, received_at, item_id, available, stock, price, item FROM item_updates
WHERE seq > ? AND seq <= ? ORDER BY seq"""
_SINCE = """SELECT 'last', last, CAST(NULL AS bigint), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS bigint),
    CAST(NULL AS bigint), CAST(NULL AS boolean), CAST(NULL AS double precision), CAST(NULL AS double precision),
    CAST(NULL AS bytea) FROM ({}) AS numbered
UNION ALL SELECT 'newest', max(timestamp), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM events WHERE seq > ?
UNION ALL SELECT 'disliked', max(seq), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM dislikes
UNION ALL SELECT 'wrote', count(*), NULL, user_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM (SELECT user_id FROM events WHERE seq > ? ORDER BY seq LIMIT ?) AS written GROUP BY user_id
UNION ALL SELECT 'link', seq, received_at, anonymous_id, user_id, timestamp, NULL, NULL, NULL, NULL, NULL FROM links WHERE seq > ?
UNION ALL SELECT 'item_update', seq, received_at, item_id, NULL, NULL, NULL, available, stock, price, item
FROM item_updates WHERE seq > ?
UNION ALL SELECT 'tombstone', seq, received_at, subject, NULL, until, since, NULL, NULL, NULL, NULL
FROM tombstones WHERE seq > ?
UNION ALL SELECT 'join', seq, received_at, account_id, user_id, joined_at, NULL, NULL, NULL, NULL, NULL FROM joins WHERE seq > ?
UNION ALL SELECT 'campaign', seq, received_at, campaign_id, put_by, NULL, NULL, NULL, NULL, NULL, campaign
FROM campaigns WHERE seq > ?"""
"""One query, and so one moment and one round trip, for all that a worker takes in when the log has changed."""
LAST_TOMBSTONES = "SELECT subject, since, max(until) FROM tombstones GROUP BY subject, since"
ITEMS_BEFORE = f"""SELECT seq, item_id, available IS NOT NULL, stock IS NOT NULL, price IS NOT NULL, item IS NOT NULL FROM item_updates
WHERE seq < ? ORDER BY seq DESC LIMIT {AT_ONCE}"""
DROP_ITEM_UPDATES = "DELETE FROM item_updates WHERE seq = ANY(?)"
FORGET_EVENTS = "DELETE FROM events WHERE user_id = ? AND timestamp >= ? AND timestamp < ?"
NAMED = tuple(
    f"SELECT DISTINCT {column} FROM {table} WHERE {column} > ? ORDER BY {column} LIMIT {AT_ONCE}"
    for table, columns in {
        "events": ("user_id",),
        "links": ("anonymous_id", "user_id"),
        "joins": ("account_id", "user_id"),
        "dislikes": ("user_id",),
        "pins": ("user_id",),
        "moments": ("user_id",),
        "exposures": ("unit",),
    }.items()
    for column in columns
)
"""The ids that stand in a log, above one, in their order."""
FORGET_LINKS = "DELETE FROM links WHERE (anonymous_id = ? OR user_id = ?) AND timestamp >= ? AND timestamp < ?"


class SharedRow(NamedTuple):
    """A row that concerns everybody, with its number and when it was received."""

    seq: int
    received_at: int
    row: Link | ItemUpdate | Tombstone


class News(NamedTuple):
    """All that a worker takes in of one moment of the log, and is newer than it has taken in.

    last: the newest row's number, also when rows were deleted since · disliked: number of the last dislike, 0: there is none · newest:
    time of the latest event, None: there is none · wrote: under which ids events were written, as far as so many tell · n_wrote: how
    many did · shared, joins, campaigns: by seq.
    """

    last: int
    disliked: int
    newest: int | None
    wrote: list[str]
    n_wrote: int
    shared: list[SharedRow]
    joins: list[JoinChange]
    campaigns: list[CampaignChange]


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


def link_of(anonymous_id: str, user_id: str, timestamp: int) -> Link:
    """The link of a row's values."""
    return Link(anonymous_id, user_id, timestamp)


def item_update_row(update: ItemUpdate, received_at: int) -> tuple[Any, ...]:
    """The values of an item update's row after its number."""
    item = None if update.item is None else msgspec.json.encode(update.item)
    return update.item_id, update.available, update.stock, update.price, item, received_at


def item_update_of(
    item_id: str, available: int | None, stock: float | None, price: float | None, item: bytes | None
) -> ItemUpdate:
    """The item update of a row's values."""
    whole = None if item is None else msgspec.json.decode(item, type=WholeItem)
    return ItemUpdate(item_id, None if available is None else bool(available), stock, price, whole)


def tombstone_of(subject: str, since: int | None, until: int) -> Tombstone:
    """The tombstone of a row's values; since None: ever."""
    return Tombstone(subject, until, EVER if since is None else since)


@cache
def since_query(last: str) -> str:
    """The query of `News`, in a database where `last` finds the number given last. Its values: `after`, `after`, most of `n_wrote`,
    `after` three times, and after which number joins and campaigns count."""
    return _SINCE.format(last)


def news_of(found: Sequence[Row]) -> News:
    """Read the rows of a `since_query`; none: nothing was ever written."""
    of: dict[str, list[Row]] = {}
    for kind, *row in found:
        of.setdefault(kind, []).append(tuple(row))
    shared = [
        SharedRow(row[0], row[1], _shared_of(kind, row))
        for kind in ("link", "item_update", "tombstone")
        for row in of.get(kind, ())
    ]
    single = {kind: rows[0][0] for kind, rows in of.items()}
    joined = [joins.change_of((row[0], *row[2:5])) for row in of.get("join", ())]
    put = [campaigns.change_of((row[0], row[2], row[-1], row[1], row[3])) for row in of.get("campaign", ())]
    by_seq = attrgetter("seq")
    return News(
        single.get("last", 0),
        single.get("disliked") or 0,
        single.get("newest"),
        [row[2] for row in of.get("wrote", ())],
        sum(row[0] for row in of.get("wrote", ())),
        sorted(shared, key=by_seq),
        sorted(joined, key=by_seq),
        sorted(put, key=by_seq),
    )


def _shared_of(kind: str, row: Row) -> Link | ItemUpdate | Tombstone:
    _, _, name, user_id, at, since, *said = row
    if kind == "link":
        return link_of(name, user_id, at)
    return item_update_of(name, *said) if kind == "item_update" else tombstone_of(name, since, at)


def is_superseded(known: set[int], said: Sequence[int]) -> bool:
    """Tell whether later updates set all that this one sets; from now on what this one sets counts among them. The last of `said`
    is the whole item, which sets everything."""
    fields = set(range(len(said))) if said[-1] else {field for field, is_said in enumerate(said) if is_said}
    superseded = fields <= known
    known |= fields
    return superseded
