"""The ranker as it serves: trees over features, the same features everywhere, and reasons of who brought an item."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.blend import blend
from recsys.engine.inspection.explain import explain
from recsys.engine.pipeline import Engine, answer, resolve_query
from recsys.engine.ranker.features import SHARED, Described, Describer, feature_names
from recsys.engine.ranker.items import ITEM_FACTS, item_facts
from recsys.engine.ranker.ranker import GROUP, rankers_of, task_of
from recsys.engine.ranker.trees import Trees
from recsys.recommenders import RECOMMENDERS
from recsys.settings.placements import BlendSettings, Placement, Rule
from recsys.snapshot.manifest import RankerRecord, TaskVerdict
from recsys.snapshot.store import Snapshot
from recsys.types import Arrays, Bought, Candidates, Query, SnapshotError
from tests.conftest import NOW, Shop, ago, ask, event, micros, shown
from tests.support.shops.handmade import calm
from training.job.job import Fitted

SOURCES = ("buy_again", "item_item")
NAMES = feature_names(SOURCES)
WIDTH = len(NAMES)
LEAF = (-1, 0.0, 0)


def stump(feature: str, threshold: float, low: float, high: float) -> Trees:
    """One tree of one split: `low` up to the threshold, `high` above."""
    at = NAMES.index(feature)
    return Trees(
        np.array([0], np.int32),
        np.array([at, -1, -1], np.int32),
        np.array([threshold, 0, 0]),
        np.array([1, 0, 0], np.int32),
        np.array([(low + high) / 2, low, high]),
    )


@st.composite
def grown(draw: st.DrawFn) -> Trees:
    """Several trees of random splits, laid out breadth first."""
    roots: list[int] = []
    nodes: list[tuple[int, float, int]] = []
    for _ in range(draw(st.integers(1, 4))):
        roots.append(len(nodes))
        nodes.append(LEAF)
        open_places = [len(nodes) - 1]
        while open_places:
            place = open_places.pop(0)
            if len(nodes) < 60 and draw(st.booleans()):
                nodes[place] = (draw(st.integers(0, WIDTH - 1)), draw(st.integers(-3, 3)) / 2, len(nodes))
                open_places += [len(nodes), len(nodes) + 1]
                nodes += [LEAF, LEAF]
    features, thresholds, children = zip(*nodes, strict=True)
    values = draw(st.lists(st.integers(-8, 8), min_size=len(nodes), max_size=len(nodes)))
    return Trees(
        np.array(roots, np.int32),
        np.array(features, np.int32),
        np.array(thresholds, np.float64),
        np.array(children, np.int32),
        np.array(values, np.float64),
    )


def rows(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows of features among the thresholds and on them."""
    return (np.random.default_rng(seed).integers(-4, 5, (7, WIDTH)) / 2).astype(np.float32)


@calm
@given(grown(), st.integers(0, 99))
def test_a_score_is_the_sum_of_the_leaves(trees: Trees, seed: int) -> None:
    """Every tree is walked from its root: a value up to the threshold goes to the first child."""
    matrix = rows(seed)
    for row, score in zip(matrix, trees.scores(matrix), strict=True):
        total = 0.0
        for node in trees.roots.tolist():
            while trees.features[node] >= 0:
                node = trees.children[node] + int(row[trees.features[node]] > trees.thresholds[node])
            total += trees.values[node]
        assert score == total


@calm
@given(grown(), st.integers(0, 99))
def test_contributions_add_up(trees: Trees, seed: int) -> None:
    """What every feature moved, and the roots' values, come to the score."""
    matrix = rows(seed)
    for row, score in zip(matrix, trees.scores(matrix), strict=True):
        assert trees.contributions(row).sum() + trees.values[trees.roots].sum() == pytest.approx(score)


# Features


def described(engine: Engine, user: str, sources: tuple[str, ...] = SOURCES, **weights: float) -> Described:
    """The features of what these recommenders bring for a shopper."""
    facts = item_facts_of(engine)
    asked = resolve_query(
        engine, Query(now=micros(NOW), user_id=user, bought=Bought("allow")), engine.snapshot.histories.of(user)
    )
    lists = {name: engine.recommenders[name].recommend(asked.rows, asked.profile, 10, asked.allowed) for name in sources}
    found = Describer(engine.catalog, facts, sources).describe(lists, weights, asked.rows, asked.profile)
    assert found is not None
    return found


def item_facts_of(engine: Engine) -> Any:
    """Facts of a shop in which nothing was ever sold."""
    return np.full((engine.catalog.n_items, len(ITEM_FACTS)), -1, np.float32)


def test_features_say_what_the_shopper_did(shop: Shop) -> None:
    """Counts, ages and prices of the shopper, of the item and of both stand in their columns."""
    shop.add(
        event("ann", "soap-1", "purchase", ago(30), order_id="a"),
        event("ann", "soap-1", "purchase", ago(10), order_id="b"),
        event("ann", "sofa-1", "purchase", ago(10), order_id="b"),
        event("ann", "soap-1", "view", ago(2)),
        event("bob", "soap-1", "purchase", ago(1), order_id="c"),
    )
    engine = shop.engine()
    found = described(engine, "ann", buy_again=1.0)
    row = dict(zip(NAMES, found.columns[:, found.items.searchsorted(engine.catalog.row("soap-1"))].tolist(), strict=True))
    soap, sofa = (np.log(engine.catalog.price[engine.catalog.row(item)]) for item in ("soap-1", "sofa-1"))
    expected = {
        "shopper_orders": 2,
        "shopper_events": 4,
        "shopper_lines_per_order": 1.5,
        "shopper_days_since_order": 10,
        "shopper_order_gap_days": 20,
        "shopper_price": (2 * soap + sofa) / 3,
        "item_price": soap,
        "price_difference": soap - (2 * soap + sofa) / 3,
        "bought_times": 2,
        "bought_days": 10,
        "bought_against_own_gap": 0.5,
        "viewed_times": 1,
        "viewed_days": 2,
        "category_share": 0.75,
        "buy_again_rank": 1,
        "buy_again_score": 1,
        "blend_rank": 1,
        "blend_score": 1,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-4)


def test_what_is_not_known_has_its_own_value(shop: Shop) -> None:
    """An item that the shopper never touched has ages of -1, counts of 0, and no rank in lists that do not name it."""
    shop.add(
        event("ann", "sofa-1", "view", ago(3)),
        event("bob", "sofa-1", "view", ago(3)),
        event("bob", "lamp-1", "view", ago(2)),
    )
    engine = shop.engine()
    found = described(engine, "ann", item_item=1.0)
    row = dict(zip(NAMES, found.columns[:, found.items.searchsorted(engine.catalog.row("lamp-1"))].tolist(), strict=True))
    unknown = {"bought_times": 0, "bought_days": -1, "bought_against_gap": -1, "viewed_days": -1, "buy_again_rank": 1000}
    unknown |= {"shopper_orders": 0, "shopper_days_since_order": -1, "price_difference": 0, "item_item_rank": 1}
    assert {name: row[name] for name in unknown} == unknown


def test_items_facts_are_of_the_days_before(shop: Shop) -> None:
    """Sales count in windows that end at the moment; what is later than it is not seen."""
    shop.add(
        event("ann", "soap-1", "purchase", ago(40), order_id="a"),
        event("ann", "soap-1", "purchase", ago(3), order_id="b"),
        event("bob", "soap-1", "purchase", ago(2), order_id="c"),
        event("eve", "lamp-1", "view", ago(0)),
    )
    fitted = shop.fit()
    prepared = fitted.snapshot()
    events = events_of(shop)
    n, soap = prepared.catalog.n_items, prepared.catalog.row("soap-1")
    facts = dict(zip(ITEM_FACTS, item_facts(events, n, micros(NOW))["facts"][soap].tolist(), strict=True))
    assert facts == pytest.approx(
        {
            "item_sold_7": np.log(3),
            "item_sold_28": np.log(3),
            "item_sold_90": np.log(4),
            "item_trend_7": 2 * 90 / 7 / 4,
            "item_trend_28": 2 * 90 / 28 / 4,
            "item_lines_per_buyer": 1.5,
            "item_repeated_share": 0.5,
            "item_age_days": 40,
            "item_unsold_days": 2,
        },
        abs=1e-4,
    )
    earlier = item_facts(events, n, micros(ago(10)))["facts"]
    assert np.array_equal(earlier, item_facts(events.where(events.times <= micros(ago(10))), n, micros(ago(10)))["facts"])


def events_of(shop: Shop) -> Any:
    """The shop's settled events."""
    from training.job.job import prepare

    return prepare(shop.settings, now=NOW).events


@calm
@given(st.lists(st.tuples(st.integers(0, 11), st.sampled_from(SOURCES)), min_size=1, max_size=14, unique=True))
def test_the_one_who_spoke_most_is_the_blends(busy: tuple[Engine, Any], pairs: list[tuple[int, str]]) -> None:
    """Source and evidence of each item are those that the blend of the same lists names."""
    engine, asked = busy
    lists = {name: _list([item for item, source in pairs if source == name]) for name in SOURCES}
    lists = {name: found for name, found in lists.items() if len(found)}
    weights = {"buy_again": 0.7, "item_item": 0.4}
    found = Describer(engine.catalog, item_facts_of(engine), SOURCES).describe(lists, weights, asked.rows, asked.profile)
    assert found is not None
    spoke = {
        item: (list(lists)[owner], evidence)
        for item, owner, evidence in zip(
            found.items.tolist(), found.owners.tolist(), found.explained_by.tolist(), strict=True
        )
    }
    assert spoke == {
        item: (source, evidence) for item, _, source, evidence in blend(lists, weights, engine.catalog.tie_rank)
    }


def _list(items: list[int]) -> Candidates:
    scores = 2.0 ** -np.arange(len(items))
    return Candidates(np.array(items, np.int32), scores.astype(np.float32), np.array(items, np.int32)[::-1].copy())


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Any]:
    """A shop, and one shopper's question."""
    shop = Shop(tmp_path_factory.mktemp("busy"), [event("ann", "sofa-1", "view", ago(1))])
    engine = shop.engine()
    return engine, resolve_query(engine, Query(now=micros(NOW), user_id="ann"), engine.snapshot.histories.of("ann"))


# Answers


def ranked(shop: Shop, trees: Trees, task: str = "new", placement: Placement | None = None) -> Engine:
    """The shop with these trees on a task."""
    fitted = shop.fit()
    arrays: Arrays = {"facts": np.zeros((fitted.snapshot().catalog.n_items, len(ITEM_FACTS)), np.float32)}
    arrays |= trees.arrays(task)  # type: ignore[arg-type]
    settings = shop.settings
    own = placement or Placement(rules=(Rule(name="blend", blend=True),))
    settings = msgspec.structs.replace(settings, placements={"home": own})
    return Engine(_with(fitted, arrays), settings)


def _with(fitted: Fitted, arrays: Arrays) -> Snapshot:
    led = TaskVerdict(leads=True, blend=0, ranker=0, difference=(0, 0, 0), sources=SOURCES, depth=20)
    record = RankerRecord(tasks={"new": led, "repeat": led})
    blend_settings = BlendSettings(lead={"item_item": 1.0}, customer={"item_item": 1.0}, repeat={"item_item": 1.0})
    manifest = msgspec.structs.replace(fitted.manifest, ranker=record, blend=blend_settings)
    return replace(fitted, groups={**fitted.groups, GROUP: arrays}, manifest=manifest).snapshot()


CHEAP_FIRST = stump("item_price", float(np.log(100)), 1.0, -1.0)


def test_where_it_leads_its_order_is_shown(busy_shop: Shop) -> None:
    """The trees order what the blend's recommenders bring, and each item keeps the reason of who brought it."""
    engine = ranked(busy_shop, CHEAP_FIRST)
    slate = ask(engine, "user-0", limit=4)
    led = [score for score, source in zip(slate.scores, slate.sources, strict=True) if source in SOURCES]
    assert set(led) <= {1.0, -1.0}
    assert led == sorted(led, reverse=True)
    prices = engine.catalog.price[list(slate.items[: led.count(1.0)])]
    assert led.count(1.0) > 0
    assert (prices <= 100).all()
    assert {reason.code for reason in slate.reasons} <= {"because_viewed", "because_bought", "trending", "bestseller"}


@pytest.mark.parametrize(
    ("task", "placement", "bought"),
    [
        ("repeat", None, Bought("hide")),
        ("new", Placement(rules=(Rule(name="blend", blend=True, ranker=False),)), Bought("hide")),
        ("new", Placement(rules=(Rule(name="mine", recommenders={"item_item": 1.0}),)), Bought("hide")),
        ("new", None, Bought("allow")),
    ],
)
def test_elsewhere_nothing_changes(busy_shop: Shop, task: str, placement: Placement | None, bought: Bought) -> None:
    """Of the other task, and under rules that do not ask for it, lists are what they are without a ranker."""
    own = placement or Placement(rules=(Rule(name="blend", blend=True),))
    engine = ranked(busy_shop, CHEAP_FIRST, task, own)
    plain = ranked(busy_shop, CHEAP_FIRST, "none", own)
    for user in ("user-0", "user-1", "nobody"):
        with_it, without = (ask(one, user, bought=bought) for one in (engine, plain))
        assert (with_it.items, with_it.scores) == (without.items, without.scores)


def test_a_ranker_of_an_older_version_is_left_out(busy_shop: Shop) -> None:
    """Trees that do not say whom they ask do not serve; the blend does until the next training."""
    led = TaskVerdict(leads=True, blend=0, ranker=0, difference=(0, 0, 0))
    fitted = busy_shop.fit()
    assert not rankers_of(RankerRecord(tasks={"new": led}), CHEAP_FIRST.arrays("new"), fitted.snapshot().catalog)


def test_own_items_belong_to_repeat() -> None:
    """Lists that may show what the shopper owns are ordered for repeated purchases, the others for new ones."""
    assert [task_of(Bought(mode)) for mode in ("hide", "hide_days", "allow", "only")] == ["new", "new", "repeat", "repeat"]


def test_explain_names_what_moved_an_item(busy_shop: Shop) -> None:
    """The features on the trees' paths stand there with their value and by how much they moved it."""
    engine = ranked(busy_shop, CHEAP_FIRST)
    slate = ask(engine, "user-0", limit=4)
    query = Query(now=micros(NOW), user_id="user-0", limit=4)
    found = explain(engine, query, engine.snapshot.histories.of("user-0"), slate.items[0])
    assert found.blend.ranker
    assert found.blend.rank == 1
    assert [(moved.feature, moved.by) for moved in found.blend.moved_by] == [("item_price", 1.0)]
    assert found.blend.moved_by[0].value == pytest.approx(np.log(engine.catalog.price[slate.items[0]]), rel=1e-4)


@pytest.mark.parametrize(
    "broken",
    [
        {"features": np.array([WIDTH, -1, -1], np.int32)},
        {"children": np.array([0, 0, 0], np.int32)},
        {"children": np.array([2, 0, 0], np.int32)},
        {"roots": np.array([3], np.int32)},
        {"values": np.array([0.0])},
    ],
)
def test_broken_trees_are_refused(busy_shop: Shop, broken: dict[str, Any]) -> None:
    """Trees that would not end, or look at nothing, never serve."""
    with pytest.raises(SnapshotError, match="train a new snapshot"):
        ranked(busy_shop, CHEAP_FIRST._replace(**broken))


def test_a_tree_of_too_many_leaves_is_refused(busy_shop: Shop) -> None:
    """A leaf is a bit of a word: a tree of 64 leaves serves, one of 65 does not."""
    ranked(busy_shop, chain(64))
    with pytest.raises(SnapshotError, match="over 64 leaves"):
        ranked(busy_shop, chain(65))


def chain(leaves: int) -> Trees:
    """One tree in which every second child is split again."""
    inner = leaves - 1
    features = np.array([0, *([-1, 0] * (inner - 1)), -1, -1], np.int32)
    children = np.where(features >= 0, np.arange(len(features)) + 1, 0).astype(np.int32)
    return Trees(np.array([0], np.int32), features, np.zeros(len(features)), children, np.zeros(len(features)))


def test_every_feature_has_its_column() -> None:
    """Names and columns are as many, each name once."""
    assert len(NAMES) == len(set(NAMES)) == SHARED + 2 * len(SOURCES)
    assert set(SOURCES) <= set(RECOMMENDERS)


def test_same_question_same_bytes(busy_shop: Shop) -> None:
    """Two engines over the same arrays answer alike."""
    one, other = (ranked(busy_shop, CHEAP_FIRST) for _ in range(2))
    history = one.snapshot.histories.of("user-1")
    query = Query(now=micros(NOW), user_id="user-1")
    first, second = answer(one, query, history), answer(other, query, history)
    assert shown(one, first) == shown(other, second)
    assert first.scores == second.scores
