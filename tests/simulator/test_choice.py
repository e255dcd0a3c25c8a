"""Choice of simulated shoppers: what they do is what the stated model says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.choice import ChoiceModel, act, best_lists, click_chances, expected_orders, make_crowd, make_shelf

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
