"""The synthetic shop's people: what each likes, how long each stays, and what they pick from the shelves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.types import Mask, Rows
from simulator import plan
from simulator.calendar import Calendar
from simulator.goods import (
    DEPARTMENT_OF_LEAF,
    N_STYLES,
    N_TIERS,
    Floats,
    Goods,
    Ints,
    brand_key,
    style_key,
    tier_key,
)
from simulator.plan import Segment
from simulator.words import DEPARTMENTS, LEAVES


@dataclass(frozen=True)
class People:
    """Every shopper, users first, then guests; one entry each.

    favourites int16[n, 4] leaf categories, strongest first · style, second, tier, brand (-1: none) codes of their taste ·
    joined, left, first, last: ages in days of the first visit, of the end of their visits, of the first and of the last
    planned order (-1: none) · activity their relative number of other visits.
    """

    users: int
    segment: Ints
    favourites: NDArray[np.int16]
    style: Ints
    second: Ints
    tier: Ints
    brand: Ints
    joined: Floats
    left: Floats
    first: Floats
    last: Floats
    activity: Floats

    def __len__(self) -> int:
        return len(self.segment)

    @property
    def several(self) -> Mask:
        """True where a customer has more than one planned order."""
        return self.first > self.last


@dataclass(frozen=True)
class Shop:
    """The goods, the people and the days on which they meet."""

    goods: Goods
    people: People
    calendar: Calendar


def make_people(users: int, goods: Goods, calendar: Calendar, seed: int) -> People:
    """Make `users` users and their share of guests."""
    rng = np.random.default_rng([seed, 2])
    n = users + round(users * plan.GUEST_SHARE)
    segment = np.zeros(n, np.int8)
    segment[:users] = _segments(rng, users)
    first, last = _order_ages(rng, segment, calendar)
    joined = np.where(last >= 0, first + rng.uniform(0.5, 40, n), calendar.span * rng.random(n) ** 1.5)
    joined = np.minimum(joined, calendar.span)
    favourites = _favourites(rng, n)
    style = rng.integers(0, N_STYLES, n).astype(np.int8)
    tier = rng.choice(N_TIERS, size=n, p=[0.4, 0.4, 0.2]).astype(np.int8)
    loved = goods.by_style.draw(rng, style_key(favourites[:, 0], style), np.zeros(n, np.int64))
    lover = (rng.random(n) < plan.BRAND_LOVER_SHARE) & (loved >= 0)
    return People(
        users=users,
        segment=segment,
        favourites=favourites,
        style=style,
        second=rng.integers(0, N_STYLES, n).astype(np.int8),
        tier=tier,
        brand=np.where(lover, goods.brand[np.maximum(loved, 0)], -1),
        joined=joined,
        left=_left(rng, segment, joined, last),
        first=first,
        last=last,
        activity=rng.lognormal(0.0, 0.8, n) * np.where(np.arange(n) < users, 1.0, 0.2),
    )


def _segments(rng: np.random.Generator, users: int) -> Ints:
    ends = np.round(np.cumsum(list(plan.SEGMENT_SHARES.values())) * users).astype(np.int64)
    return rng.permutation(np.searchsorted(ends, np.arange(users), side="right").clip(max=len(Segment) - 1))


def _order_ages(rng: np.random.Generator, segment: Ints, calendar: Calendar) -> tuple[Floats, Floats]:
    """Ages in days of the first and of the last planned order, -1 for leads; the same for who has ordered once.

    First orders and the time to a second one are alike whenever they were: customers who ordered once long ago are
    defecting or gone, and some of the active ones are new.
    """
    low, high = (np.array([plan.LAST_ORDER_AGES.get(kind, (-1, -1))[side] for kind in Segment]) for side in (0, 1))
    last = rng.uniform(low[segment], high[segment])
    more = plan.SECOND_ORDER_DAYS[0] + rng.exponential(plan.SECOND_ORDER_DAYS[1], len(segment))
    more[segment == Segment.ACTIVE] = rng.uniform(60, 450, int(np.count_nonzero(segment == Segment.ACTIVE)))
    new = (segment == Segment.ACTIVE) & (rng.random(len(segment)) < plan.RECENT_SHARE)
    more[new] = plan.SECOND_ORDER_DAYS[0] + rng.uniform(0, 40, int(np.count_nonzero(new)))
    last[new] = rng.uniform(1, 55, int(np.count_nonzero(new)))
    once = (segment == Segment.FIRST_TIME) | ((segment >= Segment.DEFECTING) & (rng.random(len(segment)) < plan.ONCE_SHARE))
    first = np.minimum(last + more, calendar.span - 0.1)
    return np.where(once, last, np.where(last < 0, -1.0, first)), last


def _left(rng: np.random.Generator, segment: Ints, joined: Floats, last: Floats) -> Floats:
    """Age of the end of each shopper's visits: now for most, soon after the last order for customers who went."""
    n = len(segment)
    gone = (segment >= Segment.DEFECTING) & (rng.random(n) >= plan.RETURNING_SHARE)
    lost = (segment == Segment.LEAD) & (rng.random(n) < 0.5)
    left = np.where(gone, np.maximum(last - rng.uniform(1, 10, n), 0), 0.0)
    return np.where(lost, joined * rng.random(n), left)


def _favourites(rng: np.random.Generator, n: int) -> NDArray[np.int16]:
    """Four distinct leaf categories each, drawn by pull, those of one department five times as likely (Gumbel top-k)."""
    pull = np.log([leaf.pull for leaf in LEAVES])
    found = np.empty((n, len(plan.FAVOURITE_WEIGHTS)), np.int16)
    department = rng.choice(len(DEPARTMENTS), size=n, p=[0.4, 0.3, 0.2, 0.1])
    for begin in range(0, n, 100_000):
        part = slice(begin, begin + 100_000)
        score = pull + np.where(department[part, None] == DEPARTMENT_OF_LEAF, np.log(5.0), 0.0)
        score = score + rng.gumbel(size=score.shape)
        found[part] = np.argsort(-score, axis=1)[:, : found.shape[1]]
    return found


def taste(rng: np.random.Generator, shop: Shop, who: Ints, leaf: Ints, turned: Ints, day: Ints) -> Rows:
    """Draw an item of each leaf category to each shopper's taste, among those published by the day.

    `turned` is a brand that the visit turned to (-1: none); else lovers take their brand, most others their style.
    """
    n, people, goods = len(who), shop.people, shop.goods
    item = goods.by_leaf.draw(rng, leaf, day)
    follows = np.flatnonzero(_share(rng, n, plan.TASTE_SHARE))
    other = _share(rng, len(follows), plan.SECOND_SHARE)
    style = np.where(other, people.second[who[follows]], people.style[who[follows]])
    _prefer(item, follows, goods.by_style.draw(rng, style_key(leaf[follows], style), day[follows]))
    tiered = follows[_share(rng, len(follows), plan.TIER_SHARE)]
    key = tier_key(leaf[tiered], people.style[who[tiered]], people.tier[who[tiered]])
    _prefer(item, tiered, goods.by_tier.draw(rng, key, day[tiered]))
    loved = np.where(_share(rng, n, plan.BRAND_LOVE), people.brand[who], -1)
    brand = np.where(turned >= 0, turned, loved)
    rows = np.flatnonzero(brand >= 0)
    _prefer(item, rows, goods.by_brand.draw(rng, brand_key(leaf[rows], brand[rows]), day[rows]))
    return item


def _share(rng: np.random.Generator, n: int, share: float) -> Mask:
    return rng.random(n, np.float32) < np.float32(share)


def _prefer(item: Rows, rows: Ints, found: Rows) -> None:
    """Put what was found in place of the items at these rows."""
    item[rows[found >= 0]] = found[found >= 0]
