"""One behaviour suite that every recommender passes by being listed, and answers known by construction for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from recsys.behaviour import PURCHASE, decay, event_weights, item_weights
from recsys.recommenders import RECOMMENDERS, base, configure
from recsys.recommenders.base import AnyRecommender
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery, SettingsError
from tests.conftest import NOW, ago, busy_events, event
from tests.support.shops.handmade import World, dense, numbered_items, shop_of, world

NAMES = sorted(RECOMMENDERS)


SHOPS = ("busy", "crowd", "empty", "one user", "one item", "no brands", "no categories", "views only")
every_recommender = pytest.mark.parametrize("name", NAMES)
every_shop = pytest.mark.parametrize("shop", SHOPS)


@cache
def fitted(name: str, shop: str) -> AnyRecommender:
    """A recommender with its default settings on one of the shops."""
    return shop_of(shop).fitted(name)


def queries(made: World) -> Iterator[RowQuery]:
    """The plain query, one in each category and brand, and one beside an item."""
    yield made.query()
    for code in range(len(made.catalog.categories)):
        yield made.query(category=made.catalog.categories.text(code))
    for code in range(len(made.catalog.brands)):
        yield made.query(brand=made.catalog.brands.text(code))
    yield made.query(context=[made.catalog.item_id(0)])


def masks(made: World) -> Iterator[Mask]:
    """Everything allowed, every other item, one item, nothing."""
    rows = np.arange(made.catalog.n_items)
    yield rows >= 0
    yield rows % 2 == 0
    yield rows == len(rows) // 2
    yield rows < 0


def questions(shop: str) -> Iterator[tuple[RowQuery, Profile, Mask]]:
    """What the behaviour tests ask: several shoppers, queries and masks."""
    made = shop_of(shop)
    users = [made.histories.users.text(row) for row in range(min(len(made.histories.users), 3))]
    for user in [*users, "nobody"]:
        profile = made.profile(user)
        for query in queries(made):
            for allowed in masks(made):
                yield query, profile, allowed


@every_shop
@every_recommender
def test_ranks_distinct_allowed_items(name: str, shop: str) -> None:
    """At most n distinct items, all allowed, with one finite score each; as many as allowed where it ranks everything."""
    recommender = fitted(name, shop)
    for query, profile, allowed in questions(shop):
        for n in (0, 1, 7):
            answer = recommender.recommend(query, profile, n, allowed)
            assert answer.items.dtype == np.int32
            assert answer.scores.dtype == np.float32
            assert len(answer) == len(answer.scores) == len(set(answer.items.tolist())) <= n
            assert allowed[answer.items].all()
            assert np.isfinite(answer.scores).all()
            if recommender.ranks_everything:
                assert len(answer) == min(n, np.count_nonzero(allowed))


@every_shop
@pytest.mark.parametrize("name", [name for name in NAMES if RECOMMENDERS[name].ranks_everything])
def test_an_item_alone_has_its_own_score(name: str, shop: str) -> None:
    """What ranks everything scores each item as if nothing else were asked for."""
    recommender, n_items = fitted(name, shop), shop_of(shop).catalog.n_items
    for query, profile, _ in questions(shop):
        for row in range(min(n_items, 5)):
            alone = recommender.recommend(query, profile, 1, np.arange(n_items) == row)
            assert alone.scores.tolist() == recommender.scores_of(np.array([row], np.int32)).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_scores_fall(name: str) -> None:
    """Candidates stand best first by their own scores, on every shop and query."""
    for shop in SHOPS:
        recommender = fitted(name, shop)
        for query, profile, allowed in questions(shop):
            scores = recommender.recommend(query, profile, 10, allowed).scores
            assert (np.diff(scores) <= 0).all()


def shares_heads(name: str, shop: str, lengths: Sequence[int]) -> None:
    """Check that each shorter answer is the head of the longest."""
    recommender = fitted(name, shop)
    for query, profile, allowed in questions(shop):
        whole = recommender.recommend(query, profile, max(lengths), allowed)
        for n in lengths:
            part = recommender.recommend(query, profile, n, allowed)
            assert part.items.tolist() == whole.items[:n].tolist()
            assert part.scores.tolist() == pytest.approx(whole.scores[:n].tolist(), rel=1e-5)


@every_shop
@every_recommender
def test_five_are_the_head_of_ten(name: str, shop: str) -> None:
    """Asked for five, a recommender answers the first five of ten."""
    shares_heads(name, shop, (5, 10))


@pytest.mark.parametrize("name", NAMES)
def test_any_answer_is_the_head_of_a_longer_one(name: str) -> None:
    """However few are asked for, they are the first of a longer answer."""
    for shop in ("busy", "crowd"):
        shares_heads(name, shop, (1, 2, 3, 10))


@every_shop
@every_recommender
def test_because_is_an_item_of_the_shopper_or_the_page(name: str, shop: str) -> None:
    """An evidence item is an item of the context or of the shopper's history, never the candidate itself."""
    recommender = fitted(name, shop)
    for query, profile, allowed in questions(shop):
        answer = recommender.recommend(query, profile, 10, allowed)
        if answer.explained_by is None or name in ("brands", "recently_viewed"):
            continue  # brands notes which of its windows answered, recently_viewed how many days ago
        assert len(answer.explained_by) == len(answer)
        known = {-1, *query.context.tolist(), *profile.history.items.tolist()}
        assert set(answer.explained_by.tolist()) <= known
        assert (answer.explained_by != answer.items).all()


def test_every_file_is_listed() -> None:
    """A recommender that is written and not listed would be missing without a word."""
    files = {file.stem for file in Path(base.__file__).parent.glob("*.py")} - {"__init__", "base", "neighbours"}
    assert {each.__module__.rpartition(".")[2] for each in RECOMMENDERS.values()} == files
    assert all(name == each.name for name, each in RECOMMENDERS.items())


def reasons(recommender: AnyRecommender, query: RowQuery, profile: Profile, answer: Candidates) -> list[Reason]:
    """The reason of each item of an answer, which is the same asked for alone and together with the others."""
    explained_by = [-1] * len(answer) if answer.explained_by is None else answer.explained_by.tolist()
    items = answer.items.tolist()
    alone = [recommender.reason(query, profile, *pair) for pair in zip(items, explained_by, strict=True)]
    assert recommender.reasons(query, profile, items, explained_by) == alone
    return alone


@every_shop
@every_recommender
def test_every_item_has_a_reason(name: str, shop: str) -> None:
    """Each reason has a code and a text a person reads, and no evidence that says nothing."""
    recommender, made = fitted(name, shop), shop_of(shop)
    for query, profile, allowed in questions(shop):
        answer = recommender.recommend(query, profile, 10, allowed)
        for reason in reasons(recommender, query, profile, answer):
            assert reason.code.replace("_", "").isalpha()
            assert reason.text[0].isupper()
            assert "None" not in reason.text
            assert reason.buyers is None or reason.buyers > 0
            assert reason.window_days is None or reason.window_days > 0
            assert reason.because_item_id is None or made.catalog.row(reason.because_item_id) >= 0


@every_shop
@every_recommender
def test_fits_plain_arrays_and_the_same_ones_again(name: str, shop: str, tmp_path: Path) -> None:
    """A fit gives plain numeric arrays, the same for the same tables, and they serve the same once saved and mapped."""
    made = shop_of(shop)
    first, second = made.arrays(name), made.arrays(name)
    assert sorted(first) == sorted(second)
    loaded: Arrays = {}
    for key, array in first.items():
        assert array.dtype.kind in "biuf"
        assert (array.dtype, array.shape, array.tobytes()) == (second[key].dtype, second[key].shape, second[key].tobytes())
        assert np.isfinite(array).all()
        np.save(tmp_path / f"{key}.npy", array, allow_pickle=False)
        loaded[key] = np.load(tmp_path / f"{key}.npy", mmap_mode="r", allow_pickle=False)
    mapped = RECOMMENDERS[name](loaded, made.catalog, made.behaviour, configure({})[name])
    for query, profile, allowed in list(questions(shop))[:8]:
        answer = mapped.recommend(query, profile, 10, allowed)
        expected = fitted(name, shop).recommend(query, profile, 10, allowed)
        assert answer.items.tolist() == expected.items.tolist()
        assert answer.scores.tolist() == expected.scores.tolist()


OTHER_SETTINGS: dict[str, dict[str, Any]] = {
    "als": {"half_life_days": 0.0, "iterations": 2, "most_interactions": 20},
    "bestsellers": {"guest_orders": True, "half_life_days": 3.0},
    "item_item": {"weighting": "bm25", "most_items": 2},
    "trending": {"half_life_days": 0.3},
}


@every_shop
@every_recommender
def test_parts_of_the_users_merge_to_the_same_bytes(name: str, shop: str) -> None:
    """However the users are cut, down to one each, merging what was learned of the parts gives what all events at once give."""
    made, recommender = shop_of(shop), RECOMMENDERS[name]
    guests = replace(made.tables.events, kinds=np.full_like(made.tables.events.kinds, PURCHASE))
    tables = replace(made.tables, guest_orders=guests)
    for chosen in ({}, OTHER_SETTINGS.get(name, {})):
        stated = configure({name: chosen})[name]
        whole = recommender.fit(tables, made.behaviour, stated)
        for n in (1, 2, 7, 1000):
            parts = [recommender.partial(part, made.behaviour, stated) for part in tables.cut(n)]
            merged = recommender.merge(parts, tables.without_events, made.behaviour, stated)
            assert sorted(merged) == sorted(whole)
            for key, array in merged.items():
                assert (array.dtype, array.shape, array.tobytes()) == (
                    whole[key].dtype,
                    whole[key].shape,
                    whole[key].tobytes(),
                )


@every_recommender
def test_answers_change_nothing(name: str) -> None:
    """Recommending writes into neither the mask nor the history, and the same question has the same answer again."""
    recommender = fitted(name, "crowd")
    for query, profile, allowed in questions("crowd"):
        before = allowed.copy(), profile.history.items.copy()
        first = recommender.recommend(query, profile, 10, allowed)
        again = recommender.recommend(query, profile, 10, allowed)
        assert first.items.tolist() == again.items.tolist()
        assert (allowed == before[0]).all()
        assert (profile.history.items == before[1]).all()


@every_recommender
def test_only_personal_recommenders_look_at_the_shopper(name: str) -> None:
    """A recommender that is not personal answers two shoppers alike; a personal one does not answer all alike."""
    recommender, made = fitted(name, "busy"), shop_of("busy")
    answers = {
        tuple(
            recommender.recommend(
                RowQuery(0, -1, profile.brand, made.query().context), profile, 5, made.allow()
            ).items.tolist()
        )
        for profile in map(made.profile, ("user-0", "user-1", "user-2", "user-3", "nobody"))
    }
    assert (len(answers) > 1) == recommender.personal


@every_recommender
def test_unknown_settings_are_refused(name: str) -> None:
    """A key that a recommender does not have is refused by name."""
    with pytest.raises(SettingsError, match=rf"^recommenders\.{name}: .*`no_such_key`"):
        configure({name: {"no_such_key": 1}})


@every_recommender
def test_settings_out_of_range_are_refused(name: str) -> None:
    """Every setting has a range: -1, or a word where a number is due, is refused with recommender and key named."""
    fields = msgspec.structs.fields(RECOMMENDERS[name].Settings)
    for each in fields:
        for wrong in (-1, "nonsense", None):
            with pytest.raises(SettingsError) as error:
                configure({name: {each.name: wrong}})
            assert f"recommenders.{name}" in str(error.value)
            assert each.name in str(error.value)


def test_an_unknown_recommender_is_refused() -> None:
    """Settings of a recommender that there is not say which ones there are."""
    with pytest.raises(SettingsError, match=r"recommenders\.magic: no such recommender; there are als, "):
        configure({"magic": {}})


def test_every_recommender_is_configured() -> None:
    """Recommenders that the settings do not name get their defaults; named keys are taken."""
    chosen = configure({"bestsellers": {"window_days": 7}})
    assert sorted(chosen) == NAMES
    assert msgspec.to_builtins(chosen["bestsellers"])["window_days"] == 7
    assert msgspec.to_builtins(chosen["brands"]) == msgspec.to_builtins(RECOMMENDERS["brands"].Settings())


# Known answers: bestsellers


def best(made: World, n: int = 12, query: RowQuery | None = None, allowed: Mask | None = None, **settings: Any) -> list[str]:
    """What bestsellers answers."""
    mask = made.allow() if allowed is None else allowed
    return made.names(made.fitted("bestsellers", **settings).recommend(query or made.query(), made.profile(), n, mask))


def sold(item: str, *users: str, days: float = 1) -> list[dict[str, Any]]:
    """Purchases of an item by these users, each its own order."""
    return [event(user, item, "purchase", ago(days, minutes=at), order_id=f"{item}-{at}") for at, user in enumerate(users)]


def test_bestsellers_count_people() -> None:
    """Items rank by distinct buyers: one person who bought five times counts once."""
    made = world(
        sold("sofa-1", "ann", "ann", "ann", "ann", "ann") + sold("lamp-1", "ann", "bob") + sold("bag-1", "a", "b", "c")
    )
    assert best(made, 3) == ["bag-1", "lamp-1", "sofa-1"]
    answer = made.fitted("bestsellers").recommend(made.query(), made.profile(), 3, made.allow())
    assert answer.scores.tolist() == [3, 2, 1]
    reason = made.fitted("bestsellers").reason(made.query(), made.profile(), int(answer.items[2]), -1)
    assert (reason.code, reason.buyers, reason.window_days) == ("bestseller", 1, 30)
    assert reason.text == "Bestseller: bought by 1 person in the last 30 days"


@pytest.mark.parametrize(("days", "score"), [(29.9, 2), (30, 0), (30.1, 0)])
def test_bestsellers_window(days: float, score: int) -> None:
    """Purchases of 29.9 days ago count, those of 30.1 days ago do not; the window is (now - 30 days, now]."""
    made = world([*sold("sofa-1", "ann", "bob", days=days), event("cat", "lamp-1", at=NOW)])
    assert made.arrays("bestsellers")["scores"][made.rows("sofa-1")[0]] == pytest.approx(score)


SALES = [
    *sold("sofa-1", "a", "b"),
    *sold("sofa-2", "a"),
    *sold("sofa-3", "b", "c", "d"),
    *sold("sofa-4", "a", "b", "c", "d"),
    *sold("lamp-1", "a", "b", "c", "d", "e"),
    *sold("bag-1", "a", "b", "c", "d", "e", "f"),
]


def test_bestsellers_of_a_category() -> None:
    """A category with four bestsellers answers with them first, then its parent's, then the whole shop's."""
    made = world(SALES)
    ranked = best(made, 6, made.query(category="Home > Sofas"))
    assert ranked == ["sofa-4", "sofa-3", "sofa-1", "sofa-2", "lamp-1", "bag-1"]
    reason = made.fitted("bestsellers").reason(
        made.query(category="Home > Sofas"), made.profile(), made.rows("sofa-4")[0], -1
    )
    assert reason.text == "Bestseller in Sofas: bought by 4 people in the last 30 days"


def test_what_a_category_cannot_fill_comes_from_its_parent() -> None:
    """The category's own bestsellers lead; then its parent's stand, then the whole shop's, also when a filter thins it out."""
    made = world(SALES)
    assert best(made, 4, made.query(category="Home > Lamps")) == ["lamp-1", "sofa-4", "sofa-3", "sofa-1"]
    assert best(made, 2, made.query(category="Fashion > Bags")) == ["bag-1", "lamp-1"]
    without_a_sofa = made.allow()
    without_a_sofa[made.rows("sofa-3")] = False
    ranked = best(made, 5, made.query(category="Home > Sofas"), without_a_sofa)
    assert ranked == ["sofa-4", "sofa-1", "sofa-2", "lamp-1", "bag-1"]


def test_bestsellers_rank_what_never_sold_last() -> None:
    """Nothing sold and never seen items still rank, last, in the order of ties, and claim no buyers."""
    made = world([*sold("bag-1", "ann"), event("bob", "lamp-2", at=ago(3))])
    assert best(made)[:2] == ["bag-1", "lamp-2"]
    reason = made.fitted("bestsellers").reason(made.query(), made.profile(), made.rows("sofa-1")[0], -1)
    assert (reason.code, reason.buyers) == ("in_the_shop", None)


# Known answers: trending


def test_trending_counts_a_shopper_once_a_day() -> None:
    """A shopper counts once per item and day, with the strongest event; ten views of one person are one view."""
    noon = ago(days=1)
    many = [event("ann", "sofa-1", at=noon + timedelta(minutes=at)) for at in range(10)]
    two = [event(user, "lamp-1", at=noon) for user in ("ann", "bob")]
    strong = [event("cat", "bag-1", kind, noon) for kind in ("view", "cart_add", "purchase")]
    made = world([*many, *two, *strong])
    answer = made.fitted("trending", half_life_days=1000).recommend(made.query(), made.profile(), 3, made.allow())
    assert made.names(answer) == ["bag-1", "lamp-1", "sofa-1"]
    assert answer.scores.tolist() == pytest.approx([5, 2, 1], rel=1e-2)


@pytest.mark.parametrize(("days", "trends"), [(89.9, True), (90.1, False)])
def test_trending_window(days: float, trends: bool) -> None:
    """Events of the last 90 days trend."""
    made = world([event("ann", "sofa-1", at=ago(days)), event("bob", None, "home_view", NOW)])
    assert (made.arrays("trending")["scores"].max() > 0) == trends


# Known answers: brands


def brand_shop(ages: Sequence[float], brand: str = "Oakly") -> World:
    """Items of one brand, each bought by its own buyer so many days ago, beside another busy brand."""
    items = [{"item_id": f"i{at}", "brand": brand, "category": "Home"} for at in range(len(ages))]
    others = [{"item_id": f"x{at}", "brand": "Other", "category": "Home"} for at in range(5)]
    rows = [row for at, age in enumerate(ages) for row in sold(f"i{at}", f"u{at}", days=age)]
    return world([*rows, *(event("z", f"x{at}", at=NOW) for at in range(5))], items + others)


@pytest.mark.parametrize(
    ("ages", "days", "shown"),
    [
        ([1, 2, 3, 6.9, 9], 7, 4),
        ([1, 2, 3, 7.1, 9], 8, 4),
        ([1, 2, 3, 8.5, 9.5], 9, 4),
        ([1, 2, 3, 9.5], 10, 4),
        ([1, 2, 3], 10, 3),
        ([1, 2, 3, 10.1], 10, 3),
        ([], 10, 0),
    ],
)
def test_brand_window_adapts(ages: list[float], days: int, shown: int) -> None:
    """The smallest window of 7 to 10 days with four items answers, else 10 days; the reason names it and its buyers."""
    made = brand_shop(ages) if ages else world([], [{"item_id": "i0", "brand": "Oakly"}])
    recommender, query = made.fitted("brands"), made.query(brand="Oakly")
    answer = recommender.recommend(query, made.profile(), 10, made.allow())
    assert len(answer) == shown
    for reason in reasons(recommender, query, made.profile(), answer):
        assert (reason.code, reason.window_days, reason.buyers) == ("brand_popular", days, 1)
        assert reason.text == f"Popular from Oakly: bought by 1 person in the last {days} days"


def test_brand_reason_names_the_window_that_answered() -> None:
    """Where a filter makes the window longer, the reason says the longer one."""
    made = brand_shop([1, 2, 3, 4, 9.5])
    recommender, query = made.fitted("brands"), made.query(brand="Oakly")
    answer = recommender.recommend(query, made.profile(), 10, made.allow("i0", "i1", "i2", "i4"))
    assert len(answer) == 4
    assert {reason.window_days for reason in reasons(recommender, query, made.profile(), answer)} == {10}


def test_brand_items_rank_by_shrunk_share() -> None:
    """score = (c + m q) / (C + m), c and C weights in the window, q the share of 30 days, m the shrinkage."""
    rows = [*sold("sofa-1", "a", "b"), *sold("sofa-2", "a"), *sold("lamp-3", "a", "b", "c", days=20)]
    rows += [event("d", "lamp-3", at=ago(2)), *sold("sofa-3", "e")]
    made = world(rows)
    answer = made.fitted("brands").recommend(made.query(brand="Oakly"), made.profile(), 5, made.allow())
    weight = {"sofa-1": 10, "sofa-2": 5, "lamp-3": 1}
    month = {"sofa-1": 10, "sofa-2": 5, "lamp-3": 16}
    expected = {item: (weight[item] + 20 * month[item] / 31) / (16 + 20) for item in weight}
    assert dict(zip(made.names(answer), answer.scores.tolist(), strict=True)) == pytest.approx(expected)
    assert made.names(answer) == sorted(expected, key=lambda item: -expected[item])
    plain = made.fitted("brands", shrinkage=0).recommend(made.query(brand="Oakly"), made.profile(), 5, made.allow())
    assert plain.scores.tolist() == pytest.approx([10 / 16, 5 / 16, 1 / 16])


def test_shrinkage_keeps_a_small_brand_with_its_month() -> None:
    """One fresh purchase does not topple what led the brand all month; without shrinkage it does."""
    month = [row for at in range(6) for row in sold("sofa-1", f"m{at}", days=15 + at)]
    made = world([*month, event("y", "sofa-1", at=ago(2)), *sold("sofa-2", "z", days=2)])
    ask = (made.query(brand="Oakly"), made.profile(), 1, made.allow())
    assert made.names(made.fitted("brands").recommend(*ask)) == ["sofa-1"]
    assert made.names(made.fitted("brands", shrinkage=0).recommend(*ask)) == ["sofa-2"]


def test_brands_know_no_brand_no_answer() -> None:
    """Without a brand in the query or the profile there is nothing to say, and other brands never show."""
    made = shop_of("busy")
    recommender = made.fitted("brands")
    assert len(recommender.recommend(made.query(), made.profile("user-0"), 5, made.allow())) == 0
    shown = made.names(recommender.recommend(made.query(brand="Sella"), made.profile(), 12, made.allow()))
    assert set(shown) <= {"bag-1", "bag-2", "soap-1"}


# Known answers: item_item and als on a checkerboard


def checkerboard(size: int) -> World:
    """User u saw every item whose number is as even or odd as u's own, but for item u."""
    rows = [
        event(f"u{user:02}", f"i{item:02}")
        for user in range(size)
        for item in range(size)
        if user % 2 == item % 2 and user != item
    ]
    return world(rows, numbered_items(size))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("item_item", {}),
        ("item_item", {"weighting": "bm25"}),
        ("item_item", {"item_power": 0.0, "user_power": 0.0, "half_life_days": 0.0}),
        ("als", {"factors": 3, "iterations": 15}),
        ("als", {"factors": 8, "regularization": 0.5}),
    ],
)
def test_checkerboard(name: str, settings: dict[str, Any]) -> None:
    """On a checkerboard of tastes each user's missing item of the own colour comes first, the other colour never."""
    made = checkerboard(20)
    recommender = made.fitted(name, **settings)
    for user in range(20):
        profile = made.profile(f"u{user:02}")
        unseen = made.allow()
        unseen[profile.history.items] = False
        fresh = recommender.recommend(made.query(), profile, 1, unseen)
        assert made.names(fresh) == [f"i{user:02}"]
        everything = made.names(recommender.recommend(made.query(), profile, 10, made.allow()))
        assert {int(item[1:]) % 2 for item in everything} == {user % 2}
        assert len(everything) == 10


def square(arrays: Arrays, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The neighbour rows as one matrix."""
    matrix = np.zeros((n, n))
    for row in range(n):
        np.add.at(matrix[row], arrays["neighbours"][row], arrays["weights"][row].astype(float))
    return matrix


@pytest.mark.parametrize(("p", "a", "half_life"), [(0.6, 0.5, 30.0), (1.1, 0.5, 0.0), (0.0, 0.0, 7.0)])
def test_item_item_is_the_formula(p: float, a: float, half_life: float) -> None:
    """W = D_i^-p · Rᵀ · D_u^-2a · R without its diagonal."""
    made = shop_of("crowd")
    arrays = made.arrays("item_item", item_power=p, user_power=a, half_life_days=half_life, neighbours=59)
    r = dense(made, half_life)
    items, users = r.sum(axis=0), r.sum(axis=1)
    expected = np.diag(items**-p) @ r.T @ np.diag(users ** (-2 * a)) @ r
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(square(arrays, 60), expected, rtol=1e-4)


def test_bm25_is_the_formula() -> None:
    """BM25: W = BᵀB without its diagonal, B = idf · tf (k1 + 1) / (tf + k1 (1 - b + b · length / average))."""
    made = shop_of("crowd")
    arrays = made.arrays("item_item", weighting="bm25", bm25_k1=2.0, bm25_b=0.4, neighbours=59)
    r = dense(made, 30.0)
    length = r.sum(axis=1, keepdims=True)
    saturated = r * 3 / (r + 2.0 * (1 - 0.4 + 0.4 * length / length.mean()))
    idf = np.log(len(r)) - np.log1p((r > 0).sum(axis=0))
    weighted = saturated * np.maximum(idf, 0)
    expected = weighted.T @ weighted
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(square(arrays, 60), expected, rtol=1e-4)


def test_bm25_fits_an_empty_table() -> None:
    """The other weighting works on an empty table too."""
    assert world([]).arrays("item_item", weighting="bm25")["weights"].max() == 0


def test_item_item_keeps_the_strongest_neighbours() -> None:
    """K neighbours a row are kept, those of the largest weight."""
    made = shop_of("crowd")
    whole = square(made.arrays("item_item", neighbours=59), 60)
    cut = square(made.arrays("item_item", neighbours=3), 60)
    for row in range(60):
        kept = np.flatnonzero(cut[row])
        assert 0 < len(kept) <= 3
        np.testing.assert_allclose(np.sort(cut[row][kept]), np.sort(whole[row])[-len(kept) :], rtol=1e-5)


def test_item_item_adds_up_the_history() -> None:
    """An item's score is the sum of the history's decayed weights times W, and its evidence the item that gave most."""
    made = shop_of("crowd")
    recommender, profile = made.fitted("item_item", neighbours=59, history_items=100), made.profile("u7")
    w = square(made.arrays("item_item", neighbours=59), 60)
    items, strengths = item_weights(profile.history, made.query().now, event_weights(made.behaviour), 30.0, 100, 30.0)
    parts = strengths[:, None] * w[items]
    answer = recommender.recommend(made.query(), profile, 10, made.allow())
    assert answer.explained_by is not None
    np.testing.assert_allclose(answer.scores, np.sort(parts.sum(axis=0))[::-1][:10], rtol=1e-4)
    np.testing.assert_allclose(answer.scores, parts.sum(axis=0)[answer.items], rtol=1e-4)
    assert answer.explained_by.tolist() == items[parts[:, answer.items].argmax(axis=0)].tolist()


def test_item_item_follows_the_page_before_the_shopper() -> None:
    """With items on the page their neighbours answer, whoever asks; the reason says of which."""
    made = shop_of("busy")
    recommender, query = made.fitted("item_item"), made.query(context=["bag-1"])
    answers = [recommender.recommend(query, made.profile(user), 3, made.allow()) for user in ("user-0", "nobody")]
    assert answers[0].items.tolist() == answers[1].items.tolist()
    assert set(made.names(answers[0])) <= {"bag-2", "soap-1", "soap-2"}
    reason = recommender.reason(query, made.profile(), int(answers[0].items[0]), made.rows("bag-1")[0])
    assert (reason.code, reason.because_item_id) == ("similar", "bag-1")
    assert reason.text == "Shoppers interested in Tote bag also like this"


@pytest.mark.parametrize(
    ("kind", "text"), [("view", "Because you viewed Oak sofa"), ("purchase", "Because you bought Oak sofa")]
)
def test_item_item_says_because(kind: str, text: str) -> None:
    """Without a page the reason names the item of the shopper's own past that spoke most, and what was done with it."""
    made = world([*busy_events(), event("ann", "sofa-1", kind)])
    recommender, profile = made.fitted("item_item"), made.profile("ann")
    answer = recommender.recommend(made.query(), profile, 3, made.allow())
    assert {reason.text for reason in reasons(recommender, made.query(), profile, answer)} == {text}


def solved(made: World, user: str, alpha: float, ridge: float, half_life: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """x = (Yᵀ C Y + λI)⁻¹ Yᵀ C 1 over all items, written plainly."""
    factors = made.arrays("als", alpha=alpha, regularization=ridge, half_life_days=half_life)["factors"].astype(np.float64)
    row = made.histories.users.row(user)
    strengths = dense(made, half_life)[row]
    confidence, liked = 1 + alpha * strengths, (strengths > 0).astype(float)
    system = (factors.T * confidence) @ factors + ridge * np.eye(factors.shape[1])
    return np.asarray(np.linalg.solve(system, factors.T @ (confidence * liked)))


@pytest.mark.parametrize("user", ["u0", "u7", "u39"])
def test_als_folds_in_by_the_normal_equations(user: str) -> None:
    """Scores are Yx with x solved from the shopper's own history, as the fit would."""
    made = shop_of("crowd")
    settings = {"alpha": 3.0, "regularization": 0.1, "half_life_days": 20.0}
    factors = made.arrays("als", **settings)["factors"].astype(np.float64)
    expected = factors @ solved(made, user, 3.0, 0.1, 20.0)
    answer = made.fitted("als", **settings).recommend(made.query(), made.profile(user), 60, made.allow())
    np.testing.assert_allclose(answer.scores, expected[answer.items], rtol=2e-3, atol=1e-4)
    assert len(answer) == np.count_nonzero(expected > 0)


def test_als_folds_in_as_implicit_does() -> None:
    """The vector of a shopper agrees with implicit's own recalculate_user."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    made = shop_of("crowd")
    arrays = made.arrays("als", alpha=3.0, regularization=0.1, half_life_days=20.0)
    ratings = csr_matrix(dense(made, 20.0).astype(np.float32))
    ratings.data = 1 + 3.0 * ratings.data
    with threadpool_limits(1, user_api="blas"):
        model = AlternatingLeastSquares(factors=64, regularization=0.1, alpha=1.0, num_threads=1, use_gpu=False)
        model.item_factors = np.ascontiguousarray(arrays["factors"], np.float32)
        vectors = model.recalculate_user(np.arange(40), ratings)
    for user in ("u3", "u21"):
        answer = made.fitted("als", alpha=3.0, regularization=0.1, half_life_days=20.0).recommend(
            made.query(), made.profile(user), 20, made.allow()
        )
        expected = arrays["factors"].astype(np.float64) @ vectors[made.histories.users.row(user)]
        np.testing.assert_allclose(answer.scores, expected[answer.items], rtol=2e-3, atol=1e-4)


def test_als_reads_few_allowed_items_as_all() -> None:
    """Where few items are allowed only those are scored, and they score the same."""
    made = shop_of("crowd")
    recommender, profile = made.fitted("als"), made.profile("u3")
    whole = recommender.recommend(made.query(), profile, 60, made.allow())
    scores = dict(zip(whole.items.tolist(), whole.scores.tolist(), strict=True))
    few = made.allow(*(made.catalog.item_id(row) for row in whole.items[[4, 9, 2]].tolist()))
    part = recommender.recommend(made.query(), profile, 60, few)
    assert part.items.tolist() == whole.items[[2, 4, 9]].tolist()
    assert part.scores.tolist() == pytest.approx([scores[item] for item in part.items.tolist()], rel=1e-4)


def test_als_does_not_depend_on_threads() -> None:
    """One solver thread and two give the same factors."""
    made = shop_of("crowd")
    one, two = made.arrays("als", threads=1), made.arrays("als", threads=2)
    assert one["factors"].tobytes() == two["factors"].tobytes()


# Known answers: bought_together


def basket(order: str, *items: str, days: float = 1, user: str | None = None) -> list[dict[str, Any]]:
    """One order of these items."""
    return [event(user or order, item, "purchase", ago(days), order_id=order) for item in items]


def test_complements_come_from_the_same_orders_and_other_leaves() -> None:
    """What lay in the same orders ranks, most often first, but never another item of the same leaf category."""
    rows = [
        *basket("o1", "sofa-1", "sofa-2", "lamp-1"),
        *basket("o2", "sofa-1", "sofa-2", "lamp-1"),
        *basket("o3", "sofa-1", "lamp-2"),
        *basket("o4", "bag-1", "soap-1"),
    ]
    made = world(rows)
    recommender, query = made.fitted("bought_together"), made.query(context=["sofa-1"])
    answer = recommender.recommend(query, made.profile(), 10, made.allow())
    assert made.names(answer) == ["lamp-1", "lamp-2"]
    assert {reason.text for reason in reasons(recommender, query, made.profile(), answer)} == {
        "Bought together with Oak sofa"
    }


def test_complements_are_a_shrunk_cosine() -> None:
    """score(i, j) = o(i and j) / sqrt((o(i) + s) (o(j) + s)) with o the decayed number of orders."""
    rows = [*basket("o1", "sofa-1", "lamp-1", days=0), *basket("o2", "sofa-1", "lamp-1", days=10)]
    rows += [*basket("o3", "sofa-1", "bag-1", days=20), *basket("o4", "lamp-1", days=30)]
    made = world(rows)
    matrix = square(made.arrays("bought_together", half_life_days=10, shrinkage=2, price_reach=0), 12)
    sofa, lamp, bag = made.rows("sofa-1", "lamp-1", "bag-1")
    orders = {sofa: 1.75, lamp: 1.625, bag: 0.25}
    expected = np.zeros((12, 12))
    for one, other, shared in ((sofa, lamp, 1.5), (sofa, bag, 0.25)):
        expected[one, other] = expected[other, one] = shared / np.sqrt((orders[one] + 2) * (orders[other] + 2))
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)


def test_a_case_is_bought_with_a_phone_and_not_the_phone_for_the_case() -> None:
    """A complement that costs more than twice the item counts less, by the square root; a cheaper one counts in full."""
    made = world(basket("one", "sofa-1", "soap-1") + basket("two", "soap-1", "bag-1"))
    sofa, soap = made.rows("sofa-1", "soap-1")
    free, held = (square(made.arrays("bought_together", price_reach=reach), 12) for reach in (0.0, 2.0))
    assert held[sofa, soap] == free[sofa, soap] > 0
    assert held[soap, sofa] == pytest.approx(free[soap, sofa] * np.sqrt(2 * 9 / 900), rel=1e-5)
    unpriced = world(basket("one", "i00", "i01"), numbered_items(2))
    one, other = (unpriced.arrays("bought_together", price_reach=reach)["weights"] for reach in (0.0, 2.0))
    assert np.array_equal(one, other)


def test_a_line_written_twice_is_one_order() -> None:
    """An order counts once, however its lines are split."""
    made = world(basket("o1", "sofa-1", "lamp-1"))
    twice = world(
        [*basket("o1", "sofa-1", "lamp-1"), event("o1", "sofa-1", "purchase", ago(1), order_id="o1", quantity=2.0)]
    )
    expected = made.arrays("bought_together")["weights"].max()
    assert twice.arrays("bought_together")["weights"].max() == pytest.approx(expected)


def test_wholesale_orders_are_left_out() -> None:
    """An order with more lines than the setting says nothing of a shopper's choice."""
    made = world([*basket("o1", "sofa-1", "lamp-1", "bag-1"), *basket("o2", "sofa-1", "soap-1")])
    query = made.query(context=["sofa-1"])
    few, all_of_them = (
        made.fitted("bought_together", most_lines=max_n).recommend(query, made.profile(), 5, made.allow())
        for max_n in (2, 3)
    )
    assert made.names(few) == ["soap-1"]
    assert set(made.names(all_of_them)) == {"soap-1", "lamp-1", "bag-1"}


def test_complements_of_what_is_owned() -> None:
    """Without a page the complements of what the shopper bought last answer; strangers own nothing."""
    made = world([*basket("o1", "sofa-1", "lamp-1"), *basket("o2", "bag-1", "soap-1"), *basket("o3", "sofa-1", user="ann")])
    recommender, profile = made.fitted("bought_together"), made.profile("ann")
    answer = recommender.recommend(made.query(), profile, 5, made.allow())
    assert made.names(answer) == ["lamp-1"]
    assert len(recommender.recommend(made.query(), made.profile("nobody"), 5, made.allow())) == 0


# Known answers: buy_again


def bought_by_ann(*purchases: tuple[str, float]) -> list[dict[str, Any]]:
    """Ann's purchases, each its own order, so many days ago."""
    return [event("ann", item, "purchase", ago(days), order_id=f"{item}@{days}") for item, days in purchases]


def again(made: World, now: datetime = NOW, allowed: Mask | None = None, **settings: Any) -> list[str]:
    """What buy_again answers to ann."""
    recommender, mask = made.fitted("buy_again", **settings), made.allow() if allowed is None else allowed
    return made.names(recommender.recommend(made.query(now=now), made.profile("ann", now), 10, mask))


def test_buy_again_by_frequency() -> None:
    """What was bought more often stands first; nothing that was not bought, or is not allowed, stands at all."""
    rows = bought_by_ann(("soap-1", 40), ("soap-1", 30), ("soap-1", 20), ("bag-1", 35), ("bag-1", 25), ("lamp-1", 22))
    made = world([*rows, *sold("sofa-1", "bob", "cat", "dan")])
    assert again(made) == ["soap-1", "bag-1", "lamp-1"]
    assert again(made, allowed=made.allow("lamp-1", "soap-1", "sofa-1")) == ["soap-1", "lamp-1"]
    reason = made.fitted("buy_again").reason(made.query(), made.profile("ann"), made.rows("soap-1")[0], -1)
    assert (reason.code, reason.text) == ("buy_again", "You bought this 3 times, the last time 20 days ago")


def test_buy_again_breaks_ties_by_popularity() -> None:
    """Of two items bought equally often, the one that others buy lately stands first; it does not outweigh a purchase."""
    rows = bought_by_ann(("soap-1", 30), ("bag-1", 30), ("lamp-1", 30), ("lamp-1", 29))
    made = world([*rows, *sold("bag-1", "bob", "cat", "dan", days=2)])
    assert again(made) == ["lamp-1", "bag-1", "soap-1"]
    assert again(made, popularity_weight=5.0) == ["bag-1", "lamp-1", "soap-1"]


def due_shop() -> World:
    """Ann bought tea 2 days ago and soap 12 days ago; both are usually bought again after 10 days."""
    items = [{"item_id": name, "category": name} for name in ("tea", "soap")]
    others = [
        event(f"u{at}", item, "purchase", ago(days), order_id=f"{item}{at}{days}")
        for at in range(3)
        for item in ("tea", "soap")
        for days in (30, 40)
    ]
    return world([*others, *bought_by_ann(("tea", 2), ("soap", 12))], items)


def test_buy_again_when_due() -> None:
    """An item bought a moment ago is held down until its usual gap is over."""
    made = due_shop()
    assert made.catalog.gap_days.tolist() == [10, 10]
    assert again(made, half_life_days=0, popularity_weight=0) == ["soap", "tea"]
    assert again(made, half_life_days=0, popularity_weight=0, due_weight=0) == ["tea", "soap"]
    recommender = made.fitted("buy_again", half_life_days=0, popularity_weight=0, due_weight=0.3)
    answer = recommender.recommend(made.query(), made.profile("ann"), 2, made.allow())
    assert answer.scores.tolist() == pytest.approx([1, 1 - 0.3 * (1 - 2 / 10)])


def test_buy_again_counts_orders() -> None:
    """A line that stands twice in one order was bought once."""
    made = world([*bought_by_ann(("soap-1", 30)), {**bought_by_ann(("soap-1", 30))[0], "quantity": 2.0}])
    reason = made.fitted("buy_again").reason(made.query(), made.profile("ann"), made.rows("soap-1")[0], -1)
    assert reason.text == "You bought this once, 30 days ago"


def test_buy_again_with_a_gap_of_nothing() -> None:
    """Orders at the same moment give a gap of 0 days, which divides nothing."""
    rows = [event("ann", "soap-1", "purchase", ago(5), order_id=f"o{at}") for at in range(4)]
    assert again(world(rows), now=ago(5)) == ["soap-1"]


# Known answers: recently_viewed


def viewed(made: World, user: str = "ann", **settings: Any) -> list[str]:
    """What recently_viewed answers."""
    recommender = made.fitted("recently_viewed", **settings)
    return made.names(recommender.recommend(made.query(), made.profile(user), 10, made.allow()))


def test_recently_viewed_newest_first() -> None:
    """What was looked at last stands first, each item once, by its last view."""
    made = world(
        [event("ann", item, at=ago(days)) for item, days in (("sofa-1", 9), ("lamp-1", 5), ("sofa-1", 2), ("bag-1", 3))]
    )
    assert viewed(made) == ["sofa-1", "bag-1", "lamp-1"]
    assert viewed(made, "nobody") == []


def test_recently_viewed_not_when_bought_since() -> None:
    """What was bought after the last look is left out; looked at again after, it stands."""
    rows = [event("ann", "sofa-1", at=ago(5)), event("ann", "sofa-1", "purchase", ago(4))]
    rows += [event("ann", "lamp-1", "purchase", ago(4)), event("ann", "lamp-1", at=ago(3))]
    rows += [event("ann", "bag-1", "cart_add", ago(2)), event("ann", "soap-1", "search", ago(2))]
    assert viewed(world(rows)) == ["lamp-1"]


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0.99, "You looked at this in the last 24 hours"),
        (1, "You looked at this 1 day ago"),
        (3.5, "You looked at this 3 days ago"),
    ],
)
def test_recently_viewed_says_when(days: float, text: str) -> None:
    """The reason tells the age of the last view; what was done with the item since is no view."""
    made = world(
        [
            event("ann", "sofa-1", at=ago(days + 5)),
            event("ann", "sofa-1", at=ago(days)),
            event("ann", "sofa-1", "click", NOW),
        ]
    )
    recommender, profile = made.fitted("recently_viewed"), made.profile("ann")
    answer = recommender.recommend(made.query(), profile, 5, made.allow())
    assert [reason.text for reason in reasons(recommender, made.query(), profile, answer)] == [text]


@pytest.mark.parametrize(("days", "remembered"), [(59.9, True), (60.1, False)])
def test_recently_viewed_window(days: float, remembered: bool) -> None:
    """Views of the last 60 days are remembered."""
    assert (viewed(world([event("ann", "sofa-1", at=ago(days))])) == ["sofa-1"]) == remembered


def test_recently_viewed_newest_first_with_any_half_life() -> None:
    """The half-life weighs, it never changes the order."""
    made = world([event("ann", "bag-1", at=ago(58)), event("ann", "lamp-1", at=ago(55)), event("bob", "bag-1", at=ago(1))])
    assert viewed(made, half_life_days=0.3) == ["lamp-1", "bag-1"]


# Fading


def old_and_new(kind: str) -> list[dict[str, Any]]:
    """Much that happened to the old item 24 days ago, little to the new one just now; each beside the same anchor."""
    rows = []
    for user in range(12):
        days, item = (24, "old") if user < 9 else (1, "new")
        for place, each in enumerate(("anchor", item)):
            at = ago(days, minutes=user) + timedelta(seconds=place)
            rows.append(event(f"u{user}", each, kind, at, order_id=f"o{user}" if kind == "purchase" else None))
    return rows


FADING = [
    ("bestsellers", "half_life_days", "purchase"),
    ("trending", "half_life_days", "view"),
    ("item_item", "half_life_days", "view"),
    ("als", "half_life_days", "view"),
    ("ease", "half_life_days", "view"),
    ("next_item", "half_life_days", "view"),
    ("bought_together", "half_life_days", "purchase"),
    ("buy_again", "popularity_half_life_days", "purchase"),
]


@pytest.mark.parametrize(("name", "setting", "kind"), FADING)
def test_half_lives_fade(name: str, setting: str, kind: str) -> None:
    """With a short half-life the little that is new leads, with a very long one the much that is old."""
    items = [{"item_id": item, "category": item} for item in ("anchor", "new", "old")]
    mine = {
        "buy_again": [event("ann", item, "purchase", NOW, order_id=item) for item in ("old", "new")],
        "als": [event("ann", "anchor", at=NOW)],
    }
    more: dict[str, dict[str, float]] = {
        "buy_again": {"half_life_days": 0, "due_weight": 0, "popularity_weight": 5},
        "als": {"factors": 2, "regularization": 1.0},
    }
    made = world([*old_and_new(kind), *mine.get(name, [])], items)
    query = made.query(context=["anchor"] if name in ("ease", "item_item", "next_item", "bought_together") else [])
    leaders = []
    for half_life in (0.5, 10_000.0):
        recommender = made.fitted(name, **(more.get(name, {}) | {setting: half_life}))
        answer = recommender.recommend(query, made.profile("ann"), 2, made.allow("old", "new"))
        leaders.append(made.names(answer)[0])
    assert leaders == ["new", "old"]


def test_every_half_life_is_tested() -> None:
    """A recommender that gains a half-life gains a case above; those that fade only the shopper's own past stand here."""
    own = {("recently_viewed", "half_life_days"), ("buy_again", "half_life_days"), ("content", "half_life_days")}
    own |= {(name, "half_life_steps") for name in BY_STEP}
    found = {
        (name, each.name)
        for name, recommender in RECOMMENDERS.items()
        for each in msgspec.structs.fields(recommender.Settings)
        if "half_life" in each.name
    }
    assert found == own | {(name, setting) for name, setting, _ in FADING}


BY_STEP = ("ease", "item_item", "next_item")


@pytest.mark.parametrize("name", BY_STEP)
def test_a_history_fades_by_step(name: str) -> None:
    """However many days lie between, the last step speaks louder than what was done often before it, once the half-life is short."""
    couples = [("i00", "i01"), ("i02", "i03")]
    rows = [
        event(f"{pair[0]}-{user}", item, at=ago(30, minutes=-place))
        for pair in couples
        for user in range(10)
        for place, item in enumerate(pair)
    ]
    often = [event("ann", item, at=ago(5, minutes=9 - at)) for at, item in enumerate(("i00", "i02", "i00", "i00"))]
    made = world([*rows, *often, event("ann", "i02", at=ago(5))], numbered_items(4))
    leaders = []
    for half_life in (0.5, 0.0):
        recommender = made.fitted(name, half_life_steps=half_life)
        answer = recommender.recommend(made.query(), made.profile("ann"), 2, made.allow("i01", "i03"))
        leaders.append(made.names(answer)[0])
    assert leaders == ["i03", "i01"]


def test_own_purchases_fade() -> None:
    """In buy_again two old purchases of one's own weigh less than a fresh one once the half-life is short."""
    made = world(bought_by_ann(("soap-1", 300), ("soap-1", 290), ("bag-1", 10)))
    quiet: dict[str, Any] = {"popularity_weight": 0, "due_weight": 0}
    assert again(made, half_life_days=30, **quiet) == ["bag-1", "soap-1"]
    assert again(made, half_life_days=0, **quiet) == ["soap-1", "bag-1"]


def test_the_shopper_s_own_past_fades_in_item_item() -> None:
    """An answer starts from what the shopper did lately: the half-life also weighs the history, as `decay` defines."""
    made = world(
        [*busy_events(), *(event("ann", "sofa-1", at=ago(60, minutes=at)) for at in range(5)), event("ann", "bag-1")]
    )
    profile = made.profile("ann")
    recent = made.fitted("item_item", half_life_days=5).recommend(made.query(), profile, 1, made.allow())
    always = made.fitted("item_item", half_life_days=0).recommend(made.query(), profile, 1, made.allow())
    assert recent.explained_by is not None
    assert always.explained_by is not None
    assert [recent.explained_by.tolist(), always.explained_by.tolist()] == [made.rows("bag-1"), made.rows("sofa-1")]
    assert decay(np.array([60], np.float32), 5)[0] == pytest.approx(0.5**12)
