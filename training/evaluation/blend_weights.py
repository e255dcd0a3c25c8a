"""Blend weights, learned per segment from what shoppers bought after a split, and what each recommender is worth in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from math import inf, isinf

import msgspec
import numpy as np

from recsys.engine.pipeline import Engine
from recsys.settings.placements import BlendSettings
from recsys.types import Segment
from training.evaluation.evaluate import Examination
from training.evaluation.metrics import Bootstrap, Interval, Values
from training.job.blend_pools import (
    SEGMENTS,
    TASK_OF,
    Pools,
    Question,
    above_0,
    ascend,
    climb,
    crossed,
    gather,
    halves,
    join,
)

MIN_USERS = 50
"""Segments with fewer users keep the weights that they had: nothing can be learned from so few."""


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """Gain that one recommender brings to the blend of a segment: NDCG@10 with it minus the best without it, the same users, each by
    weights that were learned on the other half."""

    segment: Segment
    recommender: str
    weight: float
    alone: float
    adds: Interval


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """Weights by segment and what each recommender is worth; a segment with too few users keeps what it had, and so does one in which
    weights learned on half of the users are not surely better for the other half.

    ndcg10: of segments with new weights, each half ranked by what was learned on the other · kept: likewise, of those that keep the
    old ones all the same · before: of both, with the old weights.
    """

    blend: BlendSettings
    ndcg10: Mapping[Segment, float]
    before: Mapping[Segment, float]
    users: Mapping[Segment, int]
    contributions: tuple[Contribution, ...]
    kept: Mapping[Segment, float] = {}


def learn_blend(
    rounds: Sequence[tuple[Engine, Examination]],
    names: Sequence[str],
    before: BlendSettings,
    resamples: int,
    seed: int,
    left: Callable[[], float] = lambda: inf,
) -> Learned:
    """Learn the weights of these recommenders on several folds together.

    `left` tells the seconds that are left. Each segment takes an equal part of them, half for asking, a quarter for weights of either
    half of the shoppers, and the rest for those of all: where they run out, fewer shoppers are asked (drawn, so that they are like the
    others), and the best weights so far stand.
    """
    learned: dict[str, Mapping[str, float]] = {}
    scores, kept, earlier = (dict[Segment, float]() for _ in range(3))
    users: dict[Segment, int] = {}
    contributions: list[Contribution] = []
    for place, segment in enumerate(SEGMENTS):
        part = left() / (len(SEGMENTS) - place)
        late, asking = late_after(part, left), part / 2 / max(len(rounds), 1)
        pools = join([_pools_of(*each, segment, names, seed, late_after(asking, left)) for each in rounds], len(names))
        old: Mapping[str, float] = getattr(before, segment)
        learned[segment], users[segment] = old, len(pools)
        if len(pools) < MIN_USERS:
            continue
        by_half = of_halves(pools, late, part / 4, left)
        reached, known = crossed(pools, by_half), pools.ndcg(np.array([old.get(name, 0.0) for name in names]))
        earlier[segment] = float(known.mean())
        if not above_0(reached - known):
            kept[segment] = float(reached.mean())
            continue
        weights, scores[segment] = ascend(pools, late=late), float(reached.mean())
        learned[segment] = {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}
        if not late():
            bootstrap = Bootstrap(len(pools), resamples, seed)
            contributions += _contributions(pools, segment, learned[segment], by_half, bootstrap, late)
    return Learned(
        blend=BlendSettings(**learned),
        ndcg10=scores,
        before=earlier,
        users=users,
        contributions=tuple(contributions),
        kept=kept,
    )


def of_halves(pools: Pools, late: Callable[[], bool], seconds: float, left: Callable[[], float]) -> list[Values]:
    """Weights float64[r] learned on each half of the users, in as many seconds each: what one learned has to rank the other."""
    return [_climbed(half, late, late_after(seconds / 2, left)) for half in halves(pools)]


def _climbed(pools: Pools, late: Callable[[], bool], too_long: Callable[[], bool]) -> Values:
    return ascend(pools, late=lambda: late() or too_long())


def late_after(seconds: float, left: Callable[[], float]) -> Callable[[], bool]:
    """Tell when so many of the seconds that are `left` (never below 0) are over; of a time without end it never is."""
    end = -inf if isinf(seconds) else max(left() - seconds, 0.0)
    return lambda: left() <= end


def _pools_of(
    engine: Engine,
    examination: Examination,
    segment: Segment,
    names: Sequence[str],
    seed: int,
    late: Callable[[], bool],
) -> Pools:
    """Ask for the users of a fold, in an order drawn, until it is late."""
    asked = takewhile(lambda _: not late(), questions(examination, segment, seed))
    return gather(engine, asked, examination.now, segment, names)


def questions(examination: Examination, segment: Segment, seed: int) -> Iterator[Question]:
    """The users of a fold, in an order drawn, and what they bought, as a segment's task counts it."""
    truth = examination.truths[TASK_OF[segment]]
    order = np.random.default_rng(seed).permutation(len(truth)).tolist()
    return ((truth.users[place], truth.of(place), int(truth.sizes[place])) for place in order)


def _contributions(
    pools: Pools,
    segment: Segment,
    weights: Mapping[str, float],
    by_half: Sequence[Values],
    bootstrap: Bootstrap,
    late: Callable[[], bool],
) -> list[Contribution]:
    whole, found = crossed(pools, by_half), []
    for place, (name, weight) in enumerate(weights.items()):
        without = whole
        if weight:
            without = crossed(
                pools, [_without(half, place, each, late) for half, each in zip(halves(pools), by_half, strict=True)]
            )
        if late():  # the others did not get as far as they can without it
            break
        found.append(
            Contribution(
                segment=segment,
                recommender=name,
                weight=weight,
                alone=round(float(pools.ndcg(np.eye(len(weights))[place]).mean()), 4),
                adds=bootstrap.interval(whole - without),
            )
        )
    return found


def _without(half: Pools, place: int, weights: Values, late: Callable[[], bool]) -> Values:
    """The best weights float64[r] of half of the users without the recommender at a place; none, where it has all of the weight."""
    others = np.where(np.arange(len(weights)) == place, 0.0, weights)
    return climb(half, others, frozenset((place,)), late) if weights[place] and others.any() else others
