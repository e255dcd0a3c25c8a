"""Text files that are several exports or pages: byte order marks, lines of column names and empty rows that stand inside them."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from recsys.tables.sources.bounds import CHUNK
from recsys.tables.sources.spool import Blob

_MARK = codecs.BOM_UTF8


def as_one_export(
    text: Blob, start: int, names: Collection[bytes] = (), row: bytes = b"", empty: bytes = b"", quote: bytes = b""
) -> Blob:
    """A file in UTF-8 without byte order marks that begin a line of it, its line of column names where that stands again, and rows
    without a value.

    Args:
        text: the file; it is returned as it is where there is nothing to leave out.
        start: the bytes above the first row.
        names: how its line of column names may be written, without a line's end.
        row: the byte that a row starts with, where any mark before it starts an export, and one behind a line is none of its.
        empty: how a row without a value is written, without a line's end; b"": not at all.
        quote: the sign around texts, in which any line is a part of the text; b"": none.
    """
    ends = (b"\n", b"\r\n") if empty else ()
    if not _stands_below(text, start, [_MARK, *(b"\n" + each for each in names), *(b"\n" + empty + end for end in ends)]):
        return text
    counted: Counter[str] = Counter()
    passed_over = dict.fromkeys(names, "names") | ({empty: "empty"} if empty else {})
    whole = text.copied(_rows(text, start, passed_over, row, counted, quote))
    said = [f"byte order marks inside of it, {counted['marks']:,}, are left out"] if counted["marks"] else []
    said += [f"column names that stand in it again, {counted['names']:,} times, are no rows"] if counted["names"] else []
    said += [f"{counted['empty']:,} rows without a value are passed over"] if counted["empty"] else []
    return replace(whole, notes=(*whole.notes, *said))


def _stands_below(text: Blob, start: int, wanted: Sequence[bytes]) -> bool:
    """Tell whether some bytes stand in the rows: a search that costs next to nothing beside their reading."""
    kept, longest = b"\n", max(map(len, wanted))
    text.file.seek(start)
    try:
        while chunk := text.file.read(CHUNK):
            window = kept + chunk
            if any(each in window for each in wanted):
                return True
            kept = window[1 - longest :]
        return False
    finally:
        text.file.seek(0)


def _rows(
    text: Blob, start: int, passed_over: Mapping[bytes, str], row: bytes, counted: Counter[str], quote: bytes
) -> Iterator[bytes]:
    """Yield the lines above the rows, then the rows of all exports, many together; one that lacks its line's end before the next
    export gets it.

    passed_over: lines that are no rows, and as what each is counted.
    """
    yield text.head(start)
    text.file.seek(start)
    rows = _Rows(passed_over, counted, quote)
    while lines := text.file.readlines(CHUNK):
        parts = (part for line in lines for part in (_parts(line, passed_over, row, counted) if _MARK in line else (line,)))
        yield b"".join(rows.kept(parts))


def _parts(line: bytes, passed_over: Mapping[bytes, str], row: bytes, counted: Counter[str]) -> list[bytes]:
    """A line cut before each export that begins in it."""
    before, *exports = line.split(_MARK)
    begun = [before] if before else []
    for part in exports:
        starts = not begun or part.rstrip(b"\r\n") in passed_over or (row and part.lstrip()[:1] in (row, b""))
        counted["marks"] += bool(starts)
        begun = [*begun, part] if starts else [*begun[:-1], begun[-1] + _MARK + part]
    return begun


@dataclass(slots=True)
class _Rows:
    """Rows among the parts of a file, and whether a quoted text goes on in the next one."""

    passed_over: Mapping[bytes, str]
    counted: Counter[str]
    quote: bytes
    _within: bool = False

    def kept(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The parts that are rows, or of a text, each with its line's end."""
        for part in parts:
            if not self._within and (kind := self.passed_over.get(part.rstrip(b"\r\n"))):
                self.counted[kind] += 1
                continue
            if self.quote:
                self._within ^= part.count(self.quote) % 2 == 1
            yield part if part.endswith(b"\n") else part + b"\n"
