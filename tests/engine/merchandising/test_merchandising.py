"""Campaigns and limits over lists: what they do, in what order, and what they never break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import ceil, inf
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.choice import Answered
from recsys.engine.inspection.explain import Explanation, explain
from recsys.engine.inspection.replay import logged, replayed, same_bytes
from recsys.engine.pipeline import Engine, answer
from recsys.item_filters import Condition
from recsys.live.slate_log import LoggedSlate
from recsys.settings import Settings
from recsys.settings.campaigns import Campaign
from recsys.settings.load import parse_settings
from recsys.types import Query, SettingsError, Slate
from tests.conftest import NOW, Shop, ago, ask, event, micros, shown
from tests.support.shops.attribute_shop import attribute_shop
from tests.support.shops.handmade import calm

BRANDS, LEAVES, ITEMS = 4, 5, 40


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Forty items of four brands and five leaf categories, the first ones sold most; ann loves one brand."""
    items = [
        {
            "item_id": f"p{n:02}",
            "title": f"Thing {n}",
            "category": f"Home > C{n % LEAVES}",
            "brand": f"B{n % BRANDS}",
            "price": 5.0 + n,
        }
        for n in range(ITEMS)
    ]
    shop = Shop(tmp_path_factory.mktemp("market"), items=items)
    for n in range(ITEMS):
        for user in range(ITEMS - n):
            shop.add(event(f"u{user}", f"p{n:02}", "purchase", ago(days=2, minutes=n), order_id=f"{user}-{n}"))
    for n in range(0, ITEMS, BRANDS):
        shop.add(event("ann", f"p{n:02}", "view", ago(days=1, minutes=n)))
    return shop.engine()


@pytest.fixture(autouse=True)
def without_campaigns(market: Engine) -> Iterator[None]:
    """Campaigns of one test are gone before the next."""
    yield
    market.campaigns.put({})


def campaign(*actions: Mapping[str, Any], **more: Any) -> Campaign:
    """A campaign on the home page, as it stands in a body."""
    return msgspec.convert({"placements": ["home"], "actions": list(actions), **more}, Campaign)


def listed(engine: Engine, user: str = "nobody", limit: int = 12, **more: Any) -> list[str]:
    """The items that a shopper sees on the home page."""
    return shown(engine, ask(engine, user, limit=limit, **more))


def explanation_of(engine: Engine, item: str, user: str = "nobody", **more: Any) -> Explanation:
    """Why an item is shown, or why not."""
    query = Query(now=micros(NOW), user_id=user, **more)
    return explain(engine, query, engine.snapshot.histories.of(user), engine.catalog.row(item))


def brand(*names: str) -> dict[str, Any]:
    """A filter on brands."""
    return {"brand": {"any": list(names)}}


def test_a_pin_stands_at_its_place(market: Engine) -> None:
    """The others move on; the reason and explain name the campaign, and the place that it would have had."""
    before = listed(market)
    market.campaigns.put({"autumn": campaign({"pin": {"item_id": "p30", "place": 2}})})
    slate = ask(market, "nobody", limit=12)
    assert shown(market, slate) == [before[0], "p30", *before[1:11]]
    assert [reason.campaign for reason in slate.reasons] == [None, "autumn", *[None] * 10]
    assert explanation_of(market, "p30").said.endswith("; pinned to place 2 by campaign autumn: place none → 2")


@pytest.mark.parametrize(
    ("item", "place", "query", "said"),
    [
        ("p30", 1, {"brands": ("B1",)}, "the pin of campaign autumn is not at place 1: it may not be shown here"),
        ("p30", 13, {}, "the pin of campaign autumn is not at place 13: the list has 12 places"),
        ("p31", 3, {}, "the pin of campaign autumn is not at place 3: campaign advent has that place"),
    ],
)
def test_a_pin_that_cannot_stand_says_why(market: Engine, item: str, place: int, query: dict[str, Any], said: str) -> None:
    """It never leaves the filters of the query; of two pins of a place the campaign whose id comes first has it."""
    market.campaigns.put(
        {
            "advent": campaign({"pin": {"item_id": "p05", "place": 3}}),
            "autumn": campaign({"pin": {"item_id": item, "place": place}}),
        }
    )
    assert item not in listed(market, **query)
    assert said in explanation_of(market, item, limit=12, **query).said


def test_a_boost_lifts_and_says_from_where_to_where(market: Engine) -> None:
    """By the factor, among what the list ranks; what is buried sinks."""
    before = listed(market)
    market.campaigns.put({"autumn": campaign({"boost": {"factor": 3, "filter": brand("B3")}})})
    after = listed(market)
    assert [item for item in after if int(item[1:]) % BRANDS != 3] == [
        item for item in before if int(item[1:]) % BRANDS != 3
    ][: 12 - sum(int(item[1:]) % BRANDS == 3 for item in after)]
    item = next(item for item in after if int(item[1:]) % BRANDS == 3)
    moved = f"place {before.index(item) + 1} → {after.index(item) + 1}"
    assert explanation_of(market, item, limit=12).said.endswith(f"; boosted × 3 by campaign autumn: {moved}")
    assert after.index(item) < before.index(item)
    market.campaigns.put({"autumn": campaign({"bury": {"factor": 1000, "filter": brand("B0", "B1")}})})
    assert {int(item[1:]) % BRANDS for item in listed(market)} == {2, 3}


def test_exclude_and_only_hold_for_every_shopper(market: Engine) -> None:
    """Fallback and pins included; explain names the campaign."""
    market.campaigns.put(
        {
            "a": campaign({"exclude": {"filter": {"category": {"any": ["Home > C1", "Home > C2"]}}}}),
            "b": campaign({"only": {"filter": brand("B0", "B1")}}, {"pin": {"item_id": "p02", "place": 1}}),
        }
    )
    for user in ("nobody", "ann", "u35"):
        numbers = [int(item[1:]) for item in listed(market, user, 100)]
        assert numbers
        assert all(n % LEAVES not in (1, 2) and n % BRANDS in (0, 1) for n in numbers)
    assert explanation_of(market, "p05").filter is None
    assert explanation_of(market, "p01").said.startswith("Not shown: campaign a keeps it out")
    assert explanation_of(market, "p03").said.startswith("Not shown: campaign b keeps it out")


@pytest.mark.parametrize("action", ["exclude", "only"])
def test_a_list_that_campaigns_empty_says_so(market: Engine, action: str) -> None:
    """A filter that matches everything, or nothing: an empty shelf with its cause; one that keeps some out says nothing."""
    bound = {"min": 0} if action == "exclude" else {"min": 1e12}
    market.campaigns.put({"a": campaign({action: {"filter": {"price": bound}}})})
    slate = ask(market, "ann")
    assert (slate.items, slate.notices) == ((), ("campaigns: they keep out all items that could be shown here",))
    assert ask(market, "ann", exclude=tuple(f"p{n:02}" for n in range(ITEMS)), placement="blend").notices == ()
    market.campaigns.put({"a": campaign({"exclude": {"filter": brand("B0")}})})
    assert ask(market, "ann").notices == ()


@pytest.mark.parametrize("filters", [{"price": {"min": 1e12}}, {"price": {"min": 0}}])
@pytest.mark.parametrize("does", ["boost", "bury", "share"])
def test_a_campaign_for_nothing_or_everything_moves_nothing(market: Engine, does: str, filters: dict[str, Any]) -> None:
    """What holds for every item or for none leaves a list of one ranking in its order."""
    before = listed(market)
    more = {"min": 1, "within": 10} if does == "share" else {"factor": 5}
    market.campaigns.put({"a": campaign({does: more | {"filter": filters}})})
    assert listed(market) == before


@pytest.mark.parametrize("user", ["nobody", "ann", "u35"])
def test_limits_of_a_placement_hold_and_the_list_is_full(market: Engine, user: str) -> None:
    """At most 4 of a brand and 3 of a leaf category of 12, whoever asks and whatever leads."""
    limits = '[{ by = "brand", max = 4 }, { by = "category", max = 3, within = 12 }]'
    engine = Engine(market.snapshot, parse_settings(f"[placements.home]\nlimits = {limits}"))
    numbers = [int(item[1:]) for item in listed(engine, user)]
    assert len(numbers) == 12
    assert max(Counter(n % BRANDS for n in numbers).values()) <= 4
    assert max(Counter(n % LEAVES for n in numbers).values()) <= 3
    first = listed(market, "ann")
    kept_out = next((item for item in first if item not in listed(engine, "ann")), None)
    assert kept_out is not None
    assert "the placement lets at most" in explanation_of(engine, kept_out, "ann", limit=12).said


def test_a_limit_ends_a_list_rather_than_break(market: Engine) -> None:
    """With one of each brand there are four places to fill."""
    market.campaigns.put({"a": campaign({"limit": {"by": "brand", "max": 1}})})
    assert len(listed(market)) == BRANDS


def test_a_share_is_given_and_pins_give_way_to_it(market: Engine) -> None:
    """Half of the first four places; the last pin that leaves too few goes, and says for whom."""
    market.campaigns.put(
        {
            "own": campaign({"share": {"min": 0.5, "within": 4, "filter": brand("B3")}}),
            "pins": campaign(*({"pin": {"item_id": f"p{n:02}", "place": place}} for place, n in ((1, 0), (2, 1), (3, 2)))),
        }
    )
    found = listed(market)
    assert found[:2] == ["p00", "p01"]
    assert sum(int(item[1:]) % BRANDS == 3 for item in found[:4]) == 2
    assert "campaign own needs it for its share" in explanation_of(market, "p02", limit=12).said


def test_a_campaign_holds_in_its_span_on_its_placements_for_its_shoppers(market: Engine) -> None:
    """From its first moment to before its last one; for others the bytes are those without it."""
    spans = {"from": (NOW - timedelta(hours=1)).isoformat(), "until": NOW.isoformat(), "when": {"known": True}}
    market.campaigns.put({})
    before = {user: ask(market, user) for user in ("nobody", "ann")}
    market.campaigns.put({"a": campaign({"pin": {"item_id": "p33", "place": 1}}, **spans)})
    held = [
        shown(market, ask(market, "ann", now=at))[0] == "p33"
        for at in (ago(minutes=61), ago(minutes=60), ago(minutes=1), NOW)
    ]
    assert held == [False, True, True, False]
    assert "p33" not in listed(market, "nobody", now=ago(minutes=1))
    assert "p33" not in shown(market, ask(market, "ann", placement="category", now=ago(minutes=1)))
    for user, slate in before.items():
        assert msgspec.structs.asdict(ask(market, user)) == msgspec.structs.asdict(slate)


def test_the_id_of_a_slate_is_that_of_its_campaigns(market: Engine) -> None:
    """The same campaigns the same id, in whatever order they came; other ones, another id."""
    one, other = campaign({"pin": {"item_id": "p33", "place": 1}}), campaign({"pin": {"item_id": "p33", "place": 2}})
    ids = []
    for stored in ({}, {"a": one}, {"a": other}, {"b": one}, {"b": one, "c": other}, {"c": other, "b": one}):
        market.campaigns.put(stored)
        ids.append(ask(market, "ann").recommendation_id)
    assert len(set(ids)) == 5
    assert ids[4] == ids[5]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"placements": ["hme"]}, "'hme' is unknown; there are bestsellers"),
        (
            {"actions": [{"exclude": {"filter": {"colour": {"any": ["red"]}}}}]},
            "colour: is no attribute of items; allowed: age, brand",
        ),
        ({"actions": [{"limit": {"by": "price", "max": 1}}]}, "'price' cannot be counted; allowed: brand, category, group"),
    ],
)
def test_a_campaign_of_the_settings_names_what_there_is(market: Engine, body: dict[str, Any], said: str) -> None:
    """Else nothing is served with them."""
    whole = {"placements": ["home"], "actions": [{"pin": {"item_id": "p01", "place": 1}}], **body}
    settings = Settings(campaigns={"autumn": msgspec.convert(whole, Campaign)})
    with pytest.raises(SettingsError, match=r"campaigns\.autumn") as refused:
        Engine(market.snapshot, settings)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "actions",
    [
        [],
        [{}],
        [{"pin": {"item_id": "a", "place": 1}, "exclude": {"filter": {"price": {"min": 1}}}}],
        [{"boost": {"factor": 0.5, "filter": {"price": {"min": 1}}}}],
        [{"exclude": {"filter": {}}}],
        [{"only": {"filter": {"price": {}}}}],
        [{"pin": {"item_id": "a", "place": 0}}],
        [{"pins": {"item_id": "a", "place": 1}}],
    ],
)
def test_an_action_is_one_thing_and_says_it_whole(actions: list[Any]) -> None:
    """An empty filter, none or two actions, a factor below 1 are refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"placements": ["home"], "actions": actions}, Campaign)


def test_a_campaign_whose_attribute_is_gone_lets_nothing_through(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After a training without the column what cannot be told is kept out, and boosts nothing."""
    engine = attribute_shop(tmp_path_factory.mktemp("gone")).engine()
    lost = {"lost": {"any": ["x"]}}
    before = listed(engine)
    engine.campaigns.put({"a": campaign({"boost": {"factor": 2, "filter": lost}})})
    assert listed(engine) == before
    for name in ("exclude", "only"):
        engine.campaigns.put({"a": campaign({name: {"filter": lost}})})
        assert listed(engine) == []


FILTERS = st.one_of(
    st.lists(st.sampled_from(["B0", "B1", "B2", "B3"]), min_size=1, max_size=2).map(lambda names: brand(*names)),
    st.sampled_from([10.0, 20.0, 40.0]).map(lambda price: {"price": {"max": price}}),
    st.sampled_from(["Home > C0", "Home > C3"]).map(lambda name: {"category": {"any": [name]}}),
)
ACTIONS = st.one_of(
    st.builds(lambda n, place: {"pin": {"item_id": f"p{n:02}", "place": place}}, st.integers(0, 41), st.integers(1, 15)),
    st.builds(lambda factor, found: {"boost": {"factor": factor, "filter": found}}, st.floats(1, 50), FILTERS),
    st.builds(lambda factor, found: {"bury": {"factor": factor, "filter": found}}, st.floats(1, 50), FILTERS),
    st.builds(lambda kind, found: {kind: {"filter": found}}, st.sampled_from(["exclude", "exclude", "only"]), FILTERS),
    st.builds(
        lambda by, most, within: {"limit": {"by": by, "max": most, "within": within}},
        st.sampled_from(["brand", "category", "group"]),
        st.integers(1, 4),
        st.integers(1, 20),
    ),
    st.builds(
        lambda least, within, found: {"share": {"min": least, "within": within, "filter": found}},
        st.floats(0, 1),
        st.integers(1, 12),
        FILTERS,
    ),
)
CAMPAIGNS = st.dictionaries(
    st.sampled_from("abcd"), st.lists(ACTIONS, min_size=1, max_size=4).map(lambda some: campaign(*some)), max_size=3
)


def _matches(engine: Engine, row: int, conditions: Mapping[str, Any]) -> bool:
    """Whether an item meets a filter of the strategies above, read from its JSON."""
    item = engine.catalog.item(row)
    for name, condition in conditions.items():
        if condition.any is not None and item[name] not in condition.any:
            return False
        if condition.max is not None and not (item[name] is not None and item[name] <= condition.max):
            return False
    return True


def _check(engine: Engine, campaigns: Mapping[str, Campaign], query: Query, slate: Slate) -> None:
    items = [engine.catalog.item(row) for row in slate.items]
    assert len(set(slate.items)) == len(slate.items) <= query.limit
    if query.brands:
        assert {item["brand"] for item in items} <= set(query.brands)
    for hides, value in query.disliked:
        assert value not in [item["item_id" if hides == "item" else hides] for item in items]
    if query.filter:
        assert all(_matches(engine, row, dict(query.filter)) for row in slate.items)
    for one in campaigns.values():
        for action in one.actions:
            if action.only:
                assert all(_matches(engine, row, action.only.filter) for row in slate.items)
            if action.exclude:
                assert not any(_matches(engine, row, action.exclude.filter) for row in slate.items)
            if action.limit and action.limit.by != "group":
                kinds = Counter(item[action.limit.by] for item in items[: action.limit.within])
                assert all(count <= action.limit.max for kind, count in kinds.items() if kind is not None)
            if action.pin and engine.catalog.row(action.pin.item_id) >= 0:
                at = action.pin.place
                stands = len(items) >= at and items[at - 1]["item_id"] == action.pin.item_id
                row = engine.catalog.row(action.pin.item_id)
                said = explain(engine, query, engine.snapshot.histories.of(query.user_id or ""), row)
                why = said.filter is not None or any(
                    each.action == "pin" and "pinned to" not in each.said for each in said.campaigns
                )
                ended = any("would have ended" in each.said for each in said.campaigns)
                assert stands or why or ended, (action.pin, said.said)


@calm
@given(
    campaigns=CAMPAIGNS,
    user=st.sampled_from(["nobody", "ann", "u35"]),
    limit=st.integers(1, 15),
    brands=st.sampled_from([(), ("B1",), ("B0", "B2")]),
    disliked=st.sampled_from([(), (("brand", "B1"),), (("item", "p02"), ("category", "Home > C0"))]),
    dearest=st.sampled_from([None, 25.0]),
)
def test_what_campaigns_never_break(
    market: Engine,
    campaigns: dict[str, Campaign],
    user: str,
    limit: int,
    brands: tuple[str, ...],
    disliked: tuple[tuple[str, str], ...],
    dearest: float | None,
) -> None:
    """Filters, dislikes, exclusions and limits hold on every list; a pin stands at its place or explain says why not."""
    market.campaigns.put(campaigns)
    found = () if dearest is None else (("price", Condition(max=dearest)),)
    query = Query(now=micros(NOW), user_id=user, limit=limit, brands=brands, disliked=disliked, filter=found)
    slate = answer(market, query, market.snapshot.histories.of(user))
    _check(market, campaigns, query, slate)
    assert answer(market, query, market.snapshot.histories.of(user)).recommendation_id == slate.recommendation_id


@calm
@given(
    least=st.floats(0, 1),
    within=st.integers(1, 12),
    found=FILTERS,
    pins=st.dictionaries(st.integers(1, 12), st.integers(0, 39), max_size=8),
    limit=st.integers(1, 12),
)
def test_a_share_is_met_as_far_as_there_are_items(
    market: Engine, least: float, within: int, found: dict[str, Any], pins: dict[int, int], limit: int
) -> None:
    """Whatever is pinned, and on every page: so many of the first places, rounded up, or every item that is left."""
    actions = [{"pin": {"item_id": f"p{n:02}", "place": place}} for place, n in pins.items()]
    one = campaign({"share": {"min": least, "within": within, "filter": found}}, *actions)
    market.campaigns.put({"a": one})
    share = one.actions[0].share
    assert share is not None
    seen: list[int] = []
    for _ in range(4):
        excluded = tuple(market.catalog.item_id(row) for row in seen)
        slate = ask(market, "nobody", limit=limit, exclude=excluded)
        first = slate.items[: min(within, limit)]
        there = sum(_matches(market, row, share.filter) for row in range(ITEMS) if row not in seen)
        assert sum(_matches(market, row, share.filter) for row in first) >= min(ceil(round(least * len(first), 9)), there)
        assert not set(seen) & set(slate.items)
        seen += slate.items


@pytest.mark.parametrize("kind", ["boost", "bury"])
def test_factors_of_many_campaigns_stay_numbers(market: Engine, kind: str) -> None:
    """However many are multiplied: their items stand first, or last, with scores that are numbers above nothing."""
    most = {kind: {"factor": 1000, "filter": brand("B3")}}
    market.campaigns.put({f"c{n}": campaign(*[most] * 50) for n in range(4)})
    slate = ask(market, "nobody", limit=ITEMS)
    lifted = [market.catalog.item(row)["brand"] == "B3" for row in slate.items]
    assert lifted == sorted(lifted, reverse=kind == "boost")
    assert all(0 < score < inf for score in slate.scores)


@pytest.mark.long
@calm
@given(campaigns=CAMPAIGNS, user=st.sampled_from(["nobody", "ann"]), limit=st.integers(1, 6))
def test_pages_never_repeat_and_each_keeps_the_limits(
    market: Engine, campaigns: dict[str, Campaign], user: str, limit: int
) -> None:
    """Page after page without what was shown, until nothing is left: no item twice, limits and filters hold on each."""
    market.campaigns.put(campaigns)
    seen: list[str] = []
    for _ in range(50):
        query = Query(now=micros(NOW), user_id=user, limit=limit, exclude=tuple(seen))
        slate = answer(market, query, market.snapshot.histories.of(user))
        _check(market, campaigns, query, slate)
        if not slate.items:
            break
        seen += shown(market, slate)
    assert len(seen) == len(set(seen))


def test_variants_of_a_group_take_one_place_under_a_plan(shop: Shop) -> None:
    """A pinned variant stands for its group."""
    shop.items = [
        {"item_id": f"chair-{n}", "title": "Chair", "category": "Home", "brand": f"B{n}", "group_id": f"g{n % 3}"}
        for n in range(9)
    ]
    shop.add(*(event("ann", f"chair-{n}", at=ago(days=n)) for n in range(9)))
    engine = shop.engine()
    engine.campaigns.put({"a": campaign({"pin": {"item_id": "chair-8", "place": 1}})})
    chosen = listed(engine, "bob", 9)
    assert chosen[0] == "chair-8"
    assert sorted(int(item[-1]) % 3 for item in chosen) == [0, 1, 2]


def test_without_a_hand_the_bytes_are_those_of_before(busy_shop: Shop) -> None:
    """A campaign elsewhere changes nothing here, the id included."""
    engine = busy_shop.engine()
    before = [ask(engine, user).recommendation_id for user in ("user-0", "nobody")]
    engine.campaigns.put({"a": campaign({"pin": {"item_id": "lamp-1", "place": 1}}, placements=["cart"])})
    assert [ask(engine, user).recommendation_id for user in ("user-0", "nobody")] == before


def test_a_logged_slate_is_answered_again_under_its_campaigns(market: Engine) -> None:
    """Byte for byte, also when the campaigns are gone."""
    query = Query(now=micros(NOW), user_id="ann")
    history = market.snapshot.histories.of("ann")
    market.campaigns.put({"a": campaign({"pin": {"item_id": "p33", "place": 1}}, {"limit": {"by": "brand", "max": 2}})})
    slate = answer(market, query, history)
    note = logged(Answered(market, query, history, slate), 1)
    market.campaigns.put({})
    read = msgspec.json.decode(msgspec.json.encode(note), type=LoggedSlate)
    engine, again = replayed(read, market.snapshot, ())
    assert again.recommendation_id == slate.recommendation_id
    assert same_bytes(read, engine, again)
