"""The profile with its evidence: every judgement shows the numbers that made it, and they would make it again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.behaviour import event_weights
from recsys.clock import DAY, MINUTE
from recsys.engine.inspection.profile_report import ShopperProfile, shopper_profile, weighted_percentile
from recsys.engine.profile import Profiler
from recsys.settings import ProfileSettings
from recsys.types import EVENT_TYPES, EventType, History
from tests.conftest import ITEMS, NOW, ago, event, micros
from tests.support.shops.handmade import BEHAVIOUR, calm, numbered_items, world


def of_ann(
    *events: dict[str, Any], items: Sequence[dict[str, Any]] = ITEMS, now: datetime = NOW, **settings: Any
) -> ShopperProfile:
    """What is known of Ann after these events."""
    made = world(events, items, as_of=now)
    profiler = Profiler(made.catalog, BEHAVIOUR, ProfileSettings(**settings))
    return shopper_profile(profiler, "ann", made.history("ann"), micros(now))


def views(*items: str, seconds: float = 0) -> list[dict[str, Any]]:
    """Views of these items, so many seconds apart, the first twenty minutes ago."""
    return [event("ann", item, at=ago(minutes=20, seconds=-seconds * at)) for at, item in enumerate(items)]


def test_of_a_stranger_nothing_is_known() -> None:
    """Somebody without an event has a profile too: it says that there is nothing."""
    found = of_ann(event("bob", "sofa-1"))
    assert (found.known, found.known_since, found.last_seen, found.session, found.price_band) == (False, *[None] * 4)
    assert (found.intent.intent, found.intent.said) == ("browser", "Browser: no event yet")
    assert (found.focus.name, found.brand.name, found.categories, found.brands, found.cart) == (None, None, (), (), ())
    assert (found.lifecycle.stage, found.lifecycle.said) == ("lead", "Lead: no order that was kept")
    assert (found.orders, found.revenue, found.average_order_value, found.items_bought) == (0, None, None, 0)
    assert not found.dormancy.dormant


@pytest.mark.parametrize(("minutes", "still_open"), [(29, True), (30, True), (31, False)])
def test_the_session(minutes: float, still_open: bool) -> None:
    """The last session has a start, a number of events and a last event; it is open for 30 minutes more."""
    last = ago(minutes=minutes)
    rows = [
        event("ann", "sofa-1", at=last - timedelta(minutes=90)),
        event("ann", "sofa-1", at=last - timedelta(minutes=41)),
        event("ann", None, "search", at=last - timedelta(minutes=10)),
        event("ann", "sofa-1", "cart_add", at=last),
    ]
    found = of_ann(*rows)
    assert found.session is not None
    assert msgspec.structs.astuple(found.session) == (last - timedelta(minutes=10), last, "cart_add", 2, still_open)
    assert (found.known_since, found.last_seen) == (last - timedelta(minutes=90), last)


def test_a_cart_add_is_named() -> None:
    """A buyer by a cart_add is told by the item that went into the cart."""
    found = of_ann(*views("lamp-1", "lamp-2"), event("ann", "sofa-1", "cart_add", ago(minutes=3)), *views("lamp-3"))
    assert (found.intent.intent, found.intent.rule, found.intent.item_id) == ("buyer", "cart_add", "sofa-1")
    assert found.intent.said == "Buyer: put Oak sofa into the cart"
    assert [one.item_id for one in found.cart] == ["sofa-1"]
    assert found.cart[0].title == "Oak sofa"


def test_a_checkout_is_named() -> None:
    """A buyer by a checkout is told so, also where no item is given."""
    found = of_ann(event("ann", None, "checkout", ago(minutes=3)))
    assert (found.intent.rule, found.intent.item_id, found.intent.said) == ("checkout", None, "Buyer: began to check out")


def test_dwell_is_counted() -> None:
    """A buyer by dwell is told by category, views and seconds."""
    intent = of_ann(*views("sofa-1", "sofa-1", "sofa-1", seconds=30)).intent
    assert (intent.intent, intent.rule, intent.category, intent.views) == ("buyer", "dwell", "Home > Sofas", 3)
    assert (intent.dwell_seconds, intent.price_low, intent.price_high) == (60, 900, 900)
    assert intent.said == "Buyer: 3 views in Home > Sofas, 60 s of dwell, prices differ by 1.00×"


def test_prices_are_compared() -> None:
    """A buyer by prices is told by the lowest and the highest."""
    intent = of_ann(*views("lamp-1", "sofa-1", "sofa-3", "sofa-2", seconds=1)).intent
    assert (intent.rule, intent.category, intent.views) == ("prices", "Home > Sofas", 3)
    assert (intent.price_low, intent.price_high) == (900, 1500)
    assert intent.said == "Buyer: 3 views in Home > Sofas, 2 s of dwell, prices differ by 1.67×"


def test_a_browser_is_told_what_is_missing() -> None:
    """Of a browser the category looked at most stands there, with what would make a buyer."""
    few = of_ann(*views("lamp-1", "sofa-1", "sofa-1", seconds=50)).intent
    assert (few.intent, few.rule, few.category, few.views) == ("browser", "none", "Home > Sofas", 2)
    assert few.said == "Browser: 2 views in Home > Sofas, 3 are needed"
    hasty = of_ann(*views("sofa-1", "sofa-1", "sofa-1", seconds=5)).intent
    assert hasty.said == (
        "Browser: 3 views in Home > Sofas, but 10 s of dwell and prices differ by 1.00×; 60 s or 1.2× is needed"
    )
    assert of_ann(event("ann", None, "search", ago(minutes=1))).intent.said.startswith("Browser: viewed nothing")
    unpriced = [{**row, "price": None} for row in ITEMS]
    assert "no price seen" in of_ann(*views("sofa-1", "sofa-1", "sofa-1", seconds=5), items=unpriced).intent.said


def test_an_old_session_is_no_evidence() -> None:
    """Who was not seen for 30 days is a browser who leans to nothing, and it says so."""
    found = of_ann(event("ann", "sofa-1", "cart_add", ago(30)))
    assert found.intent.said == "Browser: not seen for 30 days"
    assert found.focus.said == found.brand.said == "None: not seen within the window"
    assert (found.categories, found.brands, found.price_band) == ((), (), None)
    assert found.session is not None


def test_focus_with_its_share() -> None:
    """The focus has its share, and so has what is not enough for one."""
    assert msgspec.structs.astuple(of_ann(*views("sofa-1", "sofa-2", "sofa-3", "lamp-1")).focus) == (
        "Home > Sofas",
        "Home > Sofas",
        0.75,
        3,
        "session",
        "Home > Sofas: 75% of the session's weight, 3 events",
    )
    split = of_ann(*views("sofa-1", "lamp-1")).focus
    assert (split.name, split.strongest, split.share, split.events) == (None, "Home > Lamps", 0.5, 1)
    assert split.said == "None: Home > Lamps has 50% of the session's weight, 1 event; 60% is needed"
    month = of_ann(event("ann", "lamp-1", at=ago(9)), event("ann", None, "home_view", ago(1))).focus
    assert (month.name, month.of) == ("Home > Lamps", "window")
    nothing = of_ann(event("ann", None, "home_view", ago(1))).focus
    assert (nothing.name, nothing.strongest, nothing.said) == (None, None, "None: nothing in the window weighs for one")


def test_brand_with_its_share_and_events() -> None:
    """Two events are too few for a brand affinity, and it says so; three are enough."""
    few = of_ann(*views("sofa-1", "sofa-2")).brand
    assert (few.name, few.strongest, few.share) == (None, "Oakly", 1)
    assert few.said == "None: Oakly has 100% of the window's weight, 2 events; 30% and 3 events are needed"
    assert of_ann(*views("sofa-1", "sofa-2", "lamp-3")).brand.said == "Oakly: 100% of the window's weight, 3 events"


def test_affinities_are_the_largest_shares_of_the_month() -> None:
    """Categories and brands stand by share of the weight of 30 days; weight on what has neither belongs to the whole."""
    now = ago()
    rows = [event("ann", item, kind, now) for item, kind in (("sofa-1", "cart_add"), ("lamp-1", "view"), ("soap-2", "view"))]
    found = of_ann(*rows, event("ann", "bag-1", "purchase", ago(31)))
    assert [msgspec.structs.astuple(one) for one in found.categories] == [
        ("Home > Sofas", 0.6, 1),
        ("Beauty", 0.2, 1),
        ("Home > Lamps", 0.2, 1),
    ]
    assert [msgspec.structs.astuple(one) for one in found.brands] == [("Oakly", 0.6, 1), ("Norr", 0.2, 1)]


def test_no_more_than_ten_affinities() -> None:
    """Of many brands the ten strongest stand."""
    items = [{**row, "brand": f"B{at:02}", "category": f"C{at:02}"} for at, row in enumerate(numbered_items(12))]
    rows = [event("ann", f"i{at:02}", at=ago(minutes=at)) for at in range(12) for _ in range(at + 1)]
    found = of_ann(*rows, items=items)
    assert [one.name for one in found.brands] == [f"B{at:02}" for at in range(11, 1, -1)]
    assert len(found.categories) == 10


def test_price_band_is_the_middle_half_of_the_weight() -> None:
    """The band reaches from the price up to which a quarter of the weight lies to that of three quarters; a cart_add weighs 3."""
    now = ago()
    rows = [event("ann", item, at=now) for item in ("lamp-3", "lamp-1", "lamp-2", "bag-1")]
    found = of_ann(*rows).price_band
    assert found is not None
    assert msgspec.structs.astuple(found) == (40, 120, 4)
    heavy = of_ann(*rows, event("ann", "sofa-3", "cart_add", now), event("ann", "sofa-2", "cart_add", now)).price_band
    assert heavy is not None
    assert (heavy.low, heavy.high) == (120, 1500)
    assert of_ann(event("ann", "sofa-1", "search", now)).price_band is None
    assert of_ann(event("ann", "sofa-1", at=now), items=[{**row, "price": None} for row in ITEMS]).price_band is None


@calm
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=12), st.integers(0, 20))
def test_weighted_percentile_like_repeated_values(pairs: list[tuple[int, int]], twentieths: int) -> None:
    """A weight of k is the value k times: the smallest value that at least that share of all does not exceed."""
    values = sorted(value for value, weight in pairs for _ in range(weight))
    expected = next(value for at, value in enumerate(values) if (at + 1) * 20 >= twentieths * len(values))
    columns = np.array(pairs, np.float64).T
    assert weighted_percentile(columns[0], columns[1], twentieths / 20) == expected


def test_lifecycle_with_age_and_thresholds() -> None:
    """The stage comes with the last order's age in days and the ages at which the next stages begin."""
    rows = [event("ann", "sofa-1", "purchase", ago(days), order_id=f"o{days}") for days in (200, 100.25)]
    found = of_ann(*rows).lifecycle
    assert (found.stage, found.last_order, found.age_days) == ("defecting", ago(100.25), 100.25)
    assert (found.active_days, found.inactive_days) == (90, 365)
    assert found.said == "Defecting: 2 orders, the last 100.2 days ago; defecting begins after 90 days, inactive after 365"
    assert of_ann(event("ann", "sofa-1", "purchase", ago(1))).lifecycle.said.startswith("First time: 1 order, the last 1.0")


def test_dormant_with_the_date() -> None:
    """Dormancy names the last order's day and the day that it is measured by."""
    now = datetime(2026, 8, 31, 12, tzinfo=UTC)
    edge = datetime(2026, 2, 28, 12, tzinfo=UTC)
    found = of_ann(event("ann", "sofa-1", "purchase", edge), now=now).dormancy
    assert (found.dormant, found.months, found.edge) == (True, 6, edge)
    assert found.said == "Dormant: the last order is of 2026-02-28, 6 calendar months ago was 2026-02-28"
    later = of_ann(event("ann", "sofa-1", "purchase", edge + timedelta(days=2)), now=now).dormancy
    assert (later.dormant, later.said[:12]) == (False, "Not dormant:")


def test_revenue_is_of_what_was_kept_and_known() -> None:
    """Revenue adds price times quantity of lines that were kept; the average is over orders of which a price is known."""
    rows = [
        event("ann", "soap-1", "purchase", ago(9), order_id="a", quantity=3.0, price=9.0),
        event("ann", "lamp-1", "purchase", ago(9), order_id="a", price=80.0),
        event("ann", "sofa-1", "purchase", ago(8), order_id="b", quantity=1.0, price=900.0),
        event("ann", "sofa-1", "refund", ago(7), order_id="b", quantity=1.0),
        event("ann", "bag-1", "purchase", ago(6), order_id="c", quantity=1.0, price=33.0),
        event("ann", "bag-2", "purchase", ago(5), order_id="d", quantity=1.0),
    ]
    found = of_ann(*rows)
    assert (found.orders, found.revenue, found.average_order_value, found.items_bought) == (3, 140, 70, 4)
    assert (of_ann(rows[-1]).revenue, of_ann(rows[-1]).average_order_value) == (None, None)


def test_times_are_iso_8601_in_utc() -> None:
    """JSON has moments as people and programs read them."""
    raw = msgspec.json.decode(msgspec.json.encode(of_ann(*views("sofa-1"))))
    assert (raw["now"], raw["last_seen"]) == ("2026-03-31T12:00:00Z", "2026-03-31T11:40:00Z")


def test_later_events_are_not_seen() -> None:
    """A profile as of an earlier moment does not know what came after it."""
    rows = [event("ann", "sofa-1", at=ago(5)), event("ann", "lamp-1", "purchase", ago(2), price=80.0, order_id="a")]
    made = world(rows)
    profiler = Profiler(made.catalog, BEHAVIOUR, ProfileSettings())
    then = shopper_profile(profiler, "ann", made.history("ann"), micros(ago(3)))
    alone = world(rows[:1])
    assert then == shopper_profile(
        Profiler(alone.catalog, BEHAVIOUR, ProfileSettings()), "ann", alone.history("ann"), micros(ago(3))
    )


COLUMNS = [{"category": f"C{at % 3}", "brand": f"B{at % 2}", "price": 10.0 * (at + 1)} for at in range(6)]
MANY = world([], [{**row, **column} for row, column in zip(numbered_items(6), COLUMNS, strict=True)])
POLICY = ProfileSettings()
rows_of_a_history = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 200), st.integers(0, 60 * 1440)),
        st.integers(-1, 5),
        st.sampled_from([*range(len(EVENT_TYPES)), EventType.VIEW, EventType.VIEW]),
    ),
    max_size=20,
)


@calm
@given(rows_of_a_history)
def test_the_evidence_is_that_of_the_judgement(rows: list[tuple[int, int, int]]) -> None:
    """What the evidence shows leads to the profile's judgement under the policy's words, and counted plainly it is so."""
    past = history(sorted(rows, key=lambda row: -row[0]))
    profiler, now = Profiler(MANY.catalog, BEHAVIOUR, POLICY), micros(NOW)
    found, profile = shopper_profile(profiler, "ann", past, now), profiler.profile("ann", past, now)
    assert found.intent.intent == profile.intent == ("browser" if found.intent.rule == "none" else "buyer")
    assert_intent(found)
    for one, code, names in (
        (found.focus, profile.focus, MANY.catalog.categories),
        (found.brand, profile.brand, MANY.catalog.brands),
    ):
        assert one.name == (None if code < 0 else names.text(code))
        assert one.name is None or one.share >= (0.6 if one is found.focus else 0.3) - 1e-4
    assert found.brand.name is None or found.brand.events >= 3
    assert_shares(found, past)
    assert found.lifecycle.stage == profile.lifecycle
    assert (
        found.dormancy.dormant
        == profile.dormant
        == bool(found.lifecycle.last_order and found.lifecycle.last_order <= found.dormancy.edge)
    )


def assert_intent(found: ShopperProfile) -> None:
    """The rule that is named holds for the numbers beside it; a browser's numbers fulfil none."""
    intent = found.intent
    serious = intent.dwell_seconds >= 60
    compared = (intent.price_high or 0) >= 1.2 * (intent.price_low or 1e9)
    if intent.rule == "dwell":
        assert intent.views >= 3
        assert serious
    if intent.rule == "prices":
        assert intent.views >= 3
        assert compared
    if intent.rule == "none":
        assert intent.views < 3 or not (serious or compared)


def assert_shares(found: ShopperProfile, past: History) -> None:
    """Affinities are the shares that a plain loop finds."""
    weights, now = event_weights(BEHAVIOUR), micros(NOW)
    brands: dict[str, float] = {}
    everything = 0.0
    for item, kind, time in zip(past.items.tolist(), past.kinds.tolist(), past.times.tolist(), strict=True):
        if time <= now - 30 * DAY:
            continue
        weight = float(weights[kind]) * 0.5 ** ((now - time) / (30 * DAY))
        everything += weight
        if item >= 0 and weight:
            brand = MANY.catalog.brands.text(int(MANY.catalog.brand[item]))
            brands[brand] = brands.get(brand, 0) + weight
    assert {one.name: one.share for one in found.brands} == pytest.approx(
        {name: weight / everything for name, weight in brands.items()}, abs=1e-4
    )


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
