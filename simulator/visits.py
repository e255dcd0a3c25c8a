"""The synthetic shop's visits, acted out: from planned visits to rows of the events table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.types import EventType, Mask, Rows, Times
from simulator import plan
from simulator.agenda import Kind, Visits
from simulator.goods import Ints, complement_leaves
from simulator.people import Shop, taste
from simulator.words import LEAVES


class Slot(IntEnum):
    """Parts of a visit, in this order; VIEW2, CART2 and PURCHASE2 are of the complement."""

    HOME = 0
    IMPRESSION = 1
    CLICK = 2
    CATEGORY = 3
    SEARCH = 4
    VIEW = 5
    CART = 6
    VIEW2 = 7
    CART2 = 8
    REMOVE = 9
    CHECKOUT = 10
    PURCHASE = 11
    PURCHASE2 = 12


TYPE_OF_SLOT = np.array(
    [
        *(EventType.HOME_VIEW, EventType.IMPRESSION, EventType.CLICK, EventType.CATEGORY_VIEW, EventType.SEARCH),
        *(EventType.VIEW, EventType.CART_ADD, EventType.VIEW, EventType.CART_ADD, EventType.CART_REMOVE),
        *(EventType.CHECKOUT, EventType.PURCHASE, EventType.PURCHASE),
    ],
    np.int8,
)
SHARE_OF_SLOT: dict[Slot, tuple[float, float, float, float, float]] = {
    Slot.HOME: (0.60, 0.35, 0.35, 0.35, 0.50),
    Slot.CATEGORY: (0.70, 0.80, 0.80, 0.80, 0.0),
    Slot.SEARCH: (0.15, 0.30, 0.30, 0.30, 0.40),
    Slot.CART: (0.0, 0.0, 1.0, 1.0, 1.0),
    Slot.REMOVE: (0.0, 0.0, 0.12, 0.0, 0.0),
    Slot.CHECKOUT: (0.0, 0.0, 0.25, 1.0, 1.0),
    Slot.PURCHASE: (0.0, 0.0, 0.0, 1.0, 1.0),
}
"""Share of the visits of each kind (browse, compare, cart, order, staple) that have the slot."""


@dataclass(frozen=True)
class Acts:
    """Events as numbers, one entry each: row of the visit, type, item (-1: none), time, quantity (0: none)."""

    visit: NDArray[np.int64]
    kind: NDArray[np.int8]
    item: Rows
    time: Times
    quantity: NDArray[np.int8]

    def rows(self, rows: NDArray[Any]) -> Acts:
        """The events at these rows."""
        return Acts(self.visit[rows], self.kind[rows], self.item[rows], self.time[rows], self.quantity[rows])


def act(rng: np.random.Generator, visits: Visits, shop: Shop, first: int) -> Acts:
    """Act visits out; the first of them is number `first` of the agenda. Events after the end are left out.

    Refunds of these visits' purchases are among them, days later.
    """
    script = _script(rng, visits.kind, visits.second >= 0)
    visit, slot = script.visit, script.slot
    time = visits.start[visit] + _since_start(rng, visits.kind[visit], script)
    several = rng.choice(np.array([1, 2, 3], np.int8), size=len(visits), p=[0.8, 0.14, 0.06])
    main = np.isin(slot, (Slot.CART, Slot.PURCHASE, Slot.REMOVE))
    quantity = np.where(main, several[visit], np.isin(slot, (Slot.CART2, Slot.PURCHASE2)))
    acts = Acts(visit, TYPE_OF_SLOT[slot], _items(rng, visits, shop, script), time, quantity.astype(np.int8))
    acts = in_time_order([acts, _refunds(rng, acts, visits)])
    acts = acts.rows(np.flatnonzero(acts.time <= shop.calendar.end))
    return replace(acts, visit=acts.visit + first)


def in_time_order(parts: Sequence[Acts]) -> Acts:
    """Put events together and sort them by time; of simultaneous ones what came first stays first."""
    joined = Acts(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Acts)))
    return joined.rows(np.argsort(joined.time, kind="stable"))


def mean_length(kind: Kind) -> float:
    """Mean number of events of a visit of this kind, refunds left aside."""
    rng = np.random.default_rng(0)
    kinds = np.full(20_000, kind)
    pull = np.array([leaf.pull for leaf in LEAVES])
    share = plan.COMPLEMENT_SHARE * pull[complement_leaves() >= 0].sum() / pull.sum() if kind == Kind.ORDER else 0.0
    return float(_slot_counts(rng, kinds, rng.random(len(kinds)) < share).sum(axis=1).mean())


@dataclass(frozen=True)
class _Script:
    """Course of visits: counts and offset int64[visits, slots] say how many events each slot has and where its first one
    stands; visit and slot, one entry per event, say where it belongs."""

    counts: NDArray[np.int64]
    offset: NDArray[np.int64]
    visit: NDArray[np.int64]
    slot: NDArray[np.int8]

    def with_slot(self, slot: Slot) -> NDArray[np.int64]:
        """Rows of the visits that have the slot."""
        return np.flatnonzero(self.counts[:, slot])


def _script(rng: np.random.Generator, kind: Ints, has_second: Mask) -> _Script:
    counts = _slot_counts(rng, kind, has_second)
    offset = (np.cumsum(counts.ravel()) - counts.ravel()).reshape(counts.shape)
    visit = np.repeat(np.arange(len(kind)), counts.sum(axis=1))
    slot = np.repeat(np.tile(np.arange(len(Slot), dtype=np.int8), len(kind)), counts.ravel())
    return _Script(counts, offset, visit, slot)


def _slot_counts(rng: np.random.Generator, kind: Ints, has_second: Mask) -> NDArray[np.int64]:
    """Draw how many events of each slot visits have, int64[n, slots]; browsers view 0 to 6 products, others 3 to 9."""
    n = len(kind)
    counts = np.zeros((n, len(Slot)), np.int64)
    for slot, shares in SHARE_OF_SLOT.items():
        counts[:, slot] = rng.random(n, np.float32) < np.array(shares, np.float32)[kind]
    extra = np.minimum(rng.poisson(1.8, n), 6)
    counts[:, Slot.VIEW] = np.where(kind == Kind.BROWSE, extra, np.where(kind == Kind.STAPLE, 1, plan.BUYER_VIEWS + extra))
    shown = rng.random(n, np.float32) < np.float32(plan.RECOMMENDED_SHARE)
    counts[:, Slot.IMPRESSION] = 4 * shown
    clicked = rng.random(n, np.float32) < np.float32(plan.CLICKED_SHARE)
    counts[:, Slot.CLICK] = shown & clicked & (counts[:, Slot.VIEW] > 1)
    for slot in (Slot.VIEW2, Slot.CART2, Slot.PURCHASE2):
        counts[:, slot] = has_second
    counts[counts.sum(axis=1) == 0, Slot.HOME] = 1
    return counts


def _items(rng: np.random.Generator, visits: Visits, shop: Shop, script: _Script) -> Rows:
    """Item of every event: drawn for views and impressions, the rest follows from those."""
    offset = script.offset
    item = np.full(len(script.visit), -1, np.int32)
    drawn = np.flatnonzero((script.slot == Slot.VIEW) | (script.slot == Slot.IMPRESSION))
    of = script.visit[drawn]
    leaf = _leaf_of_draw(visits, shop, of, drawn - offset[of, Slot.VIEW])
    day = shop.calendar.day_of(visits.start[of])
    item[drawn] = taste(rng, shop, visits.who[of], leaf, visits.brand[of], day)
    clicks = script.with_slot(Slot.CLICK)
    seen = item[offset[clicks, Slot.IMPRESSION] + rng.integers(0, 4, len(clicks))]
    item[offset[clicks, Slot.CLICK]] = item[offset[clicks, Slot.VIEW]] = seen
    last_view = offset[:, Slot.VIEW] + script.counts[:, Slot.VIEW] - 1
    ordered = visits.item >= 0
    item[last_view[ordered]] = visits.item[ordered]
    for slot in (Slot.CART, Slot.REMOVE, Slot.PURCHASE):
        rows = script.with_slot(slot)
        item[offset[rows, slot]] = item[last_view[rows]]
    for slot in (Slot.VIEW2, Slot.CART2, Slot.PURCHASE2):
        rows = script.with_slot(slot)
        item[offset[rows, slot]] = visits.second[rows]
    return item


def _leaf_of_draw(visits: Visits, shop: Shop, visit: NDArray[np.int64], place: NDArray[np.int64]) -> Ints:
    """Leaf category of each draw: the visit's, but browsers go on to another favourite after every second view."""
    leaf = visits.leaf[visit]
    rows = np.flatnonzero((visits.kind[visit] == Kind.BROWSE) & (place >= 2))
    favourites = shop.people.favourites[visits.who[visit[rows]]]
    begin = (favourites == leaf[rows, None]).argmax(axis=1)
    leaf[rows] = favourites[np.arange(len(rows)), (begin + place[rows] // 2) % favourites.shape[1]]
    return leaf


def _since_start(rng: np.random.Generator, kind: Ints, script: _Script) -> NDArray[np.int64]:
    """Microseconds since the visit began, in whole milliseconds; the lines of an order share one moment."""
    patience = rng.standard_exponential(len(kind), np.float32)
    min_n, max_n = plan.BROWSER_SECONDS
    browser = min_n + np.minimum(7 * patience, max_n - min_n)
    seconds = np.where(kind == Kind.BROWSE, browser, plan.BUYER_SECONDS + 20 * patience)
    stay = np.where(script.slot == Slot.PURCHASE, 0, (seconds * 1000).astype(np.int64) * 1000)
    past = np.cumsum(stay) - stay
    return np.asarray(past - past[script.offset[:, 0]][script.visit])


def _refunds(rng: np.random.Generator, acts: Acts, visits: Visits) -> Acts:
    bought = np.flatnonzero((acts.kind == EventType.PURCHASE) & ~visits.fixed[acts.visit])
    lines = acts.rows(bought[rng.random(len(bought)) < plan.REFUND_SHARE])
    later = (rng.uniform(*plan.REFUND_DAYS, len(lines.visit)) * DAY).astype(np.int64)
    return replace(lines, kind=np.full(len(lines.visit), EventType.REFUND, np.int8), time=lines.time + later)
