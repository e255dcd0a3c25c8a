"""The ranker's offline half: fitted on what came before, the same every time, leading only where it earned it."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from recsys.clock import DAY
from recsys.engine.pipeline import Engine
from recsys.engine.ranker.features import feature_names
from recsys.engine.ranker.ranker import GROUP
from recsys.settings import Settings
from recsys.settings.placements import BlendSettings
from recsys.settings.ranker import RankerSettings
from recsys.snapshot.store import open_snapshot
from recsys.types import EventType
from tests.conftest import NOW, Shop, ago, ask, event, micros
from tests.support.shops.fashion import DAYS, with_ranker
from tests.support.training import train
from training.job.job import Prepared, fit, learn_ranker, past_of, prepare
from training.job.ranker.budget import Size, size_of
from training.job.ranker.examples import Examples, truth_of
from training.job.ranker.ranker import FittedRanker, Window, verdict
from training.job.ranker.trees import fit as fit_trees
from training.job.ranker.trees import trees_of

SOURCES = ("item_item",)
WIDTH = 32
SMALL = RankerSettings(trees=8, leaves=4)
SIZE = Size(SOURCES, 10, 8)


def examples(seed: int, users: int = 80, stated: bool = True) -> Examples:
    """Ten candidates each, one of which was bought: feature 3 tells which, if anything does; the blend has it at rank 1 to 10."""
    draw = np.random.default_rng(seed)
    matrix = draw.normal(size=(users * 10, WIDTH)).astype(np.float32)
    relevant = np.zeros((users, 10), bool)
    bought = draw.integers(0, 10, users)
    relevant[np.arange(users), bought] = True
    if stated:
        matrix[:, 3] += 3 * relevant.ravel()
    return Examples(
        matrix,
        relevant.ravel(),
        np.arange(0, users * 10 + 1, 10),
        np.ones(users),
        1 / np.log2(draw.integers(2, 12, users)),
    )


def test_arrays_score_as_lightgbm_does() -> None:
    """The trees that are laid out give every row the score that LightGBM gives it."""
    lightgbm = pytest.importorskip("lightgbm")
    whole = examples(1)
    data = lightgbm.Dataset(whole.matrix, label=whole.relevant.astype(int), group=np.diff(whole.offsets))
    stated = {"objective": "lambdarank", "num_leaves": 9, "min_data_in_leaf": 5, "verbose": -1, "use_missing": False}
    booster = lightgbm.train(stated, data, num_boost_round=12)
    scored = trees_of(booster.dump_model()["tree_info"]).scores(whole.matrix)
    assert scored == pytest.approx(booster.predict(whole.matrix), abs=1e-12)


def test_the_same_examples_give_the_same_trees() -> None:
    """Nothing is left to chance: two fits are equal to the last bit."""
    pytest.importorskip("lightgbm")
    one, other = (fit_trees([examples(1), examples(2)], SMALL, 20, SIZE, "repeat") for _ in range(2))
    assert [array.tobytes() for array in one.arrays("new").values()] == [
        array.tobytes() for array in other.arrays("new").values()
    ]
    assert len(one.roots) == SMALL.trees


def test_nothing_to_learn_gives_no_trees() -> None:
    """Where nothing that was bought had been brought, there are no trees, and every score is 0."""
    pytest.importorskip("lightgbm")
    nothing = replace(examples(1), relevant=np.zeros(800, bool))
    assert not fit_trees([nothing], SMALL, 20, SIZE, "repeat").scores(nothing.matrix).any()


# How large it is


def sized(task: Any = "new", **changed: Any) -> Size:
    """The size where `free` is asked anyway and brings one of two bought items at rank 12, `useful` the other, `useless` neither."""
    sources = ("free", "useful", "useless")
    matrix = np.full((40, len(feature_names(sources))), 1000, np.float32)
    ranks = matrix[:, -6:][:, 1::2]
    ranks[:, 0], ranks[5:10, 1], ranks[:, 2] = np.arange(40) + 1, np.arange(5) + 1, np.arange(40) + 1
    ranks[7, 0], ranks[7, 2] = 1000, 1000
    relevant = np.isin(np.arange(40), (7, 11))
    found = Examples(matrix, relevant, np.array([0, 40]), np.ones(1), np.zeros(1))
    weights = BlendSettings(customer={"free": 1.0}, repeat={"useful": 1.0})
    return size_of(task, found, sources, RankerSettings(**changed), weights, 1_000)


def test_a_budget_asks_whoever_brings_more() -> None:
    """Who is asked anyway is asked; who adds bought items is where there is room, who adds none never; more room goes deeper."""
    assert sized(microseconds=100) == Size(("free", "useful"), 40, 50)
    assert sized(microseconds=40).sources == ("free", "useful")
    assert sized(microseconds=40).depth < 40
    assert sized(microseconds=30) == Size(("free",), 15, 50)
    assert sized("repeat", microseconds=100).sources == ("useful",)


def test_too_small_a_budget_leaves_trees_out() -> None:
    """The least depth is kept, with as many trees as there is room for, and one at least."""
    assert sized(microseconds=28).depth == 10
    assert 1 < sized(microseconds=28).trees < 50
    assert sized(microseconds=1).trees == 1


def test_no_budget_is_four_fifths_of_an_answer() -> None:
    """What costs more without a ranker may cost more with it."""
    assert sized() == sized(microseconds=0.8 * (42 + 10))


# Who leads


def judged(*gains: float, spread: float = 0.1, users: int = 400) -> Any:
    """The verdict on windows with these mean gains, noise added."""
    draw = np.random.default_rng(5)
    values = [gain + spread * (noise - noise.mean()) for gain in gains for noise in [draw.normal(size=users)]]
    return verdict(values, [examples(1)] * len(gains), [f"window {place}" for place in range(len(gains))])


@pytest.mark.parametrize(
    ("gains", "leads"),
    [
        ((0.03, 0.03), True),
        ((0.0, 0.0), False),
        ((-0.03, -0.03), False),
        ((0.001, 0.001), False),
        ((0.2, 0.1, -0.001), False),
        ((-0.01, 0.03), True),
        ((0.03, -0.01), False),
    ],
)
def test_it_leads_where_it_surely_gained(gains: tuple[float, ...], leads: bool) -> None:
    """The whole interval over all windows lies above 0, and so does the last window's mean; a newer window counts twice an older."""
    found = judged(*gains)
    assert found.leads is leads
    shares = 2.0 ** np.arange(len(gains))
    assert found.difference[0] == pytest.approx(shares @ gains / shares.sum(), abs=1e-4)
    assert list(found.by_window) == [f"window {place}" for place in range(len(gains))]


# On a shop


@pytest.fixture(scope="module")
def learned(fashion: tuple[Shop, Settings, Prepared]) -> FittedRanker:
    """What is learned of it."""
    pytest.importorskip("lightgbm")
    return learn_ranker(fashion[2], fashion[1], now=NOW).serving


@pytest.mark.long
def test_fashion_is_learned(fashion: tuple[Shop, Settings, Prepared], learned: FittedRanker) -> None:
    """Where what sells this week is bought next, which no neighbour knows, the ranker leads, and the record says by how much."""
    found = learned.record.tasks["new"]
    assert found.leads, learned.record.said
    assert found.ranker > found.blend
    assert 0 < found.difference[1] <= found.difference[0]
    assert len(learned.record.windows) == RankerSettings().folds
    assert "On `new` the ranker leads" in learned.record.said
    assert {name for name in learned.arrays if name.startswith("new_")}


@pytest.mark.long
def test_two_runs_learn_the_same(fashion: tuple[Shop, Settings, Prepared], learned: FittedRanker) -> None:
    """The same tables, settings and seed give the same arrays and the same record."""
    again = learn_ranker(fashion[2], fashion[1], now=NOW).serving
    assert again.record == learned.record
    assert all(np.array_equal(again.arrays[name], array) for name, array in learned.arrays.items())


@pytest.mark.long
def test_a_snapshot_serves_it(fashion: tuple[Shop, Settings, Prepared], learned: FittedRanker) -> None:
    """Published, opened and asked, lists are ordered by the trees; the manifest says why."""
    shop, settings, _ = fashion
    published = train(settings, now=NOW, force="a shop made by hand")
    assert published.manifest.ranker.said == learned.record.said
    checks = {each["name"]: each["passed"] for each in published.manifest.gate["checks"]}
    assert checks["features"]
    snapshot = open_snapshot(shop.folder / "artifacts", published.manifest.version)
    assert set(snapshot.groups[GROUP]) == {"facts", *learned.arrays}
    engine = Engine(snapshot, settings)
    off = Engine(fit(with_ranker(shop.settings, mode="off"), now=NOW).snapshot(), settings)
    slates = [(ask(engine, f"u{user}"), ask(off, f"u{user}")) for user in range(20)]
    assert sum(one.items != other.items for one, other in slates) > 10


def test_the_window_gives_labels_alone(fashion: tuple[Shop, Settings, Prepared]) -> None:
    """Features of a window are of what came before it: whatever happens from its first moment on, they stay, byte for byte."""
    pytest.importorskip("lightgbm")
    _, settings, prepared = fashion
    cut = prepared.as_of - DAYS * DAY
    later = prepared.events.times >= cut
    items = np.where(later & (prepared.events.items >= 0), (prepared.events.items + 7) % 60, prepared.events.items)
    changed = replace(prepared, events=replace(prepared.events, items=items.astype(np.int32)))
    one, other = (_last_window(each, settings) for each in (prepared, changed))
    assert np.array_equal(one.matrix, other.matrix)
    assert not np.array_equal(one.relevant, other.relevant)


def _last_window(prepared: Prepared, settings: Settings) -> Examples:
    """The examples of the last window on `repeat`."""
    past = past_of(prepared, settings, now=NOW)
    start = prepared.as_of - DAYS * DAY
    truth = truth_of(past.events_until(prepared.as_of), start, past.n_users, past.n_items, 1000, 20)
    return Window.at(past, start, truth).examples("repeat", SOURCES, 20)


def test_truth_is_of_known_shoppers(shop: Shop) -> None:
    """Who did nothing before the window is not asked about; what was bought before is marked as owned."""
    shop.add(
        event("ann", "soap-1", "purchase", ago(20), order_id="a"),
        event("ann", "soap-1", "purchase", ago(3), order_id="b"),
        event("ann", "sofa-1", "purchase", ago(2), order_id="c"),
        event("new", "sofa-1", "purchase", ago(1), order_id="d"),
    )
    shop.write()
    prepared = prepare(shop.settings, now=NOW)
    rows = {prepared.user_ids[row]: row for row in range(len(prepared.user_ids))}
    found = truth_of(prepared.events, micros(ago(7)), len(rows), len(prepared.base["category"]), 10, 20)
    assert found.users.tolist() == [rows["ann"]]
    assert sorted(found.owned.tolist()) == [False, True]
    assert len(found.items) == 2


# Why there is none


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mode": "off"}, "ranker.mode is off"),
        ({"most_events": 10}, "more than ranker.most_events (10)"),
        ({"least_users": 1000}, "in fewer than 3 windows 1,000 known shoppers bought"),
    ],
)
def test_why_none_is_said(fashion: tuple[Shop, Settings, Prepared], changed: dict[str, Any], said: str) -> None:
    """Without a ranker one sentence says why, and there are no arrays."""
    if changed != {"mode": "off"}:
        pytest.importorskip("lightgbm")
    shop, _, prepared = fashion
    for one in vars(learn_ranker(prepared, with_ranker(shop.settings, **changed), now=NOW)).values():
        assert said in one.record.said
        assert not one.arrays


def test_without_lightgbm_the_blend_leads(fashion: tuple[Shop, Settings, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which LightGBM is not installed trains as ever, and says what to install."""
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    _, settings, prepared = fashion
    found = learn_ranker(prepared, settings, now=NOW).serving
    assert found.record.said.startswith("The blend leads: LightGBM is not installed")
    assert "pip install lightgbm" in found.record.said


def test_a_short_past_has_none(busy_shop: Shop) -> None:
    """A shop with less than four windows of events has no ranker."""
    pytest.importorskip("lightgbm")
    assert "needs 3 windows of 28 days" in busy_shop.fit().manifest.ranker.said


def test_purchases_alone_are_truth(shop: Shop) -> None:
    """A view in the window is no purchase."""
    shop.add(event("ann", "soap-1", "view", ago(20)), event("ann", "soap-1", "view", ago(3)))
    shop.write()
    prepared = prepare(shop.settings, now=NOW)
    assert EventType.VIEW in prepared.events.kinds
    assert not len(truth_of(prepared.events, micros(ago(7)), 1, len(prepared.base["category"]), 10, 20).users)


def test_windows_stand_before_the_moment(learned: FittedRanker) -> None:
    """The last window ends at the moment that is fitted; none overlaps."""
    starts = [datetime.fromisoformat(name.partition(" ")[0]) for name in learned.record.windows]
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(days=DAYS)}
