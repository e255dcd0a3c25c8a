"""Choice of simulated shoppers: what they do is what the stated model says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.choice import (
    ChoiceModel,
    act,
    best_lists,
    buy_chances,
    click_chances,
    expected_orders,
    intents,
    left_after,
    make_crowd,
    make_shelf,
    reply,
    visits_of,
)

MODEL = ChoiceModel(fatigue=0.0)
SHOPPERS, DAYS = 5_000, 28


def test_orders_are_as_many_as_expected() -> None:
    """The mean of what shoppers ordered is the formula's."""
    rng = np.random.default_rng(1)
    shelf, crowd = make_shelf(rng, 100), make_crowd(rng, SHOPPERS, MODEL)
    chances = click_chances(crowd, shelf, best_lists(rng, crowd, shelf, 5, 0.5), MODEL)
    answers = act(rng, crowd, chances, DAYS, MODEL)
    assert answers.orders.sum() == pytest.approx(expected_orders(crowd, chances, DAYS, MODEL).sum(), rel=0.04)
    assert answers.revenue.sum() == pytest.approx(answers.orders.sum() * MODEL.basket, rel=0.04)


def test_lists_that_know_tastes_bring_more() -> None:
    """The more of a shopper's taste a policy knows, the more is clicked."""
    rng = np.random.default_rng(2)
    shelf, crowd = make_shelf(rng, 100), make_crowd(rng, SHOPPERS, MODEL)
    clicked = [
        click_chances(crowd, shelf, best_lists(np.random.default_rng(3), crowd, shelf, 5, insight), MODEL).sum()
        for insight in (0.0, 0.3, 0.6, 1.0)
    ]
    assert clicked == sorted(clicked)


def test_lower_places_are_looked_at_less() -> None:
    """The same item is clicked less further down."""
    rng = np.random.default_rng(4)
    shelf, crowd = make_shelf(rng, 1), make_crowd(rng, 10, MODEL)
    chances = click_chances(crowd, shelf, np.zeros((10, 4), np.int64), MODEL)
    assert (np.diff(chances, axis=1) < 0).all()


def test_shoppers_tire() -> None:
    """With fatigue less is clicked, and some buy all the same."""
    rng = np.random.default_rng(5)
    shelf, crowd = make_shelf(rng, 100), make_crowd(rng, SHOPPERS, MODEL)
    chances = click_chances(crowd, shelf, best_lists(rng, crowd, shelf, 5, 0.5), MODEL)
    tired = replace(MODEL, fatigue=0.3)
    fresh, weary = (act(np.random.default_rng(6), crowd, chances, DAYS, model) for model in (MODEL, tired))
    assert weary.clicks.sum() < 0.8 * fresh.clicks.sum()
    assert act(rng, crowd, np.zeros_like(chances), DAYS, MODEL).orders.sum() > 0


def test_each_list_is_answered_as_the_model_says() -> None:
    """Place by place as many clicks and orders as their chances come to, fewer for those who came often."""
    rng = np.random.default_rng(7)
    tiring = replace(MODEL, fatigue=0.2, visits=1.0)
    shelf, crowd = make_shelf(rng, 50), make_crowd(rng, SHOPPERS, tiring)
    visits = visits_of(rng, crowd, 7)
    lists = best_lists(rng, crowd, shelf, 4, 0.5)
    chances = click_chances(crowd, shelf, lists, tiring)[visits.who]
    intended = np.take_along_axis(intents(crowd, shelf, tiring), lists, axis=1)[visits.who]
    found = reply(rng, chances, intended, visits.before, tiring)
    expected = chances * left_after(visits.before, tiring)[:, None]
    np.testing.assert_allclose(found.clicked.sum(axis=0), expected.sum(axis=0), rtol=0.1)
    bought = (expected * buy_chances(intended, tiring)).sum()
    assert found.bought.sum() == pytest.approx(bought, rel=0.06)
    assert not (found.bought & ~found.clicked).any()
    assert found.clicked[visits.before == 0].mean() > 1.5 * found.clicked[visits.before > 4].mean()


def test_visits_are_numbered_by_shopper() -> None:
    """The first visit of each has none before it, the last as many as there are others."""
    rng = np.random.default_rng(8)
    crowd = make_crowd(rng, 200, replace(MODEL, visits=1.0))
    visits = visits_of(rng, crowd, 7)
    for who in np.unique(visits.who):
        assert visits.before[visits.who == who].tolist() == list(range(int((visits.who == who).sum())))
    assert len(visits.who) == pytest.approx(7 * crowd.visits.sum(), rel=0.2)


def test_some_would_have_bought_anyway() -> None:
    """What a shopper meant to buy is what suits, as often as orders come anyway; after a click it is one order, not two."""
    rng = np.random.default_rng(9)
    shelf, crowd = make_shelf(rng, 50), make_crowd(rng, 200, MODEL)
    intended = intents(crowd, shelf, MODEL)
    np.testing.assert_allclose(intended.sum(axis=1), np.minimum(crowd.anyway / crowd.visits, 1))
    suits = MODEL.match * crowd.tastes @ shelf.topics.T + shelf.appeal
    assert (intended.argmax(axis=1) == suits.argmax(axis=1)).all()
    assert buy_chances(np.array([0.0, 0.5, 1.0]), MODEL).tolist() == pytest.approx([0.15, 0.575, 1.0])
