"""Order inside a rule's set: the blend ranks what the rule's recommenders bring, and nothing else comes in."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.blend import Ranked, reordered
from recsys.engine.engine import Engine
from recsys.engine.inspection.explain import explain
from recsys.settings import Settings
from recsys.settings.placements import Placement, Rule
from recsys.types import Bought, Query
from tests.conftest import NOW, Shop, ago, ask, busy_events, event, micros, shown
from tests.support.shops.handmade import calm


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One shop, with bestsellers as they rank themselves and as the blend ranks them, and the blend alone."""

    def of(order: Literal["own", "blend"]) -> Placement:
        rule = Rule(name="sells", recommenders={"bestsellers": 1.0}, order=order)
        return Placement(rules=(rule,), fallback=(), bought="allow")

    shop = Shop(tmp_path_factory.mktemp("ordered"), busy_events())
    alone = Placement(rules=(Rule(name="blend", blend=True),), fallback=(), bought="allow")
    settings = Settings(placements={"own": of("own"), "ordered": of("blend"), "alone": alone})
    return Engine(shop.fit().snapshot(), settings)


@pytest.mark.parametrize("user", ["user-0", "user-3"])
def test_the_blend_orders_what_the_rule_brings(engine: Engine, user: str) -> None:
    """The list holds the rule's items and no other, in the blend's order, each with the rule's source and reason."""
    own, ordered, alone = (ask(engine, user, placement=name, limit=100) for name in ("own", "ordered", "alone"))
    reasons = dict(zip(own.items, own.reasons, strict=True))
    assert set(ordered.items) == set(own.items)
    assert set(ordered.sources) == {"bestsellers"}
    assert [reasons[item] for item in ordered.items] == list(ordered.reasons)
    known = [item for item in alone.items if item in reasons]
    assert list(ordered.items[: len(known)]) == known
    assert list(ordered.items) != list(own.items)
    assert list(ordered.scores) == sorted(ordered.scores, reverse=True)


def test_an_answer_leaves_no_mark_for_the_next(engine: Engine) -> None:
    """The mask in which a rule's items are ordered goes from one answer to the next, and holds none of them by then."""
    first = ask(engine, "user-0", placement="ordered", limit=100)
    blank = engine.take_blank()
    assert not blank.any()
    engine.give_back(blank)
    for user in ("user-3", "user-1", "user-0"):
        again = ask(engine, user, placement="ordered", limit=100)
    assert (again.items, again.scores, again.reasons) == (first.items, first.scores, first.reasons)


def test_the_category_stays_first(busy_shop: Shop) -> None:
    """A buyer with a focus sees what sells in that category before anything else, in the blend's order."""
    busy_shop.add(event("user-0", "sofa-4", "view", ago(minutes=5)), event("user-0", "sofa-4", "cart_add", ago(minutes=4)))
    fresh = Engine(busy_shop.fit().snapshot(), Settings())
    slate = ask(fresh, "user-0", limit=8, bought=Bought("allow"))
    assert slate.strategy == "category_buyer"
    assert {item[:4] for item in shown(fresh, slate)[:3]} == {"sofa"}
    assert len({item[:4] for item in shown(fresh, slate)}) > 1


def test_explain_tells_the_order(engine: Engine) -> None:
    """The rule says by what its items are ordered, and an item that is not shown has its rank in that order."""
    last = ask(engine, "user-0", placement="ordered", limit=100).items[-1]
    query = Query(now=micros(NOW), user_id="user-0", placement="ordered", limit=1)
    found = explain(engine, query, engine.snapshot.histories.of("user-0"), last)
    assert found.rule is not None
    assert (found.rule.order, dict(found.rule.weights)) == ("blend", {"bestsellers": 1.0})
    assert found.blend.rank == found.blend.ranked
    assert found.said.startswith(f"Not shown: the blend ranks it {found.blend.rank} of {found.blend.ranked}, bestsellers")


def test_a_rule_that_brings_nothing_leaves_the_fallback(engine: Engine) -> None:
    """Without items there is nothing to order, and the fallback chain fills the list."""
    rule = Rule(name="nothing", recommenders={"brands": 1.0}, order="blend")
    other = Engine(engine.snapshot, Settings(placements={"home": Placement(rules=(rule,))}))
    slate = ask(other, "nobody", limit=3)
    assert (len(shown(other, slate)), slate.fallback) == (3, "trending")


def ranked(rows: list[int], source: str) -> Ranked:
    """A list with scores that fall from 1."""
    n = len(rows)
    return Ranked(
        np.array(rows, np.int32), 1 / (1 + np.arange(n)), (source,), np.zeros(n, np.int64), np.full(n, 7, np.int32)
    )


ROWS = st.lists(st.integers(0, 30), unique=True, max_size=20)


@calm
@given(ROWS, ROWS, st.integers(0, 30))
def test_reordered_keeps_the_set(brought: list[int], order: list[int], nearest: int) -> None:
    """The same items: the first group, then the rest, each as the order has them, then those that it has not; scores never rise."""
    first = [row for row in brought if row <= nearest]
    mask = np.array([row in first for row in brought], bool)
    found = reordered(ranked(brought, "rule"), ranked(order, "blend"), mask)
    rows = found.rows.tolist()
    expected = [
        row
        for part in (first, [row for row in brought if row not in first])
        for row in [*(each for each in order if each in part), *(each for each in part if each not in order)]
    ]
    assert rows == (expected if order else brought)
    assert np.all(np.diff(found.scores) <= 0)
    assert (found.sources_named(), set(found.explained_by.tolist())) == (["rule"] * len(rows), {7} if rows else set())
