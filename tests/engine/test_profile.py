"""The profile: every boundary of the shop's policy, and that nobody sees the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.clock import MINUTE
from recsys.engine.profile import Profiler
from recsys.settings import ProfileSettings
from recsys.types import EVENT_TYPES, EventType, History, Profile
from tests.conftest import ITEMS, NOW, ago, event, micros
from tests.support.shops.handmade import BEHAVIOUR, calm, numbered_items, world

SMALL = world([])
"""The dozen items, without events."""


def of_ann(
    *events: dict[str, Any], items: Sequence[dict[str, Any]] = ITEMS, now: datetime = NOW, **settings: Any
) -> Profile:
    """Ann's profile after these events."""
    return world(events, items, as_of=now).profile("ann", now, **settings)


def views(*items: str, gap_seconds: float = 0, start: datetime | None = None, user: str = "ann") -> list[dict[str, Any]]:
    """Views of these items, so many seconds apart."""
    first = start or ago(minutes=20)
    return [event(user, item, "view", first + timedelta(seconds=gap_seconds * at)) for at, item in enumerate(items)]


def category(profile: Profile) -> str | None:
    """Name of the focus category."""
    return None if profile.focus < 0 else SMALL.catalog.categories.text(profile.focus)


def brand(profile: Profile) -> str | None:
    """Name of the brand leaned to."""
    return None if profile.brand < 0 else SMALL.catalog.brands.text(profile.brand)


def test_a_stranger() -> None:
    """A user without events is a browser at no stage, a lead, and leans to nothing."""
    profile = world([event("bob", "sofa-1")]).profile("ann")
    assert not profile.known
    assert (profile.intent, profile.exit_stage, profile.lifecycle, profile.dormant) == ("browser", "other", "lead", False)
    assert (profile.focus, profile.brand, profile.orders, profile.last_order) == (-1, -1, 0, None)
    assert not any(len(part) for part in (profile.history, profile.bought, profile.bought_at, profile.cart))


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        ("home_view", "home"),
        ("category_view", "category"),
        ("view", "pdp"),
        ("cart_add", "cart"),
        ("cart_remove", "cart"),
        ("checkout", "checkout"),
        ("search", "other"),
        ("purchase", "other"),
        ("click", "pdp"),
    ],
)
def test_exit_stage_is_the_last_event(kind: str, stage: str) -> None:
    """The exit stage tells where the shopper's last event was; a click on a list is none."""
    assert of_ann(event("ann", "sofa-1", at=ago(1, minutes=5)), event("ann", "sofa-1", kind, ago(1))).exit_stage == stage


@pytest.mark.parametrize("kind", ["cart_add", "checkout"])
@pytest.mark.parametrize(("minutes", "intent"), [(29, "buyer"), (30, "buyer"), (31, "browser")])
def test_cart_or_checkout_in_the_session_makes_a_buyer(kind: str, minutes: float, intent: str) -> None:
    """A cart_add or checkout makes the session a buyer's, and only that session: 30 minutes of silence end it."""
    profile = of_ann(event("ann", "sofa-1", kind, ago(1)), event("ann", None, "home_view", ago(1, minutes=-minutes)))
    assert profile.intent == intent


@pytest.mark.parametrize("kind", ["cart_remove", "purchase", "search", "click"])
def test_other_events_make_no_buyer(kind: str) -> None:
    """Nothing but cart_add, checkout or serious views makes a buyer."""
    assert of_ann(event("ann", "sofa-1", kind, ago(1))).intent == "browser"


@pytest.mark.parametrize(("count", "intent"), [(2, "browser"), (3, "buyer")])
def test_three_views_of_a_category_with_dwell_make_a_buyer(count: int, intent: str) -> None:
    """Fewer than three product views in one leaf category make no buyer, however long they take."""
    last = event("ann", None, "home_view", ago(minutes=1))
    assert of_ann(*views(*["sofa-1"] * count, gap_seconds=200), last).intent == intent


@pytest.mark.parametrize(("seconds", "intent"), [(59, "browser"), (60, "buyer")])
def test_sixty_seconds_of_dwell_make_views_serious(seconds: float, intent: str) -> None:
    """Three views of one category need 60 seconds of dwell there."""
    start = ago(minutes=20)
    times = (start, start + timedelta(seconds=30), start + timedelta(seconds=seconds))
    assert of_ann(*(event("ann", "sofa-1", at=at) for at in times)).intent == intent


def test_dwell_elsewhere_does_not_count() -> None:
    """Dwell is that of the category's own views; the last event has none."""
    seconds = [("sofa-1", 0), ("sofa-1", 10), ("lamp-1", 20), ("sofa-1", 200)]
    assert of_ann(*(event("ann", item, at=ago(minutes=20, seconds=-at)) for item, at in seconds)).intent == "browser"


@pytest.mark.parametrize(("wanted", "intent"), [(301, "buyer"), (302, "browser")])
def test_one_event_dwells_five_minutes_at_most(wanted: float, intent: str) -> None:
    """Twenty minutes between two events count as 300 seconds."""
    start = ago(minutes=25)
    times = (start, start + timedelta(minutes=20), start + timedelta(minutes=20, seconds=1))
    assert of_ann(*(event("ann", "sofa-1", at=at) for at in times), buyer_dwell_seconds=wanted).intent == intent


@pytest.mark.parametrize(
    ("low", "high", "intent"),
    [
        (100.0, 119.0, "browser"),
        (100.0, 120.0, "buyer"),
        (20.0, 24.0, "buyer"),
        (None, 120.0, "browser"),
        (0.0, 120.0, "browser"),
        (5.15, 6.18, "buyer"),
    ],
)
def test_compared_prices_make_views_serious(low: float | None, high: float, intent: str) -> None:
    """Without dwell, two viewed prices of the category must differ by a factor of 1.2; no price is no price to compare."""
    items: list[dict[str, Any]] = [
        {"item_id": "a", "category": "Home > Sofas", "price": low},
        {"item_id": "b", "category": "Home > Sofas", "price": high},
        {"item_id": "far", "category": "Home > Lamps", "price": 999.0},
    ]
    assert of_ann(*views("a", "b", "far", "b", gap_seconds=1), items=items).intent == intent


def test_views_must_share_the_leaf() -> None:
    """Views of three leaf categories do not add up, nor do items without category."""
    items: list[dict[str, Any]] = [*({"item_id": f"bare-{n}"} for n in range(3)), *ITEMS]
    assert of_ann(*views("sofa-1", "lamp-1", "bag-1", gap_seconds=100)).intent == "browser"
    assert of_ann(*views("bare-0", "bare-1", "bare-2", gap_seconds=100), items=items).intent == "browser"


def test_views_of_an_earlier_session_do_not_count() -> None:
    """Intent reads the last session only."""
    early = views("sofa-1", "sofa-2", gap_seconds=100, start=ago(minutes=60))
    assert of_ann(*early, *views("sofa-3", "sofa-4", gap_seconds=100)).intent == "browser"


@pytest.mark.parametrize(("days", "intent", "focus"), [(29.9, "buyer", "Home > Sofas"), (30.1, "browser", None)])
def test_an_old_session_says_nothing_any_more(days: float, intent: str, focus: str | None) -> None:
    """A last session older than the window gives neither intent nor focus."""
    profile = of_ann(event("ann", "sofa-1", "cart_add", ago(days)))
    assert (profile.intent, category(profile)) == (intent, focus)


@pytest.mark.parametrize(("sofas", "focus"), [(59, None), (60, "Home > Sofas"), (61, "Home > Sofas")])
def test_focus_needs_sixty_percent(sofas: int, focus: str | None) -> None:
    """A leaf category with 60 % of the session's weight is the focus; with 59 % the shopper explores."""
    assert category(of_ann(*views(*["sofa-1"] * sofas, *["lamp-1"] * (100 - sofas)))) == focus


def test_focus_weighs_events() -> None:
    """A cart_add weighs three views: three lamps looked at and one sofa in the cart are half and half, two lamps are not."""
    cart = event("ann", "sofa-1", "cart_add", ago(minutes=20))
    assert category(of_ann(*views("lamp-1", "lamp-2", "lamp-3"), cart)) is None
    assert category(of_ann(*views("lamp-1", "lamp-2"), cart)) == "Home > Sofas"


def test_focus_counts_what_has_no_category() -> None:
    """Weight on items without category belongs to the whole: with half of it there is no focus."""
    items = [*ITEMS, {"item_id": "bare"}]
    rows = views("sofa-1", "sofa-2", "bare", "bare")
    assert of_ann(*rows, items=items).focus == -1
    assert of_ann(*rows[:3], items=items).focus >= 0


def test_focus_of_the_session_before_that_of_the_month() -> None:
    """The session decides; only where it has no weighted event do the last 30 days."""
    month = views(*["lamp-1"] * 9, start=ago(10))
    assert category(of_ann(*month, *views("sofa-1"))) == "Home > Sofas"
    assert category(of_ann(*month, event("ann", None, "home_view", ago(1)))) == "Home > Lamps"
    assert category(of_ann(*views("lamp-1", start=ago(30)), event("ann", None, "home_view", ago(1)))) is None


@pytest.mark.parametrize(("oakly", "expected"), [(29, None), (30, "Oakly")])
def test_brand_needs_thirty_percent(oakly: int, expected: str | None) -> None:
    """A brand with 30 % of the month's weight is an affinity; with 29 % none is."""
    others = 100 - oakly
    shown = ["sofa-1"] * oakly + ["sofa-3"] * 28 + ["bag-1"] * 28 + ["soap-2"] * (others - 56)
    assert brand(of_ann(*views(*shown))) == expected


@pytest.mark.parametrize(("events", "expected"), [(2, None), (3, "Oakly")])
def test_brand_needs_three_events(events: int, expected: str | None) -> None:
    """Two events make no affinity, even with all of the weight; an impression is none of them."""
    rows = [event("ann", "sofa-1", "cart_add", ago(day)) for day in range(1, events + 1)]
    assert (
        brand(of_ann(*rows, event("ann", "sofa-1", "impression", ago(1)), event("ann", "sofa-1", "click", ago(1))))
        == expected
    )


@pytest.mark.parametrize(("days", "expected"), [(29.9, "Oakly"), (30.1, None)])
def test_brand_looks_back_thirty_days(days: float, expected: str | None) -> None:
    """Events older than 30 days say nothing of a brand."""
    rows = [event("ann", "sofa-1", at=ago(days, seconds=second)) for second in range(3)]
    assert brand(of_ann(*rows, event("ann", None, "home_view", ago(1)))) == expected


def test_leanings_fade_with_age() -> None:
    """The shorter the half-life, the more a few fresh views count against many old ones."""
    rows = views(*["sofa-1"] * 4, start=ago(28)) + views("bag-1", "bag-2", "soap-1", start=ago(1))
    assert brand(of_ann(*rows, half_life_days=1.0)) == "Sella"
    assert brand(of_ann(*rows, half_life_days=1000.0, brand_share=0.5)) == "Oakly"


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("age", "orders", "stage"),
    [
        (timedelta(days=1), 1, "first_time"),
        (timedelta(days=90), 1, "first_time"),
        (timedelta(days=90), 2, "active"),
        (timedelta(days=90) + SECOND, 1, "defecting"),
        (timedelta(days=90) + SECOND, 2, "defecting"),
        (timedelta(days=365), 2, "defecting"),
        (timedelta(days=365) + SECOND, 2, "inactive"),
        (timedelta(days=365) + SECOND, 1, "inactive"),
    ],
)
def test_lifecycle(age: timedelta, orders: int, stage: str) -> None:
    """Up to 90 days after the last order first_time or active, up to 365 days defecting, then inactive."""
    rows = [event("ann", "sofa-1", "purchase", NOW - age - timedelta(days=at), order_id=f"o{at}") for at in range(orders)]
    assert of_ann(*rows).lifecycle == stage


def test_lifecycle_counts_orders_that_were_kept() -> None:
    """Two lines of one order are one order; a refunded order never was; without any left the shopper is a lead."""
    lines = [event("ann", item, "purchase", ago(5), order_id="o", quantity=1.0) for item in ("sofa-1", "lamp-1")]
    older = event("ann", "bag-1", "purchase", ago(100), order_id="older", quantity=1.0)
    refunds = [event("ann", item, "refund", ago(4), order_id="o", quantity=1.0) for item in ("sofa-1", "lamp-1")]
    assert of_ann(*lines).lifecycle == "first_time"
    assert of_ann(*lines, older).lifecycle == "active"
    assert of_ann(*lines, older, *refunds).lifecycle == "defecting"
    assert of_ann(*lines, *refunds).lifecycle == "lead"
    assert of_ann(event("ann", "sofa-1", "cart_add", ago(5))).lifecycle == "lead"


@pytest.mark.parametrize(
    ("now", "edge"),
    [
        (datetime(2026, 3, 15, 12, tzinfo=UTC), datetime(2025, 9, 15, 12, tzinfo=UTC)),
        (datetime(2026, 8, 31, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)),
        (datetime(2028, 8, 31, 12, tzinfo=UTC), datetime(2028, 2, 29, 12, tzinfo=UTC)),
    ],
)
def test_dormant_after_six_calendar_months(now: datetime, edge: datetime) -> None:
    """Dormant begins exactly six calendar months after the last order, the day clamped to the month's end."""
    on_edge = of_ann(event("ann", "sofa-1", "purchase", edge), now=now)
    just_after = of_ann(event("ann", "sofa-1", "purchase", edge + SECOND), now=now)
    assert (on_edge.dormant, just_after.dormant) == (True, False)
    assert not of_ann(event("ann", "sofa-1", "view", edge), now=now).dormant


def test_bought_items_with_their_last_purchase() -> None:
    """Every item bought stands once, ascending, with the time of its last purchase; unknown items do not stand."""
    made = world(
        [
            event("ann", "sofa-1", "purchase", ago(9), order_id="a"),
            event("ann", "lamp-1", "purchase", ago(7), order_id="b"),
            event("ann", "sofa-1", "purchase", ago(5), order_id="c"),
            event("ann", "no-such", "purchase", ago(3), order_id="d"),
        ]
    )
    profile = made.profile("ann")
    at = dict(zip(profile.bought.tolist(), profile.bought_at.tolist(), strict=True))
    sofa, lamp = made.rows("sofa-1", "lamp-1")
    assert at == {sofa: micros(ago(5)), lamp: micros(ago(7))}
    assert profile.bought.tolist() == sorted(at)
    assert (profile.orders, profile.last_order) == (4, micros(ago(3)))


MANY = world([], [{**row, "category": f"C{at % 3}", "brand": f"B{at % 2}"} for at, row in enumerate(numbered_items(6))])
FIELDS = ("intent", "exit_stage", "focus", "brand", "lifecycle", "dormant", "orders", "last_order")


@calm
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 200), st.integers(0, 200 * 1440)),
            st.integers(-1, 5),
            st.sampled_from(range(len(EVENT_TYPES))),
        ),
        max_size=20,
    ),
    st.integers(0, 100 * 1440),
)
def test_the_future_is_not_seen(rows: list[tuple[int, int, int]], minutes: int) -> None:
    """At any moment a profile is what it would be had the later events never happened."""
    now = micros(NOW) - minutes * MINUTE
    rows = sorted(rows, key=lambda row: -row[0])
    whole, past = (
        history(rows),
        history([row for row in rows if row[0] >= minutes]),
    )
    profiler = Profiler(MANY.catalog, BEHAVIOUR, ProfileSettings())
    seen, known = profiler.profile("ann", whole, now), profiler.profile("ann", past, now)
    assert [getattr(seen, name) for name in FIELDS] == [getattr(known, name) for name in FIELDS]
    for name in ("bought", "bought_at", "cart"):
        assert getattr(seen, name).tolist() == getattr(known, name).tolist()
    assert seen.known == bool(past)


def history(rows: list[tuple[int, int, int]]) -> History:
    """A history of (minutes ago, item, kind); every purchase is its own order."""
    kinds = np.array([row[2] for row in rows], np.int8)
    bought = kinds == EventType.PURCHASE
    return History(
        items=np.array([row[1] for row in rows], np.int32),
        kinds=kinds,
        times=np.array([micros(NOW) - row[0] * MINUTE for row in rows], np.int64),
        orders=np.where(bought, np.cumsum(bought) - 1, -1).astype(np.int32),
    )
