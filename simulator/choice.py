"""Choice of shoppers who answer back: what they click and buy of the lists that they are shown, by a stated model.

A shopper looks at place p of a list with probability p^(-position). An item that is looked at is clicked with probability
1 / (1 + e^(-(base + match · taste + appeal))), where taste is the cosine of shopper and item; each visit before makes a click less
likely by the share `fatigue`, down to a tenth. A click becomes an order with probability `buys`. Besides, every shopper buys what no
list had a part in. So what a policy brings is known, not estimated: `expected_orders`.

`act` counts what shoppers do by day; `reply` says it of each list, place by place. There an item that a shopper had meant to buy
anyway, by `intents`, is an order after a click as any other, as in a shop's tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Reals: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
TOPICS = 8
_LEAST_LEFT = 0.1


@dataclass(frozen=True, slots=True)
class ChoiceModel:
    """Model of how shoppers choose."""

    position: float = 0.7
    """How much less lower places are looked at."""
    base: float = -3.0
    match: float = 2.5
    fatigue: float = 0.02
    buys: float = 0.15
    anyway: float = 0.01
    """Orders a day that no list had a part in, of the mean shopper."""
    basket: float = 40.0
    """Mean of what an order is worth, in the shop's currency; its spread is as large."""
    visits: float = 0.25
    """Visits a day of the mean shopper."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Shoppers: tastes float64[n, TOPICS] of length 1, visits a day float64[n], orders a day that come anyway float64[n]."""

    tastes: Reals
    visits: Reals
    anyway: Reals

    def __len__(self) -> int:
        return len(self.visits)

    def rows(self, rows: Counts) -> Crowd:
        """The shoppers at these rows."""
        return Crowd(self.tastes[rows], self.visits[rows], self.anyway[rows])


@dataclass(frozen=True, slots=True)
class Shelf:
    """Items that lists are made of: topics float64[m, TOPICS] of length 1, appeal float64[m] to everybody."""

    topics: Reals
    appeal: Reals


@dataclass(frozen=True, slots=True)
class Answers:
    """Actions of shoppers on each day, int64[n, days], money float64[n, days]."""

    seen: Counts
    clicks: Counts
    orders: Counts
    revenue: Reals


def make_shelf(rng: np.random.Generator, items: int) -> Shelf:
    """Draw items."""
    return Shelf(_directions(rng, items), rng.normal(0, 0.5, items))


def make_crowd(rng: np.random.Generator, shoppers: int, model: ChoiceModel) -> Crowd:
    """Draw shoppers; few of them come and buy often."""
    lively = rng.gamma(1.0, 1.0, shoppers)
    return Crowd(_directions(rng, shoppers), model.visits * lively, model.anyway * lively * rng.gamma(0.5, 2.0, shoppers))


def best_lists(rng: np.random.Generator, crowd: Crowd, shelf: Shelf, places: int, insight: float) -> Counts:
    """Lists of a policy that knows tastes to a share `insight` of 0 to 1, the rest being noise: int64[n, places]."""
    scores = (
        insight * crowd.tastes @ shelf.topics.T + 0.3 * shelf.appeal + (1 - insight) * rng.normal(0, 0.4, len(shelf.appeal))
    )
    some = np.argpartition(-scores, places - 1, axis=1)[:, :places]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1)
    return np.take_along_axis(some, order, axis=1).astype(np.int64)


def click_chances(crowd: Crowd, shelf: Shelf, lists: Counts, model: ChoiceModel) -> Reals:
    """Probability that each place is clicked in a first visit, float64[n, places]."""
    match = np.einsum("uk,upk->up", crowd.tastes, shelf.topics[lists])
    looked_at = np.arange(1, lists.shape[1] + 1) ** -model.position
    return np.asarray(looked_at / (1 + np.exp(-(model.base + model.match * match + shelf.appeal[lists]))))


def act(rng: np.random.Generator, crowd: Crowd, chances: Reals, days: int, model: ChoiceModel) -> Answers:
    """Let every shopper see a list at each visit, with these chances, for so many days."""
    visits = rng.poisson(crowd.visits[:, None], (len(crowd), days))
    before = np.cumsum(visits, axis=1) - visits
    left = left_after(before, model)
    clicks = np.zeros_like(visits)
    for place in range(chances.shape[1]):
        clicks += rng.binomial(visits, chances[:, place, None] * left)
    orders = rng.binomial(clicks, model.buys) + rng.poisson(crowd.anyway[:, None], visits.shape)
    revenue = np.where(orders > 0, rng.gamma(np.maximum(orders, 1), model.basket), 0.0)
    return Answers(visits, clicks, orders, revenue)


def expected_orders(crowd: Crowd, chances: Reals, days: int, model: ChoiceModel) -> Reals:
    """Mean orders of each shopper in so many days, float64[n], where `fatigue` is 0."""
    return np.asarray(days * (crowd.visits * chances.sum(axis=1) * model.buys + crowd.anyway))


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits of a crowd, each with one list: rows of the shoppers int64[v], and visits of theirs before int64[v]."""

    who: Counts
    before: Counts


@dataclass(frozen=True, slots=True)
class Replies:
    """Answers to lists, bool[v, places]: what was clicked, and what of it was bought."""

    clicked: Mask
    bought: Mask


def visits_of(rng: np.random.Generator, crowd: Crowd, days: int) -> Visits:
    """Draw how often each shopper comes in so many days."""
    counts = rng.poisson(crowd.visits * days)
    who = np.repeat(np.arange(len(crowd)), counts)
    return Visits(who, np.arange(len(who)) - (np.cumsum(counts) - counts)[who])


def intents(crowd: Crowd, shelf: Shelf, model: ChoiceModel) -> Reals:
    """Probability that a shopper comes to buy this item, whatever is shown, float64[n, items]."""
    pull = np.exp(model.match * crowd.tastes @ shelf.topics.T + shelf.appeal)
    return np.asarray(np.minimum(crowd.anyway / crowd.visits, 1)[:, None] * pull / pull.sum(axis=1, keepdims=True))


def left_after(before: Counts, model: ChoiceModel) -> Reals:
    """Return what fatigue leaves of a chance to click after so many visits."""
    return np.asarray(np.maximum((1 - model.fatigue) ** before, _LEAST_LEFT))


def buy_chances(intended: Reals, model: ChoiceModel) -> Reals:
    """Probability that a click is followed by an order: it led to one, or the item was meant to be bought anyway."""
    return np.asarray(1 - (1 - model.buys) * (1 - intended))


def reply(rng: np.random.Generator, clicking: Reals, intended: Reals, before: Counts, model: ChoiceModel) -> Replies:
    """Let a list be answered in each visit, by chances of a click float64[v, places] in a first visit and `intents` of its items."""
    clicked = rng.random(clicking.shape) < clicking * left_after(before, model)[:, None]
    return Replies(clicked, clicked & (rng.random(clicking.shape) < buy_chances(intended, model)))


def _directions(rng: np.random.Generator, n: int) -> Reals:
    drawn = rng.normal(size=(n, TOPICS))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
