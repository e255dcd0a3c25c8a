"""The rule of each kind of moment, and each of its boundaries."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.behaviour import months_before
from recsys.clock import DAY, MINUTE
from recsys.engine.pipeline import Engine
from recsys.live.item_changes import Change
from recsys.moments.context import day_of, local, midnight, months_after
from recsys.moments.kinds import KINDS
from recsys.settings.moments import MomentsSettings
from recsys.snapshot.people import Person
from tests.conftest import NOW, ago, micros
from tests.support.shops.handmade import calm
from tests.support.shops.moment_shop import MAILED, MomentShop, anchors, born, did, due, user_context, with_settings

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The busy shop, where soap is bought every thirty days."""
    return MomentShop(tmp_path_factory.mktemp("rules")).engine()


# ---- browse

SEEN = (did("sofa-1", minutes=3), did("sofa-2", minutes=1), did(None, "home_view", minutes=0))


@pytest.mark.parametrize(
    ("quiet", "is_due"),
    [
        (timedelta(minutes=20) - SECOND, False),
        (timedelta(minutes=20), True),
        (timedelta(minutes=30) - SECOND, True),
        (timedelta(minutes=30), False),
    ],
)
def test_browse_is_due_from_20_to_30_minutes(engine: Engine, quiet: timedelta, is_due: bool) -> None:
    """It is due from 20 minutes after the last event on, whatever that was, and no more at 30."""
    assert bool(due("browse", user_context(engine, *SEEN, now=NOW + quiet))) == is_due


def test_browse_is_about_the_product_viewed_last(engine: Engine) -> None:
    """One moment for the session: its start is the key, the last event is since when, and the anchor is the last product."""
    one = user_context(engine, *SEEN, now=NOW + timedelta(minutes=25))
    [found] = due("browse", one)
    assert anchors(one, [found]) == [["sofa-2"]]
    assert (found.since, found.key, found.once_since) == (micros(NOW), str(micros(ago(minutes=3))), micros(ago(minutes=3)))
    assert found.reason is not None
    assert found.reason.code == "viewed"


@pytest.mark.parametrize(
    "more",
    [
        (did("lamp-1", "purchase", seconds=10),),
        (did("sofa-2", "purchase", minutes=2),),
    ],
)
def test_who_bought_does_not_browse(engine: Engine, more: tuple[dict[str, object], ...]) -> None:
    """A purchase of anything on the visit, before or after the view, ends it."""
    assert due("browse", user_context(engine, *SEEN, *more, now=NOW + timedelta(minutes=25))) == []


def test_browse_needs_a_product(engine: Engine) -> None:
    """Looking at the front page alone, or at what one owns, calls for nothing; soap, which is bought again, does."""
    then = NOW + timedelta(minutes=25)
    owned = did("sofa-1", "purchase", days=20)
    assert due("browse", user_context(engine, did(None, "home_view"), now=then)) == []
    assert due("browse", user_context(engine, owned, did("sofa-1", minutes=0), now=then)) == []
    one = user_context(engine, owned, did("lamp-1", minutes=2), did("sofa-1", minutes=0), now=then)
    assert anchors(one, due("browse", one)) == [["lamp-1"]]
    soap = did("soap-1", "purchase", days=20)
    assert len(due("browse", user_context(engine, soap, did("soap-1", minutes=0), now=then))) == 1
    assert due("browse", user_context(engine, did("sofa-1", days=2), did("no such", minutes=0), now=then)) == []


def test_a_cart_left_is_carts(engine: Engine) -> None:
    """Who left something in the cart on this visit hears of the cart, unless that kind is off; an old cart is no matter."""
    then = NOW + timedelta(minutes=25)
    left = (*SEEN, did("lamp-1", "cart_add", minutes=2))
    assert due("browse", user_context(engine, *left, now=then)) == []
    assert len(due("browse", user_context(with_settings(engine, kinds=("browse",)), *left, now=then))) == 1
    assert len(due("browse", user_context(engine, *left, did("lamp-1", "cart_remove", minutes=1), now=then))) == 1
    assert len(due("browse", user_context(engine, did("lamp-1", "cart_add", days=2), *SEEN, now=then))) == 1


# ---- cart

CARTED = (did("sofa-1", "cart_add", minutes=5), did("lamp-1", "cart_add", minutes=1), did(None, "home_view", minutes=0))


@pytest.mark.parametrize(
    ("quiet", "is_due"),
    [
        (timedelta(minutes=30) - SECOND, False),
        (timedelta(minutes=30), True),
        (timedelta(hours=24, minutes=-1) - SECOND, True),
        (timedelta(hours=24, minutes=-1), False),
    ],
)
def test_a_cart_is_due_from_30_minutes_of_quiet_to_24_hours(engine: Engine, quiet: timedelta, is_due: bool) -> None:
    """Quiet is counted from the last event, the 24 hours from the cart's last change, here a minute earlier."""
    assert bool(due("cart", user_context(engine, *CARTED, now=NOW + quiet))) == is_due


def test_a_cart_is_named_the_last_added_first(engine: Engine) -> None:
    """The last change is the key and since when; the anchors are what lies in it."""
    one = user_context(engine, *CARTED, now=NOW + timedelta(hours=1))
    [found] = due("cart", one)
    assert anchors(one, [found]) == [["lamp-1", "sofa-1"]]
    changed = micros(ago(minutes=1))
    assert (found.since, found.key, found.once_since) == (changed, str(changed), changed)


def test_an_empty_or_bought_cart_is_none(engine: Engine) -> None:
    """Nothing in it, or a purchase of anything since it changed: nothing is due; a purchase before the change is no matter."""
    then = NOW + timedelta(hours=1)
    emptied = (did("sofa-1", "cart_remove", minutes=0), did("lamp-1", "cart_remove", minutes=0))
    assert due("cart", user_context(engine, *CARTED, *emptied, now=then)) == []
    assert due("cart", user_context(engine, *CARTED, did("soap-1", "purchase", seconds=30), now=then)) == []
    assert due("cart", user_context(engine, *CARTED, did("soap-1", "purchase", minutes=1), now=then)) == []
    assert len(due("cart", user_context(engine, *CARTED, did("soap-1", "purchase", minutes=2), now=then))) == 1
    assert len(due("cart", user_context(engine, *CARTED, did("sofa-1", "cart_remove", minutes=0), now=then))) == 1


# ---- after a visit

BUYER = tuple(did(item, minutes=minute) for minute, item in enumerate(("sofa-3", "sofa-2", "sofa-1")))[::-1]


@pytest.mark.parametrize("kind", ["category_bestsellers", "editorial"])
@pytest.mark.parametrize(
    ("quiet", "is_due"),
    [
        (timedelta(minutes=30), False),
        (timedelta(minutes=30) + SECOND, True),
        (timedelta(hours=24) - SECOND, True),
        (timedelta(hours=24), False),
    ],
)
def test_a_visit_calls_for_more_when_it_has_ended(engine: Engine, kind: str, quiet: timedelta, is_due: bool) -> None:
    """Bestsellers and contents come once an event would begin another session, for 24 hours."""
    assert bool(due(kind, user_context(engine, *BUYER, now=NOW + quiet))) == is_due  # type: ignore[arg-type]


def test_bestsellers_are_for_buyers_with_a_focus(engine: Engine) -> None:
    """Of the focus; who browses, has no focus or has bought on the visit hears nothing."""
    then = NOW + timedelta(hours=2)
    [found] = due("category_bestsellers", user_context(engine, *BUYER, now=then))
    assert found.category == "Home > Sofas"
    assert due("category_bestsellers", user_context(engine, did("sofa-1"), now=ago(days=0.5))) == []
    lost = tuple(did(item, minutes=4 + n) for n, item in enumerate(("bag-1", "lamp-1", "soap-1", "bag-2", "lamp-2")))
    assert due("category_bestsellers", user_context(engine, *lost, *BUYER, now=then)) == []
    assert due("category_bestsellers", user_context(engine, *BUYER, did("sofa-1", "purchase", seconds=1), now=then)) == []


def test_a_brand_is_for_who_leans_to_it(engine: Engine) -> None:
    """Somebody with an affinity hears of that brand after the visit; others do not."""
    then = NOW + timedelta(hours=2)
    loved = tuple(did(item, minutes=n) for n, item in enumerate(("lamp-1", "lamp-2", "sofa-3")))
    [found] = due("brand_trending", user_context(engine, *loved, now=then))
    assert found.brand == "Norr"
    assert due("brand_trending", user_context(engine, *loved[:2], now=then)) == []


def test_contents_are_those_of_the_focus_newest_first(engine: Engine) -> None:
    """The contents of the focus, each its own moment; where it has none, those of the category above."""
    then = NOW + timedelta(hours=2)
    contents = engine.snapshot.contents
    assert [
        (one.key, contents.at(one.content).content_id) for one in due("editorial", user_context(engine, *BUYER, now=then))
    ] == [("sofa-guide", "sofa-guide")]
    assert [one.key for one in due("editorial", user_context(engine, did("lamp-1", minutes=0), now=then))] == ["home-guide"]
    assert due("editorial", user_context(engine, did("bag-1", minutes=0), now=then)) == []


# ---- offer

ORDERED = did("bag-1", "purchase", days=40)


@pytest.mark.parametrize(
    ("hours", "is_due"),
    [
        (timedelta(hours=48) - SECOND, False),
        (timedelta(hours=48), True),
        (timedelta(hours=72) - SECOND, True),
        (timedelta(hours=72), False),
    ],
)
def test_an_offer_is_due_from_48_to_72_hours(engine: Engine, hours: timedelta, is_due: bool) -> None:
    """Counted from the last event of the last visit."""
    assert bool(due("offer", user_context(engine, ORDERED, did("sofa-1", minutes=0), now=NOW + hours))) == is_due


def test_an_offer_is_for_first_timers_and_the_dormant(engine: Engine) -> None:
    """Leads, active customers and who bought on the visit get none; it is off unless the shop turns it on."""
    then = NOW + timedelta(hours=50)
    seen = did("sofa-1", minutes=0)
    assert due("offer", user_context(engine, seen, now=then)) == []
    assert due("offer", user_context(engine, ORDERED, did("bag-2", "purchase", days=20), seen, now=then)) == []
    assert due("offer", user_context(engine, seen, did("sofa-1", "purchase", minutes=0), now=then)) == []
    dormant = (did("bag-1", "purchase", days=400), did("bag-2", "purchase", days=300), seen)
    assert len(due("offer", user_context(engine, *dormant, now=then))) == 1
    assert "offer" not in MomentsSettings().kinds
    assert {*MomentsSettings().kinds, "offer"} == set(KINDS)


# ---- customers

LAST = datetime(2025, 8, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "stage"),
    [
        (LAST + timedelta(days=90), None),
        (LAST + timedelta(days=90) + SECOND, "defecting"),
        (datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), "defecting"),
        (datetime(2026, 3, 1, tzinfo=UTC), "dormant"),
        (datetime(2029, 1, 1, tzinfo=UTC), "dormant"),
    ],
)
def test_winback_is_due_once_a_stage(engine: Engine, now: datetime, stage: str | None) -> None:
    """Defecting after 90 days; dormant after six calendar months, the 31st of August's on the first of March."""
    found = due("winback", user_context(engine, did("bag-1", "purchase", at=LAST), now=now))
    assert [one.key.split()[0] for one in found] == ([stage] if stage else [])
    if stage:
        begun = LAST + timedelta(days=90) if stage == "defecting" else datetime(2026, 3, 1, tzinfo=UTC)
        assert (found[0].since, found[0].key) == (micros(begun), f"{stage} {micros(LAST)}")


def test_winback_is_about_what_was_bought_last(engine: Engine) -> None:
    """The items of the last orders, the last first, at most five."""
    items = ["sofa-1", "sofa-2", "lamp-1", "lamp-2", "bag-1", "bag-2"]
    one = user_context(engine, *(did(item, "purchase", days=400 - n) for n, item in enumerate(items)))
    assert anchors(one, due("winback", one)) == [items[:0:-1]]


def test_leads_cannot_be_won_back(engine: Engine) -> None:
    """Who never ordered is no matter, however long ago they were seen."""
    assert due("winback", user_context(engine, did("bag-1", days=300))) == []


@calm
@given(st.integers(0, 2**51), st.integers(1, 30))
def test_months_after_is_where_months_before_reaches(moment: int, months: int) -> None:
    """It is the first moment whose `months_before` is not earlier than the one given."""
    reached = months_after(moment, months)
    assert months_before(reached, months) >= moment
    assert months_before(reached - 1, months) < moment


@pytest.mark.parametrize(("age", "is_due"), [(14 - 1e-5, False), (14, True), (21 - 1e-5, True), (21, False)])
def test_a_second_order_is_called_for_after_14_to_21_days(engine: Engine, age: float, is_due: bool) -> None:
    """Counted from the one order; its items are what it is about, and since is the fourteenth day."""
    one = user_context(engine, did("bag-1", "purchase", days=age), did("lamp-1", "purchase", days=age))
    found = due("second_order", one)
    assert bool(found) == is_due
    if found:
        assert sorted(anchors(one, found)[0]) == ["bag-1", "lamp-1"]
        assert found[0].since == micros(ago(days=age)) + 14 * DAY
        assert found[0].reason is None


def test_who_ordered_twice_has_ordered_a_second_time(engine: Engine) -> None:
    """Two orders, or one that was given back, call for none."""
    assert (
        due("second_order", user_context(engine, did("bag-1", "purchase", days=90), did("bag-2", "purchase", days=15))) == []
    )
    assert (
        due("second_order", user_context(engine, did("bag-1", "purchase", days=15), did("bag-1", "refund", days=14))) == []
    )


def gap(engine: Engine, item: str) -> float:
    """Usual days between two purchases of an item."""
    return float(engine.catalog.gap_days[engine.catalog.row(item)])


@pytest.mark.parametrize(
    ("since_due", "is_due"),
    [(-SECOND, False), (0 * SECOND, True), (timedelta(days=7) - SECOND, True), (timedelta(days=7), False)],
)
def test_an_item_is_due_again_after_its_gap(engine: Engine, since_due: timedelta, is_due: bool) -> None:
    """From the usual gap after the last purchase on, for seven days; the purchases before that do not count."""
    days = gap(engine, "soap-1")
    bought = NOW - timedelta(days=days) - since_due
    one = user_context(engine, did("soap-1", "purchase", days=200), did("soap-1", "purchase", at=bought))
    found = due("replenish", one)
    assert bool(found) == is_due
    if found:
        assert anchors(one, found) == [["soap-1"]]
        assert (found[0].key, found[0].since) == (f"soap-1 {micros(bought)}", micros(bought) + int(days * DAY))


def test_only_what_is_bought_again_is_due_again(engine: Engine) -> None:
    """Sofas never are; of several soaps the one longest due comes first; what is sold out is left out."""
    days = gap(engine, "soap-1")
    assert gap(engine, "soap-2") > 0
    assert due("replenish", user_context(engine, did("sofa-1", "purchase", days=days + 1))) == []
    both = (did("soap-1", "purchase", days=days + 1), did("soap-2", "purchase", days=gap(engine, "soap-2") + 3))
    one = user_context(engine, *both)
    assert anchors(one, due("replenish", one)) == [["soap-2"], ["soap-1"]]


@pytest.mark.parametrize(
    ("birthday", "now", "is_due"),
    [
        ((4, 1), datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC), False),
        ((4, 1), datetime(2026, 3, 31, 22, tzinfo=UTC), True),
        ((4, 1), datetime(2026, 4, 1, 21, 59, 59, tzinfo=UTC), True),
        ((4, 1), datetime(2026, 4, 1, 22, tzinfo=UTC), False),
        ((2, 29), datetime(2026, 2, 28, 12, tzinfo=UTC), True),
        ((2, 29), datetime(2028, 2, 28, 12, tzinfo=UTC), False),
        ((2, 29), datetime(2028, 2, 29, 12, tzinfo=UTC), True),
        ((2, 28), datetime(2026, 2, 28, 12, tzinfo=UTC), True),
        ((2, 29), datetime(2100, 2, 28, 12, tzinfo=UTC), True),
        ((2, 29), datetime(2400, 2, 28, 12, tzinfo=UTC), False),
    ],
)
def test_a_birthday_is_a_day_where_somebody_lives(
    engine: Engine, birthday: tuple[int, int], now: datetime, is_due: bool
) -> None:
    """From midnight to midnight in Berlin; the 29th of February is the 28th in years without one."""
    found = due("birthday", user_context(engine, now=now, person=born(*birthday)))
    assert bool(found) == is_due
    if found:
        assert (found[0].key, found[0].since) == (
            str(now.year),
            midnight(local(micros(now), "Europe/Berlin").date(), "Europe/Berlin"),
        )


def test_nobody_without_a_birthday_has_one(engine: Engine) -> None:
    """Where the user table does not say it, nothing is due; without a time zone the shop's is the shopper's."""
    assert due("birthday", user_context(engine, person=MAILED)) == []
    homeless = Person(None, None, (4, 1), ("email",))
    assert due("birthday", user_context(engine, now=datetime(2026, 3, 31, 23, tzinfo=UTC), person=homeless)) == []
    messages = msgspec.structs.replace(engine.settings.messages, timezone="Asia/Tokyo")
    tokyo = Engine(engine.snapshot, msgspec.structs.replace(engine.settings, messages=messages))
    assert len(due("birthday", user_context(tokyo, now=datetime(2026, 3, 31, 23, tzinfo=UTC), person=homeless))) == 1


ZONES = [
    "Europe/Berlin",
    "America/Santiago",
    "America/Havana",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Asia/Riyadh",
    "Pacific/Apia",
]


@calm
@given(st.sampled_from(ZONES), st.dates(date(2005, 1, 1), date(2035, 12, 30)))
def test_days_join_without_gaps(zone: str, day: date) -> None:
    """The first moment of a day is of that day, the one before is not, also where clocks change at midnight."""
    first = midnight(day, zone)
    assert local(first, zone).date() >= day  # Apia had no 30 December 2011
    assert local(first - 1, zone).date() < day
    assert day_of(first, zone)[0] == first or local(first, zone).date() > day
    begun, ended = day_of(micros(datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))), zone)
    assert 0 < ended - begun <= 25 * 60 * MINUTE


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_days_on_which_clocks_change_have_their_own_length(day: date, hours: int) -> None:
    """In Berlin the last Sunday of March has 23 hours, that of October 25."""
    noon = micros(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    first, following = day_of(noon, "Europe/Berlin")
    assert following - first == hours * 60 * MINUTE


def test_a_high_spender_spent_as_much(engine: Engine) -> None:
    """From the threshold on, once, since the last order; an unknown price is no money."""
    paid = did("sofa-1", "purchase", days=3) | {"price": 500.0, "quantity": 2.0}
    assert [one.since for one in due("high_spender", user_context(engine, paid, high_spend=1000.0))] == [micros(ago(days=3))]
    assert due("high_spender", user_context(engine, paid, high_spend=1000.01)) == []
    assert due("high_spender", user_context(engine, did("sofa-1", "purchase", days=3), high_spend=0.0)) == []


# ---- items


def news(item: str, change: str, price: float | None = None, **before: float) -> Change:
    """A change of an item, so long before NOW."""
    return Change(item, micros(ago(**before)), change, price)  # type: ignore[arg-type]


@pytest.mark.parametrize(("changed", "is_due"), [(7 - 1e-5, True), (7, False), (0, True)])
def test_an_item_back_in_stock_is_news_for_7_days(engine: Engine, changed: float, is_due: bool) -> None:
    """For whoever viewed it before; the item and the time of the change are the key."""
    one = user_context(engine, did("sofa-1", days=10), changes=[news("sofa-1", "back_in_stock", days=changed)])
    found = due("back_in_stock", one)
    assert anchors(one, found) == ([["sofa-1"]] if is_due else [])
    assert [each.key for each in found] == ([f"sofa-1 {micros(ago(days=changed))}"] if is_due else [])


@pytest.mark.parametrize(
    ("rows", "is_due"),
    [
        ((did("sofa-1", days=31),), True),
        ((did("sofa-1", days=31, seconds=1),), False),
        ((did("sofa-1", "cart_add", days=5),), True),
        ((did("sofa-1", days=0.5),), False),
        ((did("sofa-2", days=5),), False),
        ((did("sofa-1", days=5), did("sofa-1", "purchase", days=4)), False),
        ((did("sofa-1", "purchase", days=6), did("sofa-1", days=5)), True),
        ((did("sofa-1", days=5), did("sofa-1", "purchase", days=0.2)), False),
    ],
)
def test_news_is_for_who_cared_before_and_did_not_buy(
    engine: Engine, rows: tuple[dict[str, object], ...], is_due: bool
) -> None:
    """Viewed or carted in the 30 days before the change, and not bought since then."""
    assert (
        bool(due("back_in_stock", user_context(engine, *rows, changes=[news("sofa-1", "back_in_stock", days=1)]))) == is_due
    )


def test_what_is_sold_out_again_is_no_news(engine: Engine) -> None:
    """An item that cannot be bought now is not spoken of."""
    assert (
        due("back_in_stock", user_context(engine, did("gone-1", days=5), changes=[news("gone-1", "back_in_stock", days=1)]))
        == []
    )


def test_a_price_drop_still_holds(engine: Engine) -> None:
    """The newest drop of an item counts, as long as it costs less than before that; the other kind of news is no drop."""
    drops = [news("sofa-1", "price_drop", 1000.0, days=1), news("sofa-1", "price_drop", 1100.0, days=2)]
    one = user_context(engine, did("sofa-1", days=5), changes=drops)
    [found] = due("price_drop", one)
    assert (found.key, found.since) == (f"sofa-1 {micros(ago(days=1))}", micros(ago(days=1)))
    assert found.reason is not None
    assert found.reason.text == "900 statt 1.000"
    assert (
        due("price_drop", user_context(engine, did("sofa-1", days=5), changes=[news("sofa-1", "price_drop", 900.0, days=1)]))
        == []
    )
    assert due("back_in_stock", one) == []


def test_a_price_that_is_put_back_is_no_drop(engine: Engine) -> None:
    """What was dearer for a while costs what it did: a drop is from the lowest price of the days before it."""

    def change(kind: str, before: float, after: float, days: float) -> Change:
        return Change("sofa-1", micros(ago(days=days)), kind, before, after)  # type: ignore[arg-type]

    back = [change("price_drop", 2400.0, 900.0, 1), change("price_rise", 900.0, 2400.0, 2)]
    assert due("price_drop", user_context(engine, did("sofa-1", days=5), changes=back)) == []
    less = [change("price_drop", 2400.0, 900.0, 1), change("price_rise", 950.0, 2400.0, 2)]
    [found] = due("price_drop", user_context(engine, did("sofa-1", days=5), changes=less))
    assert found.price_before == 950.0
    assert found.reason is not None
    assert found.reason.text == "900 statt 950"


def test_what_runs_low_is_for_who_wants_it(engine: Engine) -> None:
    """An item in the cart, or viewed on a visit that ended within 24 hours; once for an item."""
    low = np.zeros(engine.catalog.n_items, bool)
    low[engine.catalog.row("sofa-1")] = True

    def keys(*rows: dict[str, object]) -> list[str]:
        return [each.key for each in due("low_stock", user_context(engine, *rows, runs_low=low))]

    assert keys(did("sofa-1", hours=2)) == keys(did("sofa-1", "cart_add", days=20)) == ["sofa-1"]
    assert keys(did("sofa-1", days=1)) == keys(did("sofa-1", minutes=30)) == keys(did("sofa-2", hours=2)) == []
    assert keys(did("sofa-1", hours=3), did("sofa-1", "purchase", hours=2)) == []
    assert keys(did("sofa-1", "cart_add", hours=3), did("sofa-1", hours=2)) == ["sofa-1"]


# ---- what a line says of a shopper


def test_the_usual_hour_is_the_shoppers_own(engine: Engine) -> None:
    """The hour in Berlin in which most of at least three sessions begin, of several the earliest."""
    evening = [did("sofa-1", at=datetime(2026, 3, day, 18, 30, tzinfo=UTC)) for day in (2, 3)]
    summer = did("sofa-1", at=datetime(2026, 3, 30, 17, 30, tzinfo=UTC))
    morning = [did("sofa-1", at=datetime(2026, 3, day, 7, tzinfo=UTC)) for day in (5, 6, 7)]
    assert user_context(engine, *evening).usual_hour() is None
    assert user_context(engine, *evening, did("sofa-1", at=datetime(2026, 3, 3, 18, 40, tzinfo=UTC))).usual_hour() is None
    assert user_context(engine, *evening, summer).usual_hour() == 19
    assert user_context(engine, *evening, *morning, summer).usual_hour() == 8


@pytest.mark.parametrize("wrong", [{"browse_minutes": (30, 20)}, {"offer_hours": (48, 48)}, {"kinds": ("cart", "cart")}])
def test_settings_that_cannot_hold_are_refused(wrong: dict[str, object]) -> None:
    """A span that ends before it begins, and a kind that is named twice."""
    with pytest.raises(msgspec.ValidationError, match=next(iter(wrong))):
        msgspec.convert(wrong, MomentsSettings)
