"""The nouns of the service, each with the shape and the unit of what it holds.

Everything that walks between rooms is defined here and nowhere else: a web request becomes a `Query`, the shopper's past is
a `History`, what it means is a `Profile`, a recommender answers `Candidates`, and the shopper gets a `Slate`.
Times are int64 microseconds since 1970-01-01 UTC; ages are float32 days before now; money is in the catalogue's one currency.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Literal, TypeAlias, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.item_filters import ItemFilter

Rows: TypeAlias = NDArray[np.int32]
"""Item rows of one snapshot's catalogue; they never leave the snapshot."""
Scores: TypeAlias = NDArray[np.float32]
Times: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Arrays: TypeAlias = dict[str, NDArray[np.generic]]
"""What a fit learns: plain numeric arrays by name, saved as `.npy` files."""


class RecsysError(Exception):
    """Every error that this package raises on purpose; its text is meant to be read by the person who can mend it."""


class SettingsError(RecsysError):
    """A setting is missing, unknown or out of range."""


class DataError(RecsysError):
    """A table cannot be read, or too much of it is wrong."""


class SnapshotError(RecsysError):
    """A snapshot is absent, incomplete, changed, or of another format."""


class StateError(RecsysError):
    """The live log cannot be read or written, or is of another format; the text names its file."""


class OlderSnapshotError(SnapshotError):
    """A snapshot was made by an earlier version of this program, whose format it cannot read."""


class ChangedMeanwhileError(RecsysError):
    """Something was changed by somebody else since it was read."""


class GateError(RecsysError):
    """A snapshot was refused before it went live; the text says why."""


class EventType(IntEnum):
    """Kind of an event. The number is the code in mapped arrays; the lower-case name is the word in tables and JSON."""

    HOME_VIEW = 0
    CATEGORY_VIEW = 1
    SEARCH = 2
    VIEW = 3
    CART_ADD = 4
    CART_REMOVE = 5
    CHECKOUT = 6
    PURCHASE = 7
    REFUND = 8
    IMPRESSION = 9
    CLICK = 10


CANCELLED = len(EventType)
"""Kind, in histories only, of a purchase that was given back whole: it happened, and counts as bought no more."""
SHOWN_TYPES = (EventType.IMPRESSION, EventType.CLICK)
"""What a shop notes of its own lists: kept for attribution, no part of what a shopper is taken to have done."""
CHANNELS = ("push", "email", "sms", "whatsapp")
"""How a shop writes to people; where several are allowed, the one that comes first here is tried first."""
EVENT_TYPES: tuple[str, ...] = tuple(kind.name.lower() for kind in EventType)
KIND_WORDS = (*EVENT_TYPES, EVENT_TYPES[EventType.PURCHASE])
"""The word of each kind that an event of a history can have."""

BoughtMode = Literal["hide", "hide_days", "allow", "only"]
BOUGHT_MODES: tuple[str, ...] = get_args(BoughtMode)
Intent = Literal["buyer", "browser"]
Lifecycle = Literal["lead", "first_time", "active", "defecting", "inactive"]
Segment = Literal["lead", "customer", "repeat"]
ExitStage = Literal["home", "category", "pdp", "cart", "checkout", "other"]


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something a shopper did, as it is accepted while serving: canonical columns (docs/data.md), checked.

    `timestamp` is microseconds, already the earlier of what was said and when it was received; `event_type` is the word. `properties`
    are what else the shop said: kept in the log, and read by nothing.
    """

    event_id: str
    user_id: str
    event_type: str
    timestamp: int
    item_id: str | None = None
    session_id: str | None = None
    anonymous_id: str | None = None
    order_id: str | None = None
    quantity: float | None = None
    price: float | None = None
    currency: str | None = None
    category: str | None = None
    query: str | None = None
    channel: str | None = None
    recommendation_id: str | None = None
    send_id: str | None = None
    coupon: str | None = None
    discount: float | None = None
    properties: dict[str, Any] | None = None


class Link(msgspec.Struct, frozen=True, gc=False):
    """From `timestamp` (microseconds) on, an anonymous id belongs to a known user."""

    anonymous_id: str
    user_id: str
    timestamp: int


class Bought(msgspec.Struct, frozen=True, gc=False):
    """Treatment of items that the shopper already owns.

    hide: left out unless replenishable · hide_days: left out for `days` days · allow: like any other · only: nothing else.
    """

    mode: BoughtMode = "hide"
    days: int = 0


class Query(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One question to the pipeline, complete: with the same snapshot and history it has one answer.

    `category` is canonical text (levels joined by ' > ') and means the node and all below; `brands` is any of; prices are inclusive
    bounds; `context_items` are on the page or in the cart; `filter` has the types of attributes; `shown` counts impressions.
    """

    now: int
    placement: str = "home"
    user_id: str | None = None
    limit: int = 12
    category: str | None = None
    brands: tuple[str, ...] = ()
    price_min: float | None = None
    price_max: float | None = None
    context_items: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    bought: Bought | None = None
    locale: str = "en"
    filter: ItemFilter = ()
    shown: tuple[tuple[str, float], ...] = ()
    disliked: tuple[tuple[str, str], ...] = ()  # item, brand or category, and which


class RowQuery(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A `Query` in the rows of one snapshot, as recommenders read it.

    `category` and `brand`: asked for, else what the profile leans to, else -1; beside one item of a page the category is that item's ·
    context int32[k] rows of the items on the page · locale that the reasons are worded in, one of `reasons.LOCALES`.
    """

    now: int
    category: int
    brand: int
    context: Rows
    locale: str = "en"


class Owned(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Purchases that a shopper kept: sorted distinct items int32[b], the last purchase of each, how many orders, and the last one."""

    items: Rows
    at: Times
    orders: int
    last_order: int | None


class Lines(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Facts of a history's orders beyond item and time, parallel to its events up to the last purchase or refund or beyond.

    order_ids int64[h] hashes of the shop's order ids (`id_index.order_key`), -1: none, below that numbers of the sessions that stand
    for one (`orders.settle`) · quantities float32[h] as the shop said them, prices float32[h] of one unit in the catalogue's
    currency (NaN: unknown) · kept float32[h] what was kept of each purchase (NaN: all of an unknown quantity).
    """

    order_ids: NDArray[np.int64]
    quantities: NDArray[np.float32]
    prices: NDArray[np.float32]
    kept: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Raise ValueError unless the arrays are parallel."""
        if not len(self.order_ids) == len(self.quantities) == len(self.prices) == len(self.kept):
            raise ValueError("lines: the arrays differ in length")

    def where(self, chosen: Mask | slice) -> Lines:
        """Those of the chosen events: a slice, or a mask bool[h]."""
        chosen = chosen if isinstance(chosen, slice) else chosen[: len(self.order_ids)]
        return Lines(self.order_ids[chosen], self.quantities[chosen], self.prices[chosen], self.kept[chosen])


class History(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A shopper's past in time order, oldest first, mapped to one snapshot's rows; bounded per user.

    items int32[h] (-1: the event has no item; below: one unknown to the snapshot, `id_index.unknown_item`) · kinds int8[h]
    (`EventType`, or `CANCELLED`) · times int64[h] · orders int32[h] numbered from 0 (-1: not a purchase that was kept).
    """

    items: Rows
    kinds: NDArray[np.int8]
    times: Times
    orders: Rows
    owned: Owned | None = None
    """Summed up when the snapshot was made, of older orders too; None: to be summed up from the events (`orders.owned_of`)."""
    lines: Lines | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless the arrays are parallel; that times are in order `orders.settle` checks, once."""
        n, lines = len(self.items), self.lines
        if not n == len(self.kinds) == len(self.times) == len(self.orders) or (lines and len(lines.order_ids) > n):
            raise ValueError("history: the arrays differ in length")

    def __len__(self) -> int:
        return len(self.items)

    def where(self, chosen: Mask | slice, owned: Owned | None = None) -> History:
        """The chosen events in the same order: a slice, or a mask bool[h]; and what they come to, where that is known."""
        lines = self.lines and self.lines.where(chosen)
        return History(self.items[chosen], self.kinds[chosen], self.times[chosen], self.orders[chosen], owned, lines)

    def until(self, now: int) -> History:
        """The events not later than `now` (microseconds)."""
        if not len(self.times) or self.times[-1] <= now:
            return self
        return self.where(slice(0, int(self.times.searchsorted(now, side="right"))))


NO_HISTORY = History(np.empty(0, np.int32), np.empty(0, np.int8), np.empty(0, np.int64), np.empty(0, np.int32))


class Profile(msgspec.Struct, frozen=True, eq=False, gc=False, kw_only=True):
    """Knowledge of one shopper at the query's `now`; every field follows docs/policy.md.

    focus and brand are codes of the catalogue or -1 · bought and cart are sorted distinct rows; `bought_at` the last purchase of each.
    """

    user_id: str | None
    history: History
    intent: Intent
    exit_stage: ExitStage
    focus: int
    brand: int
    lifecycle: Lifecycle
    dormant: bool
    orders: int
    last_order: int | None
    bought: Rows
    bought_at: Times
    has_bought: frozenset[int]
    """`bought` once more, to ask for one item."""
    cart: Rows

    @property
    def known(self) -> bool:
        """True once the shopper has at least one event."""
        return len(self.history.times) > 0


class Candidates(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A ranked list: distinct items int32[n] and scores float32[n], best first.

    Scores are comparable within one list only. `explained_by` int32[n] is what the recommender notes for its own `reason`: for most,
    the row of the history or context item that spoke most for each candidate (-1: none).
    """

    items: Rows
    scores: Scores
    explained_by: Rows | None = None

    def __len__(self) -> int:
        return len(self.items)


NO_CANDIDATES = Candidates(np.empty(0, np.int32), np.empty(0, np.float32))


class Reason(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Reason why an item is shown, carrying only the evidence that there is."""

    code: str
    text: str
    window_days: int | None = None
    buyers: int | None = None
    because_item_id: str | None = None
    campaign: str | None = None


class Assignment(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The arm of an experiment that answered; `snapshot`: the version of another snapshot that ranked for it."""

    id: str
    arm: str
    snapshot: str | None = None


class Slate(msgspec.Struct, frozen=True, eq=False, gc=False, kw_only=True):
    """The answer: item rows with a score, a reason and its source each, best first, and how it came about.

    `fallback`: the last of the placement's fallback chain that had to fill places · `experiments`: arms that could have changed it ·
    `propensities`: chances with which the items of the first places came to stand there, where they were drawn · `teams`: which of two
    rankings picked each item, 0 or 1, where they were interleaved.
    """

    recommendation_id: str
    user_id: str | None
    placement: str
    snapshot: str
    strategy: str
    personalized: bool
    fallback: str | None
    notices: tuple[str, ...]
    items: tuple[int, ...]
    scores: tuple[float, ...]
    reasons: tuple[Reason, ...]
    sources: tuple[str, ...]
    experiments: tuple[Assignment, ...] = ()
    propensities: tuple[float, ...] = ()
    teams: tuple[int, ...] = ()


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """One message batch as it was declared: all slates are asked on this placement, with this limit, inside this filter.

    `template` names what it is rendered with, if anything; up to `expires_at` (microseconds) slates are pinned to (send, user)."""

    send_id: str
    placement: str
    limit: int
    expires_at: int
    template: str | None = None
    filter: ItemFilter = ()
