"""Places of a list filled at once: the usual case of an answer, in which the items at hand do.

One compiled call does what `Arrangement` does step by step, and keeps nothing of why: a walk along the ranked items, or with shares
the same passes as there; where more items are to be asked for, or somebody asks why, that one does it anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys.engine.blend import Ranked
from recsys.engine.merchandising.merchandising import NO_FACTORS, Pool, credited
from recsys.engine.merchandising.place_numbers import BEGIN, DONE, PINNED, RULES, Numbers, Reals, Rules
from recsys.engine.merchandising.places import arrange
from recsys.engine.merchandising.plans import Plan
from recsys.engine.merchandising.relevance import weighed
from recsys.jit import INT, MASK, OWN_ROWS_2D, OWN_TIMES_2D, REALS, ROWS, SCORES, TIMES, compiled
from recsys.snapshot.catalog import Catalog
from recsys.types import Mask, Rows, Scores

_NOBODY: frozenset[int] = frozenset()


class AtOnce(NamedTuple):
    """A list under a plan, its places, from 0, of items that neither pins nor the rule's recommenders brought, and the rows that were
    pinned (None: nobody counted them)."""

    ranked: Ranked
    others: list[int]
    pinned: frozenset[int] | None

    def credit(self, chain: tuple[str, ...]) -> tuple[bool, str | None]:
        """Tell the same as `Arranged.credit`."""
        return credited(self.ranked, self.others, chain)


def arranged_at_once(pool: Pool, plan: Plan, catalog: Catalog, allowed: Mask, limit: int, everything: str) -> AtOnce | None:
    """Fill the places of a list without variety; None: recommenders must be asked for more. The others are as of `Shelf`."""
    ranked, pinned = pool.ranked, plan.pinned_rows
    names, source, pinned_scores = ranked.names, 0, NO_FACTORS
    if len(pinned):
        names = names if everything in names else (*names, everything)
        source, pinned_scores = names.index(everything), pool.scores_of(everything, pinned)
    at_hand = (
        limit,
        ranked.rows,
        ranked.scores,
        ranked.sources,
        ranked.explained_by,
        pool.n_blended,
        pinned,
        pinned_scores,
        source,
        NO_FACTORS if plan.factors is None else plan.factors,
        allowed,
        catalog.group,
    )
    if not plan.shares and len(ranked.rows) >= limit:
        rows, scores, explained_by, numbers = _walked(*at_hand, plan.pin_numbers, plan.rules.keys, plan.rules.limits)
        if (n := len(rows)) < limit:
            return None
        told = numbers[n:].tolist()
        pins = frozenset([rows.item(-1 - place) for place in told if place < 0]) if len(pinned) else _NOBODY
        return AtOnce(Ranked(rows, scores, names, numbers[:n], explained_by), [place for place in told if place >= 0], pins)
    done, rows, scores, sources, explained_by, others = _arrange_at_once(
        *at_hand, catalog.category, catalog.brand, plan.rules
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
    """Put the pinned items on empty places, int32[limit] with -1 each: the first that asks for a place has it, each group but one."""
    for pin in range(pins.shape[1]):
        row, place = pins[0, pin], pins[1, pin] - 1
        if row < 0 or place >= len(standing) or not allowed[row] or standing[place] >= 0:
            continue
        if not np.any(standing == row) and not _has_its_group(row, standing, group):
            standing[place] = row
    for place in range(len(standing)):  # of those that stand, from the first on, the ones that no limit refuses
        if standing[place] >= 0 and _is_over(standing, place, standing[place], place + 1, keys, limits):
            standing[place] = -1


@compiled(INT, ROWS, REALS, TIMES, ROWS, INT, ROWS, SCORES, INT, SCORES, MASK, ROWS, OWN_TIMES_2D, OWN_ROWS_2D, OWN_TIMES_2D)
def _walked(
    limit: int, rows: Rows, scores: Reals, sources: Numbers, explained_by: Rows, blended: int, pinned: Rows,
    pinned_scores: Scores, source: int, factors: Scores, allowed: Mask, group: Rows, pins: Numbers, keys: Rows,
    limits: Numbers,
) -> tuple[Rows, Reals, Rows, Numbers]:  # fmt: skip
    """Fill the places in one walk along a pool of at least as many items, where nothing has a share; fewer: others must be asked for.

    Its tables are the places themselves: a limit counts those above of its kind. Pins int64[2, p] are rows and places in their order.
    Returns rows, scores, notes, and numbers: the sources, then the places of what pins brought, as -1 - place, and of the others.
    """
    n = len(rows)
    every, raised = np.empty(n + len(pinned), np.int32), np.empty(n + len(pinned))
    every[:n], every[n:], raised[:n], raised[n:] = rows, pinned, scores, pinned_scores
    order = np.arange(n)
    if len(factors):
        brought = np.zeros(len(every), np.int64)
        brought[:n] = sources
        _, raised, order, _ = weighed(every, raised, brought, factors, np.empty(0), n, blended, 1.0)
    chosen, standing, by_pin = np.full(limit, -1), np.full(limit, np.int32(-1)), np.zeros(limit, np.bool_)
    stands = np.zeros(len(every), np.bool_)
    _put_pins(standing, allowed, group, pins, keys, limits)
    for place in range(limit):
        if standing[place] >= 0:
            entry = 0
            while every[entry] != standing[place]:
                entry += 1
            chosen[place], stands[entry], by_pin[place] = entry, True, True
    first, for_good = 0, bool(np.all(limits[1] >= limit))  # then who is passed over once is passed over on all places
    for place in range(limit):
        if standing[place] >= 0:
            continue
        at = _next_free(first, place, every, order[:n], stands, standing, group, keys, limits)
        if at == n:
            standing = standing[:0]
            break
        first, entry = at + 1 if for_good else first, order[at]
        standing[place], chosen[place], stands[entry] = every[entry], entry, True
    count = len(standing)
    found_scores, notes, numbers = np.empty(count), np.full(count, np.int32(-1)), np.full(2 * count, source)
    n_others = 0
    for place in range(count):
        entry = chosen[place]
        found_scores[place] = raised[entry]
        if entry < n:
            numbers[place], notes[place] = sources[entry], explained_by[entry]
        if by_pin[place] or entry >= blended:
            numbers[count + n_others] = -1 - place if by_pin[place] else place
            n_others += 1
    return standing, found_scores, notes, numbers[: count + n_others]


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
