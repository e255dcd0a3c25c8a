"""Ranking metrics: against cases worked out by hand, against trec_eval, and intervals against a plain bootstrap."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from recsys.types import Mask, Rows
from tests.support.shops.handmade import calm
from training.evaluation.metrics import (
    DEPTH,
    METRICS,
    Bootstrap,
    Interval,
    Values,
    coverage,
    hits,
    long_tail,
    per_user,
    tail_items,
)
from training.evaluation.split import Truth

SEED = 20


def truth_of(*bought: list[int], unseen: tuple[int, ...] = ()) -> Truth:
    """What users u0, u1 … bought, and how many items more that nobody knew before."""
    lengths = [len(items) for items in bought]
    items = np.array([item for each in bought for item in sorted(each)], np.int32)
    sizes = np.array(lengths, np.int32) + np.array(unseen or [0] * len(bought), np.int32)
    return Truth([f"u{n}" for n in range(len(bought))], np.cumsum([0, *lengths]).astype(np.int64), items, sizes)


def padded(*lists: list[int]) -> Rows:
    """Lists of 20, padded with -1."""
    return np.array([[*each, *[-1] * (DEPTH - len(each))] for each in lists], np.int32)


def measured(shown: list[int], bought: list[int], unseen: int = 0, n_items: int = 100) -> list[float]:
    """The four metrics of one user, in the order of `METRICS`."""
    values = per_user(padded(shown), truth_of(bought, unseen=(unseen,)), n_items)
    return [float(values[name][0]) for name in METRICS]


# Each metric


THIRD = 1 / log2(4)
"""The discount of rank 3."""
BY_HAND = {
    "first place": ([7], [7], 0, [1.0, 1.0, 1.0, 1.0]),
    "third place": ([1, 2, 7, 3], [7], 0, [THIRD, 1.0, 1.0, 1 / 3]),
    "two of three": ([7, 1, 8], [7, 8, 9], 0, [(1 + THIRD) / (1 + 1 / log2(3) + THIRD), 2 / 3, 1.0, 1.0]),
    "nothing found": ([1, 2, 3], [7], 0, [0.0, 0.0, 0.0, 0.0]),
    "empty list": ([], [7], 0, [0.0, 0.0, 0.0, 0.0]),
    "tenth place": ([*range(9), 50], [50], 0, [1 / log2(11), 1.0, 1.0, 1 / 10]),
    "eleventh place": ([*range(10), 50], [50], 0, [0.0, 1.0, 0.0, 1 / 11]),
    "twentieth place": ([*range(19), 50], [50], 0, [0.0, 1.0, 0.0, 1 / 20]),
    "one unseen item is missed": ([7], [7], 1, [1 / (1 + 1 / log2(3)), 1 / 2, 1.0, 1.0]),
    "only unseen items": ([7], [], 3, [0.0, 0.0, 0.0, 0.0]),
    "more bought than fits": (list(range(20)), list(range(40)), 0, [1.0, 1 / 2, 1.0, 1.0]),
    "item 0 and the last one": ([0, 99], [0, 99], 0, [1.0, 1.0, 1.0, 1.0]),
}
"""shown, bought, unseen bought: NDCG@10, Recall@20, HitRate@10, MRR"""


@pytest.mark.parametrize("case", BY_HAND)
def test_metrics_by_hand(case: str) -> None:
    """Each metric is what a person works out with paper and pencil."""
    shown, bought, unseen, expected = BY_HAND[case]
    assert measured(shown, bought, unseen) == pytest.approx(expected, abs=1e-12)


def test_padding_is_no_item() -> None:
    """-1 hits nothing, not even the last item of the user before."""
    truth = truth_of([99], [3])
    assert not hits(padded([], []), truth, 100).any()
    assert hits(padded([99], [99, 3]), truth, 100).sum(axis=1).tolist() == [1, 1]


def test_no_users_have_no_values() -> None:
    """Where nobody bought anything, every metric is empty."""
    values = per_user(np.empty((0, DEPTH), np.int32), truth_of(), 5)
    assert [len(values[name]) for name in METRICS] == [0] * len(METRICS)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Rows, Truth, int]:
    """Lists of up to 20 distinct items for a few users, what each bought, and the size of the catalogue."""
    n_items, users = draw(st.integers(1, 60)), draw(st.integers(1, 6))
    items = st.integers(0, n_items - 1)
    shown = [draw(st.lists(items, unique=True, max_size=DEPTH)) for _ in range(users)]
    bought = [draw(st.lists(items, unique=True, max_size=30)) for _ in range(users)]
    unseen = tuple(draw(st.integers(0 if each else 1, 3)) for each in bought)
    return padded(*shown), truth_of(*bought, unseen=unseen), n_items


@calm
@given(answers())
def test_metrics_equal_trec_eval(case: tuple[Rows, Truth, int]) -> None:
    """On any lists, every metric of every user is what trec_eval says."""
    lists, truth, n_items = case
    relevant, run = {}, {}
    for place, user in enumerate(truth.users):
        known = [str(item) for item in truth.of(place)]
        relevant[user] = dict.fromkeys([*known, *(f"unseen-{n}" for n in range(truth.sizes[place] - len(known)))], 1)
        run[user] = {str(item): float(DEPTH - rank) for rank, item in enumerate(lists[place]) if item >= 0}
    names = dict(zip(METRICS, ("ndcg_cut_10", "recall_20", "success_10", "recip_rank"), strict=True))
    judge = pytrec_eval.RelevanceEvaluator(relevant, {"ndcg_cut.10", "recall.20", "success.10", "recip_rank"})
    judged = judge.evaluate(run)
    values = per_user(lists, truth, n_items)
    for ours, theirs in names.items():
        assert values[ours].tolist() == pytest.approx([judged[user][theirs] for user in truth.users], abs=1e-9)


# Intervals


def plain_interval(values: Values, chosen: Mask, resamples: int, seed: int) -> Interval:
    """The percentile bootstrap, one resample at a time."""
    means = []
    for drawn in np.random.default_rng(seed).integers(0, len(values), (resamples, len(values))):
        part = drawn[chosen[drawn]]
        if len(part):
            means.append(values[part].mean())
    return Interval(float(values[chosen].mean()), *(float(end) for end in np.percentile(means, (2.5, 97.5))))


def width(interval: Interval) -> float:
    """From low to high."""
    return interval.high - interval.low


@st.composite
def chosen_values(draw: st.DrawFn) -> tuple[Values, Mask]:
    """A value per user, and a part of the users that has somebody in it."""
    values = draw(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
    chosen = draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)).filter(any))
    return np.array(values), np.array(chosen, bool)


@calm
@given(chosen_values())
def test_an_interval_is_the_plain_bootstrap(case: tuple[Values, Mask]) -> None:
    """With the same draws the interval is that of a slow loop over resamples, for all users and for any part of them."""
    values, chosen = case
    bootstrap, everybody = Bootstrap(len(values), 100, SEED), np.ones(len(values), bool)
    assert bootstrap.interval(values, chosen) == pytest.approx(plain_interval(values, chosen, 100, SEED), abs=1e-9)
    assert bootstrap.interval(values) == pytest.approx(plain_interval(values, everybody, 100, SEED), abs=1e-9)


def test_intervals_hold_the_true_mean_19_times_in_20() -> None:
    """Of 300 samples of 150 users, about 95 % have the mean that they were drawn from inside their interval."""
    rng, bootstrap = np.random.default_rng(1), Bootstrap(150, 500, SEED)
    found = [bootstrap.interval(rng.gamma(2.0, 0.5, 150)) for _ in range(300)]
    assert 0.91 < np.mean([low <= 1.0 <= high for _, low, high in found]) < 0.98
    assert all(low <= mean <= high for mean, low, high in found)


def test_four_times_the_users_halve_the_interval() -> None:
    """The width falls with the square root of the users, and is that of the normal distribution."""
    rng = np.random.default_rng(2)
    for users in (100, 400, 1600):
        values = rng.standard_normal(users)
        found = Bootstrap(users, 2000, SEED).interval(values)
        assert width(found) == pytest.approx(2 * 1.96 * values.std() / users**0.5, rel=0.08)


def test_a_part_is_as_if_only_it_were_drawn() -> None:
    """The interval of a part is that of a bootstrap over the part alone, whatever the others' values are."""
    rng = np.random.default_rng(3)
    values, chosen = rng.random(900), np.arange(900) % 3 == 0
    part = Bootstrap(900, 2000, SEED).interval(values, chosen)
    alone = Bootstrap(300, 2000, SEED).interval(values[chosen])
    assert part.mean == pytest.approx(alone.mean)
    assert (part.low, part.high) == pytest.approx((alone.low, alone.high), abs=0.15 * width(alone))
    assert Bootstrap(900, 2000, SEED).interval(np.where(chosen, values, 1e3), chosen) == part


def test_one_user_has_no_width() -> None:
    """A part of one user is that user's value: resamples without the user do not count as 0."""
    found = Bootstrap(50, 400, SEED).interval(np.full(50, 0.25), np.arange(50) == 7)
    assert found == Interval(0.25, 0.25, 0.25)


def test_what_is_equal_differs_by_nothing() -> None:
    """The paired difference of identical values is 0, exactly, at both ends too."""
    values = np.random.default_rng(4).random(200)
    assert Bootstrap(200, 300, SEED).interval(values - values.copy()) == (0.0, 0.0, 0.0)


def test_pairs_tell_more_than_two_intervals() -> None:
    """The same draws stand behind both sides, so a constant lead has no width however much users differ."""
    values = np.random.default_rng(5).random(200)
    found = Bootstrap(200, 300, SEED).interval((values + 0.125) - values)
    assert found == pytest.approx((0.125, 0.125, 0.125))


def test_nobody_is_nothing() -> None:
    """Without users, or without any of a part, all three are 0, which JSON can write."""
    assert Bootstrap(0, 100, SEED).interval(np.empty(0)) == (0.0, 0.0, 0.0)
    assert Bootstrap(3, 100, SEED).interval(np.ones(3), np.zeros(3, bool)) == (0.0, 0.0, 0.0)


def test_a_seed_draws_the_same_users() -> None:
    """The same seed gives the same interval, another seed another one."""
    values = np.random.default_rng(6).random(80)
    first, again, other = (Bootstrap(80, 200, seed).interval(values) for seed in (1, 1, 2))
    assert first == again
    assert first.mean == other.mean
    assert (first.low, first.high) != (other.low, other.high)


# What the lists are like


def test_coverage_by_hand() -> None:
    """Of ten items, the first ten places of all lists together show 0 to 3; padding and lower places do not count."""
    lists = padded([0, 1], [1, 2], [])
    assert coverage(lists, 10) == 0.3
    deep = padded([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 9])
    assert coverage(deep, 10) == 0.4
    assert coverage(padded([]), 10) == 0.0
    assert coverage(np.empty((0, DEPTH), np.int32), 0) == 0.0


def test_tail_items_by_hand() -> None:
    """Of 10 purchases, 8 are of the first two items: they are the head; an item that is needed for 80 % belongs to it."""
    assert tail_items(np.array([5, 3, 1, 1, 0])).tolist() == [False, False, True, True, True]
    assert tail_items(np.array([1, 4, 1, 0, 4])).tolist() == [True, False, True, True, False]
    assert tail_items(np.array([4, 3, 3])).tolist() == [False, False, False]
    assert tail_items(np.array([7])).tolist() == [False]
    assert tail_items(np.zeros(3, np.int64)).tolist() == [True, True, True]


@calm
@given(st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any))
def test_the_head_is_the_smallest_that_holds_80_percent(purchases: list[int]) -> None:
    """The items outside the tail make at least 80 % of purchases, and without the least of them they would not."""
    counts = np.array(purchases, np.int64)
    head = counts[~tail_items(counts)]
    assert 5 * head.sum() >= 4 * counts.sum() > 5 * (head.sum() - head.min())


def test_long_tail_by_hand() -> None:
    """Of four items in the first ten places, two are of the tail; the eleventh place does not count."""
    tail = np.array([False, False, True, True])
    assert long_tail(padded([0, 2], [3, 1]), tail) == 0.5
    assert long_tail(padded([0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 3, 3]), tail) == 0.1
    assert long_tail(padded([]), tail) == 0.0
