"""The merchant's hand on one list: a pool of ranked items put in order under pins, limits, shares and boosts.

What conflicts is settled in this order: filters of the query and of the placement; `exclude` and `only`; `limit`; `share`; `pin`;
`boost` and `bury`. Of two campaigns the one whose id comes first. A list never breaks a limit, rather it ends; a share is met as far
as there are items for it; a pin that cannot stand gives way, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.blend import Ranked, ranked_by
from recsys.engine.merchandising.fitting import fitting
from recsys.engine.merchandising.place_numbers import (
    ANEW,
    ASK,
    BEGIN,
    ENDED,
    FOUND,
    MAY_NOT,
    MOST_ROUNDS,
    NONE_FOUND,
    NOTED,
    OVER,
    OWED,
    PINNED,
    STANDS,
    TAKEN,
    TOO_FAR,
    UNPINNED,
    WAITING,
    Numbers,
    line_length,
    owed_of,
)
from recsys.engine.merchandising.places import arrange
from recsys.engine.merchandising.plans import OF_PLACEMENT, AtMost, Plan
from recsys.engine.merchandising.relevance import weighed
from recsys.engine.merchandising.variety import Variety
from recsys.snapshot.catalog import Catalog
from recsys.types import Candidates, Mask, Reason, Rows, Scores

POOL = 50
"""Items ranked beyond the places of a list where something is boosted or limited: a boost lifts those among them, and they come where
a limit refuses others."""


class Pool(Protocol):
    """Source of items: those ranked already, best first, and what ranks more."""

    ranked: Ranked
    n_blended: int
    """How many of them the rule's recommenders brought; the others are of the fallback chain."""

    def ask_among(self, name: str, n: int, among: Mask) -> Candidates:
        """The best n of one recommender among some items, bool[items]."""
        ...

    def scores_of(self, name: str, rows: Rows) -> Scores:
        """Score items int32[k], each by itself, by a recommender that ranks everything."""
        ...


class Shelf(NamedTuple):
    """Places of a list while it is put together.

    allowed bool[n] what may be shown at all · catalog of all items · limit most places · weights of the rule's recommenders, and the
    fallback chain, which are asked for more · everything: the one that ranks a pinned item which none of them does.
    """

    allowed: Mask
    catalog: Catalog
    limit: int
    weights: Mapping[str, float]
    chain: Sequence[str]
    everything: str

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are asked for more, in order."""
        return asked_for_more(self.weights, self.chain)


def asked_for_more(weights: Mapping[str, float], chain: Sequence[str]) -> tuple[str, ...]:
    """The recommenders of a rule, then those of the fallback chain."""
    return tuple(dict.fromkeys((*(name for name, weight in weights.items() if weight > 0), *chain)))


class Effect(NamedTuple):
    """Effect of a plan on an item, or why there is none; the campaign is empty where the placement's settings say it."""

    campaign: str
    action: str
    said: str


class Notes(NamedTuple):
    """Items that a plan kept from their places, put into words when somebody asks.

    wrong int64[p, 2] what is wrong with each pin (`places`) · rows int32[m] of the items at hand, noted int64[m] the first limit that
    refused each, from 1 · limit: the places of the list.
    """

    plan: Plan
    wrong: Numbers
    rows: Rows
    noted: Numbers
    limit: int

    def of(self, row: int) -> Effect | None:
        """Return what kept an item from its place; None: nothing did."""
        pins = [at for at in np.flatnonzero(self.wrong[:, 0]).tolist() if self.plan.pins[at].row == row]
        if pins:
            at = min(pins, key=lambda at: self.wrong[at, 0] in (OVER, OWED, ENDED))  # the others say more
            pin = self.plan.pins[at]
            return Effect(pin.campaign, "pin", f"is not at place {pin.place}: {self.of_pin(at)}")
        refused = self.noted[(self.rows == row) & (self.noted > 0)]
        if not len(refused):
            return None
        most = self.plan.limits[refused.item(0) - 1]
        return Effect(most.campaign, "limit", _said_of_limit(most))

    def standing(self) -> Mapping[int, str]:
        """Row = the campaign whose pin of it stands."""
        return {
            pin.row: pin.campaign for pin, wrong in zip(self.plan.pins, self.wrong[:, 0], strict=True) if wrong == STANDS
        }

    def of_pin(self, at: int) -> str:
        """Say what kept the item of a pin from its place; empty: nothing did."""
        wrong, of = self.wrong[at].tolist()
        if wrong == STANDS:
            return ""
        if wrong == MAY_NOT:
            return "it may not be shown here"
        if wrong == TOO_FAR:
            return f"the list has {self.limit} places"
        if wrong == TAKEN:
            return f"campaign {self.plan.pins[of].campaign} has that place"
        if wrong == OVER:
            return _said_of_limit(self.plan.limits[of])
        if wrong == ENDED:
            return f"the list would end before it, and nearer {_said_of_limit(self.plan.limits[of])}"
        if wrong == OWED:
            return f"campaign {self.plan.shares[of].campaign} needs it for its share"
        return "it, or an item of its group, has another place already"


class Arranged(NamedTuple):
    """A list under a plan; the rows that were pinned; and what was kept from its place, and why (None: nobody noted it)."""

    ranked: Ranked
    pinned: frozenset[int]
    notes: Notes | None = None

    def credit(self, pool: Pool, chain: Sequence[str]) -> tuple[bool, str | None]:
        """Tell whether the rule's recommenders are on the list, or pins, and the last recommender of the fallback chain that is."""
        lead = self.pinned.union(pool.ranked.rows[: pool.n_blended].tolist())
        return credited(self.ranked, [at for at, row in enumerate(self.ranked.rows.tolist()) if row not in lead], chain)


def credited(ranked: Ranked, others: Sequence[int], chain: Sequence[str]) -> tuple[bool, str | None]:
    """Tell whether anything but `others`, places from 0, is on a list, and the last recommender of the fallback chain that these are
    of."""
    if not others:
        return len(ranked) > 0, None
    sources = ranked.sources_named()
    filled = [chain.index(sources[at]) for at in others if sources[at] in chain]
    return len(others) < len(ranked), chain[max(filled)] if filled else None


class Arrangement:
    """One list while its places are filled, from the first to the last."""

    def __init__(self, pool: Pool, plan: Plan, shelf: Shelf, variety: Variety | None = None) -> None:
        """Take a pool in hand, under what holds for the query."""
        self._pool, self._plan, self._shelf, self._variety = pool, plan, shelf, variety
        self._weighs = plan.factors is not None or variety is not None
        self._ranked = pool.ranked
        if len(plan.pinned_rows):
            name, rows = shelf.everything, plan.pinned_rows
            self._ranked = self._ranked.followed_by(ranked_by(name, Candidates(rows, pool.scores_of(name, rows))))
        self._fading = 1.0 if variety is None else variety.fading
        self._wrong = np.zeros((len(plan.pins), 2), np.int64)
        self._begin()

    def _begin(self) -> None:
        """Empty all places; pins that have fallen stay so."""
        pool = self._pool
        self._numbers = np.zeros(line_length(self._shelf.limit, self._plan.rules), np.int64)
        self._at_hand, self._weights, self._order, self._lowest = self._weigh(
            self._ranked, len(pool.ranked), pool.n_blended, 1.0
        )
        self._entries = np.zeros((3, len(self._at_hand)), np.int64)
        self._faded = np.ones(len(self._at_hand))
        self._sought = -1
        """The place, from 0, that items were sought for last."""

    def arranged(self) -> Arranged:
        """Fill the places: each takes its pin, else the next item that the limits let through and the shares need."""
        shelf, step, rounds = self._shelf, BEGIN, 0
        while (end := self._arrange(step)) == ASK or (end == ANEW and rounds < MOST_ROUNDS):
            if end == ASK:
                step = self._find_more()
            else:
                self._begin()
                step, rounds = BEGIN, rounds + 1
        rows, pinned = self._at_hand.rows, _NOBODY
        chosen = self._numbers[shelf.limit + 5 :][: self._numbers.item(0)]
        if self._plan.pins:
            pinned = frozenset(rows[chosen[self._entries[PINNED, chosen] > 0]].tolist())
        return Arranged(
            self._as_faded(chosen), pinned, Notes(self._plan, self._wrong, rows, self._entries[NOTED], shelf.limit)
        )

    def _arrange(self, step: int) -> int:
        shelf, rules = self._shelf, self._plan.rules
        return arrange(
            self._numbers,
            self._entries,
            self._wrong,
            shelf.limit,
            step,
            self._at_hand.rows,
            shelf.catalog.category,
            shelf.catalog.brand,
            self._weights,
            self._faded,
            self._fading,
            self._order,
            shelf.allowed,
            shelf.catalog.group,
            rules,
        )

    def _as_faded(self, chosen: Numbers) -> Ranked:
        """Take what was chosen, with the scores that its relevance was lowered to by what stands above it."""
        found = self._at_hand.take(chosen)
        if self._fading == 1:
            return found
        faded, scores = self._faded[chosen], found.scores
        return msgspec.structs.replace(found, scores=np.where(scores > 0, scores * faded, scores / faded))

    def _find_more(self) -> int:
        """Ask for more items that would fit the next place, of groups that stand among them the first time; of those that come some
        will not fit a later one."""
        shelf, filled, first = self._shelf, self._numbers.item(0), self._numbers.item(2)
        grouped, self._sought = self._sought == filled, filled
        places, rows = self._numbers.item(3), self._at_hand.rows
        at_hand = rows[self._entries[PINNED] != UNPINNED]
        among = fitting(
            shelf.allowed, shelf.catalog, self._plan, self._standing(), filled + 1, at_hand, self._needed(), grouped
        )
        for name in shelf.names:
            found = self._pool.ask_among(name, places - filled + POOL, among)
            if len(found):
                waiting = self._entries[WAITING, first:]
                more, lowest = self._extend(ranked_by(name, found))
                self._lowest = min(self._lowest, lowest)
                self._line_up(np.concatenate([waiting[waiting >= 0], more]))
                return FOUND
        return NONE_FOUND

    def _standing(self) -> Rows:
        """The items on each place, int32[limit], with the pins of those that are not filled yet; -1: none."""
        limit = self._shelf.limit
        entries = self._numbers[5 : 5 + limit].copy()
        filled = self._numbers.item(0)
        entries[:filled] = self._numbers[5 + limit :][:filled]
        standing, there = np.full(limit, -1, np.int32), entries >= 0
        standing[there] = self._at_hand.rows[entries[there]]
        return standing

    def _needed(self) -> Numbers:
        """The shares of which an item must come now."""
        return np.flatnonzero(owed_of(self._numbers, self._shelf.limit, self._plan.rules)[2])

    def _line_up(self, waiting: Numbers) -> None:
        if self._weighs:  # stable: what is alike stays in its order
            waiting = waiting[np.argsort(-self._weights[waiting], kind="stable")]
        self._entries[WAITING] = -1
        self._entries[WAITING, : len(waiting)], self._numbers[2] = waiting, 0

    def _extend(self, found: Ranked) -> tuple[Numbers, float]:
        """Put more items at hand; returns their entries, and the relevance of the last."""
        first = len(self._at_hand)
        more, weights, _, lowest = self._weigh(found, len(found), 0, self._lowest)
        self._at_hand, self._weights = self._at_hand.followed_by(more), np.concatenate([self._weights, weights])
        self._entries = np.concatenate([self._entries, np.zeros((3, len(found)), np.int64)], axis=1)
        self._faded = np.concatenate([self._faded, np.ones(len(found))])
        return np.arange(first, len(self._at_hand)), lowest

    def _weigh(
        self, ranked: Ranked, pool: int, blended: int, below: float
    ) -> tuple[Ranked, NDArray[np.float64], Numbers, float]:
        """Ranked items, the first of them of the pool, with their scores times their factors; of the pool the relevance (from `below`
        on) times the factors, the places by that, and the relevance of the last."""
        if not self._weighs:
            return ranked, ranked.scores, np.arange(pool), below
        factors = NO_FACTORS if self._plan.factors is None else self._plan.factors
        further = _NO_REALS if self._variety is None else self._variety.factors(ranked.rows)
        weights, scores, order, lowest = weighed(
            ranked.rows, ranked.scores, ranked.sources, factors, further, pool, blended, below
        )
        return msgspec.structs.replace(ranked, scores=scores), weights, order, lowest


_NOBODY: frozenset[int] = frozenset()
NO_FACTORS, _NO_REALS = np.empty(0, np.float32), np.empty(0)


def with_campaigns(reasons: Sequence[Reason], rows: Rows, plan: Plan | None, notes: Notes | None = None) -> list[Reason]:
    """The reasons of a list, each with the campaign whose pin put its item there, else the one that boosted it, if one did. A list at
    once has no notes: every pin that stands is at its place there."""
    if plan is None or not (plan.pins or plan.boosts):
        return list(reasons)
    found = list(reasons)
    if plan.boosted_by is not None:
        lifted_by = plan.lifted_by
        for place, at in enumerate(plan.boosted_by.take(rows).tolist()):
            if at >= 0:
                each = reasons[place]
                found[place] = Reason(
                    each.code, each.text, each.window_days, each.buyers, each.because_item_id, lifted_by[at]
                )
    if plan.pins:
        standing = None if notes is None else notes.standing()
        for place, row in enumerate(rows.tolist()):
            name = plan.pinned_by.get((row, place + 1)) if standing is None else standing.get(row)
            if name:
                each = reasons[place]
                found[place] = Reason(each.code, each.text, each.window_days, each.buyers, each.because_item_id, name)
    return found


def _said_of_limit(most: AtMost) -> str:
    whose = "the placement" if most.campaign == OF_PLACEMENT else f"campaign {most.campaign}"
    return f"{whose} lets at most {most.limit.max} of one {most.limit.by} stand within the first {most.limit.within}"
