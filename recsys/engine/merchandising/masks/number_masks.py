"""Masks of numbers: the items of one catalogue whose price, stock or attribute is within bounds.

Numbers are coded in a byte each, so that most of a comparison reads an eighth of what the numbers are; they themselves are read of
those items only that share a code with a bound, and of those that changed.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.jit import BYTES, FLOAT, MASK, REALS, ROWS, TIMES, compiled
from recsys.snapshot.attributes import Numbers
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.changes import KeptUp
from recsys.types import Mask, Rows, Times

Reals: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.uint8]
_CODED_BYTES = 32 << 20
"""Of the codes that one engine keeps at hand."""
_BYTES_EACH = 13
_CODES = 254
"""Codes that numbers have, from 1; 0 has none, and what is no number has one more than the last."""
_BINS = 4096
_LOOKED_AT = 4096
"""Numbers of an attribute that tell where most lie."""
_MANY = 16
"""Where more than one in so many items share a code with a bound, all numbers are compared; where more changed, all are coded anew."""
_EVERY = slice(None)


class Coded(NamedTuple):
    """Numbers of all items float64[n] with their codes uint8[n], which never fall where numbers rise: `rows` int32[n] and `numbers`
    float64[n] by code, from `starts` int64[257] on, and the lowest and the highest number of each code, float64[256]; `changed`
    int32[k] items whose codes are those of numbers that they had."""

    values: Reals
    codes: Codes
    rows: Rows
    numbers: Reals
    starts: Times
    lowest: Reals
    highest: Reals
    changed: Rows


class Bounds(NamedTuple):
    """Numbers of all items, and the least and the most that one may be."""

    coded: Coded
    least: float
    most: float

    def within(self, kept: Mask, left_out: Mask) -> Mask:
        """Tell which items are within the bounds, and in one mask but not in another, bool[n]."""
        return _within(*self.coded, self.least, self.most, kept, left_out)


class NumberMasks:
    """Numbers of the items of one catalogue, with their codes."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog, self._room = catalog, max(1, _CODED_BYTES // max(1, _BYTES_EACH * catalog.n_items))
        self._coded: dict[str, KeptUp[Coded]] = {}
        for name, column in catalog.attributes.columns.items():
            if isinstance(column, Numbers):
                self._of(name)

    def bounds(self, name: str, least: float, most: float) -> Bounds | None:
        """Bounds on an attribute of numbers; None: its numbers are compared as they are, as ages, which are others every hour."""
        coded = None if name == "age" else self._of(name)
        return None if coded is None else Bounds(coded.get(), least, most)

    def _of(self, name: str) -> KeptUp[Coded] | None:
        """The codes of an attribute, which are made where there is room."""
        found = self._coded.get(name)
        if found is None and len(self._coded) < self._room:
            found = self._coded.setdefault(name, _kept_up(self._catalog, name))
        return found


def numbers_of(catalog: Catalog, name: str, now: int, rows: Rows | slice = _EVERY) -> Reals | None:
    """The numbers that items have of an attribute, NaN where one has none; None: there is no such attribute."""
    if name == "price":
        return catalog.price[rows]
    if name == "stock":
        return catalog.stock[rows].astype(np.float64)
    if name == "age":
        published_at = catalog.published_at[rows]
        return np.where(published_at > 0, (now - published_at) * (1 / DAY), np.nan)
    column = catalog.attributes.columns.get(name)
    return column.values[rows] if isinstance(column, Numbers) else None


def _kept_up(catalog: Catalog, name: str) -> KeptUp[Coded]:
    return KeptUp(catalog.changes, frozenset([name]), partial(_made, catalog, name), partial(_mended, catalog, name))


def _made(catalog: Catalog, name: str) -> Coded:
    return coded_of(_all_numbers(catalog, name))


def coded_of(values: Reals) -> Coded:
    """Code the numbers of all items."""
    return Coded(values, *_coded(values, *_range_of(values)), np.empty(0, np.int32))


def _mended(catalog: Catalog, name: str, before: Coded, rows: Rows) -> Coded:
    """The codes as they were, and the items that changed since."""
    changed = np.union1d(before.changed, rows).astype(np.int32)
    if len(changed) * _MANY > catalog.n_items:
        return _made(catalog, name)
    return before._replace(values=_all_numbers(catalog, name), changed=changed)


def _all_numbers(catalog: Catalog, name: str) -> Reals:
    values = numbers_of(catalog, name, 0)
    return np.full(catalog.n_items, np.nan) if values is None else values


def _range_of(values: Reals) -> tuple[float, float]:
    """The number that all but the lowest hundredth of some numbers reach, and the bins that go into 1 between it and the highest."""
    some = values[:: max(1, len(values) // _LOOKED_AT)]
    some = np.sort(some[np.isfinite(some)])
    if not len(some):
        return 0.0, 1.0
    lowest, highest = some[len(some) // 100], some[-1 - len(some) // 100]
    with np.errstate(over="ignore", divide="ignore"):
        steps = float(_BINS / (highest - lowest))
    return float(lowest), steps if 0 < steps < inf else 1.0


@compiled(REALS, FLOAT, FLOAT)
def _coded(values: Reals, lowest: float, steps: float) -> tuple[Codes, Rows, Reals, Times, Reals, Reals]:
    """Code numbers by bins, as many as have about the same number of items together; as in `Coded`."""
    n = len(values)
    bins, counts = np.empty(n, np.int16), np.zeros(_BINS + 1, np.int64)
    for at in range(n):
        place = _BINS
        if values[at] == values[at]:
            place = int(min(max((values[at] - lowest) * steps, 0.0), _BINS - 1.0))
        bins[at] = place
        counts[place] += 1
    code_of, before = np.full(_BINS + 1, np.uint8(_CODES + 1)), 0
    for place in range(_BINS):
        code_of[place] = 1 + (before * _CODES) // max(n, 1)
        before += counts[place]
    codes, starts = np.empty(n, np.uint8), np.zeros(257, np.int64)
    least, most = np.full(256, np.inf), np.full(256, -np.inf)
    for at in range(n):
        code = code_of[bins[at]]
        codes[at] = code
        starts[code + 1] += 1
        least[code], most[code] = min(least[code], values[at]), max(most[code], values[at])
    starts[:] = np.cumsum(starts)
    rows, numbers, filled = np.empty(n, np.int32), np.empty(n), starts.copy()
    for at in range(n):
        place = filled[codes[at]]
        rows[place], numbers[place] = at, values[at]
        filled[codes[at]] += 1
    return codes, rows, numbers, starts, least, most


@compiled(REALS, BYTES, ROWS, REALS, TIMES, REALS, REALS, ROWS, FLOAT, FLOAT, MASK, MASK)
def _within(
    values: Reals, codes: Codes, rows: Rows, numbers: Reals, starts: Times, lowest: Reals, highest: Reals, changed: Rows,
    least: float, most: float, kept: Mask, left_out: Mask,
) -> Mask:  # fmt: skip
    """Tell which numbers float64[n] are within bounds, of those that one mask has and another has not."""
    found = np.empty(len(codes), np.bool_)
    first, last, beside = (
        _CODES + 1,
        0,
        0,
    )  # codes that hold numbers within the bounds, and how many items those of a bound have
    for code in range(1, _CODES + 1):
        if starts[code] < starts[code + 1] and highest[code] >= least and lowest[code] <= most:
            first, last = min(first, code), code
            if lowest[code] < least or highest[code] > most:
                beside += starts[code + 1] - starts[code]
    if beside * _MANY > len(codes):
        for at in range(len(codes)):
            found[at] = (values[at] >= least) & (values[at] <= most) & (kept[at] > left_out[at])
        return found
    first_code, last_code = np.uint8(first), np.uint8(last)
    for at in range(len(codes)):
        found[at] = (codes[at] >= first_code) & (codes[at] <= last_code) & (kept[at] > left_out[at])
    for code in range(first, last + 1):
        if lowest[code] < least or highest[code] > most:
            for at in range(starts[code], starts[code + 1]):
                if numbers[at] < least or numbers[at] > most:
                    found[rows[at]] = False
    for row in changed:
        found[row] = (values[row] >= least) & (values[row] <= most) & (kept[row] > left_out[row])
    return found
