"""The profile for people: everything known of one shopper at a moment, each judgement with the numbers it rests on.

The judgements are the `Profiler`'s own; nothing is decided here a second time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from recsys import clock
from recsys.behaviour import last_session, months_before
from recsys.clock import DAY
from recsys.engine.profile import INTENT_RULES, Leader, Leanings, Profiler
from recsys.orders import priced_orders, revenue_of
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.customer_value import CustomerValue
from recsys.snapshot.put.growing_ids import GrowingIds
from recsys.types import KIND_WORDS, ExitStage, History, Intent, Lifecycle, Profile, Rows

MAX_AFFINITIES = 10
PRICE_BAND = (0.25, 0.75)
"""The percentiles of weighted prices between which a shopper is at home."""
_LATEST = clock.to_microseconds(datetime.max.replace(tzinfo=UTC))


class Session(Struct, frozen=True):
    """The shopper's last session."""

    started: datetime
    last_event_at: datetime
    last_event: Annotated[str, Meta(description="Its event type.")]
    events: int
    open: Annotated[bool, Meta(description="Whether an event now would still belong to it.")]


class IntentEvidence(Struct, frozen=True):
    """Evidence of the wish to buy in the last session."""

    intent: Intent
    rule: Annotated[str, Meta(description="What decided: cart_add, checkout, dwell, prices; none: nothing, so a browser.")]
    said: str
    item_id: Annotated[str | None, Meta(description="What was put into the cart or checked out.")] = None
    category: Annotated[str | None, Meta(description="The leaf category whose views decided, or that was viewed most.")] = (
        None
    )
    views: int = 0
    dwell_seconds: float = 0.0
    price_low: Annotated[float | None, Meta(description="Lowest price of those viewed there.")] = None
    price_high: float | None = None


class Leaning(Struct, frozen=True):
    """The category or brand with the largest share of weighted events, and whether that is enough to lean to it."""

    name: Annotated[str | None, Meta(description="What the shopper leans to; null: to nothing.")]
    strongest: Annotated[str | None, Meta(description="What has the largest share, enough or not.")]
    share: float
    events: int
    of: Annotated[str, Meta(description="`session` or `window`: the events that were weighed.")]
    said: str


class Affinity(Struct, frozen=True):
    """Share of the weight of the window's events that went to one category or brand."""

    name: str
    share: float
    events: int


class PriceBand(Struct, frozen=True):
    """Between which prices the middle half of the weighted events of the window lies."""

    low: float
    high: float
    items: Annotated[int, Meta(description="Distinct items with a price that it rests on.")]


class LifecycleEvidence(Struct, frozen=True):
    """Standing of the shopper as a customer, by the age of the last order that was kept."""

    stage: Lifecycle
    last_order: datetime | None
    age_days: float | None
    active_days: Annotated[float, Meta(description="Up to this age: first_time or active.")]
    inactive_days: Annotated[float, Meta(description="Up to this age: defecting; beyond it: inactive.")]
    said: str


class Dormancy(Struct, frozen=True):
    """Age of the last order against a number of calendar months."""

    dormant: bool
    months: int
    edge: Annotated[datetime, Meta(description="Whose last order is from then or earlier is dormant.")]
    said: str


class CartItem(Struct, frozen=True):
    """An item in the cart."""

    item_id: str
    title: str


class ShopperProfile(Struct, frozen=True, kw_only=True):
    """Everything known of one shopper at `now`; every judgement follows the shop's policy and carries its evidence."""

    user_id: str | None
    now: datetime
    known: Annotated[bool, Meta(description="Whether there is any event.")]
    known_since: Annotated[datetime | None, Meta(description="The oldest event that is kept.")]
    last_seen: datetime | None
    session: Session | None
    exit_stage: ExitStage
    intent: IntentEvidence
    focus: Leaning
    brand: Leaning
    categories: Annotated[tuple[Affinity, ...], Meta(description="Leaf categories, the largest share first.")]
    brands: tuple[Affinity, ...]
    price_band: PriceBand | None
    lifecycle: LifecycleEvidence
    dormancy: Dormancy
    orders: int
    revenue: Annotated[
        float | None, Meta(description="Of what was kept, as far as prices are known, in the shop's currency.")
    ]
    average_order_value: Annotated[float | None, Meta(description="Of the orders of which a price is known.")]
    items_bought: Annotated[int, Meta(description="Distinct items that were kept.")]
    cart: tuple[CartItem, ...]
    value: Annotated[CustomerValue | None, Meta(description="As of the snapshot; null: never ordered before it.")] = None


def shopper_profile(profiler: Profiler, user_id: str | None, history: History, now: int) -> ShopperProfile:
    """Tell what is known of a shopper at `now` (microseconds), from a history in the rows of the profiler's catalogue."""
    profile, leanings = profiler.profile(user_id, history, now), profiler.leanings(history, now)
    history, catalog = profile.history, profiler.catalog
    revenue = revenue_of(history)
    return ShopperProfile(
        user_id=user_id,
        now=moment(now),
        known=profile.known,
        known_since=moment(int(history.times[0])) if profile.known else None,
        last_seen=moment(int(history.times[-1])) if profile.known else None,
        session=_session(profiler, history, now) if profile.known else None,
        exit_stage=profile.exit_stage,
        intent=_intent(profiler, profile, leanings),
        focus=_focus(profiler, leanings),
        brand=_brand(profiler, leanings),
        categories=_affinities(profiler, history, now, catalog.category, catalog.categories),
        brands=_affinities(profiler, history, now, catalog.brand, catalog.brands),
        price_band=_price_band(profiler, history, now),
        lifecycle=_lifecycle(profiler, profile, now),
        dormancy=_dormancy(profiler, profile, now),
        orders=profile.orders,
        revenue=revenue,
        average_order_value=None if revenue is None else round(revenue / priced_orders(history), 2),
        items_bought=len(profile.bought),
        cart=tuple(CartItem(catalog.item_id(row), catalog.title(row)) for row in profile.cart.tolist()),
    )


def moment(microseconds: int) -> datetime:
    """A time for people and JSON, in UTC; what lies beyond the year 9999 is its end."""
    return clock.to_datetime(min(microseconds, _LATEST))


def day(microseconds: int) -> str:
    """The day of a time, UTC, as ISO 8601 writes it."""
    return moment(microseconds).date().isoformat()


def _session(profiler: Profiler, history: History, now: int) -> Session:
    first, last = last_session(history.times, profiler.session_gap), int(history.times[-1])
    return Session(
        started=moment(int(history.times[first])),
        last_event_at=moment(last),
        last_event=KIND_WORDS[history.kinds[-1]],
        events=len(history) - first,
        open=now - last <= profiler.session_gap,
    )


def _intent(profiler: Profiler, profile: Profile, leanings: Leanings) -> IntentEvidence:
    serious, catalog = leanings.serious, profiler.catalog
    item = -1
    if serious.event >= 0:
        item = int(profile.history.items[last_session(profile.history.times, profiler.session_gap) + serious.event])
    priced = serious.highest > 0
    return IntentEvidence(
        intent=profile.intent,
        rule=INTENT_RULES[serious.rule],
        said=_intent_said(profiler, profile, leanings, item),
        item_id=None if item < 0 else catalog.item_id(item),
        category=None if serious.leaf < 0 else catalog.categories.text(serious.leaf),
        views=serious.views,
        dwell_seconds=round(serious.dwell, 1),
        price_low=serious.lowest if priced else None,
        price_high=serious.highest if priced else None,
    )


def _intent_said(profiler: Profiler, profile: Profile, leanings: Leanings, item: int) -> str:
    serious, settings = leanings.serious, profiler.settings
    title = "an item" if item < 0 else profiler.catalog.title(item)
    if not leanings.seen:
        return f"Browser: not seen for {settings.window_days:g} days" if profile.known else "Browser: no event yet"
    if INTENT_RULES[serious.rule] == "cart_add":
        return f"Buyer: put {title} into the cart"
    if INTENT_RULES[serious.rule] == "checkout":
        return "Buyer: began to check out"
    if serious.leaf < 0:
        return "Browser: viewed nothing of a category, put nothing into the cart"
    where = profiler.catalog.categories.text(serious.leaf)
    viewed = f"{_times(serious.views, 'view')} in {where}"
    if serious.views < settings.buyer_views:
        return f"Browser: {viewed}, {settings.buyer_views} are needed"
    ratio = f"prices differ by {serious.highest / serious.lowest:.2f}×" if serious.highest > 0 else "no price seen"
    if profile.intent == "buyer":
        return f"Buyer: {viewed}, {serious.dwell:.0f} s of dwell, {ratio}"
    needed = f"{settings.buyer_dwell_seconds:g} s or {settings.buyer_price_ratio:g}×"
    return f"Browser: {viewed}, but {serious.dwell:.0f} s of dwell and {ratio}; {needed} is needed"


def _focus(profiler: Profiler, leanings: Leanings) -> Leaning:
    needed = f"{profiler.settings.focus_share:.0%} is needed"
    return _leaning(
        leanings, leanings.focus, profiler.catalog.categories, "session" if leanings.of_session else "window", needed
    )


def _brand(profiler: Profiler, leanings: Leanings) -> Leaning:
    settings = profiler.settings
    needed = f"{settings.brand_share:.0%} and {_times(settings.brand_events, 'event')} are needed"
    return _leaning(leanings, leanings.brand, profiler.catalog.brands, "window", needed)


def _leaning(leanings: Leanings, leader: Leader, names: GrowingIds, of: str, needed: str) -> Leaning:
    strongest = None if leader.code < 0 else names.text(leader.code)
    weight = f"{leader.share:.0%} of the {of}'s weight, {_times(leader.events, 'event')}"
    if not leanings.seen:
        said = "None: not seen within the window"
    elif strongest is None:
        said = f"None: nothing in the {of} weighs for one"
    else:
        said = f"{strongest}: {weight}" if leader.enough else f"None: {strongest} has {weight}; {needed}"
    return Leaning(strongest if leader.enough else None, strongest, round(leader.share, 4), leader.events, of, said)


def _affinities(profiler: Profiler, history: History, now: int, code_of: Rows, names: GrowingIds) -> tuple[Affinity, ...]:
    codes, weights, events = profiler.affinities(history, now, code_of)
    everything = max(float(weights.sum()), 1e-30)
    named = np.flatnonzero(codes >= 0)
    best = named[np.argsort(-weights[named], kind="stable")][:MAX_AFFINITIES]
    return tuple(
        Affinity(names.text(int(codes[at])), round(float(weights[at]) / everything, 4), int(events[at])) for at in best
    )


def _price_band(profiler: Profiler, history: History, now: int) -> PriceBand | None:
    catalog = profiler.catalog
    items, weights, _ = profiler.affinities(history, now, np.arange(catalog.n_items, dtype=np.int32))
    prices = _prices_of(items, catalog)
    priced = prices > 0
    if not priced.any():
        return None
    low, high = (weighted_percentile(prices[priced], weights[priced], share) for share in PRICE_BAND)
    return PriceBand(low, high, int(priced.sum()))


def _prices_of(items: Rows, catalog: Catalog) -> NDArray[np.float64]:
    prices = np.where(items >= 0, catalog.price[np.maximum(items, 0)], np.nan) if catalog.n_items else np.empty(0)
    return np.nan_to_num(prices)


def weighted_percentile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """The smallest value up to which at least this share of all weight lies; values and weights float64[k], k > 0."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    at = int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-9)))
    return float(values[order][min(at, len(values) - 1)])


def _lifecycle(profiler: Profiler, profile: Profile, now: int) -> LifecycleEvidence:
    settings, last = profiler.settings, profile.last_order
    age = None if last is None else round((now - last) / DAY, 2)
    if last is None:
        said = "Lead: no order that was kept"
    else:
        orders, age_in_words = _times(profile.orders, "order"), f"the last {age:.1f} days ago"
        edges = f"defecting begins after {settings.active_days:g} days, inactive after {settings.inactive_days:g}"
        said = f"{profile.lifecycle.replace('_', ' ').capitalize()}: {orders}, {age_in_words}; {edges}"
    return LifecycleEvidence(
        stage=profile.lifecycle,
        last_order=None if last is None else moment(last),
        age_days=age,
        active_days=settings.active_days,
        inactive_days=settings.inactive_days,
        said=said,
    )


def _dormancy(profiler: Profiler, profile: Profile, now: int) -> Dormancy:
    months, last = profiler.settings.dormant_months, profile.last_order
    edge = months_before(now, months)
    if last is None:
        said = "Not dormant: no order that was kept"
    else:
        dated = f"the last order is of {day(last)}, {_times(months, 'calendar month')} ago was {day(edge)}"
        said = f"Dormant: {dated}" if profile.dormant else f"Not dormant: {dated}"
    return Dormancy(profile.dormant, months, moment(edge), said)


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
