"""The merchant's hand on one list: a pool of ranked items put in order under pins, limits, shares and boosts.

What conflicts is settled in this order: filters of the query and of the placement; `exclude` and `only`; `limit`; `share`; `pin`;
`boost` and `bury`. Of two campaigns the one whose id comes first. A list never breaks a limit, rather it ends; a share is met as far
as there are items for it; a pin that cannot stand gives way, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.blend import Pick, picks
from recsys.engine.merchandising.campaigns import OF_PLACEMENT, AtLeast, AtMost, PinAt, Plan
from recsys.engine.merchandising.relevance import relevance_of, with_factor
from recsys.engine.merchandising.variety import Variety
from recsys.types import Candidates, Mask, Reason, Rows

POOL = 50
"""Items ranked beyond the places of a list where something is boosted: a boost lifts those among them."""
_Waiting: TypeAlias = tuple[float, Pick, float]
"""What a pick counts (its relevance times its factor), the pick, and the factor."""
_BY_WEIGHT = itemgetter(0)


class Pool(Protocol):
    """Source of items: those ranked already, best first, and what ranks more."""

    picks: list[Pick]
    n_blended: int
    """How many of the picks the rule's recommenders brought; the others are of the fallback chain."""

    def ask_among(self, name: str, n: int, among: Mask) -> Candidates:
        """The best n of one recommender among some items, bool[items]."""
        ...


class Shelf(NamedTuple):
    """Places of a list while it is put together.

    allowed bool[n] what may be shown at all · group int32[n] of each item, -1: none; two of one never stand on one list · limit most
    places · names of the recommenders that are asked for more, in order · everything: the one that ranks a pinned item which none of
    them does.
    """

    allowed: Mask
    group: Rows
    limit: int
    names: Sequence[str]
    everything: str


class Effect(NamedTuple):
    """Effect of a plan on an item, or why there is none; the campaign is empty where the placement's settings say it."""

    campaign: str
    action: str
    said: str


class Arranged(NamedTuple):
    """A list under a plan; the rows that were pinned; and by row what was kept from its place, and why."""

    picks: list[Pick]
    pinned: frozenset[int]
    effects: dict[int, Effect]

    def credit(self, pool: Pool, chain: Sequence[str]) -> tuple[bool, str | None]:
        """Tell whether the rule's recommenders are on the list, or pins, and the last recommender of the fallback chain that is."""
        lead = {pick[0] for pick in pool.picks[: pool.n_blended]} | self.pinned
        filled = [chain.index(source) for row, _, source, _ in self.picks if row not in lead and source in chain]
        return any(pick[0] in lead for pick in self.picks), chain[max(filled)] if filled else None


class _Owed:
    """A share while places are filled: how many items of its kind are still to come within its places."""

    def __init__(self, least: AtLeast, allowed: Mask, places: int) -> None:
        self.campaign, self.items = least.campaign, least.items
        self.within = min(least.share.within, places)
        wanted = ceil(round(least.share.min * self.within, 9))
        self.owed = min(wanted, int(np.count_nonzero(least.items & allowed))) if wanted else 0


class Arrangement:
    """One list while its places are filled, from the first to the last."""

    def __init__(self, pool: Pool, plan: Plan, shelf: Shelf, variety: Variety | None = None) -> None:
        """Take a pool in hand, under what holds for the query."""
        self._pool, self._plan, self._variety = pool, plan, variety
        self._names, self._everything = shelf.names, shelf.everything
        self._allowed, self._group = shelf.allowed, shelf.group
        allowed, group, limit = shelf.allowed, shelf.group, shelf.limit
        self._weighs = plan.factors is not None or variety is not None
        self._limit, self._places = limit, min(limit, int(np.count_nonzero(allowed)))
        self._for_good = all(most.limit.within >= self._places for most in plan.limits)
        """Whether an item that is refused at one place is at all later ones."""
        self._counts: list[dict[int, int]] = [{} for _ in plan.limits]
        self._shares = [_Owed(least, allowed, self._places) for least in plan.shares]
        self._chosen: list[Pick] = []
        self._effects: dict[int, Effect] = {}
        self._pins = self._standing_pins()
        pinned = {pick[0] for pick in self._pins.values()}
        self._pinned = frozenset(pinned)
        self._groups = {int(group[row]) for row in pinned} - {-1}
        relevance = relevance_of(pool.picks, pool.n_blended, 1.0) if self._weighs else [1.0] * len(pool.picks)
        self._lowest = relevance[-1] if relevance else 1.0
        self._waiting = self._weighed(relevance, pool.picks)
        if pinned:
            self._waiting = [each for each in self._waiting if each[1][0] not in pinned]
        self._sort()

    def arranged(self) -> Arranged:
        """Fill the places: each takes its pin, else the next item that the limits let through and the shares need."""
        while len(self._chosen) < self._places:
            place = len(self._chosen) + 1
            pick = self._pins.pop(place, None) or self._next(place)
            if pick is None and self._pins:
                pick = self._pins.pop(min(self._pins))
            if pick is None:
                break
            self._put(pick, place)
        return Arranged(self._chosen, self._pinned, self._effects)

    # Pins

    def _standing_pins(self) -> dict[int, Pick]:
        """The pins that stand, by place: of items that may be shown, within the limits, leaving the shares their places."""
        standing: dict[int, PinAt] = {}
        for pin in self._plan.pins:
            if wrong := self._wrong(pin, standing):
                self._note(pin.row, pin.campaign, "pin", f"is not at place {pin.place}: {wrong}")
            else:
                standing[pin.place] = pin
        for place in sorted(standing):
            pin = standing[place]
            if broken := self._broken(pin.row, place):
                self._note(pin.row, pin.campaign, "pin", f"is not at place {place}: {_said_of_limit(broken)}")
                del standing[place]
            else:
                self._count(pin.row, place)
        self._leave_room(standing)
        return self._picks_of(standing)

    def _wrong(self, pin: PinAt, standing: dict[int, PinAt]) -> str:
        if pin.row < 0 or not self._allowed[pin.row]:
            return "it may not be shown here"
        if pin.place > self._limit:
            return f"the list has {self._limit} places"
        if (other := standing.get(pin.place)) is not None:
            return f"campaign {other.campaign} has another item there"
        group = self._group[pin.row]
        if any(pin.row == each.row or (group >= 0 and self._group[each.row] == group) for each in standing.values()):
            return "it, or an item of its group, has another place already"
        return ""

    def _leave_room(self, standing: dict[int, PinAt]) -> None:
        """Count pins towards the shares, and drop the last ones that leave a share too few places."""
        for share in self._shares:
            own = [place for place, pin in standing.items() if place <= share.within and share.items[pin.row]]
            share.owed = max(0, share.owed - len(own))
        for end in sorted({share.within for share in self._shares}):
            within = [share for share in self._shares if share.within <= end]
            while sum(share.owed for share in within) > end - sum(1 for place in standing if place <= end):
                others = [
                    place
                    for place, pin in standing.items()
                    if place <= end and not any(share.items[pin.row] for share in within)
                ]
                if not others:
                    break
                pin = standing.pop(max(others))
                self._count(pin.row, pin.place, -1)
                said = f"is not at place {pin.place}: campaign {within[0].campaign} needs it for its share"
                self._note(pin.row, pin.campaign, "pin", said)

    def _picks_of(self, standing: Mapping[int, PinAt]) -> dict[int, Pick]:
        """The pinned items as they are ranked; those that are not in the pool as the recommender does that ranks everything."""
        if not standing:
            return {}
        ranked = {pick[0]: pick for pick in self._pool.picks}
        missing = [pin.row for pin in standing.values() if pin.row not in ranked]
        if missing:
            among = np.zeros_like(self._allowed)
            among[missing] = True
            found = picks(self._everything, self._pool.ask_among(self._everything, len(missing), among))
            ranked |= {pick[0]: pick for pick in found}
        return {place: self._with_own_factor(ranked[pin.row]) for place, pin in standing.items()}

    # Places

    def _next(self, place: int) -> Pick | None:
        """The first waiting item that fits a place; more are looked for, and shares that nothing is left for are let go."""
        while True:
            forced = self._forced(place)
            for at, (_, pick, factor) in enumerate(self._waiting):
                if self._fits(pick[0], place, forced):
                    del self._waiting[0 if self._for_good and not forced else at : at + 1]
                    return with_factor(pick, factor)
            if self._for_good and not forced:
                self._waiting.clear()
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
            if row not in self._effects:
                self._note(row, broken.campaign, "limit", _said_of_limit(broken))
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
        for group in self._groups:
            among &= self._group != group
        known = [pick[0] for _, pick, _ in self._waiting] + [pick[0] for pick in (*self._chosen, *self._pins.values())]
        among[known] = False
        for name in self._names:
            found = self._pool.ask_among(name, self._places - len(self._chosen), among)
            if len(found):
                ranked = list(picks(name, found))
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

    # Limits, boosts

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

    def _note(self, row: int, campaign: str, action: str, said: str) -> None:
        self._effects.setdefault(row, Effect(campaign, action, said))


def with_campaigns(reasons: Sequence[Reason], chosen: Sequence[Pick], plan: Plan | None) -> list[Reason]:
    """The reasons of a list, each with the campaign that pinned or boosted its item, if one did."""
    if plan is None or not plan.running:
        return list(reasons)
    pinned = {pin.row: pin.campaign for pin in reversed(plan.pins)}
    named = [pinned.get(pick[0]) or _boosting(plan, pick[0]) for pick in chosen]
    pairs = zip(reasons, named, strict=True)
    return [msgspec.structs.replace(reason, campaign=name) if name else reason for reason, name in pairs]


def _boosting(plan: Plan, row: int) -> str | None:
    place = -1 if plan.boosted_by is None else plan.boosted_by.item(row)
    return plan.boosts[place].campaign if place >= 0 else None


def _said_of_limit(most: AtMost) -> str:
    whose = "the placement" if most.campaign == OF_PLACEMENT else f"campaign {most.campaign}"
    return f"{whose} lets at most {most.limit.max} of one {most.limit.by} stand within the first {most.limit.within}"
