"""The public models that ours are compared with: their formulas on small matrices, and the comparison on a small shop."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.peers import libraries, models, shops, tuning
from benchmarks.peers.__main__ import main
from benchmarks.peers.comparison import ScoreRow
from benchmarks.peers.inputs import Inputs
from recsys.clock import DAY
from recsys.snapshot.histories import Events
from recsys.types import KIND_WORDS, EventType
from training.evaluation.evaluate import TASKS, Subject, evaluate, examine
from training.evaluation.metrics import METRICS
from training.evaluation.split import split

NOW = 100 * DAY
EVERYBODY = np.arange(4, dtype=np.int32)
BOUGHT = [(0, 0, 10), (0, 0, 30), (0, 1, 3), (1, 0, 5), (1, 2, 1), (2, 1, 2), (2, 2, 60), (2, 3, 7)]
"""User, item, age in days; user 3 bought nothing, nobody bought item 4."""


def inputs() -> Inputs:
    """Four users, five items, and one look at item 4."""
    rows = [(user, item, EventType.PURCHASE, age) for user, item, age in BOUGHT] + [(0, 4, EventType.VIEW, 1)]
    users, items, kinds, ages = (np.array(column) for column in zip(*sorted(rows), strict=True))
    events = Events(
        users.astype(np.int32),
        items.astype(np.int32),
        kinds.astype(np.int8),
        NOW - ages * DAY,
        np.full(len(rows), -1),
        np.zeros(len(rows), np.int32),
        np.ones(len(rows), np.float32),
        np.full(len(rows), np.nan, np.float32),
        np.ones(len(rows), np.float32),
    )
    weights = np.zeros(len(KIND_WORDS), np.float32)
    weights[EventType.PURCHASE], weights[EventType.VIEW] = 1, 0.2
    return Inputs(events, 4, 5, NOW, weights, seed=1)


def dense(half_life: float, power: float = 1) -> NDArray[np.float64]:
    """The matrix of purchases and the look, by hand."""
    x = np.zeros((4, 5))
    for user, item, age in BOUGHT:
        x[user, item] += 0.5 ** (age / half_life)
    x[0, 4] = 0.2 * 0.5 ** (1 / half_life)
    return np.asarray(x**power * (x > 0))


def test_the_matrix_fades_and_leaves_out() -> None:
    """Weights of one user and item add up, decayed by age, then the power; windows are open at their beginning."""
    decayed = inputs().matrix({"half_life_days": 20, "power": 0.5}).toarray()
    np.testing.assert_allclose(decayed, dense(20, 0.5), rtol=1e-5)
    recent = inputs().matrix({"window_days": 7, "purchases_only": True}).toarray()
    assert np.argwhere(recent).tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert inputs().purchases(60).tolist() == [3, 2, 1, 1, 0]


def test_popularity_and_personal_frequency() -> None:
    """Purchases of the window for everybody; own decayed purchases with popularity, at most c, on top."""
    popular = models.popularity(inputs(), {"window_days": 7.5})(EVERYBODY)
    assert popular.tolist() == [[1, 2, 1, 1, 0]] * 4
    settings = {"half_life_days": 10, "popularity_days": 7.5, "popularity_weight": 0.5}
    own = models.personal_frequency(inputs(), settings)(EVERYBODY)
    np.testing.assert_allclose(own[0], [0.5 + 0.125 + 0.25, 0.5**0.3 + 0.5, 0.25, 0.25, 0], rtol=1e-5)
    np.testing.assert_allclose(own[3], [0.25, 0.5, 0.25, 0.25, 0], rtol=1e-5)


@pytest.mark.parametrize("regularization", [0.3, 20])
def test_ease_is_the_papers(regularization: float) -> None:
    """Solved on the side of the users it equals X · B of the paper, B from the inverse over items."""
    x = dense(20, 0.5)
    inverse = np.linalg.inv(x.T @ x + regularization * np.eye(5))
    weights = np.eye(5) - inverse / np.diag(inverse)
    assert np.allclose(np.diag(weights), 0)
    scores = models.ease(inputs(), {"half_life_days": 20, "power": 0.5, "regularization": regularization})(EVERYBODY)
    np.testing.assert_allclose(scores, x @ weights, atol=1e-5)


def test_rp3beta_is_the_papers() -> None:
    """Three steps' probabilities, each to the power of α, over popularity^β."""
    x = dense(20)
    forth, back = x / np.maximum(x.sum(axis=1), 1e-9)[:, None], x.T / np.maximum(x.sum(axis=0), 1e-9)[:, None]
    wanted = forth**0.7 @ back**0.7 @ forth**0.7 / x.sum(axis=0) ** 0.4
    scores = models.rp3beta(inputs(), {"half_life_days": 20, "alpha": 0.7, "beta": 0.4})(EVERYBODY[:3])
    np.testing.assert_allclose(scores, wanted[:3], rtol=1e-4)


def test_bm25_scores_as_the_library_does() -> None:
    """Scores are those that implicit's own `recommend` gives."""
    from implicit.nearest_neighbours import BM25Recommender
    from scipy.sparse import csr_matrix

    x, model = csr_matrix(inputs().matrix({})), BM25Recommender(K=3, K1=1.2, B=0.5)
    with pytest.warns(match="CSR"):
        model.fit(x, show_progress=False)
    scores = libraries.implicit_bm25(inputs(), {"k": 3, "k1": 1.2, "b": 0.5})(EVERYBODY)
    for user in range(3):
        items, wanted = model.recommend(user, x[user], N=3, filter_already_liked_items=False)
        np.testing.assert_allclose(scores[user, items], wanted, rtol=1e-5)
    assert scores[:3].any()


@pytest.mark.parametrize("name", [name for name, peer in tuning.PEERS.items() if peer.installed])
def test_every_peer_fits_every_corner(name: str) -> None:
    """A peer fits what its space holds and scores each item for each user; the same draw gives the same scores."""
    for settings in tuning.drawn(name, tuning.PEERS[name].space, 4, seed=1):
        scores = [tuning.PEERS[name].fit(inputs(), settings)(EVERYBODY) for _ in range(2)]
        assert scores[0].shape == (4, 5)
        assert scores[0].dtype == np.float32
        assert not np.isnan(scores[0]).any()
        np.testing.assert_array_equal(scores[0], scores[1])


def test_draws_are_those_of_the_space() -> None:
    """Lists shorter than the trials are tried whole; else draws differ, lie in their ranges, and more begin with the same."""
    assert [draw["window_days"] for draw in tuning.drawn("popularity", tuning.PEERS["popularity"].space, 20, 1)] == [
        1,
        7,
        14,
        28,
    ]
    space = tuning.PEERS["ease"].space
    draws = tuning.drawn("ease", space, 30, 1)
    assert draws[:5] == tuning.drawn("ease", space, 5, 1)
    assert len({draw["regularization"] for draw in draws}) > 20
    pairs = tuning.drawn("lenskit_item_knn", tuning.PEERS["lenskit_item_knn"].space, 50, 1)
    assert len({tuple(draw.values()) for draw in pairs}) == 50
    assert all(1 <= draw["regularization"] <= 1000 and draw["power"] in (0.5, 1.0) for draw in draws)


@pytest.fixture
def small_shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The synthetic shop of the comparison with 200 shoppers, and a folder for its results."""
    monkeypatch.setattr(shops, "SYNTHETIC_USERS", 200)
    return tmp_path


def rows_of(out: Path) -> list[ScoreRow]:
    """What a comparison on the validation window wrote."""
    return msgspec.json.decode((out / "peers-validation.json").read_bytes(), type=list[ScoreRow])


@pytest.mark.long
def test_the_comparison(small_shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our rows are those of `evaluate`; peers are asked for the same users; a second run tries only what is new."""
    ask = ["--shops", "synthetic", "--validate", "--out", str(small_shop), "--models", "popularity", "ease", "--trials"]
    assert main([*ask, "4"]) == 0
    rows, trials = rows_of(small_shop), small_shop / "peers-trials" / "synthetic-ease.json"
    assert "popularity" in capsys.readouterr().out
    assert not (small_shop / "peers.json").exists()
    shop = shops.SHOPS["synthetic"]
    settings = shop.settings(small_shop)
    fold = shop.window(validation=True)
    assert {row.window for row in rows} == {str(fold)}
    table, _ = evaluate(settings, examine(split(settings, fold, fold.until), settings.evaluation, settings.seed), fold.until)
    for task in TASKS:
        for row in (row for row in rows if row.task == task):
            if row.ours:
                subject = Subject("blend" if row.model == "blend" else "recommender", row.model)
                wanted = table.row(subject, task)
                assert row.users == wanted.users
                for name in METRICS:
                    np.testing.assert_allclose(getattr(row, name), wanted.metrics[name], atol=1e-5)
            blend = next(each for each in rows if (each.model, each.task) == ("blend", task))
            assert row.users == blend.users
            if row.blend_minus is not None:
                assert row.blend_minus[0] == pytest.approx(blend.ndcg10[0] - row.ndcg10[0], abs=2e-5)
    first = msgspec.json.decode(trials.read_bytes())["trials"]
    assert main([*ask, "5"]) == 0
    again = msgspec.json.decode(trials.read_bytes())["trials"]
    assert again[:4] == first
    assert len(again) == 5
    assert {
        (row.model, row.task, row.ours): row.ndcg10 for row in rows if row.ours or row.model == "popularity"
    }.items() <= {(row.model, row.task, row.ours): row.ndcg10 for row in rows_of(small_shop)}.items()


def test_lists_keep_the_rules(small_shop: Path) -> None:
    """Lists hold available items once; `new` nothing that was bought before; cold users are asked nothing."""
    shop = shops.SHOPS["synthetic"]
    questions = shops.ask(shop.settings(small_shop), shop.window(validation=True))
    lists = questions.lists(models.rp3beta(questions.inputs, {"alpha": 1, "beta": 0.5}))
    for task in TASKS:
        for user, warm, ranked in zip(
            questions.examination.truths[task].users, questions.warm(task), lists[task].tolist(), strict=True
        ):
            assert (min(ranked) >= 0) == warm
            if warm:
                assert len(set(ranked)) == len(ranked)
                assert questions.available[ranked].all()
                assert task == "repeat" or not set(ranked) & questions.owned.get(user, frozenset())
    assert any(questions.owned.get(user) for user in questions.examination.truths["new"].users)
    assert not questions.available.all()


def test_what_is_missing_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without data a real shop is refused in one line; a model whose package is absent is named and left out."""
    monkeypatch.delenv("RECSYS_DATA", raising=False)
    assert main(["--out", str(tmp_path)]) == 1
    assert "RECSYS_DATA" in capsys.readouterr().err
