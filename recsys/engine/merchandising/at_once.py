"""Places of a list filled at once: the usual case of an answer.

One compiled call does what `Arrangement` does step by step, and keeps nothing of why: a walk along the ranked items, or with shares
the same passes as there. Where the items at hand do not do, recommenders are asked for more, and the walk is made anew along all of
them. Where there are no more, or somebody asks why, `Arrangement` does it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys.engine.blend import Ranked, ranked_by
from recsys.engine.merchandising.fitting import fitting
from recsys.engine.merchandising.merchandising import NO_FACTORS, POOL, Pool, Shelf, credited
from recsys.engine.merchandising.place_numbers import BEGIN, DONE, PINNED, RULES, Numbers, Reals, Rules
from recsys.engine.merchandising.places import arrange
from recsys.engine.merchandising.plans import Plan
from recsys.engine.merchandising.relevance import weighed
from recsys.jit import INT, MASK, OWN_ROWS_2D, OWN_TIMES_2D, REALS, ROWS, SCORES, TIMES, compiled
from recsys.types import Mask, Rows, Scores

_NOBODY: frozenset[int] = frozenset()
_NONE_NEEDED = np.empty(0, np.int64)


class AtOnce(NamedTuple):
    """A list under a plan, its places, from 0, of items that neither pins nor the rule's recommenders brought, and the rows that were
    pinned (None: nobody counted them)."""

    ranked: Ranked
    others: list[int]
    pinned: frozenset[int] | None

    def credit(self, chain: tuple[str, ...]) -> tuple[bool, str | None]:
        """Tell the same as `Arranged.credit`."""
        return credited(self.ranked, self.others, chain)


class _Pinned(NamedTuple):
    """Pinned items int32[k], their scores float32[k], and the recommender that these are of."""

    rows: Rows
    scores: Scores
    name: str

    def beside(self, names: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        """Names of recommenders with that of the pinned items among them, and its place there."""
        if len(self.rows) and self.name not in names:
            return (*names, self.name), len(names)
        return names, names.index(self.name) if len(self.rows) else 0


def arranged_at_once(pool: Pool, plan: Plan, shelf: Shelf) -> AtOnce | None:
    """Fill the places of a list without variety; None: there may be too few items for it."""
    rows = plan.pinned_rows
    pinned = _Pinned(rows, pool.scores_of(shelf.everything, rows) if len(rows) else NO_FACTORS, shelf.everything)
    if plan.shares or len(pool.ranked.rows) < shelf.limit:
        return _with_shares(pool, plan, shelf, pinned)
    ranked, ends, sought = pool.ranked, [len(pool.ranked.rows)], -1
    while True:
        names, source = pinned.beside(ranked.names)
        at_hand = _AtHand.of(ranked, pool.n_blended, plan, shelf, pinned, source)
        standing, scores, explained_by, numbers = _walked(
            *at_hand, np.array(ends), plan.pin_numbers, plan.rules.keys, plan.rules.limits
        )
        if (filled := numbers.item(0)) == shelf.limit:
            told = numbers[1 + filled :].tolist()
            pins = frozenset([standing.item(-1 - place) for place in told if place < 0]) if len(rows) else _NOBODY
            brought = Ranked(standing, scores, names, numbers[1 : 1 + filled], explained_by)
            return AtOnce(brought, [place for place in told if place >= 0], pins)
        more = _brought_for(pool, plan, shelf, standing, filled, ranked.rows, sought == filled)
        if more is None:
            return None
        ranked, sought = ranked.followed_by(more), filled
        ends.append(len(ranked.rows))


class _AtHand(NamedTuple):
    """Arguments that both compiled walks begin with: the places, the ranked items, of which the first `blended` are the rule's, those
    that are pinned, with their source, what weighs, what may be shown, and groups."""

    limit: int
    rows: Rows
    scores: Reals
    sources: Numbers
    explained_by: Rows
    blended: int
    pinned: Rows
    pinned_scores: Scores
    source: int
    factors: Scores
    allowed: Mask
    group: Rows

    @classmethod
    def of(cls, ranked: Ranked, blended: int, plan: Plan, shelf: Shelf, pinned: _Pinned, source: int) -> _AtHand:
        """Lay them out."""
        factors, may_show, group = NO_FACTORS if plan.factors is None else plan.factors, shelf.allowed, shelf.catalog.group
        brought = ranked.rows, ranked.scores, ranked.sources, ranked.explained_by
        return cls(shelf.limit, *brought, blended, pinned.rows, pinned.scores, source, factors, may_show, group)


def _brought_for(
    pool: Pool, plan: Plan, shelf: Shelf, standing: Rows, filled: int, at_hand: Rows, grouped: bool
) -> Ranked | None:
    """Ask for items that fit the first empty place, as `Arrangement` does; None: there are no more."""
    among = fitting(shelf.allowed, shelf.catalog, plan, standing, filled + 1, at_hand, _NONE_NEEDED, grouped)
    for name in shelf.names:
        found = pool.ask_among(name, shelf.limit - filled + POOL, among)
        if len(found):
            return ranked_by(name, found)
    return None


def _with_shares(pool: Pool, plan: Plan, shelf: Shelf, pinned: _Pinned) -> AtOnce | None:
    ranked, catalog = pool.ranked, shelf.catalog
    names, source = pinned.beside(ranked.names)
    done, rows, scores, sources, explained_by, others = _arrange_at_once(
        *_AtHand.of(ranked, pool.n_blended, plan, shelf, pinned, source), catalog.category, catalog.brand, plan.rules
    )
    if not done:
        return None
    uncounted = None if plan.pins else _NOBODY
    return AtOnce(Ranked(rows, scores, names, sources, explained_by), others.tolist(), uncounted)


@compiled()
def _is_over(standing: Rows, end: int, row: int, place: int, keys: Rows, limits: Numbers) -> bool:
    """Tell whether an item would break a limit at a place from 1, beside those that stand on the places before `end`."""
    for limit in range(keys.shape[0]):
        key = keys[limit, row]
        if key < 0 or place > limits[1, limit]:
            continue
        there = 0
        for other in standing[: min(end, limits[1, limit])]:
            there += other >= 0 and keys[limit, other] == key
        if there >= limits[0, limit]:
            return True
    return False


@compiled()
def _has_its_group(row: int, standing: Rows, group: Rows) -> bool:
    """Tell whether another item of an item's group stands already."""
    if group[row] >= 0:
        for other in standing:
            if other >= 0 and group[other] == group[row]:
                return True
    return False


@compiled()
def _next_free(
    first: int,
    place: int,
    every: Rows,
    order: Numbers,
    stands: Mask,
    standing: Rows,
    group: Rows,
    keys: Rows,
    limits: Numbers,
) -> int:
    """Find the best item that may stand on a place, from 0: its position in an order, from `first` on, whose end means none."""
    for at in range(first, len(order)):
        row = every[order[at]]
        if stands[order[at]] or _has_its_group(row, standing, group):
            continue
        if not _is_over(standing, len(standing), row, place + 1, keys, limits):
            return at
    return len(order)


@compiled()
def _put_pins(standing: Rows, allowed: Mask, group: Rows, pins: Numbers, keys: Rows, limits: Numbers) -> None:
    """Put the pinned items on empty places, int32[limit] with -1 each: one after the other, each group but one, and none that would
    break a limit beside those before it."""
    for pin in range(pins.shape[1]):
        row, place = pins[0, pin], pins[1, pin] - 1
        if row < 0 or place >= len(standing) or not allowed[row] or standing[place] >= 0:
            continue
        twice = _has_its_group(row, standing, group)
        for other in standing:
            twice |= other == row
        if not twice and not _is_over(standing, len(standing), row, place + 1, keys, limits):
            standing[place] = row


@compiled()
def _weighed_in_turn(
    every: Rows, scores: Reals, sources: Numbers, ends: Numbers, blended: int, factors: Scores
) -> tuple[Reals, Reals]:
    """The weights and the raised scores of items that were brought in turn, the first ones ending at ends[0], then those that are
    pinned, as of `weighed`."""
    weights, raised = np.zeros(len(every)), scores.copy()
    begin, below = 0, 1.0
    for turn in range(len(ends) + 1):
        end = ends[turn] if turn < len(ends) else len(every)
        pool = end - begin if turn < len(ends) else 0
        part = weighed(
            every[begin:end],
            scores[begin:end],
            sources[begin:end],
            factors,
            np.empty(0),
            pool,
            blended if turn == 0 else 0,
            below,
        )
        weights[begin:end], raised[begin:end], below = part[0], part[1], min(below, part[3])
        begin = end
    return weights, raised


@compiled()
def _lined_up(before: Numbers, stands: Mask, begin: int, end: int, weights: Reals) -> Numbers:
    """Put more entries in line behind those that still wait; where they are weighed, by weight."""
    line, n = np.empty(len(before) + end - begin, np.int64), 0
    for entry in before:
        if not stands[entry]:
            line[n] = entry
            n += 1
    for entry in range(begin, end):
        if not stands[entry]:
            line[n] = entry
            n += 1
    line = line[:n]
    return line[np.argsort(-weights[line], kind="mergesort")] if len(weights) else line


@compiled()
def _told(
    chosen: Numbers, count: int, raised: Reals, sources: Numbers, explained_by: Rows, source: int, blended: int, by_pin: Mask
) -> tuple[Reals, Rows, Numbers]:
    """The scores, notes and numbers of a list, of whose places the first `count` are filled with chosen entries; see `_walked`."""
    limit, n_told = len(chosen), 1 + len(chosen)
    scores, notes, numbers = np.empty(limit), np.full(limit, np.int32(-1)), np.full(1 + 2 * limit, source)
    numbers[0] = count
    for place in range(count):
        entry = chosen[place]
        scores[place] = raised[entry]
        if entry < len(sources):
            numbers[1 + place], notes[place] = sources[entry], explained_by[entry]
        if by_pin[place] or entry >= blended:
            numbers[n_told] = -1 - place if by_pin[place] else place
            n_told += 1
    return scores, notes, numbers[:n_told]


@compiled(
    INT, ROWS, REALS, TIMES, ROWS, INT, ROWS, SCORES, INT, SCORES, MASK, ROWS, TIMES, OWN_TIMES_2D, OWN_ROWS_2D, OWN_TIMES_2D
)
def _walked(
    limit: int, rows: Rows, scores: Reals, sources: Numbers, explained_by: Rows, blended: int, pinned: Rows,
    pinned_scores: Scores, source: int, factors: Scores, allowed: Mask, group: Rows, ends: Numbers, pins: Numbers,
    keys: Rows, limits: Numbers,
) -> tuple[Rows, Reals, Rows, Numbers]:  # fmt: skip
    """Fill the places in one walk along items that were brought in turn, where nothing has a share.

    Its tables are the places themselves: a limit counts those above of its kind. Pins int64[2, p] are rows and places in their order.
    The items of a turn, which ends at one of `ends`, come in line at the place for which those before them did not do. Returns the
    rows on the places (-1: none), their scores and notes, and numbers: how many places are filled from the first on; of a whole list
    then the sources, and the places of what pins brought, as -1 - place, and of the others.
    """
    n = len(rows)
    every, raised = np.empty(n + len(pinned), np.int32), np.empty(n + len(pinned))
    every[:n], every[n:], raised[:n], raised[n:] = rows, pinned, scores, pinned_scores
    weights = np.empty(0)
    if len(factors):
        brought = np.zeros(len(every), np.int64)
        brought[:n] = sources
        weights, raised = _weighed_in_turn(every, raised, brought, ends, blended, factors)
    chosen, standing, by_pin = np.full(limit, -1), np.full(limit, np.int32(-1)), np.zeros(limit, np.bool_)
    stands = np.zeros(len(every), np.bool_)
    _put_pins(standing, allowed, group, pins, keys, limits)
    for place in range(limit):
        if standing[place] >= 0:
            entry = 0
            while every[entry] != standing[place]:
                entry += 1
            chosen[place], stands[entry], by_pin[place] = entry, True, True
    order = _lined_up(np.empty(0, np.int64), stands, 0, ends[0], weights)
    first, turn, count = 0, 1, 0
    for_good = bool(np.all(limits[1] >= limit))  # then who is passed over once is passed over on all places
    while count < limit:
        if standing[count] < 0:
            at = _next_free(first, count, every, order, stands, standing, group, keys, limits)
            if at == len(order):
                if turn == len(ends):
                    break
                passed = order[:0] if for_good else order
                order, first = _lined_up(passed, stands, ends[turn - 1], ends[turn], weights), 0
                turn += 1
                continue
            first, entry = at + 1 if for_good else first, order[at]
            standing[count], chosen[count], stands[entry] = every[entry], entry, True
        count += 1
    found_scores, notes, numbers = _told(chosen, count, raised, sources, explained_by, source, blended, by_pin)
    return standing, found_scores, notes, numbers


@compiled(INT, ROWS, REALS, TIMES, ROWS, INT, ROWS, SCORES, INT, SCORES, MASK, ROWS, ROWS, ROWS, RULES)
def _arrange_at_once(
    limit: int, rows: Rows, scores: Reals, sources: Numbers, explained_by: Rows, blended: int, pinned: Rows,
    pinned_scores: Scores, source: int, factors: Scores, allowed: Mask, group: Rows, leaf: Rows, brand: Rows, rules: Rules,
) -> tuple[bool, Rows, Reals, Numbers, Rows, Numbers]:  # fmt: skip
    """Fill the places from a pool of m items and from pinned ones int32[k], which may be in it too, with their scores float32[k]."""
    n = len(rows)
    every, raised = np.empty(n + len(pinned), np.int32), np.empty(n + len(pinned))
    every[:n], every[n:], raised[:n], raised[n:] = rows, pinned, scores, pinned_scores
    weights, order, slots = raised, np.arange(n), 1
    if len(factors):
        brought = np.zeros(len(every), np.int64)
        brought[:n] = sources
        weights, raised, order, _ = weighed(every, raised, brought, factors, np.empty(0), n, blended, 1.0)
    while slots <= 4 * limit:
        slots *= 2
    numbers = np.zeros(5 + 4 * limit + 3 * len(rules.within) + 2 * rules.keys.shape[0] * slots, np.int64)
    entries, wrong = np.zeros((3, len(every)), np.int64), np.zeros((len(rules.pin_rows), 2), np.int64)
    faded = np.ones(len(every))
    end = arrange(
        numbers, entries, wrong, limit, BEGIN, every, leaf, brand, weights, faded, 1.0, order, allowed, group, rules
    )
    chosen = numbers[5 + limit : 5 + limit + numbers[0]]
    found, found_sources, found_notes = (
        every[chosen],
        np.full(len(chosen), source, np.int64),
        np.full(len(chosen), np.int32(-1)),
    )
    others, n_others = np.empty(len(chosen), np.int64), 0
    for place in range(len(chosen)):
        entry = chosen[place]
        if entry < n:
            found_sources[place], found_notes[place] = sources[entry], explained_by[entry]
        if entry >= blended and entries[PINNED, entry] <= 0:
            others[n_others] = place
            n_others += 1
    return end == DONE, found, raised[chosen], found_sources, found_notes, others[:n_others]
