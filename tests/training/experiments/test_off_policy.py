"""Off-policy estimates: right where the answer is known by hand, wider where the draw says less, and none where it says too little."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.shops.handmade import calm
from training.experiments.before_a_test.off_policy import (
    MIN_EFFECTIVE,
    MIN_PERSONS,
    Explored,
    OffPolicy,
    Reals,
    Support,
    interval,
    refusal,
)

ITEMS = 3
ORDERS = np.array(list(permutations(range(ITEMS))), np.int32)
"""Every order of three items, as a uniform draw shows them equally often."""
ENOUGH = Support(lists=5_000, persons=900, share=1.0, effective=2_000.0, largest=3.0)
METHODS = {"doubly robust", "self-normalised", "clipped"}


def drawn_evenly(chances: Reals, repeats: int = 200, drawable: float = 1 / ITEMS) -> Explored:
    """A log in which each person saw each order, beside a candidate that shows each item at each place with chances[item, place]."""
    shown = np.tile(ORDERS, (repeats, 1))
    n = len(shown)
    return Explored(
        np.arange(n) // len(ORDERS),
        shown,
        np.full(shown.shape, 1 / ITEMS),
        chances[shown, np.arange(ITEMS)],
        np.tile(np.arange(ITEMS, dtype=np.int32), (n, 1)),
        np.broadcast_to(chances, (n, ITEMS, ITEMS)),
        np.full((n, ITEMS, ITEMS), drawable),
    )


def mixed(weights: list[float]) -> Reals:
    """Chances of a candidate that draws one of all orders."""
    chances = np.zeros((ITEMS, ITEMS))
    for order, weight in zip(ORDERS, weights, strict=True):
        chances[order, np.arange(ITEMS)] += weight / sum(weights)
    return chances


@calm
@given(
    weights=st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6),
    earns=st.lists(st.floats(0.1, 1.0), min_size=9, max_size=9),
)
def test_what_a_candidate_earns_is_found(weights: list[float], earns: list[float]) -> None:
    """Where each item earns a fixed sum at each place, all three say what the candidate's chances come to."""
    chances, worth = mixed(weights), np.reshape(earns, (ITEMS, ITEMS))
    log = drawn_evenly(chances)
    found = OffPolicy(log).answer(worth[log.shown, np.arange(ITEMS)])
    assert found.refused == ""
    assert {*found.estimates} == METHODS
    for each in found.estimates.values():
        assert each.value == pytest.approx((chances * worth).sum(), rel=1e-9)
        assert each.low <= each.value <= each.high
    assert found.logged[0] == pytest.approx(worth.sum() / ITEMS)


def test_a_candidate_that_draws_alike_earns_what_was_earned() -> None:
    """All weights are 1, and the difference is none, with an interval of none."""
    log = drawn_evenly(np.full((ITEMS, ITEMS), 1 / ITEMS))
    rewards = np.random.default_rng(1).integers(0, 2, log.shown.shape).astype(float)
    judged = OffPolicy(log)
    assert judged.support == Support(1_200, 200, 1.0, 1_200.0, 1.0)
    for name in ("self-normalised", "clipped"):
        stated = judged.answer(rewards).estimates[name]
        assert (stated.value, stated.low, stated.high) == pytest.approx(interval(rewards.sum(axis=1), log.persons))
        assert (stated.difference, stated.difference_low, stated.difference_high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_lists_of_one_person_are_not_independent() -> None:
    """The same lists of a third of the persons tell less."""
    values = np.random.default_rng(2).normal(size=600)
    alone, thrice = (
        interval(np.repeat(values, 3), np.arange(1_800)),
        interval(np.repeat(values, 3), np.repeat(np.arange(600), 3)),
    )
    assert thrice[0] == alone[0]
    assert (thrice[2] - thrice[1]) / (alone[2] - alone[1]) == pytest.approx(3**0.5, rel=0.01)


def test_what_could_not_be_drawn_widens_the_interval() -> None:
    """A place that the candidate fills with another item in 6 % of the lists counts with the mean, give or take as much."""
    log = drawn_evenly(np.full((ITEMS, ITEMS), 1 / ITEMS))
    rewards = np.ones(log.shown.shape)
    wanted, items, drawable = log.wanted.copy(), log.items.copy(), log.drawable.copy()
    other = slice(0, len(wanted) * 6 // 100)
    wanted[other], items[other], drawable[other] = 0.0, items[other] + ITEMS, 0.0
    judged = OffPolicy(log._replace(wanted=wanted, items=items, drawable=drawable))
    assert judged.support.share == pytest.approx(0.94)
    for each in judged.answer(rewards).estimates.values():
        assert each.low <= 3 - 0.18 + 1e-9
        assert each.high >= 3 + 0.18 - 1e-9


def test_what_is_cut_off_counts_as_not_supported() -> None:
    """A weight above the clip is cut, and the share that it stood for is missing."""
    log = drawn_evenly(np.eye(ITEMS))
    assert OffPolicy(log).support.share == 1.0
    cut = OffPolicy(log, clip=2.0).support
    assert cut.share == pytest.approx(2 / 3)
    assert cut.largest == 2.0


def test_short_lists_are_judged_where_they_are() -> None:
    """A place that a list did not have earns nothing and weighs nothing."""
    log = drawn_evenly(np.full((ITEMS, ITEMS), 1 / ITEMS))
    shown = log.shown.copy()
    shown[::2, 2] = -1
    rewards = np.ones(shown.shape)
    found = OffPolicy(log._replace(shown=shown)).answer(rewards)
    assert found.logged[0] == pytest.approx(2.5)
    assert {round(each.value, 6) for each in found.estimates.values()} == {2.5}


@pytest.mark.parametrize(
    ("support", "rewards", "said"),
    [
        (ENOUGH, 30.0, ""),
        (Support(5_000, MIN_PERSONS - 1, 1.0, 2_000.0, 3.0), 99.0, "99 persons, 100 are needed"),
        (
            Support(5_000, 900, 0.4, 2_000.0, 3.0),
            99.0,
            "could have filled 40% of the candidate's places alike, 90% are needed",
        ),
        (Support(5_000, 900, 1.0, MIN_EFFECTIVE - 1, 9.0), 99.0, "5,000 lists weigh as much as 299, 300 are needed"),
        (ENOUGH, 29.9, "those found weigh as much as 29.9, 30 are needed"),
    ],
)
def test_thin_support_is_refused_with_its_figures(support: Support, rewards: float, said: str) -> None:
    """Too few persons, items that were never drawn, few lists that weigh much, few rewards: each says what is needed."""
    assert said in refusal(support, rewards)
    assert bool(said) == bool(refusal(support, rewards))


def test_nothing_logged_is_refused() -> None:
    """No list at all is no error."""
    log = drawn_evenly(np.eye(ITEMS), repeats=0)
    assert "0 persons" in OffPolicy(log).answer(np.empty((0, ITEMS))).refused
