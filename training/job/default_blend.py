"""Default blend: weights of the segments that nobody set or tuned, learned on the end of the shop's own past.

The past is cut so that what the cut holds back is like what will be asked: the last days of the shop where enough of its shoppers
bought in them; else the last order of every shopper, as in sequences, whose times say no more than the order of events, or what each
took last, where an evening of ratings would pass for an order; and where there is no order either, a part of what each bought. Where
too few buy to tell what visitors want, these are asked for what they look at next. The result is plain weights: one recommender
alone, or a few of them where together they rank better what was held back, and the defaults stay where neither does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import sessions
from recsys.clock import DAY
from recsys.engine.pipeline import Engine
from recsys.settings import BehaviourSettings, Settings
from recsys.settings.placements import BlendSettings
from recsys.snapshot.histories import Events
from recsys.types import EventType, Mask, Segment
from training.job.blend_pools import SEGMENTS, Pools, Question, Values, above_0, ascend, crossed, gather, halves

LEAST_SHOPPERS = 200
"""Of fewer nothing is learned: a default that suits most shops is the better guess."""
SOURCES = ("als", "bestsellers", "buy_again", "ease", "item_item", "next_item", "recently_viewed", "trending")
"""The recommenders that are tried: those that need neither a page nor attributes of items."""
SLOW_SOURCES, SLOW_FROM = frozenset(("als",)), 50_000
"""What scores the whole catalogue at every question is not tried where there are so many items; `make tune` tries it."""
MOST_SHOPPERS = 1_500
"""Shoppers asked for each task; of more, so many are drawn."""
LEAST_SHARE = 0.2
"""Share of those who ever bought that have to be in the last days; else these tell of few, and everybody's last order is held back."""
MOST_SOURCES = 6
"""Recommenders that the weights are climbed over: the best alone."""
PART = 0.2
"""Share of what each shopper bought that is held back where there is no order."""
BURST_MOMENTS = 5
"""Times at which the lines of one order are told from which on it is a burst: a basket has the time at which it is paid."""
MOST_REPEATED = 0.01
"""Share of purchases of what the shopper had bought before up to which things are taken once each, as ratings are."""
LEAST_BETTER = 0.03
"""Share of the default's NDCG@10 by which other weights have to be better, for they were chosen on few shoppers."""
LEAST_GAIN = 0.005
"""Share of NDCG@10 that a recommender has to add, for each costs time whenever a list is asked for."""

_TAUGHT: Sequence[tuple[EventType, Sequence[Segment]]] = ((EventType.PURCHASE, SEGMENTS), (EventType.VIEW, ("lead",)))
"""The segments that each kind of event tells of: what customers look at does not tell what they buy."""

FitOn = Callable[[Events, int], Engine]
"""Fit every recommender on these events as of a moment (microseconds)."""


@dataclass(frozen=True)
class Cut:
    """A past without what is held back.

    remaining: the events that are not held back · moment: when they end, in microseconds · bought int64[m]: what was bought after, as
    user · n_items + item, ascending · owned int64: those of `bought` that the user had bought before · customers bool[users]: who
    had bought anything before. Where views are asked for, they stand in the place of purchases in `bought` and `owned`.
    """

    remaining: Events
    moment: int
    bought: NDArray[np.int64]
    owned: NDArray[np.int64]
    customers: Mask


class LearnedBlend(NamedTuple):
    """The blend, the segments whose weights are not those given, and those whose time was over before they were learned."""

    blend: BlendSettings
    learned: tuple[Segment, ...] = ()
    stopped: tuple[Segment, ...] = ()


def segments_learned(given: BlendSettings, blend: BlendSettings) -> tuple[Segment, ...]:
    """The segments whose weights are not those given."""
    return tuple(segment for segment in SEGMENTS if getattr(blend, segment) != getattr(given, segment))


def in_words(blend: BlendSettings, segment: Segment) -> str:
    """Name the recommenders of a segment and their weights, largest first."""
    weights: Mapping[str, float] = getattr(blend, segment)
    return ", ".join(f"{name} {weight:.3g}" for name, weight in sorted(weights.items(), key=lambda each: -each[1]))


def as_given(blend: BlendSettings, learned: Sequence[Segment]) -> BlendSettings:
    """The blend as it was before the weights of these segments were learned: they had the defaults."""
    return _with(blend, {segment: getattr(BlendSettings(), segment) for segment in learned})


def _with(blend: BlendSettings, weights: Mapping[Segment, Mapping[str, float]]) -> BlendSettings:
    return msgspec.structs.replace(blend, **{str(segment): each for segment, each in weights.items()})


def default_blend(
    events: Events,
    as_of: int,
    n_items: int,
    settings: Settings,
    fit_on: FitOn,
    late: Callable[[], bool] = lambda: False,
) -> LearnedBlend:
    """The blend, with weights learned for the segments that have the default ones, as far as they are better than these.

    Args:
        events: settled, of all users.
        as_of: the moment they end, in microseconds.
        n_items: rows of the catalogue.
        settings: the shop's.
        fit_on: fits on a part of the events.
        late: tells when the time is over; a segment that is not learned by then keeps what it has, for weights that are half climbed,
            or tried on a few shoppers, earned nothing.
    """
    blend, chosen = settings.blend, settings.training
    untouched = [segment for segment in SEGMENTS if getattr(blend, segment) == getattr(BlendSettings(), segment)]
    if not untouched or chosen.learn_blend == "off" or not 0 < len(events) <= chosen.learn_blend_events:
        return LearnedBlend(blend)
    days = 0 if chosen.learn_blend == "random" else settings.evaluation.days
    found, stopped = dict[Segment, Mapping[str, float]](), list[Segment]()
    for kind, segments in _TAUGHT:
        wanted = [each for each in untouched if each in segments]
        cut = cut_of(events, as_of, n_items, days, settings.seed, settings.behaviour, kind) if wanted else None
        thick = [each for each in wanted if cut and len(_asked(cut, each, n_items)) >= LEAST_SHOPPERS]
        if cut is None or not thick:
            continue
        untouched = [each for each in untouched if each not in thick]
        if late():
            stopped += thick
            continue
        engine = fit_on(cut.remaining, cut.moment)
        for segment in thick:
            weights = _weights(engine, cut, segment, n_items, settings.seed, late)
            if late():
                stopped.append(segment)
            elif weights:
                found[segment] = weights
    learned = _with(blend, found)
    return LearnedBlend(learned, segments_learned(blend, learned), tuple(stopped))


def cut_of(
    events: Events, as_of: int, n_items: int, days: int, seed: int, behaviour: BehaviourSettings, kind: EventType
) -> Cut | None:
    """Hold back what was bought, or looked at, in the last days, else everybody's last order, else what each took last, else a part
    drawn, or that at once where `days` is 0; None: too few shoppers are left to learn from.

    The last order is no question where it would be the end of a burst: few shoppers come back after it, and most of what anybody
    took lies inside one.
    """
    start = as_of - days * DAY
    enough = max(LEAST_SHOPPERS, LEAST_SHARE * len(np.unique(events.users[_taken(events, kind)])))
    ways: list[tuple[Callable[[], Mask], int]] = []
    if days:
        ways.append((lambda: events.times >= start, start))
        if kind == EventType.PURCHASE and not _in_bursts(events, n_items):
            ways.append((lambda: _from_the_last_order(events, behaviour), as_of))
        ways.append((lambda: _from_the_last_moment(events, kind), as_of))
    ways.append((lambda: _drawn(events, n_items, seed), as_of))
    for late, moment in ways:
        cut = _cut(events, late(), moment, n_items, kind)
        if len(np.unique(cut.bought // n_items)) >= enough:
            return cut
    return None


def _taken(events: Events, kind: EventType) -> Mask:
    """Tell which events are of what is asked for."""
    taken: Mask = (events.kinds == kind) & (events.items >= 0)
    return taken


def _cut(events: Events, late: Mask, moment: int, n_items: int, kind: EventType) -> Cut:
    """Part the events; what was taken counts of users who were known before."""
    bought = _taken(events, kind)
    known, customers = np.zeros((2, int(events.users[-1]) + 1), bool)
    known[events.users[~late]] = True
    customers[events.users[~late & (events.kinds == EventType.PURCHASE)]] = True
    pairs = events.users.astype(np.int64) * n_items + events.items
    after = np.unique(pairs[late & bought & known[events.users]])
    before = np.unique(pairs[~late & bought])
    return Cut(events.where(~late), moment, after, np.intersect1d(after, before, assume_unique=True), customers)


def _from_the_last_order(events: Events, behaviour: BehaviourSettings) -> Mask:
    """Tell which events are not before the last order of their user; of one order alone, none are.

    The looks of the visit on which it was made count to it: when a list is asked for, the visit that ends in an order is yet to come.
    """
    n = int(events.users[-1]) + 1
    last = np.full(n, -1, np.int32)
    np.maximum.at(last, events.users, events.orders)
    lines = (events.orders == last[events.users]) & (events.orders > 0)
    begins, visits = np.full((2, n), np.iinfo(np.int64).max)
    visit = sessions(events.users, events.times, behaviour)
    np.minimum.at(begins, events.users[lines], events.times[lines])
    np.minimum.at(visits, events.users[lines], visit[lines])
    looks = (events.kinds != EventType.PURCHASE) & (visit >= visits[events.users])
    held: Mask = looks | (events.times >= begins[events.users])
    return held


def _from_the_last_moment(events: Events, kind: EventType) -> Mask:
    """Tell which events are not before the moment at which their user took something last."""
    taken = _taken(events, kind)
    last = np.full(int(events.users[-1]) + 1, np.iinfo(np.int64).max)
    last[events.users[taken]] = events.times[taken]  # the last of each stands, for events are in order of time
    held: Mask = events.times >= last[events.users]
    return held


def _in_bursts(events: Events, n_items: int) -> bool:
    """Tell whether most purchases are lines of orders that were told at many times, and hardly any item is bought again.

    An evening of ratings passes for an order where none are named; what comes first in it says little.
    """
    lines = np.flatnonzero((events.orders >= 0) & (events.items >= 0))
    users = events.users[lines].astype(np.int64)
    if len(np.unique(users * n_items + events.items[lines])) < (1 - MOST_REPEATED) * len(lines):
        return False
    orders = np.unique(users * len(events) + events.orders[lines], return_inverse=True)[1]
    by_time = np.lexsort((events.times[lines], orders))
    orders, times = orders[by_time], events.times[lines][by_time]
    first = np.append(True, (np.diff(orders) > 0) | (np.diff(times) > 0))[: len(lines)]
    sizes, moments = np.bincount(orders), np.bincount(orders[first])
    return bool(sizes[moments >= BURST_MOMENTS].sum() > len(lines) / 2)


def _drawn(events: Events, n_items: int, seed: int) -> Mask:
    """Tell which events are of the pairs of a user and an item that are drawn."""
    pairs = np.unique(events.users.astype(np.int64) * n_items + events.items, return_inverse=True)[1]
    chosen: Mask = (np.random.default_rng(seed).random(int(pairs.max()) + 1) < PART)[pairs]
    return chosen


def _weights(
    engine: Engine, cut: Cut, segment: Segment, n_items: int, seed: int, late: Callable[[], bool]
) -> Mapping[str, float]:
    """The weights of a segment, where they earned it: none where the default ranks as well.

    Each half of the shoppers is ranked by what was learned on the other. The best recommender alone has to gain over the default, and
    several of them over that one.
    """
    sources = [name for name in SOURCES if n_items < SLOW_FROM or name not in SLOW_SOURCES]
    questions = takewhile(lambda _: not late(), _questions(engine, cut, segment, n_items, seed))
    pools = gather(engine, questions, cut.moment, segment, sources)
    if len(pools) < LEAST_SHOPPERS:
        return {}
    default: Mapping[str, float] = getattr(BlendSettings(), segment)
    before = np.array([default.get(name, 0.0) for name in sources])

    def climbed(pools: Pools) -> Values:
        return _climbed(pools, late)

    alone, several = (crossed(pools, [*map(learn, halves(pools))]) for learn in (_best_alone, climbed))
    learn, reached = (climbed, several) if above_0(several - alone) else (_best_alone, alone)
    known = pools.ndcg(before)
    if not above_0(reached - known) or reached.mean() < (1 + LEAST_BETTER) * known.mean():
        return {}
    return rounded(sources, learn(pools))


def rounded(sources: Sequence[str], weights: Values) -> Mapping[str, float]:
    """The weights above 0 to three digits, however small: the least of them still fills the places that others leave."""
    return {name: float(f"{weight:.3g}") for name, weight in zip(sources, weights, strict=True) if weight > 0}


def _by_themselves(pools: Pools) -> Values:
    return np.array([pools.ndcg(weights).mean() for weights in np.eye(pools.shares.shape[1])])


def _best_alone(pools: Pools) -> Values:
    """All weight float64[r] on the recommender that is best alone."""
    weights: Values = np.eye(pools.shares.shape[1])[int(_by_themselves(pools).argmax())]
    return weights


def _climbed(pools: Pools, late: Callable[[], bool]) -> Values:
    """Weights float64[r] climbed over the recommenders that are best alone; the others have 0."""
    best = np.argsort(-_by_themselves(pools), kind="stable")[:MOST_SOURCES]
    few = Pools(np.ascontiguousarray(pools.shares[:, best]), pools.relevant, pools.offsets, pools.ideal)
    weights = np.zeros(pools.shares.shape[1])
    weights[best] = ascend(few, np.full(len(best), 1 / len(best)), LEAST_GAIN, late)
    return weights


def _asked(cut: Cut, segment: Segment, n_items: int) -> NDArray[np.int64]:
    """Rows of the shoppers who can be asked for in a segment, ascending."""
    return np.unique(_held_back(cut, segment, n_items) // n_items)


def _held_back(cut: Cut, segment: Segment, n_items: int) -> NDArray[np.int64]:
    """Pairs of a segment's shoppers that were held back, as user · n_items + item; of what is to be new to them, only those."""
    pairs = cut.bought if segment == "repeat" else np.setdiff1d(cut.bought, cut.owned, assume_unique=True)
    held: NDArray[np.int64] = pairs[cut.customers[pairs // n_items] == (segment != "lead")]
    return held


def _questions(engine: Engine, cut: Cut, segment: Segment, n_items: int, seed: int) -> Iterator[Question]:
    """The shoppers in an order drawn, and what was held back of each."""
    pairs, ids = _held_back(cut, segment, n_items), engine.snapshot.histories.users
    users, starts = np.unique(pairs // n_items, return_index=True)
    ends = np.append(starts[1:], len(pairs))
    for place in np.random.default_rng(seed).permutation(len(users))[:MOST_SHOPPERS].tolist():
        items = (pairs[starts[place] : ends[place]] % n_items).astype(np.int32)
        yield ids.text(int(users[place])), items, len(items)
