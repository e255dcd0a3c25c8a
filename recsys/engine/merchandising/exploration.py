"""Exploration of one list: its first places drawn from the best items with known chances, so that other settings can be judged.

The draw is that of Plackett and Luce: place after place is given to one of the items that are left, with a chance in proportion to
exp(relevance / temperature) (Plackett, Applied Statistics 1975, "The Analysis of Permutations"; Luce, "Individual Choice Behavior",
1959). Adding noise of Gumbel's distribution to relevance / temperature and sorting draws the same (Yellott, Journal of Mathematical
Psychology 1977). With a small chance the order is uniform, which bounds the chance of each item at each place from below. Like
variety it is a function of the query alone: the shopper, the day and the placement are its seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import exp, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.engine.blend import Ranked
from recsys.engine.merchandising.plans import Plan
from recsys.engine.merchandising.relevance import relevance_of
from recsys.jit import REALS, compiled
from recsys.settings.placements import Placement
from recsys.settings.variety import Exploration
from recsys.snapshot.catalog import Catalog
from recsys.types import Query

_BYTES = 6
"""Bytes of a hash that a number is drawn from."""


class Drawn(NamedTuple):
    """A list whose first places were drawn: its items, the rows that were drawn from, in the order that they had, and the chance of
    each of them at each place, float64[k, k]."""

    ranked: Ranked
    rows: tuple[int, ...]
    chances: NDArray[np.float64]

    def propensity(self, place: int) -> float:
        """Return the chance with which the item at a place, from 0, came to stand there."""
        return float(self.chances[self.rows.index(self.ranked.rows.item(place)), place])

    @property
    def propensities(self) -> tuple[float, ...]:
        """Those of the first places of the list that were drawn, in order."""
        return tuple(self.propensity(place) for place in range(min(len(self.rows), len(self.ranked))))

    def said(self, row: int) -> str:
        """Say where an item was drawn to; empty: it was not among those that were drawn from."""
        if row not in self.rows:
            return ""
        place = next((at for at, each in enumerate(self.ranked.rows.tolist()) if each == row), None)
        if place is None:
            return "exploration drew it to no place of this list"
        return f"exploration drew it to place {place + 1}, where it comes with a chance of {self.propensity(place):.1%}"


class Explorer:
    """Draws one list."""

    def __init__(self, catalog: Catalog, setting: Exploration, query: Query) -> None:
        self._catalog, self._setting = catalog, setting
        self._seed = f"explore/{query.now // DAY}/{query.user_id or ''}/{query.placement}/".encode()

    def reach(self, limit: int) -> int:
        """Return how many items must be ranked for a list of this length."""
        return max(limit, self._setting.places)

    def drawn(self, ranked: Ranked, n_blended: int) -> Drawn | None:
        """Draw the first places of a ranked list, of which a rule's recommenders brought so many; None: there is nothing to draw."""
        first = ranked.first(self._setting.places)
        if len(first) < 2:
            return None
        relevance, rows = relevance_of(first.scores, first.sources, n_blended, 1.0).tolist(), first.rows.tolist()
        uniform = self._draw("") < self._setting.least * len(first)
        heat = [0.0 if uniform else each / self._setting.temperature for each in relevance]
        keys = [each - log(-log(self._draw(self._catalog.item_id(row)))) for each, row in zip(heat, rows, strict=True)]
        order = sorted(range(len(first)), key=lambda at: -keys[at])
        places = np.array([*order, *range(len(first), len(ranked))])
        return Drawn(ranked.take(places), tuple(rows), self.chances(relevance))

    def chances(self, relevance: Sequence[float]) -> NDArray[np.float64]:
        """Return the chance of each item at each place, float64[k, k], of relevance float[k], none of it below `least`."""
        highest, least = max(relevance), self._setting.least
        weights = np.array([exp((each - highest) / self._setting.temperature) for each in relevance])
        return (1 - least * len(weights)) * chances_of(weights) + least

    def _draw(self, name: str) -> float:
        """A number between 0 and 1, neither of them, that is this item's, on this day, for this shopper."""
        digest = blake2b(self._seed + name.encode(), digest_size=_BYTES).digest()
        return (int.from_bytes(digest, "little") + 0.5) / 2.0 ** (8 * _BYTES)


def explorer_of(catalog: Catalog, placement: Placement, query: Query, plan: Plan | None) -> Explorer | None:
    """The explorer of a list; None: it is as it is ranked.

    Nothing is drawn for nobody in particular, whose lists are the same for all, nor where campaigns or limits say what stands where.
    """
    if not placement.exploration or query.user_id is None or (plan is not None and not plan.only_keeps):
        return None
    return Explorer(catalog, placement.exploration, query)


@compiled(REALS)
def chances_of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance of each item at each place under Plackett and Luce, float64[k, k], of weights float64[k] above 0.

    Exact, by summing over the sets of items that can stand before: 2^k · k steps.
    """
    n = len(weights)
    found = np.zeros((n, n))
    reached = np.zeros(1 << n)
    reached[0] = 1.0
    for taken in range((1 << n) - 1):
        place, left = 0, 0.0
        for item in range(n):
            if taken >> item & 1:
                place += 1
            else:
                left += weights[item]
        for item in range(n):
            if not taken >> item & 1:
                chance = reached[taken] * weights[item] / left
                found[item, place] += chance
                reached[taken | 1 << item] += chance
    return found
