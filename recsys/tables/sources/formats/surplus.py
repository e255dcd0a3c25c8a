"""Rows of a text file with more fields than names, of which the first one beyond is empty: in silence they would be cut there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from recsys.tables.sources.bounds import CHUNK, MAX_LINE
from recsys.tables.sources.formats.layout import Layout
from recsys.tables.sources.spool import Blob

_WORD = b"(empty)"
"""Stands in the first field beyond the names, so that Polars tells of it."""
_LINE_FEED, _RETURN = 10, 13


@dataclass(frozen=True, slots=True)
class _Rows:
    """Whole rows: where the first field beyond the names is an empty one, which of these have nothing in the further ones either, and
    whether any row has as many fields as there are names."""

    lines: bytes
    places: npt.NDArray[np.intp]
    bare: npt.NDArray[np.bool_]
    any_fits: bool


def with_surplus(text: Blob, start: int, layout: Layout) -> Blob:
    """A file in UTF-8 in which no row looks as if it fitted that does not; itself, if there is none.

    Of `12,50,` under `price,coupon` nothing but the last comma tells that a separator stands inside of a value. Where all rows end
    with more separators than the names, and none fits, these are the end of a line and nothing more.

    Args:
        text: the file.
        start: the bytes above the first row.
        layout: the names of its columns, and what separates and quotes its fields.
    """
    if len(layout.names) < 2 or len(layout.separator.encode()) > 1:
        return text
    bare = others = fits = False
    for each in _blocks(text, start, layout):
        bare, others = bare or bool(each.bare.any()), others or not each.bare.all()
        fits = fits or each.any_fits
    if bare and not fits:
        text = replace(text, notes=(*text.notes, "its rows end with more separators than its column names"))
    if not (others or (bare and fits)):
        return text
    return text.copied(_told(text, start, layout, bare=fits))


def _told(text: Blob, start: int, layout: Layout, *, bare: bool) -> Iterator[bytes]:
    """The file with a word in each such field; `bare`: also in those of rows with nothing in the further ones."""
    yield text.head(start)
    for each in _blocks(text, start, layout):
        places = [0, *(each.places if bare else each.places[~each.bare]), len(each.lines)]
        yield _WORD.join(each.lines[since:until] for since, until in pairwise(places))


def _blocks(text: Blob, start: int, layout: Layout) -> Iterator[_Rows]:
    """The rows, many together; from a row on that is longer than any, as where a quote is never closed, the file as it is."""
    kept = b""
    text.file.seek(start)
    try:
        while chunk := text.file.read(CHUNK):
            lines = kept + chunk
            ends = _outside(lines, layout, _LINE_FEED)
            whole = int(ends[-1]) + 1 if len(ends) else 0
            if whole:
                yield _looked_at(lines[:whole], ends, layout)
            kept = lines[whole:]
            if len(kept) > MAX_LINE:
                yield _as_it_is(kept)
                yield from map(_as_it_is, iter(lambda: text.file.read(CHUNK), b""))
                return
        if kept:
            ends = _outside(last := kept + b"\n", layout, _LINE_FEED)
            yield _looked_at(last, ends, layout) if len(ends) else _as_it_is(kept)
    finally:
        text.file.seek(0)


def _looked_at(lines: bytes, ends: npt.NDArray[np.intp], layout: Layout) -> _Rows:
    """Look at whole rows, each of which ends at one of `ends`."""
    data, names = np.frombuffer(lines, np.uint8), len(layout.names)
    signs = _outside(lines, layout, ord(layout.separator))
    first = np.searchsorted(signs, np.concatenate([[0], ends[:-1]]))
    count = np.diff(first, append=len(signs))
    long = np.flatnonzero(count >= names)
    places = signs[first[long] + names - 1] + 1
    until = ends[long] - (data[ends[long] - 1] == _RETURN)
    empty = (places >= until) | (data[places] == ord(layout.separator))
    bare = until - places == count[long] - names
    return _Rows(lines, places[empty], bare[empty], bool((count == names - 1).any()))


def _as_it_is(lines: bytes) -> _Rows:
    return _Rows(lines, np.array([], np.intp), np.array([], np.bool_), any_fits=False)


def _outside(lines: bytes, layout: Layout, sign: int) -> npt.NDArray[np.intp]:
    """Places of a sign outside of quotes."""
    data = np.frombuffer(lines, np.uint8)
    found = data == sign
    if layout.quote and layout.quote.encode() in lines:
        found &= np.bitwise_xor.accumulate((data == ord(layout.quote)).view(np.uint8)) == 0
    return np.flatnonzero(found)
