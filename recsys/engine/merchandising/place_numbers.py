"""Numbers of a list while its places are filled: a plan's rules, how far the list is (`places`), and what limits and shares count.

Kinds that limits count are numbered as the catalogue numbers them; how many of each stand is kept in a small hash table of the list.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.jit import OWN_MASKS, OWN_REALS, OWN_ROWS, OWN_ROWS_2D, OWN_TIMES, OWN_TIMES_2D, compiled, of_tuple
from recsys.types import Mask, Rows

Numbers: TypeAlias = NDArray[np.int64]
Reals: TypeAlias = NDArray[np.float64]
STANDS, MAY_NOT, TOO_FAR, TAKEN, TWICE, OVER, OWED, ENDED = range(8)
"""What may be wrong with a pin; with the first nothing is. `ENDED`: a limit refuses it where the list ends before its place."""
MOST_ROUNDS = 10
"""Most times that a list begins anew without pins that fell; then it ends where these are left."""
BEGIN, FOUND, NONE_FOUND = range(3)
"""Where a pass goes on: at the first place; more entries are there; there are none."""
DONE, ASK, ANEW = range(3)
"""How a pass ends: the places are filled; more entries are to be asked for; pins fell, so that it is to begin anew."""
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


@compiled()
def line_of(numbers: Numbers, limit: int, rules: Rules) -> Line:
    """View the numbers of a list, int64[line_length], as what they are."""
    n_limits, n_shares = rules.keys.shape[0], len(rules.within)
    chosen, groups, owed = 5 + limit, 5 + 2 * limit, 5 + 4 * limit
    table = owed + 3 * n_shares
    shares = numbers[owed:table].reshape((3, n_shares))
    limits = numbers[table:].reshape((2, n_limits, (len(numbers) - table) // max(2 * n_limits, 1)))
    pins, places = numbers[4:chosen], numbers[chosen:groups]
    return Line(numbers[:4], pins, places, numbers[groups:owed], shares, limits[0], limits[1])


@compiled()
def _slot(table: Numbers, limit: int, key: int) -> int:
    """The place of a kind in the table of a limit: its own, or an empty one."""
    last = table.shape[1] - 1
    slot = (np.int64(key) * 40503) & last
    while table[limit, slot] != 0 and table[limit, slot] != key + 1:
        slot = (slot + 1) & last
    return int(slot)


@compiled()
def broken(line: Line, rules: Rules, row: int, place: int) -> int:
    """The first limit that an item would break at a place; -1: none."""
    for limit in range(rules.keys.shape[0]):
        key = rules.keys[limit, row]
        if key < 0 or place > rules.limits[1, limit]:
            continue
        if line.counts[limit, _slot(line.table, limit, key)] >= rules.limits[0, limit]:
            return limit
    return -1


@compiled()
def count(line: Line, rules: Rules, row: int, place: int, step: int) -> None:
    """Count an item at a place, or take it back."""
    for limit in range(rules.keys.shape[0]):
        key = rules.keys[limit, row]
        if key >= 0 and place <= rules.limits[1, limit]:
            slot = _slot(line.table, limit, key)
            line.table[limit, slot] = key + 1
            line.counts[limit, slot] += step


@compiled()
def give(line: Line, rules: Rules, row: int, place: int) -> None:
    """Count an item at a place towards the shares that it is for."""
    for share in range(len(rules.within)):
        if rules.members[share, row] and place <= line.owed[0, share] and line.owed[1, share] > 0:
            line.owed[1, share] -= 1
