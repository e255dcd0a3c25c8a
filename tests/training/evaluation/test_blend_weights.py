"""Learning the blend's weights: what is climbed, what is dropped, and what a recommender is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.pipeline import Engine, answer
from recsys.recommenders import RECOMMENDERS
from recsys.settings.load import parse_settings
from recsys.settings.placements import BlendSettings
from recsys.types import Query
from simulator import make_shop, shop_settings
from tests.conftest import NOW, Shop, ago, event
from tests.support.shops.handmade import calm
from tests.support.shops.synthetic import END
from training.evaluation.blend_weights import late_after, learn_blend, of_halves, questions
from training.evaluation.evaluate import TASKS, Examination, Subject, ask, examine, fit_for, with_subjects
from training.evaluation.metrics import DEPTH, per_user
from training.evaluation.split import Fold, split
from training.job.blend_pools import SEGMENTS, Pools, ascend, gather, join

NAMES = list(RECOMMENDERS)
POOR = BlendSettings(**{segment: {"trending": 1.0} for segment in SEGMENTS})
"""Weights that others surely beat."""


def pool(shares: list[list[float]], relevant: list[bool], bought: int = 1) -> Pools:
    """One user's candidates."""
    discounts = np.cumsum(1 / np.log2(np.arange(2, 12)))
    return Pools(
        np.array(shares, np.float32), np.array(relevant), np.array([0, len(shares)]), np.array([discounts[bought - 1]])
    )


def users(*pools: Pools) -> Pools:
    """Several users."""
    return join(pools, pools[0].shares.shape[1])


def test_ndcg_of_a_weighted_sum() -> None:
    """The weighted sum ranks; a bought item at rank r gives 1 / log2(r + 1), divided by the best that there could be."""
    made = users(pool([[1.0, 0.0], [0.5, 0.2], [0.0, 1.0]], [False, True, True], bought=3))
    best = 1 + 1 / np.log2(3) + 1 / 2
    assert made.ndcg(np.array([1.0, 0.0])).tolist() == pytest.approx([(1 / np.log2(3)) / best])
    assert made.ndcg(np.array([0.0, 1.0])).tolist() == pytest.approx([(1 + 1 / np.log2(3)) / best])
    assert made.ndcg(np.array([1.0, 0.6])).tolist() == pytest.approx([(1 / np.log2(3) + 1 / 2) / best])


@calm
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.booleans()), min_size=1, max_size=40), st.integers(1, 15))
def test_ndcg_like_a_full_sort(rows: list[tuple[int, int, bool]], bought: int) -> None:
    """The ten best of a stable sort of the positive sums are what counts."""
    made = pool([[a / 8, b / 8] for a, b, _ in rows], [hit for _, _, hit in rows], min(bought, 10))
    sums = [0.75 * a / 8 + 0.25 * b / 8 for a, b, _ in rows]
    order = [at for at in sorted(range(len(rows)), key=lambda at: -sums[at]) if sums[at] > 0][:10]
    gained = sum(1 / np.log2(rank + 2) for rank, at in enumerate(order) if rows[at][2])
    assert made.ndcg(np.array([0.75, 0.25]))[0] == pytest.approx(gained / made.ideal[0])


def test_the_climb_finds_what_neither_has_alone() -> None:
    """Where both recommenders put a wrong item of their own first and agree on the right one, both get weight."""
    one = pool([[1.0, 0.0], [0.0, 1.0], [0.8, 0.8]], [False, False, True])
    weights = ascend(users(*[one] * 5))
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)
    assert users(one).ndcg(weights).tolist() == [1]


def test_what_adds_nothing_gets_no_weight() -> None:
    """A copy of another recommender and one that is never right are dropped."""
    good = pool([[1.0, 1.0, 0.3], [0.2, 0.2, 1.0]], [True, False])
    weights = ascend(users(*[good] * 5))
    assert np.count_nonzero(weights) == 1
    assert weights[2] == 0


@cache
def small_shop(folder: Path) -> tuple[Engine, Examination]:
    """A synthetic shop of 800 users, fitted four weeks before its end."""
    make_shop(folder, users=800, end=END)
    settings = parse_settings(shop_settings("."), folder)
    examination = examine(split(settings, Fold(END - timedelta(days=28), 28), datetime.now(UTC)), settings.evaluation, 20)
    return fit_for(examination, settings, datetime.now(UTC)), examination


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Examination]:
    """The engine of that shop and the fold's questions."""
    return small_shop(tmp_path_factory.mktemp("weights"))


@pytest.mark.long
def test_pools_hold_what_the_pipeline_blends(made: tuple[Engine, Examination]) -> None:
    """Ranking the pools by the weights that serve gives the NDCG of the pipeline's own blend."""
    engine, examination = made
    names = [name for name, weight in engine.snapshot.manifest.blend.repeat.items() if weight > 0]
    weights = np.array([engine.snapshot.manifest.blend.repeat[name] for name in names])
    blend = Subject("blend", "blend")
    values = per_user(ask(engine, examination, blend, "repeat").items, examination.truths["repeat"], engine.catalog.n_items)
    customers = [engine.profiler.profile(user, engine.snapshot.histories.of(user), examination.now).orders > 0
                 for user in examination.truths["repeat"].users]  # fmt: skip
    pools = gather(engine, questions(examination, "repeat", 20), examination.now, "repeat", names)
    assert len(pools) == sum(customers) > 20
    assert pools.ndcg(weights).mean() == pytest.approx(values["ndcg10"][np.array(customers)].mean(), abs=0.01)


@pytest.mark.long
def test_learned_weights_serve(made: tuple[Engine, Examination]) -> None:
    """Each segment in which others are better gets weights that add up to 1; the rest keep theirs."""
    engine, examination = made
    before = POOR
    learned = learn_blend([(engine, examination)], NAMES, before, 200, 20)
    for segment in SEGMENTS:
        weights = getattr(learned.blend, segment)
        if segment not in learned.ndcg10:
            assert weights == getattr(before, segment)
            continue
        assert sum(weights.values()) == pytest.approx(1, abs=0.01)
        assert learned.ndcg10[segment] >= learned.before[segment]
        parts = [part for part in learned.contributions if part.segment == segment]
        assert [part.recommender for part in parts] == NAMES
        for part in parts:
            assert part.weight == weights[part.recommender]
            assert part.adds.low <= part.adds.mean <= part.adds.high
            assert part.weight > 0 or part.adds.mean == 0
    assert "repeat" in learned.ndcg10


@pytest.mark.long
def test_what_was_learned_is_measured_on_others(made: tuple[Engine, Examination]) -> None:
    """The result that is told is that of shoppers on whom the weights were not learned."""
    engine, examination = made
    learned = learn_blend([made], NAMES, POOR, 200, 20)
    pools = gather(engine, questions(examination, "repeat", 20), examination.now, "repeat", NAMES)
    half = len(pools) // 2
    one, other = pools.between(0, half), pools.between(half, len(pools))
    held_out = [*one.ndcg(ascend(other)), *other.ndcg(ascend(one))]
    assert learned.ndcg10["repeat"] == pytest.approx(np.mean(held_out))
    assert learned.ndcg10["repeat"] < pools.ndcg(ascend(pools)).mean()


def test_where_nothing_can_be_learned_the_weights_stay(shop: Shop) -> None:
    """Whoever buys at random is ranked no better by other weights, though some fit those very purchases."""
    random = np.random.default_rng(7)
    items = [item["item_id"] for item in shop.items]
    for user in range(120):
        for day in [*random.uniform(8, 60, 4), *random.uniform(0, 7, 2)]:
            shop.add(event(f"shopper-{user}", str(random.choice(items)), "purchase", ago(days=float(day)), quantity=1.0))
    shop.write()
    examination = examine(split(shop.settings, Fold(ago(days=7), 7), NOW), shop.settings.evaluation, 20)
    learned = learn_blend([(fit_for(examination, shop.settings, NOW), examination)], NAMES, BlendSettings(), 200, 20)
    assert learned.users["customer"] > 50
    assert "customer" in learned.kept
    assert learned.blend.customer == BlendSettings().customer
    assert "customer" not in {*learned.ndcg10, *(each.segment for each in learned.contributions)}


def strategy(engine: Engine, examination: Examination, user: str) -> str:
    """Which rule leads on the home page of a shopper."""
    query = Query(now=examination.now, user_id=user, bought=TASKS["repeat"])
    return answer(engine, query, engine.snapshot.histories.of(user)).strategy


def test_a_zero_weight_is_not_asked(made: tuple[Engine, Examination]) -> None:
    """A recommender with the weight 0 changes nothing, not even the order of equal scores."""
    engine, examination = made
    settings = with_subjects(engine.settings)
    asked = Engine(engine.snapshot, settings)
    user = next(user for user in examination.truths["repeat"].users if strategy(asked, examination, user) == "blend")
    for placement in ("home", "blend_alone"):
        query = Query(now=examination.now, user_id=user, placement=placement, limit=DEPTH, bought=TASKS["repeat"])
        slate = answer(asked, query, engine.snapshot.histories.of(user))
        assert not {"als", "brands"} & set(slate.sources)


class Ticking:
    """Seconds that are left, one fewer each time they are asked for, and never below 0."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        """Tell them."""
        self.seconds = max(self.seconds - 1, 0)
        return float(self.seconds)


def test_nothing_goes_on_when_no_time_is_left(made: tuple[Engine, Examination]) -> None:
    """The last segment ends with the time, too: nothing is climbed any more, and what its recommenders are worth is not looked at."""
    learned = learn_blend([made], NAMES, BlendSettings(), 200, 20, Ticking(600))
    assert learned.users["repeat"] > 0
    assert "repeat" not in {each.segment for each in learned.contributions}


@pytest.mark.parametrize("wanted", [1, 10])
def test_a_part_of_the_time_ends_with_all_of_it(wanted: float) -> None:
    """A part that is larger than what an earlier fold left is over when everything is."""
    late = late_after(wanted, Ticking(3))
    assert [late() for _ in range(3)][-1]


def test_time_without_end_is_never_over() -> None:
    """Where no minutes were given, nothing is late."""
    assert not late_after(inf, lambda: inf)()


@pytest.mark.parametrize("seconds", [20, 40, 80])
def test_both_halves_have_as_long(seconds: int) -> None:
    """What the first half leaves is not all that the second has: each gets away from the best of one recommender alone."""
    drawn, users, candidates = np.random.default_rng(20), 400, 30
    shares = drawn.random((users * candidates, 4)).astype(np.float32) ** 3
    wanted = (shares @ np.array([1.0, 0.8, 0.5, 0.0]) + drawn.gumbel(0, 0.15, len(shares))).reshape(users, candidates)
    relevant = (wanted == wanted.max(axis=1, keepdims=True)).ravel()
    pools = Pools(shares, relevant, np.arange(users + 1, dtype=np.int64) * candidates, np.ones(users))
    found = of_halves(pools, lambda: False, seconds, Ticking(1_000))
    starts = [*np.eye(4), np.full(4, 1 / 4)]
    assert not [half.tolist() for half in found for start in starts if np.allclose(half, start)]
