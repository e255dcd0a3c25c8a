"""Places of a list filled at once: the usual case of an answer, in which the items at hand do.

One compiled call does what `Arrangement` does step by step, and keeps nothing of why; where more items are to be asked for, or
somebody asks why, that one does it anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys.engine.blend import Ranked
from recsys.engine.merchandising.merchandising import NO_FACTORS, Pool, Shelf, credited
from recsys.engine.merchandising.place_numbers import BEGIN, DONE, PINNED, RULES, Numbers, Reals, Rules
from recsys.engine.merchandising.places import arrange
from recsys.engine.merchandising.plans import Plan
from recsys.engine.merchandising.relevance import weighed
from recsys.jit import INT, MASK, REALS, ROWS, SCORES, TIMES, compiled
from recsys.types import Mask, Rows, Scores


class AtOnce(NamedTuple):
    """A list under a plan, and its places int64[k], from 0, of items that neither pins nor the rule's recommenders brought."""

    ranked: Ranked
    others: Numbers

    def credit(self, chain: tuple[str, ...]) -> tuple[bool, str | None]:
        """Tell the same as `Arranged.credit`."""
        return credited(self.ranked, self.others.tolist(), chain)


def arranged_at_once(pool: Pool, plan: Plan, shelf: Shelf) -> AtOnce | None:
    """Fill the places of a list without variety; None: recommenders must be asked for more."""
    ranked, catalog, pinned, everything = pool.ranked, shelf.catalog, plan.pinned_rows, shelf.everything
    names, source, pinned_scores = ranked.names, 0, NO_FACTORS
    if len(pinned):
        names = names if everything in names else (*names, everything)
        source, pinned_scores = names.index(everything), pool.scores_of(everything, pinned)
    done, rows, scores, sources, explained_by, others = _arrange_at_once(
        shelf.limit,
        ranked.rows,
        ranked.scores,
        ranked.sources,
        ranked.explained_by,
        pool.n_blended,
        pinned,
        pinned_scores,
        source,
        NO_FACTORS if plan.factors is None else plan.factors,
        shelf.allowed,
        catalog.category,
        catalog.brand,
        catalog.group,
        plan.rules,
    )
    return AtOnce(Ranked(rows, scores, names, sources, explained_by), others) if done else None


@compiled(INT, ROWS, REALS, TIMES, ROWS, INT, ROWS, SCORES, INT, SCORES, MASK, ROWS, ROWS, ROWS, RULES)
def _arrange_at_once(
    limit: int, rows: Rows, scores: Reals, sources: Numbers, explained_by: Rows, blended: int, pinned: Rows,
    pinned_scores: Scores, source: int, factors: Scores, allowed: Mask, leaf: Rows, brand: Rows, group: Rows, rules: Rules,
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
