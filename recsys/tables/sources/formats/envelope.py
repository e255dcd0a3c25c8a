"""Envelopes of APIs: JSON objects that hold the list of rows and what belongs to its page, such as `{"orders": […], "next": …}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import InvalidOperation
from typing import IO, Any

import ijson

from recsys.tables.sources.bounds import MAX_LINE
from recsys.types import DataError

_BESIDE = frozenset(
    """
    status success ok code message msg error errors total count size limit offset page pages perpage pagesize pagecount totalcount
    totalpages totalrecords totalresults currentpage lastpage from to next nextcursor cursor prev previous first last self link links
    hasmore hasnext hasnextpage haspreviouspage startcursor endcursor nextpage previouspage nextpagetoken nextpageurl prevpageurl
    pagetoken version apiversion object url href path requestid took timedout context generatedat exportedat kind etag
    """.split()  # noqa: SIM905
)
"""Keys that tell of a page and not of a row, without signs and letter case."""
_ABOUT = frozenset(
    """
    meta metadata pagination paging pageinfo page links link info extensions searchcriteria cost warnings errors status included
    """.split()  # noqa: SIM905
)
"""Objects and lists in which nothing is a row; `included` is what JSON:API has beside its rows."""

MAX_DIGITS = 1000
_DIGITS = re.compile(rb"[\s:,\[\]{}le-][0-9]{%d}|\"[0-9]{%d,}[^0-9\"]" % (MAX_DIGITS, MAX_DIGITS))
"""A number, which may stand right behind another value, and not a text of digits, which has quotes on both sides."""
_PIECE, _MOST_LEVELS = 8192, 200
"""Bytes that are looked at together, and names on the path to a value, which the parser spells out at each."""


@dataclass(slots=True)
class _Outline:
    """Outline of the first object: the paths of its lists that hold objects, and whether anything outside of them tells of a row.

    base: its own path, that of an entry in an array · nodes: lists whose entries wrap one object (`edges` of GraphQL) · inside: the
    list in which the parser is.
    """

    base: str | None = None
    lists: dict[str, None] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)
    inside: str = ""
    is_row: bool = False

    def see(self, prefix: str, event: str, value: Any) -> bool:
        """Take one event of the parser; True where the object has ended."""
        if self.base is None:
            self.base = "item" if event == "start_array" else ""
        elif self.inside:
            self._see_entry(prefix, event)
        elif event == "start_array" and prefix != self.base:
            self.inside = prefix
        elif event in ("string", "number", "boolean") and not _is_beside(prefix):
            self.is_row = True
        return prefix == self.base and event == "end_map"

    def _see_entry(self, prefix: str, event: str) -> None:
        if event == "end_array" and prefix == self.inside:
            self.inside = ""
        elif event == "start_map" and prefix == f"{self.inside}.item":
            self.lists[self.inside] = None
        elif event == "start_map" and prefix == f"{self.inside}.item.node":
            self.nodes.add(self.inside)


def rows_within(file: IO[bytes], pinned: str) -> str:
    """Path of the list whose objects are rows, in the words of ijson, if a file holds envelopes; empty if its objects are rows.

    An object is an envelope if all that it says outside of its lists tells of a page, and one of its lists holds objects.

    Raises:
        DataError: if there are several such lists, the pinned one is not there, or only some of the objects have it.
    """
    outline = _outline(file)
    base = f"{outline.base}." if outline.base else ""
    lists = [path.removeprefix(base) for path in outline.lists]
    if pinned and pinned not in lists:
        raise DataError(f"has no list of objects {pinned!r} in its first object, but {lists or 'none'}; mend `record`")
    found = [] if outline.is_row else [path for path in lists if not _ABOUT & set(_words(path))]
    if len(found) > 1 and not pinned:
        raise DataError(
            f"holds several lists of objects, {', '.join(found)}; write the one whose objects are rows as `record`"
        )
    if not (pinned or found):
        return ""
    path = base + (pinned or found[0])
    _check_each(file, outline.base or "", path)
    return f"{path}.item{'.node' if path in outline.nodes else ''}"


def _outline(file: IO[bytes]) -> _Outline:
    """Look at the first object, of a large one until a list of objects was met."""
    outline, since = _Outline(), 0
    try:
        for events, size in _events(file):
            since = 0 if events else since + size
            if any(outline.see(*event) for event in events) or since > MAX_LINE:
                break
            if outline.lists and file.tell() > MAX_LINE:
                break
    except (ijson.JSONError, InvalidOperation):
        pass  # said with its line by the one who reads it
    return outline


def _check_each(file: IO[bytes], base: str, path: str) -> None:
    """Check that every object of the file has the list, or rows would be lost."""
    objects = lists = 0
    try:
        for events, _ in _events(file):
            objects += sum(prefix == base and event == "start_map" for prefix, event, _ in events)
            lists += sum(prefix == path and event == "start_array" for prefix, event, _ in events)
    except (ijson.JSONError, InvalidOperation):
        return
    if lists != objects:
        raise DataError(f"holds {objects:,} objects, of which {lists:,} have the list `{path}`; export them apart")


def _events(file: IO[bytes]) -> Iterator[tuple[list[tuple[str, str, Any]], int]]:
    """Events of the parser, chunk by chunk, with the size of the chunk."""
    found = ijson.sendable_list()
    parser = ijson.parse_coro(found, multiple_values=True)
    for chunk in chunks(file, _PIECE):
        parser.send(chunk)
        if found and found[-1][0].count(".") > _MOST_LEVELS:
            raise DataError(
                "is nested too deeply; export rows whose values are not so many lists or objects within each other"
            )
        yield list(found), len(chunk)
        found.clear()


def chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    """A file from its start, in chunks of so many bytes, for a parser that breaks down at numbers of thousands of digits.

    Raises:
        DataError: at the first of `MAX_DIGITS`.
    """
    file.seek(0)
    before, chunk = b" ", b" "
    while chunk:
        chunk = file.read(size)
        joined = before + (chunk or b" ")  # a number may be the last that there is
        if _DIGITS.search(joined):
            raise DataError(
                f"holds {MAX_DIGITS:,} digits or more in a row, which no value has; mend it, or leave the column out"
            )
        begun = len(joined.rstrip(b"0123456789")) - 1  # the digits at the end, with the sign that they stand behind
        before = joined[begun : begun + MAX_DIGITS + 1]
        if chunk:
            yield chunk


def _is_beside(prefix: str) -> bool:
    *above, name = _words(prefix)
    return name in _BESIDE or any(part in _ABOUT for part in above)


def _words(path: str) -> list[str]:
    return [re.sub(r"[^a-z]", "", part.lower()) for part in path.split(".")]
