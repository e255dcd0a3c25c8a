"""The synthetic shop's agenda: every visit that each shopper will pay, before any is acted out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY, MINUTE
from recsys.types import Mask, Rows, Times
from simulator import plan
from simulator.calendar import Calendar, seasons
from simulator.goods import LEAF_NAMES, Floats, Ints, complement_leaves, style_key
from simulator.people import Shop, taste
from simulator.plan import Segment


class Kind(IntEnum):
    """Kind of a visit."""

    BROWSE = 0
    COMPARE = 1
    CART = 2
    ORDER = 3
    STAPLE = 4


LOOKING = np.array([0.70, 0.20, 0.10, 0.0])
"""Shares of browse, compare, cart, order among the other visits of shoppers who order nothing then."""
ORDERING = np.array([0.55, 0.17, 0.12, 0.16])
"""The same between a customer's first and last planned order."""


@dataclass(frozen=True)
class Visits:
    """Planned visits: shopper, start in microseconds, kind, leaf category, brand it turns to (-1: none), and of orders the
    item bought and a second one beside it (-1: none); `fixed` ones are never dropped or refunded."""

    who: NDArray[np.int32]
    start: Times
    kind: NDArray[np.int8]
    leaf: NDArray[np.int16]
    brand: NDArray[np.int16]
    item: Rows
    second: Rows
    fixed: Mask

    def __len__(self) -> int:
        return len(self.who)

    def rows(self, rows: NDArray[Any] | slice) -> Visits:
        """The visits at these rows."""
        return Visits(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def plan_visits(shop: Shop, events: int, length: Callable[[Kind], float], seed: int) -> Visits:
    """Plan all visits, in time order, such that they come to about `events` events.

    `length` tells the mean number of events of a visit of a kind.
    """
    rng = np.random.default_rng([seed, 3])
    planned = [_first_visits(rng, shop), *_planned_orders(rng, shop), _staples(rng, shop), _live(rng, shop)]
    lengths = np.array([length(kind) for kind in Kind])
    left = events - sum(float(lengths[part.kind].sum()) for part in planned)
    visits = _joined([*planned, _others(rng, shop, max(left, 0.0), lengths)])
    visits = _choose_second(rng, _choose_bought(rng, _turn(rng, visits, shop), shop), shop)
    return visits.rows(np.argsort(visits.start, kind="stable"))


def _visits(who: Ints, start: Times, kind: Ints | Kind, leaf: Ints, item: Ints | int = -1, fixed: bool = False) -> Visits:
    n = len(who)
    return Visits(
        who=who.astype(np.int32),
        start=start,
        kind=np.broadcast_to(np.asarray(kind, np.int8), n),
        leaf=leaf.astype(np.int16),
        brand=np.full(n, -1, np.int16),
        item=np.broadcast_to(np.asarray(item, np.int32), n),
        second=np.full(n, -1, np.int32),
        fixed=np.full(n, fixed),
    )


def _joined(parts: list[Visits]) -> Visits:
    names = [field.name for field in fields(Visits)]
    return Visits(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _first_visits(rng: np.random.Generator, shop: Shop) -> Visits:
    """Everybody comes to browse once."""
    people = shop.people
    start = shop.calendar.at_age(rng, people.joined)
    return _visits(np.arange(len(people)), start, Kind.BROWSE, people.favourites[:, 0])


def _planned_orders(rng: np.random.Generator, shop: Shop) -> list[Visits]:
    """The last order of every customer and the first of those with several, in different leaf categories."""
    people = shop.people
    last, several = np.flatnonzero(people.last >= 0), np.flatnonzero(people.several)
    orders = ((last, people.last, 0), (several, people.first, 1))
    return [
        _visits(who, shop.calendar.at_age(rng, age[who]), Kind.ORDER, people.favourites[who, place], fixed=True)
        for who, age, place in orders
    ]


def _staples(rng: np.random.Generator, shop: Shop) -> Visits:
    """Orders of one replenishable item at its gap, three to eight, the latest less than a gap before the end of the buying.

    Active customers go on until the calendar's end cuts them off; the others stopped with their last order.
    """
    people, goods = shop.people, shop.goods
    repeats = people.several & (people.segment != Segment.INACTIVE)
    who = np.flatnonzero(repeats & (rng.random(len(people)) < plan.STAPLE_SHARE))
    n = len(who)
    leaves = np.array([LEAF_NAMES.index(name) for name in plan.REPURCHASE_GAPS])
    leaf, first_day = leaves[rng.integers(0, len(leaves), n)], np.zeros(n, np.int64)
    liked = goods.by_style.draw(rng, style_key(leaf, people.style[who]), first_day)
    item = np.where(liked >= 0, liked, goods.by_leaf.draw(rng, leaf, first_day))
    gap, max_n = goods.gap[item], plan.STAPLE_ORDERS[1]
    count = rng.integers(plan.STAPLE_ORDERS[0], max_n + 1, n)
    back = np.clip(1 + plan.GAP_NOISE * rng.standard_normal((max_n, n)), 0.6, 1.4)
    back[0] = rng.uniform(0, 0.9, n)
    ended = np.where(people.segment[who] == Segment.ACTIVE, 0.0, people.last[who])
    age = ended + gap * np.cumsum(back, axis=0)
    oldest = np.where(people.first[who] < plan.RECENT_DAYS, people.first[who], shop.calendar.span - 1)
    place, column = np.nonzero((np.arange(max_n)[:, None] < count) & (age < oldest))
    start = shop.calendar.at_age(rng, age[place, column])
    return _visits(who[column], start, Kind.STAPLE, leaf[column], item[column], fixed=True)


def _live(rng: np.random.Generator, shop: Shop) -> Visits:
    """Visits of users that are under way at the end."""
    people = shop.people
    present = np.flatnonzero((people.left == 0) & (np.arange(len(people)) < people.users))
    count = min(len(present), max(plan.LIVE_LEAST, round(len(people) * plan.LIVE_SHARE)))
    who = rng.permutation(present)[:count]
    kind = np.array([Kind.COMPARE, Kind.CART, Kind.BROWSE])[np.arange(count) % 3]
    began = (rng.uniform(*plan.LIVE_MINUTES, count) * MINUTE).astype(np.int64)
    return _visits(who, shop.calendar.end - began, kind, people.favourites[who, 0], fixed=True)


def _others(rng: np.random.Generator, shop: Shop, events: float, lengths: Floats) -> Visits:
    """Fill up with other visits, more of the active shoppers', until about `events` events."""
    people, calendar = shop.people, shop.calendar
    days = np.maximum(people.joined - people.left, 1)
    pull = people.activity * np.sqrt(days)
    several = people.several
    ordering = np.where(several, (people.first - people.last) / days, 0.0).clip(0, 1)
    mix = LOOKING + ordering[:, None] * (ORDERING - LOOKING)
    mean = float(pull @ (mix @ lengths[: Kind.STAPLE])) / float(pull.sum())
    sums = np.cumsum(pull)
    who = np.searchsorted(sums, rng.random(round(events / mean)) * sums[-1]).clip(max=len(people) - 1)
    start = calendar.between(rng, people.joined[who], people.left[who])
    age = (calendar.end - start) / DAY
    can_order = several[who] & (age < people.first[who]) & (age > people.last[who] + 1.1)
    draw = rng.random(len(who))
    kind = np.searchsorted(np.cumsum(LOOKING), draw).clip(max=Kind.CART)
    kind[can_order] = np.searchsorted(np.cumsum(ORDERING), draw[can_order]).clip(max=Kind.ORDER)
    return _visits(who, start, kind, _leaf_of_visit(rng, people.favourites[who], calendar, calendar.day_of(start)))


def _leaf_of_visit(rng: np.random.Generator, favourites: Ints, calendar: Calendar, day: Ints) -> Ints:
    """One of the four favourites of each visit's shopper, by their pull and the season's."""
    pull = seasons(calendar)[favourites, day[:, None]] * np.array(plan.FAVOURITE_WEIGHTS, np.float32)
    sums = np.cumsum(pull, axis=1)
    place = (sums < (rng.random(len(day), np.float32) * sums[:, -1])[:, None]).sum(axis=1)
    return np.asarray(favourites[np.arange(len(day)), place.clip(max=favourites.shape[1] - 1)])


def _turn(rng: np.random.Generator, visits: Visits, shop: Shop) -> Visits:
    """Turn a share of the visits during a brand's wave to one of its items' leaf categories; browsers compare then.

    Staples stay as they are, and visits under way at the end.
    """
    goods, age = shop.goods, (shop.calendar.end - visits.start) / DAY
    leaf, brand, kind = visits.leaf.copy(), visits.brand.copy(), visits.kind.copy()
    free = ~visits.fixed | (visits.kind == Kind.ORDER)
    for name, (oldest, youngest) in plan.WAVES.items():
        within = (age <= oldest) & (age > youngest) & free & (brand < 0)
        rows = np.flatnonzero(within & (rng.random(len(visits)) < plan.WAVE_SHARE))
        code = goods.brands.index(name)
        item = goods.of_brand.draw(rng, np.full(len(rows), code), shop.calendar.day_of(visits.start[rows]))
        rows, item = rows[item >= 0], item[item >= 0]
        leaf[rows], brand[rows] = goods.leaf[item], code
        kind[rows] = np.maximum(kind[rows], Kind.COMPARE)
    return replace(visits, leaf=leaf, brand=brand, kind=kind)


def _choose_bought(rng: np.random.Generator, visits: Visits, shop: Shop) -> Visits:
    """Choose the item of every order; outside staples nobody buys an item twice: such a visit only compares."""
    rows = np.flatnonzero(visits.kind == Kind.ORDER)
    day = shop.calendar.day_of(visits.start[rows])
    item, kind = visits.item.copy(), visits.kind.copy()
    item[rows] = taste(rng, shop, visits.who[rows], visits.leaf[rows], visits.brand[rows], day)
    staples = np.flatnonzero(kind == Kind.STAPLE)
    ordered = np.concatenate([staples, rows[visits.fixed[rows]], rows[~visits.fixed[rows]]])
    again = ordered[_repeated(visits.who[ordered], item[ordered])]
    dropped = again[~visits.fixed[again]]
    item[dropped], kind[dropped] = -1, Kind.COMPARE
    return replace(visits, item=item, kind=kind)


def _choose_second(rng: np.random.Generator, visits: Visits, shop: Shop) -> Visits:
    """Choose what is bought beside the item: its planted partner, or a complement to the shopper's taste."""
    second = visits.second.copy()
    leaf = np.where(visits.kind == Kind.ORDER, complement_leaves()[shop.goods.leaf[visits.item]], -1)
    rows = np.flatnonzero((leaf >= 0) & (rng.random(len(visits)) < plan.COMPLEMENT_SHARE))
    day = shop.calendar.day_of(visits.start[rows])
    liked = taste(rng, shop, visits.who[rows], leaf[rows], np.full(len(rows), -1), day)
    planted = rng.random(len(rows)) < plan.PARTNER_SHARE
    second[rows] = np.where(planted, shop.goods.partner[visits.item[rows]], liked)
    firsts = np.flatnonzero(visits.item >= 0)
    who = np.concatenate([visits.who[firsts], visits.who[rows]])
    again = _repeated(who, np.concatenate([visits.item[firsts], second[rows]]))[len(firsts) :]
    second[rows[again]] = -1
    return replace(visits, second=second)


def _repeated(who: Ints, item: Ints) -> Mask:
    """True where the same shopper has the same item earlier in the list."""
    _, once = np.unique(who.astype(np.int64) << 32 | item, return_index=True)
    repeated = np.ones(len(who), np.bool_)
    repeated[once] = False
    return repeated
