"""Clicks on shown lists: a planted preference is found behind a planted bias of positions, and useless lists teach nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.engine.ranker.features import feature_names
from recsys.engine.ranker.trees import Trees
from recsys.settings.ranker import RankerSettings
from recsys.snapshot.manifest import ClickRecord
from training.job.ranker.budget import Size
from training.job.ranker.clicks import Clicks, all_of, click_record, in_words, no_clicks, position_curve
from training.job.ranker.examples import Examples
from training.job.ranker.ranker import Learned, Round, learn_task
from training.job.ranker.trees import fit, trees_of

SIZE = Size(("item_item",), 10, 50)
WIDTH = len(feature_names(SIZE.sources))
PLACES, CANDIDATES = 8, 30
SETTINGS = RankerSettings()
LOOKED_AT = 1 / np.arange(1, PLACES + 1)
"""The planted bias: the eighth place is looked at an eighth as often as the first."""


class Pool(NamedTuple):
    """Candidates of shoppers: features float32[n, c, f], what they are worth to them, and what whoever shows lists thinks of them."""

    matrix: NDArray[np.float32]
    worth: NDArray[np.float64]
    shown_by: NDArray[np.float64]


def pool(draw: np.random.Generator, shoppers: int) -> Pool:
    """Draw candidates; the ranking that shows lists goes by something that shoppers do not care for, and a little by the rest."""
    matrix = draw.normal(size=(shoppers, CANDIDATES, WIDTH)).astype(np.float32)
    worth = matrix[..., 0] + 0.8 * (matrix[..., 1] > 0.5) + 0.6 * np.abs(matrix[..., 3])
    shown_by = 0.4 * worth + 0.8 * matrix[..., 2]
    matrix[..., WIDTH - 1] = np.argsort(np.argsort(-shown_by, axis=1), axis=1) + 1
    return Pool(matrix, worth, shown_by)


def bought(seed: int, shoppers: int) -> Examples:
    """Purchases: two items of each shopper, by what they are worth to them."""
    draw = np.random.default_rng(seed)
    found = pool(draw, shoppers)
    best = np.argsort(-(found.worth + draw.gumbel(size=found.worth.shape)), axis=1)[:, :2]
    relevant = np.zeros(found.worth.shape, bool)
    np.put_along_axis(relevant, best, True, axis=1)
    ideal = np.full(shoppers, 1 + 1 / np.log2(3))
    offsets = np.arange(0, relevant.size + 1, CANDIDATES)
    return Examples(found.matrix.reshape(-1, WIDTH), relevant.ravel(), offsets, ideal, np.zeros(shoppers))


def clicked(seed: int, lists: int, drawn: float = 0.2, told: bool = True) -> Clicks:
    """Clicks on the first places of lists, of which a share was put into a random order; `told`: they tell what is wanted."""
    draw = np.random.default_rng(seed)
    found = pool(draw, lists)
    order = np.argsort(-found.shown_by, axis=1)[:, :PLACES]
    by_chance = np.flatnonzero(draw.random(lists) < drawn)
    order[by_chance] = draw.permuted(order[by_chance], axis=1)
    worth = np.take_along_axis(found.worth, order, axis=1) if told else draw.normal(size=order.shape)
    clicks = draw.random(worth.shape) < LOOKED_AT / (1 + np.exp(1 - 2 * (worth - 0.6)))
    kept = np.flatnonzero(clicks.any(axis=1) & ~clicks.all(axis=1))
    shown = np.take_along_axis(found.matrix, order[..., None], axis=1)[kept]
    places = np.tile(np.arange(1, PLACES + 1, dtype=np.int32), len(kept))
    return Clicks(
        shown.reshape(-1, WIDTH), clicks[kept].ravel(), places, np.full(len(kept), PLACES), np.isin(kept, by_chance)
    )


def without_places(clicks: Clicks) -> Clicks:
    """The same lists, as if everything had stood in one place."""
    return Clicks(clicks.matrix, clicks.clicked, np.ones_like(clicks.places), clicks.lengths, clicks.drawn)


def fitted(seed: int, shoppers: int, *clicks: Clicks, task: Any = "repeat") -> Trees:
    """Trees of a few purchases, and of these lists."""
    return fit([bought(seed, shoppers)], SETTINGS, 20, SIZE, task, clicks)


def ndcg(trees: Trees) -> float:
    """NDCG@10 on purchases that nothing was fitted on."""
    later = bought(99, 1500)
    return float(later.ndcg(trees.scores(later.matrix)).mean())


@pytest.mark.parametrize("task", ["new", "repeat"])
def test_what_is_wanted_is_found_behind_where_it_stood(task: Any) -> None:
    """Where few buy and many click, lists learned with their positions rank later purchases better than purchases alone do, and
    better than lists without positions: these teach what whoever showed them thought best."""
    pytest.importorskip("lightgbm")
    lists = clicked(1, 4000)
    with_places = ndcg(fitted(2, 100, lists, task=task))
    assert with_places > ndcg(fitted(2, 100, task=task)) + 0.01
    assert with_places > ndcg(fitted(2, 100, without_places(lists), task=task)) + 0.01


def test_the_curve_of_positions_is_found() -> None:
    """Where chance ordered enough of the lists, these tell the planted curve; too few lists have none."""
    pytest.importorskip("lightgbm")
    lists = clicked(3, 8000, drawn=0.3)
    trees = fitted(4, 300, lists)
    assert click_record(trees, lists, 200).positions == pytest.approx(LOOKED_AT, abs=0.06)
    assert click_record(trees, lists, 10_000).positions == position_curve(trees, lists)
    assert click_record(None, lists, 200).positions == ()


def test_nothing_is_said_of_a_place_at_which_nothing_stood() -> None:
    """Impressions told of the first, second and fourth place: what the third is worth is not known, which is not 0."""
    n = 60
    places, wanted = np.tile(np.array([1, 2, 4], np.int32), n), np.zeros((n, 3), bool)
    wanted[np.arange(n), np.arange(n) % 3] = True
    lists = Clicks(np.zeros((3 * n, 2), np.float32), wanted.ravel(), places, np.full(n, 3), np.zeros(n, bool))
    record = click_record(trees_of(()), lists, 5)
    assert record.positions == (1.0, 1.0, -1.0, 1.0)
    assert "it gets 1.00 at place 2." in in_words(record)


def test_the_same_lists_give_the_same_trees() -> None:
    """Nothing is left to chance, and windows may be laid together before: equal to the last bit."""
    pytest.importorskip("lightgbm")
    one, other = clicked(5, 400), clicked(6, 400)
    trees = [fitted(7, 100, *each).arrays("repeat") for each in ((one, other), (one, other), (all_of([one, other]),))]
    assert len({b"".join(array.tobytes() for array in each.values()) for each in trees}) == 1


@pytest.mark.parametrize("task", ["new", "repeat"])
def test_no_lists_change_nothing(task: Any) -> None:
    """Without lists the trees are those of purchases alone, of the same bytes."""
    pytest.importorskip("lightgbm")
    one, other = (fitted(8, 100, *each, task=task).arrays(task) for each in ((), (no_clicks(), no_clicks())))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_purchases_decide_whether_clicks_are_learned_from() -> None:
    """Where few bought in the windows before, lists whose clicks tell what is wanted surely help on a window that was not seen, so
    that the ranker learns from them, while clicks at random leave it as it is without any."""
    pytest.importorskip("lightgbm")
    told, random = (learned(clicked(30 + number, 2000, told=told) for number in range(3)) for told in (True, False))
    alone = learned([no_clicks()] * 3)
    assert told.whole.clicks is not None
    assert told.whole.clicks.used
    assert told.whole.clicks.difference[1] > 0
    assert told.whole.ranker > alone.whole.ranker
    assert random.whole.clicks is not None
    assert not random.whole.clicks.used
    for one, other in ((random.trees, alone.trees), (random.held_out, alone.held_out)):
        assert all(np.array_equal(array, other.arrays("new")[name]) for name, array in one.arrays("new").items())
    assert alone.whole.clicks == ClickRecord(lists=0)


def learned(clicks: Iterable[Clicks]) -> Learned:
    """Learn from three windows with these clicks; few buy in them but the last."""
    windows = [
        (f"window {number}", Round(bought(20 + number, shoppers), each))
        for number, (shoppers, each) in enumerate(zip((60, 60, 1500), clicks, strict=True))
    ]
    found = learn_task(windows, RankerSettings(clicked_lists=2000, least_users=50), 20, SIZE, "repeat")
    assert found is not None
    return found
