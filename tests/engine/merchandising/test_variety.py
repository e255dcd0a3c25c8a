"""Variety: what was shown often and never clicked sinks, lists that rotate differ by day and shopper, replayably, and what resembles
the items above it sinks."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.clock import DAY
from recsys.engine.inspection.explain import explain
from recsys.engine.pipeline import Engine, build, resolve_query
from recsys.engine.shoppers.impressions import Impression, shown_without_click
from recsys.settings.campaigns import Campaign
from recsys.settings.load import parse_settings
from recsys.settings.variety import Fatigue
from recsys.snapshot.store import Snapshot
from recsys.types import Bought, Query
from tests.conftest import NOW, Shop, ago, ask, event, micros, shown
from tests.support.shops.handmade import calm

ITEMS = 40


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Forty items, the first ones sold most."""
    items = [
        {"item_id": f"p{n:02}", "title": f"Thing {n}", "category": f"Home > C{n % 5}", "brand": f"B{n % 4}"}
        for n in range(ITEMS)
    ]
    shop = Shop(tmp_path_factory.mktemp("market"), items=items)
    for n in range(ITEMS):
        for user in range(ITEMS - n):
            shop.add(event(f"u{user}", f"p{n:02}", "purchase", ago(days=2, minutes=n), order_id=f"{user}-{n}"))
    return shop.engine().snapshot


def engine_with(snapshot: Snapshot, line: str) -> Engine:
    """The shop with one more setting of the home page."""
    return Engine(snapshot, parse_settings(f"[placements.home]\n{line}\n", Path()))


def listed(engine: Engine, user: str = "nobody", **more: Any) -> list[str]:
    """What somebody sees on the home page."""
    return shown(engine, ask(engine, user, limit=12, **more))


def test_what_was_shown_too_often_sinks(snapshot: Snapshot) -> None:
    """Where the placement minds it; elsewhere the same query is answered as ever."""
    plain, minding = engine_with(snapshot, "limit = 12"), engine_with(snapshot, "fatigue = { after = 10 }")
    before = listed(plain)
    tired = tuple((item, 20.0) for item in before)
    assert listed(plain, shown=tired) == before
    assert listed(minding) == before
    assert not set(listed(minding, shown=tired)) & set(before)
    assert listed(minding, shown=((before[0], 9.9),)) == before


def test_lists_rotate_by_day_and_shopper(snapshot: Snapshot) -> None:
    """The same on one day, others on the next and for others; what leads by far still leads within the share that may be lost."""
    engine = engine_with(snapshot, "rotate = 0.6")
    today = listed(engine, "ann")
    assert listed(engine, "ann", now=NOW - timedelta(minutes=1)) == today
    others = [listed(engine, "ann", now=NOW + timedelta(days=1)), listed(engine, "ben")]
    assert all(set(other) != set(today) or other != today for other in others)
    assert others[0] != others[1]


@pytest.mark.parametrize("line", ["rotate = 0.5", "fatigue = {}", "variety = 0.5"])
def test_no_dial_no_difference(snapshot: Snapshot, line: str) -> None:
    """Where nothing was shown, and with a dial elsewhere, items and scores are those of before."""
    before = ask(engine_with(snapshot, "limit = 12"), "ann", limit=12, placement="category")
    after = ask(engine_with(snapshot, line), "ann", limit=12, placement="category")
    assert (after.items, after.scores, after.reasons) == (before.items, before.scores, before.reasons)


@pytest.fixture(scope="module")
def dials(snapshot: Snapshot) -> list[Engine]:
    """The home page under each dial, and under both; with a limit, without one, and with a short fallback chain."""
    limits = 'limits = [{ by = "brand", max = 2 }]'
    lines = (
        "rotate = 0.9",
        "variety = 0.8",
        f"rotate = 0.5\nfatigue = {{ after = 3 }}\nvariety = 0.3\nmixed = true\n{limits}",
        limits,
    )
    return [engine_with(snapshot, line + more) for line in lines for more in ("", '\nfallback = ["trending"]')]


@calm
@given(
    which=st.integers(0, 7),
    user=st.sampled_from(["nobody", "u1", "u30"]),
    limit=st.integers(1, 9),
    tired=st.dictionaries(st.integers(0, ITEMS - 1), st.floats(0, 30), max_size=12),
    actions=st.lists(
        st.sampled_from(
            [
                {"pin": {"item_id": "p35", "place": 2}},
                {"pin": {"item_id": "p07", "place": 1}},
                {"exclude": {"filter": {"brand": {"any": ["B1"]}}}},
                {"boost": {"factor": 3, "filter": {"category": {"any": ["Home > C2"]}}}},
            ]
        ),
        max_size=3,
    ),
)
def test_fifty_pages_under_every_dial(
    dials: list[Engine], which: int, user: str, limit: int, tired: dict[int, float], actions: list[Any]
) -> None:
    """No item comes twice, none that is kept out comes at all, a limit holds on each page, and the list goes on to its end."""
    engine = dials[which]
    body = {"placements": ["home"], "actions": actions}
    engine.campaigns.put({"a": msgspec.convert(body, Campaign)} if actions else {})
    seen: list[str] = []
    explained = tuple((f"p{n:02}", count) for n, count in sorted(tired.items()))
    for _ in range(50):
        page = shown(engine, ask(engine, user, limit=limit, shown=explained, exclude=tuple(seen), bought=Bought("allow")))
        brands = Counter(int(item[1:]) % 4 for item in page)
        assert which < 4 or max(brands.values(), default=0) <= 2
        seen += page
        if not page:
            break
    kept_out = any("exclude" in each for each in actions)
    assert len(seen) == len(set(seen))
    assert set(seen) == {f"p{n:02}" for n in range(ITEMS) if not (kept_out and n % 4 == 1)}


@pytest.fixture(scope="module")
def one_sided(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Ten chairs that everybody buys, and ten lamps that hardly anybody does."""
    items = [{"item_id": f"p{n:02}", "category": f"Home > {'Chairs' if n < 10 else 'Lamps'}"} for n in range(20)]
    shop = Shop(tmp_path_factory.mktemp("one-sided"), items=items)
    for n in range(20):
        buyers = 20 - n if n < 10 else 1
        shop.add(*(event(f"u{user}", f"p{n:02}", "purchase", ago(days=2), order_id=f"{user}-{n}") for user in range(buyers)))
    return shop.engine().snapshot


def test_the_dial_brings_another_category_up(one_sided: Snapshot) -> None:
    """The more the further it is turned; the first item stays, 0 changes nothing, and explain says what it moved."""
    engines = [engine_with(one_sided, line) for line in ("limit = 12", "variety = 0", "variety = 0.9", "variety = 0.99")]
    lists = [listed(engine) for engine in engines]
    assert lists[1] == lists[0]
    first = [next(at for at, item in enumerate(each, 1) if int(item[1:]) >= 10) for each in lists]
    assert first[1] > first[2] > first[3] > 1
    assert len({each[0] for each in lists}) == 1
    engine, lamp = engines[2], lists[2][first[2] - 1]
    query = Query(now=micros(NOW), user_id="nobody", limit=12)
    explained = [
        explain(engine, query, engine.snapshot.histories.of(""), engine.catalog.row(each)) for each in (lamp, lists[0][0])
    ]
    before = f"place {lists[0].index(lamp) + 1}" if lamp in lists[0] else "no place"
    assert f"; variety moved it from {before} to place {first[2]}" in explained[0].said
    assert "variety" not in explained[1].said


@pytest.mark.parametrize("limit", [4, 10])
def test_one_leaf_category_never_fills_the_built_in_home_page(one_sided: Snapshot, limit: int) -> None:
    """The last place goes to the best of another one; explain says so. Elsewhere, and where nothing else may be shown, it may."""
    home = Engine(one_sided, parse_settings("", Path()))
    elsewhere = listed_on(home, "category", limit)
    mixed = listed_on(home, "home", limit)
    assert len(mixed) == limit
    assert {int(item[1:]) < 10 for item in elsewhere} == {True}
    assert mixed[:-1] == elsewhere[:-1]
    assert int(mixed[-1][1:]) >= 10
    query = Query(now=micros(NOW), user_id="nobody", limit=limit)
    why = explain(home, query, home.snapshot.histories.of("nobody"), home.catalog.row(elsewhere[-1]))
    assert f"the placement lets at most {limit - 1} of one category stand within the first {limit}" in why.said
    assert len(listed_on(home, "home", limit, category="Home > Chairs")) == limit
    assert listed_on(home, "home", 3) == elsewhere[:3]
    share = {"share": {"min": 1, "within": limit, "filter": {"category": {"any": ["Home > Chairs"]}}}}
    home.campaigns.put({"a": msgspec.convert({"placements": ["home"], "actions": [share]}, Campaign)})
    assert listed_on(home, "home", limit) == elsewhere


def test_a_mixed_list_is_the_same_by_way_of_a_plan(one_sided: Snapshot) -> None:
    """Answers take a short way, which has no notes for `explain`: the items, scores, sources and fallback are the same."""
    engine, mixed = Engine(one_sided, parse_settings("", Path())), 0
    users = [*map(one_sided.histories.users.text, range(len(one_sided.histories))), "nobody"]
    for query in (Query(now=micros(NOW), user_id=user, limit=limit) for user in users for limit in (4, 5, 9)):
        history = one_sided.histories.of(query.user_id or "")
        ways = [
            build(engine, resolve_query(engine, query, history), query.limit, explained=explained)
            for explained in (False, True)
        ]
        assert ways[0].builder.picks == ways[1].builder.picks
        assert ways[0][1:4] == ways[1][1:4]
        mixed += ways[1].notes is not None and len(ways[1].notes.rows) > 0
    assert mixed


def listed_on(engine: Engine, placement: str, limit: int, **more: Any) -> list[str]:
    """What nobody in particular sees."""
    return shown(engine, ask(engine, "nobody", limit=limit, placement=placement, **more))


def test_a_click_forgets_the_impressions_before_it() -> None:
    """Impressions count since the last click, fade with time, and none from later than now."""
    fatigue, now = Fatigue(after=2, half_life_days=10.0), micros(NOW)
    seen = [Impression("a", now - day * DAY, False) for day in (0, 0, 10, 10)]
    seen += [Impression("b", now - DAY, False)] * 5 + [Impression("b", now, True)]
    seen += [Impression("c", now + DAY, False)] * 5
    assert shown_without_click(seen, fatigue, now) == (("a", 3.0),)


@calm
@given(
    seen=st.lists(st.builds(Impression, st.sampled_from("abc"), st.integers(0, 100), st.booleans()), max_size=60),
    after=st.integers(1, 5),
)
def test_no_item_counts_more_than_it_was_shown(seen: list[Impression], after: int) -> None:
    """And none that was clicked last."""
    found = dict(shown_without_click(seen, Fatigue(after=after), 50 + DAY))
    for item, count in found.items():
        mine = [each for each in seen if each.item_id == item]
        assert after <= count <= sum(not each.clicked for each in mine)
        last = max((each.at for each in mine if each.clicked), default=-1)
        assert any(not each.clicked and each.at >= last for each in mine)
