"""Off-policy estimates: what a candidate would have earned on lists whose first places were drawn with known chances.

The item-position model: what an item earns at a place depends on the item, the place and who asks, not on the items around it (Li,
Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen, KDD 2018, "Offline Evaluation of Ranking Policies with Click Models"). So each
item at each place is weighted by the chance with which the candidate shows it there over the chance with which it was shown. Three
estimates rest on these weights, each clipped at `CLIP` (Bottou et al., JMLR 2013): inverse propensity scores; the same normalised by
their own sum, place by place (Swaminathan and Joachims, NeurIPS 2015); and doubly robust, which weighs only what a model of rewards
did not foresee (Dudík, Langford and Li, ICML 2011). Intervals are over persons: lists of one person are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Reals: TypeAlias = NDArray[np.float64]

CLIP = 50.0
"""Largest weight. Weight above it counts as not supported."""
MIN_PERSONS = 100
MIN_SUPPORT = 0.9
"""Least share of the candidate's places that the draw could have filled alike."""
MIN_EFFECTIVE = 300.0
"""Least effective number of lists at each place (Kish, "Survey Sampling", 1965)."""
MIN_REWARDS = 30.0
"""Least effective number of clicks, or of orders, that an estimate rests on."""
_NORMAL = 1.959963984540054
_PRIOR = 4.0
"""Rewards of a mean item that each item is thought to have brought before any is seen."""


class Explored(NamedTuple):
    """Lists n of one placement, of which k places were drawn, beside the c items that a candidate may put there.

    persons int64[n], numbered from 0 · shown int32[n, k] items, numbered from 0 (-1: no such place) · logged float64[n, k] chance
    with which the item came to its place · wanted float64[n, k] chance with which the candidate shows it there · items int32[n, c]
    what the candidate may show (-1: nothing) · candidate float64[n, c, k] chance of each of them at each place · drawable
    float64[n, c, k] chance with which it could have come there as logged; 0: it could not.
    """

    persons: NDArray[np.int64]
    shown: NDArray[np.int32]
    logged: Reals
    wanted: Reals
    items: NDArray[np.int32]
    candidate: Reals
    drawable: Reals

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Tell which places there are, bool[n, k]."""
        return np.asarray(self.shown >= 0)


class Support(msgspec.Struct, frozen=True):
    """Support of a candidate in what was logged.

    share: of its places, how much the draw could have filled alike · effective: number of lists that weigh as much, at the place where
    they are fewest · largest: the largest weight.
    """

    lists: int
    persons: int
    share: float
    effective: float
    largest: float


class Estimate(msgspec.Struct, frozen=True):
    """A mean per list with its 95 % interval, and that of the difference to what was logged."""

    value: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float


class Answer(msgspec.Struct, frozen=True):
    """Estimates of one reward (clicks, orders) per list, by method; none where `refused` says why.

    logged: what was earned, with its interval · effective: number of rewards that weigh as much as those found.
    """

    logged: tuple[float, float, float]
    effective: float
    estimates: Mapping[str, Estimate]
    refused: str = ""


class OffPolicy:
    """Weights of one candidate over logged lists."""

    def __init__(self, explored: Explored, clip: float = CLIP) -> None:
        self._explored = explored
        self._weights = np.minimum(explored.wanted / explored.logged, clip) * explored.judged
        filled = explored.candidate.sum(axis=1) * explored.judged
        supported = np.minimum(explored.candidate, clip * explored.drawable).sum(axis=1) * explored.judged
        self._filled, self._missing = filled, np.maximum(filled - supported, 0.0)

    @property
    def support(self) -> Support:
        """Say what the estimates rest on."""
        lists = self._explored.judged.any(axis=1)
        filled = self._filled.sum()
        return Support(
            lists=int(lists.sum()),
            persons=len(np.unique(self._explored.persons[lists])),
            share=float(1 - self._missing.sum() / filled) if filled > 0 else 0.0,
            effective=float(min(map(_effective, self._weights.T), default=0.0)),
            largest=float(self._weights.max(initial=0.0)),
        )

    def answer(self, rewards: Reals) -> Answer:
        """Estimate what the candidate earns per list, of what each place earned, float64[n, k]; refuse where support is thin."""
        rewards = rewards * self._explored.judged
        earned = rewards.sum(axis=1)
        logged = interval(earned, self._explored.persons)
        effective = _effective((self._weights * rewards)[rewards > 0])
        refused = refusal(self.support, effective)
        if refused:
            return Answer(logged, effective, {}, refused)
        rates = _over(rewards.sum(axis=0), self._explored.judged.sum(axis=0))
        values = {
            "doubly robust": self._doubly_robust(rewards),
            "self-normalised": self._self_normalised(rewards),
            "clipped": (self._weights * rewards + self._missing * rates).sum(axis=1),
        }
        unknown = float((self._missing * rates).sum(axis=1).mean())
        return Answer(logged, effective, {name: self._estimate(each, earned, unknown) for name, each in values.items()})

    def _estimate(self, values: Reals, earned: Reals, unknown: float) -> Estimate:
        """Sum values of lists up; what the draw could not have shown may earn nothing, or twice the mean, and intervals are wider by
        as much."""
        value, low, high = interval(values, self._explored.persons)
        difference, less, more = interval(values - earned, self._explored.persons)
        return Estimate(value, max(low - unknown, 0.0), high + unknown, difference, less - unknown, more + unknown)

    def _self_normalised(self, rewards: Reals) -> Reals:
        """Values float64[n] of lists whose mean is the estimate, and whose spread is its own by linearisation (the delta method)."""
        totals, filled = self._weights.sum(axis=0), self._filled.mean(axis=0)
        rates = _over((self._weights * rewards).sum(axis=0), totals)
        moved = len(rewards) * filled * _over(self._weights * (rewards - rates), totals)
        return np.asarray((moved + rates * self._filled).sum(axis=1))

    def _doubly_robust(self, rewards: Reals) -> Reals:
        """Values float64[n] of lists: what a model expects of the candidate, and weighted what it did not foresee of what was shown.

        The model of a person's lists is learned from other persons (two folds).
        """
        explored, values = self._explored, np.zeros(len(rewards))
        n_items = int(max(explored.shown.max(initial=-1), explored.items.max(initial=-1))) + 1
        for fold in (0, 1):
            mine = explored.persons % 2 == fold
            rates, lifts = _reward_model(explored.shown[~mine], rewards[~mine], n_items)
            there = explored.judged[mine] * rates
            wanted = np.einsum("nc,nck,nk->n", lifts[explored.items[mine]], explored.candidate[mine], there)
            foreseen = lifts[explored.shown[mine]] * rates
            values[mine] = wanted + (self._weights[mine] * (rewards[mine] - foreseen)).sum(axis=1)
        return values


def refusal(support: Support, rewards: float) -> str:
    """Say why support is too thin for an estimate; empty: it is not."""
    if support.persons < MIN_PERSONS:
        return f"{support.persons:,} persons, {MIN_PERSONS:,} are needed"
    if support.share < MIN_SUPPORT:
        return (
            f"the draw could have filled {support.share:.0%} of the candidate's places alike, {MIN_SUPPORT:.0%} are needed: "
            "draw from more places, or try a candidate that is nearer"
        )
    if support.effective < MIN_EFFECTIVE:
        return (
            f"{support.lists:,} lists weigh as much as {support.effective:,.0f}, {MIN_EFFECTIVE:,.0f} are needed: "
            "log more lists, or draw with a higher temperature"
        )
    if rewards < MIN_REWARDS:
        return f"those found weigh as much as {rewards:,.1f}, {MIN_REWARDS:,.0f} are needed: log more lists"
    return ""


def interval(values: Reals, persons: NDArray[np.int64]) -> tuple[float, float, float]:
    """Mean of values float64[n] with its 95 % interval over persons int64[n] (Liang and Zeger, Biometrika 1986)."""
    n = len(values)
    if n == 0:
        return 0.0, 0.0, 0.0
    mean = float(values.mean())
    sums = np.bincount(persons, values - mean)
    count = len(np.unique(persons))
    spread = float(np.sqrt((sums**2).sum() * count / max(count - 1, 1))) / n
    return mean, mean - _NORMAL * spread, mean + _NORMAL * spread


def _reward_model(shown: NDArray[np.int32], rewards: Reals, n_items: int) -> tuple[Reals, Reals]:
    """Mean reward of each place, float64[k], and by how much each item brings more than that, float64[n_items + 1], the last for none.

    The second is a mean of a Gamma distribution after counts of Poisson's (Robbins, 1956, empirical Bayes).
    """
    judged = shown >= 0
    rates = _over((rewards * judged).sum(axis=0), judged.sum(axis=0))
    expected = np.bincount(shown[judged], np.broadcast_to(rates, shown.shape)[judged], n_items + 1)
    found = np.bincount(shown[judged], rewards[judged], n_items + 1)
    lifts = (found + _PRIOR) / (expected + _PRIOR)
    lifts[-1] = 0.0
    return rates, lifts


def _effective(weights: Reals) -> float:
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def _over(above: Reals, below: Reals) -> Reals:
    """Divide; 0 where there is nothing to divide by."""
    below = np.broadcast_to(below, np.shape(above))
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=below > 0)
