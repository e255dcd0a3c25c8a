"""Rows of a text file that only look as if they fitted: the first field beyond the names is empty, or a quote hides the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from recsys.tables.sources.bounds import CHUNK, MAX_LINE
from recsys.tables.sources.formats.layout import Layout
from recsys.tables.sources.spool import Blob
from recsys.types import DataError

_WORD = b"(empty)"
"""Stands in the first field beyond the names, so that Polars tells of it."""
_RETURN = 13
_MANY_NAMES = 5
"""Names from which lines inside of a text that have as many fields are rows,"""
_MANY_LINES = 10
"""if they are so many: a list of ingredients or a table of sizes may have a few such lines."""
Places = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Whole rows: where the first field beyond the names is an empty one, which of these have nothing in the further ones either,
    whether any row has as many fields as there are names, and in which line a quote hides fields of it or further rows (-1: none)."""

    lines: bytes
    places: Places
    bare: Flags
    fit: int
    hidden: int = -1


def with_surplus(text: Blob, start: int, layout: Layout) -> Blob:
    """A file in UTF-8 in which no row looks as if it fitted that does not; itself, if there is none.

    Of `12,50,` under `price,coupon` nothing but the last comma tells that a separator stands inside of a value. Where more rows end
    with more separators than the names than fit, these are the end of a line and nothing more.

    Args:
        text: the file.
        start: the bytes above the first row.
        layout: the names of its columns, and what separates and quotes its fields.

    Raises:
        DataError: if quotes that are not doubled hide rows inside of a text.
    """
    if len(layout.names) < 2 or len(layout.separator.encode()) > 1:
        return text
    bare, fit, others = 0, 0, False
    line = layout.skip + 1
    for each in _blocks(text, start, layout):
        if each.hidden >= 0:
            raise DataError(wrong_quote(line + each.hidden))
        line += each.lines.count(b"\n")
        bare, fit, others = bare + int(each.bare.sum()), fit + each.fit, others or not each.bare.all()
    if bare > fit:
        text = replace(text, notes=(*text.notes, "its rows end with more separators than its column names"))
    if not (others or 0 < bare <= fit):
        return text
    return text.copied(_told(text, start, layout, bare=bare <= fit))


def wrong_quote(line: int) -> str:
    """Say in which line a quote goes wrong, and what to do."""
    return (
        f"has a quote in line {line:,} that is not closed, or stands inside a text; double the quotes inside texts where it is "
        'exported, or write `quote = ""` if quotes mean nothing in it'
    )


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
            bare = _outside(lines, layout)
            ends = np.flatnonzero(_signs(lines, "\n") & bare)
            whole = int(ends[-1]) + 1 if len(ends) else 0
            if whole:
                yield _looked_at(lines[:whole], bare[:whole], ends, layout)
            kept = lines[whole:]
            if len(kept) > MAX_LINE:
                yield _as_it_is(kept)
                yield from map(_as_it_is, iter(lambda: text.file.read(CHUNK), b""))
                return
        if kept:
            bare = _outside(last := kept + b"\n", layout)
            ends = np.flatnonzero(_signs(last, "\n") & bare)
            yield _looked_at(last, bare, ends, layout) if len(ends) else _as_it_is(kept)
    finally:
        text.file.seek(0)


def _looked_at(lines: bytes, outside: Flags, ends: Places, layout: Layout) -> _Rows:
    """Look at whole rows, each of which ends at one of `ends`."""
    data, names = np.frombuffer(lines, np.uint8), len(layout.names)
    signs = np.flatnonzero(_signs(lines, layout.separator) & outside)
    first = np.searchsorted(signs, np.concatenate([[0], ends[:-1]]))
    count = np.diff(first, append=len(signs))
    long = np.flatnonzero(count >= names)
    places = signs[first[long] + names - 1] + 1
    until = ends[long] - (data[ends[long] - 1] == _RETURN)
    empty = (places >= until) | (data[places] == ord(layout.separator))
    bare = until - places == count[long] - names
    hidden = -1 if outside.all() else _hidden(lines, signs, ends, count, layout)
    return _Rows(lines, places[empty], bare[empty], int((count == names - 1).sum()), hidden)


def _hidden(lines: bytes, signs: Places, ends: Places, count: Places, layout: Layout) -> int:
    """The line, from 0, in which a quoted text begins that holds fields of its row, or further rows; -1: none does.

    Such a text has a quote before something that is no end of a field, or each line inside of it has as many fields as a row.
    """
    data, needed = np.frombuffer(lines, np.uint8), len(layout.names) - 1
    closing = np.flatnonzero(_signs(lines, layout.quote))[1::2]
    loose = closing[~np.isin(data[closing + 1], [*(layout.quote + layout.separator + "\r\n").encode()])]
    feeds, all_signs = np.flatnonzero(_signs(lines, "\n")), np.flatnonzero(_signs(lines, layout.separator))
    suspect = np.concatenate([loose, np.setdiff1d(feeds, ends, assume_unique=True)])
    if not len(suspect):
        return -1
    starts = np.unique(np.maximum(_before(signs, suspect), _before(ends, suspect)) + 1)
    starts = starts[data[starts] == ord(layout.quote)]
    stops = np.minimum(*(np.append(each, len(data))[np.searchsorted(each, starts)] for each in (signs, ends)))
    inside, broken = (np.searchsorted(each, stops) - np.searchsorted(each, starts) for each in (all_signs, feeds))
    is_loose = np.searchsorted(loose, stops) > np.searchsorted(loose, starts)
    lacking = needed - count[np.minimum(np.searchsorted(ends, starts), len(ends) - 1)]
    hides = is_loose & (((broken > 0) & (inside >= needed)) | ((lacking > 0) & (inside >= lacking)))
    like_rows = ~hides & (broken > _MANY_LINES) & (inside >= needed * (broken - 1)) & (needed + 1 >= _MANY_NAMES)
    for at in np.flatnonzero(like_rows):
        within = lines[starts[at] : stops[at]].split(b"\n")[1:-1]
        hides[at] = all(each.count(layout.separator.encode()) == needed for each in within)
    return int(np.searchsorted(feeds, starts[hides.argmax()])) if hides.any() else -1


def _before(places: Places, those: Places) -> Places:
    """The last place before each of those, -1 where there is none."""
    found: Places = np.concatenate([[-1], places])[np.searchsorted(places, those)]
    return found


def _as_it_is(lines: bytes) -> _Rows:
    return _Rows(lines, np.array([], np.intp), np.array([], np.bool_), fit=0)


def _signs(lines: bytes, sign: str) -> Flags:
    """Tell of each byte whether it is a sign."""
    found: Flags = np.frombuffer(lines, np.uint8) == ord(sign)
    return found


def _outside(lines: bytes, layout: Layout) -> Flags:
    """Tell of each byte whether it is outside of quotes."""
    if not layout.quote or layout.quote.encode() not in lines:
        return np.ones(len(lines), np.bool_)
    found: Flags = np.bitwise_xor.accumulate(_signs(lines, layout.quote).view(np.uint8)) == 0
    return found
