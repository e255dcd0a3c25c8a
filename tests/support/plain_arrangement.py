"""Merchandising of one list as its rules read, place after place in plain Python: what the compiled pass is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.engine.blend import Pick, ranked_by
from recsys.engine.merchandising.merchandising import POOL, Effect, Pool, Shelf
from recsys.engine.merchandising.place_numbers import LEAST_FADED, MOST_ROUNDS
from recsys.engine.merchandising.plans import OF_PLACEMENT, AtLeast, AtMost, PinAt, Plan
from recsys.engine.merchandising.variety import Variety
from recsys.types import Mask

_Waiting: TypeAlias = tuple[float, Pick, float]
_BY_WEIGHT = itemgetter(0)


class PlainlyArranged(NamedTuple):
    """A list under a plan; the rows that were pinned; and by row what was kept from its place, and why."""

    picks: list[Pick]
    pinned: frozenset[int]
    effects: dict[int, Effect]


class _Owed:
    """A share while places are filled: how many items of its kind are still to come within its places."""

    def __init__(self, least: AtLeast, allowed: Mask, places: int) -> None:
        self.campaign, self.items = least.campaign, least.items
        self.within = min(least.share.within, places)
        wanted = ceil(round(least.share.min * self.within, 9))
        self.owed = min(wanted, int(np.count_nonzero(least.items & allowed))) if wanted else 0


class PlainArrangement:
    """One list while its places are filled, from the first to the last."""

    def __init__(self, pool: Pool, plan: Plan, shelf: Shelf, variety: Variety | None = None) -> None:
        """Take a pool in hand, under what holds for the query."""
        self._pool, self._plan, self._variety = pool, plan, variety
        self._names, self._everything = shelf.names, shelf.everything
        self._allowed, self._group, self._catalog = shelf.allowed, shelf.catalog.group, shelf.catalog
        self._fades = variety is not None and variety.fading < 1
        self._weighs = plan.factors is not None or variety is not None
        self._limit, self._places = shelf.limit, min(shelf.limit, int(np.count_nonzero(shelf.allowed)))
        self._wrong: dict[int, str] = {}
        """What is wrong with pins, by their number, that never stood."""
        self._fallen: dict[int, str] = {}
        """Why pins fell where the list would have ended."""

    def arranged(self) -> PlainlyArranged:
        """Fill the places: each takes its pin, else the next item that the limits let through and the shares need; again, as if there
        were none of the pins that fall where the list ends."""
        for _ in range(MOST_ROUNDS + 1):
            self._begin()
            if self._fill():
                break
        said, effects = {**self._wrong, **self._fallen}, dict[int, Effect]()
        late = {at for at, words in said.items() if "lets at most" in words or "needs it" in words}
        for at in [*sorted(set(said) - late), *sorted(late)]:
            pin = self._plan.pins[at]
            effects.setdefault(pin.row, Effect(pin.campaign, "pin", f"is not at place {pin.place}: {said[at]}"))
        pinned = self._pinned & {pick[0] for pick in self._chosen}
        return PlainlyArranged(self._chosen, pinned, {**self._refused, **effects})

    def _begin(self) -> None:
        self._refused: dict[int, Effect] = {}
        self._chosen: list[Pick] = []
        self._sought = 0
        self._pins = self._picks_of(self._standing_pins())
        pinned = {pick[0] for pick in self._pins.values()}
        self._pinned = frozenset(pinned)
        self._groups = {int(self._group[row]) for row in pinned} - {-1}
        ranked, blended = list(self._pool.ranked), self._pool.n_blended
        relevance = relevance_of(ranked, blended, 1.0) if self._weighs else [1.0] * len(ranked)
        self._lowest = relevance[-1] if relevance else 1.0
        self._waiting = [each for each in self._weighed(relevance, ranked) if each[1][0] not in pinned]
        self._sort()

    def _fill(self) -> bool:
        """Fill the places; False: pins fell where the list would have ended."""
        while len(self._chosen) < self._places:
            place = len(self._chosen) + 1
            pick = self._pins.pop(place, None) or self._next(place) or self._moved_up(place)
            if pick is None and self._pins:
                self._let_fall(place)
                return False
            if pick is None:
                return True
            self._put(pick, place)
        return True

    # Pins

    def _standing_pins(self) -> dict[int, PinAt]:
        """The pins that stand, by place: one after the other, as far as those before them let them."""
        self._counts: list[dict[int, int]] = [{} for _ in self._plan.limits]
        self._shares = [_Owed(least, self._allowed, self._places) for least in self._plan.shares]
        self._wrong = {}
        standing: dict[int, PinAt] = {}
        for at, pin in enumerate(self._plan.pins):
            if at in self._fallen:
                continue
            if said := self._misplaced(pin, standing):
                self._wrong[at] = said
                continue
            standing[pin.place] = pin
            self._count(pin.row, pin.place)
            for share in self._shares:
                share.owed -= bool(share.items[pin.row]) and pin.place <= share.within and share.owed > 0
        return standing

    def _misplaced(self, pin: PinAt, standing: Mapping[int, PinAt]) -> str:
        if pin.row < 0 or not self._allowed[pin.row]:
            return "it may not be shown here"
        if pin.place > self._limit:
            return f"the list has {self._limit} places"
        if (other := standing.get(pin.place)) is not None:
            return f"campaign {other.campaign} has that place"
        group = self._group[pin.row]
        if any(pin.row == each.row or (group >= 0 and self._group[each.row] == group) for each in standing.values()):
            return "it, or an item of its group, has another place already"
        if broken := self._broken(pin.row, pin.place):
            return _said_of_limit(broken)
        if owing := self._in_want(pin, standing):
            return f"campaign {owing.campaign} needs it for its share"
        return ""

    def _in_want(self, pin: PinAt, standing: Mapping[int, PinAt]) -> _Owed | None:
        """The first share that a pin would leave too few places, or fewer still."""
        for end in sorted({share.within for share in self._shares if share.within >= pin.place}):
            within = [share for share in self._shares if share.within <= end]
            free = end - sum(1 for place in standing if place <= end)
            mine = [share for share in within if share.items[pin.row] and pin.place <= share.within and share.owed > 0]
            lacking = sum(share.owed for share in within) - free
            if (after := lacking - len(mine) + 1) > max(0, lacking):
                return next(share for share in within if share.owed - (share in mine) > 0)
            assert after <= max(0, lacking)
        return None

    def _picks_of(self, standing: Mapping[int, PinAt]) -> dict[int, Pick]:
        """The pinned items as they are ranked; those that are not in the pool each alone by the recommender that ranks everything."""
        if not standing:
            return {}
        ranked = {pick[0]: pick for pick in self._pool.ranked}
        missing = [pin.row for pin in standing.values() if pin.row not in ranked]
        for row in missing:
            among = np.zeros_like(self._allowed)
            among[row] = True
            found = ranked_by(self._everything, self._pool.ask_among(self._everything, 1, among))
            ranked |= {pick[0]: pick for pick in found}
        return {place: self._with_own_factor(ranked[pin.row]) for place, pin in standing.items()}

    def _moved_up(self, place: int) -> Pick | None:
        """Take the first of the pins that are left which may come at an earlier place."""
        for at in sorted(self._pins):
            row = self._pins[at][0]
            self._count(row, at, -1)
            if self._broken(row, place) is None:
                self._count(row, place)
                for share in self._shares:
                    share.owed -= bool(share.items[row]) and place <= share.within < at and share.owed > 0
                return self._pins.pop(at)
            self._count(row, at)
        return None

    def _let_fall(self, place: int) -> None:
        """Let the first of the pins that are left fall, which a limit refuses at a place."""
        at, (row, *_) = min(self._pins.items())
        self._count(row, at, -1)
        broken = self._broken(row, place)
        self._count(row, at)
        assert broken is not None
        number = next(
            number
            for number, pin in enumerate(self._plan.pins)
            if (pin.row, pin.place) == (row, at) and number not in {*self._wrong, *self._fallen}
        )
        self._fallen[number] = f"the list would end before it, and nearer {_said_of_limit(broken)}"

    # Places

    def _next(self, place: int) -> Pick | None:
        """The first waiting item that fits a place; more are looked for, and shares that nothing is left for are let go."""
        while True:
            forced = self._forced(place)
            fitting = (at for at, (_, pick, _) in enumerate(self._waiting) if self._fits(pick[0], place, forced))
            at = max(fitting, key=self._weight, default=None) if self._fades else next(fitting, None)
            if at is not None:
                _, pick, factor = self._waiting.pop(at)
                return with_factor(with_factor(pick, factor), self._faded(pick[0]))
            if self._search(place, forced):
                continue
            if not forced:
                return None
            for share in forced:
                share.owed -= 1

    def _fits(self, row: int, place: int, forced: Sequence[_Owed]) -> bool:
        group = int(self._group[row])
        if group >= 0 and group in self._groups:
            return False
        if broken := self._broken(row, place):
            self._refused.setdefault(row, Effect(broken.campaign, "limit", _said_of_limit(broken)))
            return False
        return not forced or any(share.items[row] for share in forced)

    def _forced(self, place: int) -> list[_Owed]:
        """The shares of which an item must come now, or too few places are left for what is owed."""
        if not self._shares:
            return []
        owing = [share for share in self._shares if share.owed > 0 and share.within >= place]
        for end in sorted({share.within for share in owing}):
            within = [share for share in owing if share.within <= end]
            free = end - place + 1 - sum(1 for pinned in self._pins if place <= pinned <= end)
            if sum(share.owed for share in within) >= free:
                return within
        return []

    def _search(self, place: int, forced: Sequence[_Owed]) -> bool:
        """Ask for more items that would fit a place; False: there are none."""
        among = self._allowed.copy()
        if forced:
            among &= np.logical_or.reduce([share.items for share in forced])
        for most, counts in zip(self._plan.limits, self._counts, strict=True):
            full = [key for key, count in counts.items() if count >= most.limit.max and place <= most.limit.within]
            for key in full:
                among &= most.keys != key
        if self._sought == place:  # the first time those of groups that stand are among them
            for group in self._groups:
                among &= self._group != group
        self._sought = place
        known = [pick[0] for _, pick, _ in self._waiting] + [pick[0] for pick in (*self._chosen, *self._pins.values())]
        among[known] = False
        for name in self._names:
            found = self._pool.ask_among(name, self._places - len(self._chosen) + POOL, among)
            if len(found):
                ranked = list(ranked_by(name, found))
                relevance = relevance_of(ranked, 0, self._lowest) if self._weighs else [1.0] * len(ranked)
                self._waiting += self._weighed(relevance, ranked)
                self._lowest = min(self._lowest, relevance[-1])
                self._sort()
                return True
        return False

    def _put(self, pick: Pick, place: int) -> None:
        row = pick[0]
        if row not in self._pinned:
            self._count(row, place)
            for share in self._shares:
                if share.items[row] and place <= share.within and share.owed > 0:
                    share.owed -= 1
        if (group := int(self._group[row])) >= 0:
            self._groups.add(group)
        self._chosen.append(pick)

    # Limits, boosts, variety

    def _weight(self, at: int) -> float:
        weight, (row, *_), _ = self._waiting[at]
        return weight * self._faded(row)

    def _faded(self, row: int) -> float:
        """Return what the relevance of an item is multiplied by for those above it of its leaf category, and of its brand."""
        found = 1.0
        for above, *_ in self._chosen:
            for kind in (self._catalog.category, self._catalog.brand):
                if self._variety is not None and 0 <= kind[row] == kind[above]:
                    found = max(found * self._variety.fading, LEAST_FADED)
        return found

    def _broken(self, row: int, place: int) -> AtMost | None:
        """The first limit that an item would break at a place."""
        for most, counts in zip(self._plan.limits, self._counts, strict=True):
            key = int(most.keys[row])
            if key >= 0 and place <= most.limit.within and counts.get(key, 0) >= most.limit.max:
                return most
        return None

    def _count(self, row: int, place: int, step: int = 1) -> None:
        for most, counts in zip(self._plan.limits, self._counts, strict=True):
            key = int(most.keys[row])
            if key >= 0 and place <= most.limit.within:
                counts[key] = counts.get(key, 0) + step

    def _sort(self) -> None:
        if self._weighs:
            self._waiting.sort(key=_BY_WEIGHT, reverse=True)  # stable: what is alike stays in its order

    def _weighed(self, relevance: Sequence[float], ranked: Sequence[Pick]) -> list[_Waiting]:
        """Picks with their relevance times their factor, and the factor."""
        if not self._weighs:
            return [(1.0, pick, 1.0) for pick in ranked]
        factors = self._factors([pick[0] for pick in ranked]).tolist()
        return [(each * factor, pick, factor) for each, pick, factor in zip(relevance, ranked, factors, strict=True)]

    def _factors(self, rows: list[int]) -> NDArray[np.float64]:
        """Return what the relevance of items is multiplied by, float64[k]."""
        found = np.ones(len(rows)) if self._plan.factors is None else self._plan.factors[rows].astype(np.float64)
        return found if self._variety is None else found * self._variety.factors(rows)

    def _with_own_factor(self, pick: Pick) -> Pick:
        return with_factor(pick, float(self._factors([pick[0]])[0])) if self._weighs else pick


_LEAST = 1e-9
"""Relevance of the last of a list, so that boosts tell also those apart that have no score."""


def with_factor(pick: Pick, factor: float) -> Pick:
    """Multiply the score of a pick; a negative one is divided."""
    if factor == 1:
        return pick
    row, score, name, explained_by = pick
    return row, score * factor if score > 0 else score / factor, name, explained_by


def relevance_of(ranked: Sequence[Pick], blended: int, below: float) -> list[float]:
    """Return how much each pick of a pool counts: its share of the best score of its list, where a list that was asked later begins
    where the one before it ended; the first one begins at `below`."""
    found: list[float] = []
    last, best, start, source = below, 1.0, 0, ""
    for at, (_, score, name, _) in enumerate(ranked):
        if at == 0 or at == blended or (at > blended and name != source):
            below, best, start = last, score, at
        source = name
        if best > 0:
            each = below * (score / best) if score > 0 else 0.0
        else:
            each = below / (1 + at - start)
        last = each if each < last else last
        if last < _LEAST:
            last = _LEAST
        found.append(last)
    return found


def _said_of_limit(most: AtMost) -> str:
    whose = "the placement" if most.campaign == OF_PLACEMENT else f"campaign {most.campaign}"
    return f"{whose} lets at most {most.limit.max} of one {most.limit.by} stand within the first {most.limit.within}"
