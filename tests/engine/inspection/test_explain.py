"""Explanations, why and why not: each tells the story of the answer, for every item and shopper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from recsys.engine.filters import STEPS, allowed_items, removal
from recsys.engine.inspection.explain import Explanation, explain
from recsys.engine.pipeline import Engine, answer, filter_inputs, resolve_query
from recsys.item_filters import Condition
from recsys.recommenders import RECOMMENDERS
from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.settings.placements import PLACEMENTS, Placement
from recsys.types import Bought, Query
from tests.conftest import NOW, Shop, ago, ask, event, micros, shown
from tests.support.shops.evaluated import SETTINGS
from tests.support.shops.synthetic import END
from training.job.job import fit


def explanation_of(engine: Engine, user: str, item: str, now: datetime = NOW, **more: Any) -> Explanation:
    """The explanation of one item."""
    query = Query(now=micros(now), user_id=user, **more)
    return explain(engine, query, engine.snapshot.histories.of(user), engine.catalog.row(item))


# Filters


@pytest.mark.parametrize(
    ("item", "query", "name", "said"),
    [
        ("gone-1", {}, "unavailable", "Not shown: it is not available"),
        ("gone-1", {"exclude": ("gone-1",)}, "unavailable", "Not shown: it is not available"),
        ("lamp-1", {"category": "Home > Sofas"}, "category", "Not shown: it is not in Home > Sofas"),
        ("lamp-1", {"category": "No such"}, "category", "Not shown: it is not in No such"),
        ("bag-1", {"brands": ("Oakly", "Norr")}, "brand", "Not shown: it is of none of the brands asked for"),
        ("bag-1", {"brands": ("No such",)}, "brand", "Not shown: it is of none of the brands asked for"),
        ("bag-1", {"price_min": 401.0}, "price", "Not shown: its price is not between those asked for, or not known"),
        ("bag-1", {"price_max": 399.0}, "price", "Not shown: its price is not between those asked for, or not known"),
        (
            "sofa-4",
            {"price_max": 1.0, "exclude": ("sofa-4",)},
            "price",
            "Not shown: its price is not between those asked for, or not known",
        ),
        (
            "bag-1",
            {"filter": (("brand", Condition(none=("Sella",))),)},
            "attributes",
            "Not shown: its brand must be none of Sella",
        ),
        ("sofa-4", {}, "bought", "Not shown: bought on 2026-03-01 and hidden for good"),
        (
            "sofa-4",
            {"bought": Bought("hide_days", 60)},
            "bought",
            "Not shown: bought on 2026-03-01 and hidden until 2026-04-30",
        ),
        (
            "bag-1",
            {"bought": Bought("only")},
            "bought",
            "Not shown: only what was bought before may stand here, and it never was",
        ),
        ("bag-1", {"disliked": (("item", "bag-1"),)}, "disliked", "Not shown: the shopper said no to it"),
        ("bag-1", {"exclude": ("bag-1",)}, "excluded", "Not shown: the query excludes it"),
        ("lamp-2", {}, "in_the_cart", "Not shown: it lies in the cart"),
        ("lamp-3", {"context_items": ("lamp-3",)}, "on_the_page", "Not shown: it stands on the page already"),
    ],
)
def test_every_filter_is_named(busy_shop: Shop, item: str, query: dict[str, Any], name: str, said: str) -> None:
    """What took an item out stands there by name and in words; several of them: the first."""
    busy_shop.add(
        event("ann", "sofa-4", "purchase", datetime(2026, 3, 1, 12, tzinfo=NOW.tzinfo), order_id="o"),
        event("ann", "lamp-2", "cart_add", ago(1)),
    )
    found = explanation_of(busy_shop.engine(), "ann", item, **query)
    assert found.filter is not None
    assert (found.shown, found.place, found.reason, found.filter.name, found.said) == (False, None, None, name, said)
    assert {one.rank for one in found.recommenders} == {None}
    assert (found.blend.rank, found.group, found.outranked_by) == (None, None, None)


def test_every_filter_has_its_case() -> None:
    """The cases above are all filters that there are, but those of settings and campaigns (tests/merchandising)."""
    mark = test_every_filter_is_named.pytestmark[0]
    assert {case[2] for case in mark.args[1]} == {*STEPS, "unavailable"} - {"placement", "campaign"}


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("bought", [None, Bought("hide_days", 40)])
def test_hidden_until_the_moment_told(busy_shop: Shop, bought: Bought | None) -> None:
    """A bought item comes back at the moment that the explanation named, not a second earlier."""
    bought_at = ago(2)
    busy_shop.add(*(event(f"u{at}", "soap-2", "purchase", bought_at - timedelta(days=30 * n), order_id=f"{at}-{n}")
                    for at in range(3) for n in range(2)))  # fmt: skip
    engine = busy_shop.engine()
    found = explanation_of(engine, "u0", "soap-2", bought=bought, limit=100)
    assert found.filter is not None
    assert found.filter.bought_at == bought_at
    until = found.filter.hidden_until
    assert until == bought_at + timedelta(days=15 if bought is None else 40)
    assert not explanation_of(engine, "u0", "soap-2", until - SECOND, bought=bought, limit=100).shown
    assert explanation_of(engine, "u0", "soap-2", until, bought=bought, limit=100).shown


# Ranks


def test_a_shown_item_with_its_place_and_reason(busy_shop: Shop) -> None:
    """Of what is shown the place, the rule with its conditions, the leading recommender's rank and the reason stand there."""
    busy_shop.add(event("ann", "sofa-4", "view", ago(minutes=5)), event("ann", "sofa-4", "cart_add", ago(minutes=4)))
    engine = busy_shop.engine()
    slate = ask(engine, "ann", limit=3)
    for place, item in enumerate(shown(engine, slate), 1):
        found = explanation_of(engine, "ann", item, limit=3)
        assert (found.shown, found.place, found.reason) == (True, place, slate.reasons[place - 1])
        assert (found.strategy, found.segment, found.recommendation_id) == (
            "category_buyer",
            "lead",
            slate.recommendation_id,
        )
        assert found.said.startswith(f"Shown at place {place}: Bestseller in Sofas: bought by ")
        assert found.rule is not None
        assert (found.rule.when, found.rule.weights) == ({"intent": "buyer", "focus": True}, {"bestsellers": 1.0})
        leading = found.recommenders[0]
        assert (leading.recommender, leading.weight, leading.fallback) == ("bestsellers", 1.0, 3)
        assert (found.blend.rank, found.blend.ranked) == (place, leading.ranked)
        assert leading.score == pytest.approx(slate.scores[place - 1], rel=1e-5)
        assert {one.recommender for one in found.recommenders} == set(RECOMMENDERS)


def test_what_is_outranked(busy_shop: Shop) -> None:
    """What the list has no room for is told by its ranks and by the last item shown."""
    engine = busy_shop.engine()
    ranked = shown(engine, ask(engine, "nobody", limit=100))
    found = explanation_of(engine, "nobody", ranked[4], limit=3)
    assert not found.shown
    assert found.outranked_by is not None
    assert (found.outranked_by.item_id, found.outranked_by.place, found.outranked_by.source) == (ranked[2], 3, "trending")
    title = found.outranked_by.title
    assert found.said == f"Not shown: trending ranks it 5 of 11; the list ends with {title} at place 3"
    assert (found.strategy, found.fallback, found.blend.ranked) == ("new_shopper", "trending", 0)
    assert found.rule is not None
    assert (found.rule.weights, found.user_id) == ({}, "nobody")


def test_what_nobody_ranks(busy_shop: Shop) -> None:
    """On a placement that may stay short an item is missing because nobody that was asked ranks it."""
    engine = Engine(busy_shop.fit().snapshot(), Settings(placements={"bare": Placement(fallback=())}))
    found = explanation_of(engine, "nobody", "sofa-1", placement="bare")
    assert (found.said, found.outranked_by) == ("Not shown: nobody was asked", None)
    brands = msgspec.structs.replace(engine.settings.placement("popular") or Placement(), fallback=())
    engine = Engine(engine.snapshot, Settings(placements={"popular": brands}))
    found = explanation_of(engine, "nobody", "sofa-1", placement="popular")
    assert found.said == "Not shown: none of those that were asked ranks it (brands)"


def test_the_blend_says_its_rank(busy_shop: Shop) -> None:
    """Where several recommenders lead, the rank of their blend is told with each one's own."""
    mixed = Placement(rules=PLACEMENTS["email_weekly"].rules[-1:], bought="allow")
    engine = Engine(busy_shop.fit().snapshot(), Settings(placements={"mixed": mixed}))
    query: dict[str, Any] = {"placement": "mixed"}
    slate = ask(engine, "user-0", limit=100, **query)
    first, last = shown(engine, slate)[0], shown(engine, slate)[-1]
    found = explanation_of(engine, "user-0", first, limit=1, **query)
    assert (found.segment, found.blend.rank) == ("repeat", 1)
    assert found.blend.score == pytest.approx(slate.scores[0], rel=1e-5)
    weights = {one.recommender: one.weight for one in found.recommenders if one.weight}
    assert weights == {"buy_again": 0.6, "ease": 0.2, "trending": 0.2, "als": 0.5}
    assert [one.recommender for one in found.recommenders[:2]] == ["buy_again", "als"]
    later = explanation_of(engine, "user-0", last, limit=1, **query)
    assert later.said.startswith(f"Not shown: the blend ranks it {later.blend.rank} of {later.blend.ranked}, ")


def test_of_a_group_the_other_is_named(shop: Shop) -> None:
    """An item whose group has a place already is told by the one that has it."""
    shop.items = [
        {"item_id": f"chair-{n}", "title": f"Chair {n}", "category": "Home", "group_id": f"g{n % 3}"} for n in range(9)
    ]
    shop.add(*(event("ann", f"chair-{n}", at=ago(days=n)) for n in range(9)))
    engine = shop.engine()
    chosen = shown(engine, ask(engine, "bob", limit=9))
    place = next(at for at, item in enumerate(chosen) if int(item[-1]) % 3 == 0)
    found = explanation_of(engine, "bob", "chair-6", limit=9)
    assert found.group is not None
    assert (found.shown, found.group.item_id, found.group.place) == (False, chosen[place], place + 1)
    assert found.said == f"Not shown: {found.group.title} of the same group is, at place {place + 1}"


# The same story as the answer


@dataclass(frozen=True)
class Tastes:
    """The synthetic shop, fitted on all of it."""

    engine: Engine
    users: list[str]
    items: list[str]


@pytest.fixture(scope="module")
def tastes(shop_folder: Path) -> Tastes:
    """Three hundred shoppers and their items."""
    settings = parse_settings(SETTINGS, shop_folder)
    engine = Engine(fit(settings, now=END).snapshot(), settings)
    users, items = engine.snapshot.histories.users, engine.catalog.items
    return Tastes(engine, [users.text(at) for at in range(len(users))], [items.text(at) for at in range(len(items))])


def drawn_query(tastes: Tastes, draw: Random) -> Query:
    """Any shopper, placement and filters."""
    catalog = tastes.engine.catalog
    some: dict[str, Any] = {
        "category": catalog.categories.text(draw.randrange(len(catalog.categories))),
        "brands": (catalog.brands.text(draw.randrange(len(catalog.brands))),),
        "price_min": draw.uniform(0, 50),
        "price_max": draw.uniform(20, 500),
        "context_items": tuple(draw.sample(tastes.items, 2)),
        "exclude": tuple(draw.sample(tastes.items, 20)),
        "bought": draw.choice([Bought("hide"), Bought("allow"), Bought("only"), Bought("hide_days", 30)]),
    }
    kept = {name: value for name, value in some.items() if draw.random() < 0.25}
    user = draw.choice([*tastes.users, "nobody"])
    placement = draw.choice(tastes.engine.settings.placement_names())
    now = tastes.engine.snapshot.as_of - draw.choice([0, 0, 30 * 86_400_000_000])
    return Query(now=now, user_id=user, placement=placement, limit=draw.choice([1, 6, 12, 100]), **kept)


def asked_about(tastes: Tastes, query: Query, draw: Random) -> list[int]:
    """Rows that anything may be true of: shown ones, owned ones, ones in the query, and others."""
    engine = tastes.engine
    history = engine.snapshot.histories.of(query.user_id or "")
    known = [*history.items[history.items >= 0].tolist(), *map(engine.catalog.row, (*query.context_items, *query.exclude))]
    slate = list(answer(engine, query, history).items)
    others = draw.sample(range(engine.catalog.n_known), 4)
    return [*draw.sample(slate, min(3, len(slate))), *draw.sample(known, min(4, len(known))), *others]


@pytest.mark.parametrize("seed", range(40))
def test_explanations_agree_with_the_answer(tastes: Tastes, seed: int) -> None:
    """Shown, and at which place, is exactly what the slate shows; a filter is named exactly where the item is not allowed."""
    draw, engine = Random(seed), tastes.engine
    query = drawn_query(tastes, draw)
    history = engine.snapshot.histories.of(query.user_id or "")
    slate, asked = answer(engine, query, history), resolve_query(engine, query, history)
    for item in asked_about(tastes, query, draw):
        found = explain(engine, query, history, item)
        place = slate.items.index(item) + 1 if item in slate.items else None
        assert (found.shown, found.place, found.recommendation_id) == (place is not None, place, slate.recommendation_id)
        assert (found.filter is None) == bool(asked.allowed[item])
        assert found.said.startswith("Shown at place " if found.shown else "Not shown: ")
        assert (found.strategy, found.fallback, found.notices) == (slate.strategy, slate.fallback, slate.notices)
        assert_why(engine, found, len(slate.items) == query.limit)
        if place:
            assert found.reason == slate.reasons[place - 1]


def assert_why(engine: Engine, found: Explanation, full: bool) -> None:
    """Ranks are those of allowed items only, and what is not shown has a cause."""
    ranks = [one.rank for one in found.recommenders if one.rank]
    assert not (found.filter and ranks)
    if found.shown:
        assert ranks
        assert (found.filter, found.group, found.outranked_by) == (None, None, None)
    elif found.filter is None and found.group is None:
        assert (found.outranked_by is not None) == full
        assert full or not any(one.rank for one in found.recommenders if one.weight or one.fallback)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Explanation) == found
    assert engine.catalog.row(found.item_id) >= 0


def test_the_steps_together_are_the_mask(tastes: Tastes) -> None:
    """An item is allowed exactly if no single step removes it, for whatever is asked."""
    draw, engine = Random(7), tastes.engine
    names = set()
    for _ in range(25):
        query = drawn_query(tastes, draw)
        asked = resolve_query(engine, query, engine.snapshot.histories.of(query.user_id or ""))
        given = filter_inputs(engine, query, asked.rows.context, asked.profile, asked.bought)
        allowed, _ = allowed_items(given)
        for item in [*draw.sample(range(engine.catalog.n_known), 20), *asked.profile.bought.tolist()[:5]]:
            found = removal(item, given)
            assert (found is None) == bool(allowed[item])
            names.add(found.filter if found else "allowed")
        assert np.array_equal(allowed, asked.allowed)
    assert names >= {"allowed", "unavailable", "category", "brand", "price", "bought"}
