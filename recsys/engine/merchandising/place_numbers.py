"""Numbers of a list while its places are filled: a plan's rules, and how far the list is (`places`)."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.jit import OWN_MASKS, OWN_REALS, OWN_ROWS, OWN_ROWS_2D, OWN_TIMES, OWN_TIMES_2D, of_tuple
from recsys.types import Mask, Rows

Numbers: TypeAlias = NDArray[np.int64]
Reals: TypeAlias = NDArray[np.float64]
STANDS, MAY_NOT, TOO_FAR, TAKEN, TWICE, OVER, OWED = range(7)
"""What may be wrong with a pin; with the first nothing is."""
BEGIN, FOUND, NONE_FOUND = range(3)
"""Where a pass goes on: at the first place; more entries are there; there are none."""
DONE, ASK = range(2)
"""How a pass ends: the places are filled; more entries are to be asked for."""
WAITING, NOTED, PINNED = range(3)
"""Rows of int64[3, m]: entries in the order in which they come (-1: none is left), the first limit from 1 that refused each entry, and
the place from 1 that it is pinned to (0: none; `UNPINNED`: it is at hand for nothing but a pin, which does not stand)."""
UNPINNED = -1
LEAST_FADED = 1e-9
"""Least factor of an item that sinks for what stands above it."""


class Rules(NamedTuple):
    """A plan as numbers: pin_rows int32[p] (-1: no such item), pin_places int64[p] from 1 · keys int32[l, n] the kind of each item
    that a limit counts (-1: none), limits int64[2, l] most of a kind, and within how many places · members bool[s, n] the items that
    count for a share, least float64[s] and within int64[s] the share of how many places."""

    pin_rows: Rows
    pin_places: Numbers
    keys: Rows
    limits: Numbers
    members: Mask
    least: Reals
    within: Numbers


class Fading(NamedTuple):
    """Variety of one list: leaf, brand int32[n] the kinds of every item (-1: none) · weights float64[m] of the items at hand · faded
    float64[m] what these are multiplied by so far, written to until an item is chosen · each: factor for one item above of the same
    kind; 1: nothing fades."""

    leaf: Rows
    brand: Rows
    weights: Reals
    faded: Reals
    each: float


class Line(NamedTuple):
    """A list while it is filled.

    progress int64[4] places filled, groups that stand, the first waiting entry that is looked at, places in all · pins int64[limit +
    1] by place from 1 the pin, then the entry, that stands there (-1: none) · chosen int64[limit] entries · groups int64[2 limit] that
    stand · owed int64[3, s] of each share its places, how many are still to come, and whether one must come now · table, counts
    int64[l, h] the kinds that stand (0: none, else the kind and 1), and how many of each.
    """

    progress: Numbers
    pins: Numbers
    chosen: Numbers
    groups: Numbers
    owed: Numbers
    table: Numbers
    counts: Numbers


RULES = of_tuple(Rules, OWN_ROWS, OWN_TIMES, OWN_ROWS_2D, OWN_TIMES_2D, OWN_MASKS, OWN_REALS, OWN_TIMES)
"""The type of a plan's rules, for what is compiled."""


def line_length(limit: int, rules: Rules) -> int:
    """Numbers that a `Line` of so many places has, laid end to end; all 0 at first. Tables have a power of two of slots, more
    than twice as many as there are items to count."""
    slots = 1 << (4 * limit).bit_length()
    return 5 + 4 * limit + 3 * len(rules.within) + 2 * len(rules.keys) * slots


def owed_of(numbers: Numbers, limit: int, rules: Rules) -> Numbers:
    """View what is owed to the shares of a `Line` laid end to end."""
    n_shares, owed = len(rules.within), 5 + 4 * limit
    return numbers[owed : owed + 3 * n_shares].reshape(3, n_shares)
