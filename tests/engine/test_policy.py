"""The shop's policy, threshold by threshold: below it, on it, above it (docs/policy.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from recsys.engine.filters import FilterInputs, allowed_items, hidden_days
from recsys.engine.inspection.profile_report import ShopperProfile, shopper_profile
from recsys.engine.merchandising.attribute_filters import FilterMasks
from recsys.engine.profile import Profiler
from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.types import Bought, Query
from tests.conftest import ITEMS, NOW, ago, event, micros
from tests.support.shops.handmade import BEHAVIOUR, numbered_items, world

Rows = Sequence[dict[str, Any]]
SECOND = timedelta(seconds=1)
SOFAS = "Home > Sofas"


def known_of(rows: Rows, items: Rows = ITEMS, now: datetime = NOW, **policy: Any) -> ShopperProfile:
    """What is known of ann after these events."""
    made = world(rows, items, as_of=now)
    profiler = Profiler(made.catalog, BEHAVIOUR, ProfileSettings(**policy))
    return shopper_profile(profiler, "ann", made.history("ann"), micros(now))


def views(*items: str, seconds: float = 0) -> list[dict[str, Any]]:
    """Views of ann's, so many seconds apart, the first of them 25 minutes ago."""
    return [event("ann", item, at=ago(minutes=25, seconds=-seconds * at)) for at, item in enumerate(items)]


def lasting(seconds: float) -> list[dict[str, Any]]:
    """Three views of sofas with so much dwell in all."""
    moments = (0, seconds / 2, seconds)
    return [event("ann", "sofa-1", at=ago(minutes=25, seconds=-moment)) for moment in moments]


def priced(ratio: float) -> tuple[Rows, Rows]:
    """Three quick views of two items whose prices differ by a factor."""
    items = [{"item_id": name, "category": SOFAS, "price": price} for name, price in (("a", 100.0), ("b", 100.0 * ratio))]
    return views("a", "b", "a", seconds=1), items


def bought(days: float) -> list[dict[str, Any]]:
    """One order, so many days ago."""
    return [event("ann", "sofa-1", "purchase", ago(days), order_id="o")]


@dataclass(frozen=True)
class Threshold:
    """Events made from a number (with their items, if they need their own), what of the profile is judged, and how."""

    events: Callable[[Any], Any]
    judged: Callable[[ShopperProfile], object]
    cases: Mapping[Any, object]


def intent(found: ShopperProfile) -> str:
    """Buyer or browser."""
    return found.intent.intent


THRESHOLDS = {
    "session_minutes": Threshold(
        lambda minutes: [event("ann", "sofa-1", "cart_add", ago(1)), event("ann", None, "search", ago(1, minutes=-minutes))],
        intent,
        {29: "buyer", 30: "buyer", 31: "browser"},
    ),
    "dwell_seconds": Threshold(
        lambda seconds: views("sofa-1", "lamp-1", seconds=seconds),
        lambda found: found.intent.dwell_seconds if found.intent.category == SOFAS else found.intent,
        {299: 299, 300: 300, 301: 300},
    ),
    "cart_days": Threshold(
        lambda days: [event("ann", "sofa-1", "cart_add", ago(days)), event("ann", None, "search", ago(0))],
        lambda found: len(found.cart),
        {29: 1, 30: 0, 31: 0},
    ),
    "buyer_views": Threshold(
        lambda count: [*views(*["sofa-1"] * count, seconds=100), event("ann", None, "search", ago(minutes=10))],
        intent,
        {2: "browser", 3: "buyer", 4: "buyer"},
    ),
    "buyer_dwell_seconds": Threshold(lasting, intent, {59: "browser", 60: "buyer", 61: "buyer"}),
    "buyer_price_ratio": Threshold(priced, intent, {1.19: "browser", 1.2: "buyer", 1.21: "buyer"}),
    "focus_share": Threshold(
        lambda percent: views(*["sofa-1"] * percent, *["lamp-1"] * (100 - percent)),
        lambda found: found.focus.name,
        {59: None, 60: SOFAS, 61: SOFAS},
    ),
    "brand_share": Threshold(
        lambda percent: views(*["sofa-1"] * percent, *["sofa-3"] * 28, *["bag-1"] * 28, *["soap-2"] * (44 - percent)),
        lambda found: found.brand.name,
        {29: None, 30: "Oakly", 31: "Oakly"},
    ),
    "brand_events": Threshold(
        lambda count: [event("ann", "sofa-1", "cart_add", ago(minutes=at)) for at in range(count)],
        lambda found: found.brand.name,
        {2: None, 3: "Oakly", 4: "Oakly"},
    ),
    "window_days": Threshold(
        lambda days: [event("ann", "sofa-1", "cart_add", ago(days))],
        lambda found: (found.intent.intent, found.focus.name, len(found.brands)),
        {0: ("buyer", SOFAS, 1), 29: ("buyer", SOFAS, 1), 30: ("browser", None, 0), 31: ("browser", None, 0)},
    ),
    "half_life_days": Threshold(
        lambda days: [event("ann", "sofa-1", at=ago(days)), event("ann", "bag-1", at=ago(0))],
        lambda found: round(found.brands[0].share, 3),
        {15: round(1 / (1 + 0.5**0.5), 3), 29.9: round(1 / (1 + 0.5 ** (29.9 / 30)), 3)},
    ),
    "active_days": Threshold(
        bought, lambda found: found.lifecycle.stage, {89: "first_time", 90: "first_time", 91: "defecting"}
    ),
    "inactive_days": Threshold(
        bought, lambda found: found.lifecycle.stage, {364: "defecting", 365: "defecting", 366: "inactive"}
    ),
    "dormant_months": Threshold(
        lambda days: [event("ann", "sofa-1", "purchase", datetime(2025, 9, 30, 12, tzinfo=UTC) + timedelta(days=days))],
        lambda found: found.dormancy.dormant,
        {-1: True, 0: True, 1: False},
    ),
}
"""Setting = its boundary, at the default value."""


def test_every_threshold_of_the_profile_has_its_boundary() -> None:
    """The thresholds below are all that the profile knows, and those of sessions, dwell and carts."""
    assert set(THRESHOLDS) == {*ProfileSettings.__struct_fields__, "session_minutes", "dwell_seconds", "cart_days"}
    assert set(THRESHOLDS) <= {*ProfileSettings.__struct_fields__, *BehaviourSettings.__struct_fields__}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, threshold in THRESHOLDS.items() for value in threshold.cases]
)
def test_a_threshold_of_the_profile(name: str, value: Any) -> None:
    """Below, on and above a threshold the shopper counts as the policy says."""
    threshold = THRESHOLDS[name]
    made = threshold.events(value)
    found = known_of(*made) if isinstance(made, tuple) else known_of(made)
    assert threshold.judged(found) == threshold.cases[value]


@pytest.mark.parametrize("days", [7, 30])
def test_the_window_is_open_at_its_far_end(days: int) -> None:
    """(now - w, now]: what happened exactly w ago is out, a second later is in."""
    made = [
        known_of([event("ann", "sofa-1", at=ago(days) + late)], window_days=days).brands for late in (0 * SECOND, SECOND)
    ]
    assert [len(brands) for brands in made] == [0, 1]


@pytest.mark.parametrize(
    ("now", "last_order", "dormant"),
    [
        (datetime(2026, 8, 31, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC), True),
        (datetime(2026, 8, 31, 12, tzinfo=UTC), datetime(2026, 3, 1, 0, tzinfo=UTC), False),
        (datetime(2028, 8, 31, 12, tzinfo=UTC), datetime(2028, 2, 29, 12, tzinfo=UTC), True),
        (datetime(2028, 8, 31, 12, tzinfo=UTC), datetime(2028, 2, 29, 13, tzinfo=UTC), False),
        (datetime(2027, 2, 28, 12, tzinfo=UTC), datetime(2026, 8, 28, 12, tzinfo=UTC), True),
        (datetime(2027, 2, 28, 12, tzinfo=UTC), datetime(2026, 8, 31, 12, tzinfo=UTC), False),
        (datetime(2027, 3, 1, 0, tzinfo=UTC), datetime(2026, 8, 31, 12, tzinfo=UTC), True),
        (datetime(2026, 7, 1, 0, tzinfo=UTC), datetime(2026, 1, 1, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 1, 0, tzinfo=UTC), datetime(2026, 1, 1, 0, tzinfo=UTC) + SECOND, False),
    ],
)
def test_six_calendar_months(now: datetime, last_order: datetime, dormant: bool) -> None:
    """Months are the calendar's: from 31 August it is back to the end of February, from its end to 28 August."""
    assert known_of([event("ann", "sofa-1", "purchase", last_order)], now=now).dormancy.dormant == dormant


def learned(name: str, age: timedelta, **chosen: Any) -> float:
    """What a recommender learns from one purchase of that age."""
    made = world([event("ann", "sofa-1", "purchase", NOW - age), event("bob", None, "home_view", NOW)])
    return float(made.arrays(name, **chosen)["scores"].max())


@pytest.mark.parametrize(("name", "days"), [("bestsellers", 30), ("trending", 90), ("brands", 10)])
def test_windows_of_what_sells_are_open_at_their_far_end(name: str, days: int) -> None:
    """A purchase exactly as old as the window counts no more, a second younger it does, and now it does."""
    assert learned(name, timedelta(days=days)) == 0
    assert learned(name, timedelta(days=days) - SECOND) > 0
    assert learned(name, timedelta()) > 0


@pytest.mark.parametrize(("late", "shown"), [(0 * SECOND, 0), (SECOND, 1)])
def test_a_view_is_remembered_for_sixty_days(late: timedelta, shown: int) -> None:
    """A view of exactly 60 days ago is forgotten."""
    made = world([event("ann", "sofa-1", at=ago(60) + late)])
    answer = made.fitted("recently_viewed").recommend(made.query(), made.profile("ann"), 5, made.allow())
    assert len(answer) == shown


@pytest.mark.parametrize(
    ("ages", "window", "count"),
    [
        ([1, 2, 3], 10, 3),
        ([1, 2, 3, 6.99], 7, 4),
        ([1, 2, 3, 4, 5], 7, 5),
        ([1, 2, 3, 7], 8, 4),
        ([1, 2, 3, 8], 9, 4),
        ([1, 2, 3, 9], 10, 4),
        ([1, 2, 3, 9.99], 10, 4),
        ([1, 2, 3, 10], 10, 3),
    ],
)
def test_the_brand_s_window_grows_until_four_items_are_in(ages: list[float], window: int, count: int) -> None:
    """7 days if 4 eligible items sold in them, else 8, 9 or 10; what is exactly as old as a window is not in it."""
    items = [{"item_id": f"i{at}", "brand": "Oakly"} for at in range(len(ages))]
    made = world([event(f"u{at}", f"i{at}", at=ago(age)) for at, age in enumerate(ages)], items)
    recommender, query = made.fitted("brands"), made.query(brand="Oakly")
    answer = recommender.recommend(query, made.profile(), 10, made.allow())
    assert answer.explained_by is not None
    days = {
        recommender.reason(query, made.profile(), *pair).window_days
        for pair in zip(answer.items.tolist(), answer.explained_by.tolist(), strict=True)
    }
    assert (len(answer), days) == (count, {window})


def shown_after(age: timedelta, rule: Bought, item: str = "tea") -> bool:
    """Whether ann is shown what she bought so long ago; tea is usually bought again after 10 days, a pot never."""
    items = [{"item_id": "tea", "replenishable": True}, {"item_id": "pot", "replenishable": False}]
    others = [event(f"u{at}", "tea", "purchase", ago(days), order_id=f"{at}-{days}") for at in range(3) for days in (50, 60)]
    made = world([*others, event("ann", item, "purchase", NOW - age, order_id="own")], items)
    query, context = Query(now=micros(NOW)), np.empty(0, np.int32)
    hidden = hidden_days(made.catalog, BEHAVIOUR)
    masks = FilterMasks(made.catalog)
    allowed, _ = allowed_items(FilterInputs(query, context, made.profile("ann"), rule, made.catalog, hidden, masks))
    return bool(allowed[made.rows(item)[0]])


@pytest.mark.parametrize(
    ("rule", "days"),
    [(Bought("hide"), 5), (Bought("hide_days", 7), 7), (Bought("hide_days", 1), 1), (Bought("hide_days"), 0)],
)
def test_bought_items_come_back_on_the_edge(rule: Bought, days: int) -> None:
    """`hide` brings a replenishable item back after half its gap, `hide_days` after so many days: then, not a second earlier."""
    assert shown_after(timedelta(days=days), rule)
    assert not days or not shown_after(timedelta(days=days) - SECOND, rule)
    assert shown_after(timedelta(days=4000), Bought("hide"), "pot") is False
    assert shown_after(timedelta(), Bought("allow"), "pot")


@pytest.mark.parametrize(("others", "days"), [((), 15), ((50, 62), 6)])
def test_a_replenishable_item_of_which_no_gap_is_known_is_not_shown_at_once(others: tuple[int, ...], days: int) -> None:
    """It has the usual gap of the shop's other items, or 30 days where no gap is known."""
    items = [{"item_id": name, "replenishable": True} for name in ("tea", "oil")]
    rows = [event(f"u{at}", "oil", "purchase", ago(age), order_id=f"{at}-{age}") for at in range(3) for age in others]
    hidden = []
    for age in (timedelta(days=days) - SECOND, timedelta(days=days)):
        made = world([*rows, event("ann", "tea", "purchase", NOW - age, order_id="own")], items)
        query, context, own = Query(now=micros(NOW)), np.empty(0, np.int32), made.profile("ann")
        inputs = FilterInputs(
            query,
            context,
            own,
            Bought("hide"),
            made.catalog,
            hidden_days(made.catalog, BEHAVIOUR),
            FilterMasks(made.catalog),
        )
        hidden.append(not allowed_items(inputs)[0][made.rows("tea")[0]])
    assert hidden == [True, False]


def test_numbered_items_share_nothing() -> None:
    """Items without category and brand give neither focus nor affinity, whatever their number."""
    rows = [event("ann", f"i{at:02}", "cart_add", ago(minutes=at)) for at in range(12)]
    found = known_of(rows, numbered_items(12))
    assert (found.focus.name, found.brand.name, found.categories, found.brands) == (None, None, (), ())
