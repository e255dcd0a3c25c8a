"""XML product feeds (Google Merchant RSS and Atom, and flat XML of other makers) as Parquet copies, read element by element.

Entities and document types are never resolved. Children of a row's element are its columns, by their names without prefix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import IO, Any

import msgspec
from lxml import etree

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_COLUMNS
from recsys.tables.sources.formats.ndjson import piece_of_lines
from recsys.tables.sources.piece import Piece
from recsys.tables.sources.spool import Blob, copy_of
from recsys.types import DataError

_MERCHANT = "http://base.google.com/ns/1.0"
_RECORDS = {("rss", "channel", "item"), ("RDF", "item"), ("feed", "entry")}
_HIGHEST = 5
"""Levels that a row's element is looked for in."""
_INLINE = frozenset("a abbr b em font i mark s small span strong sub sup u".split())  # noqa: SIM905
_BLOCKS = frozenset("blockquote br div h1 h2 h3 h4 h5 h6 hr li ol p table tbody td th tr ul".split())  # noqa: SIM905
"""Markup of HTML within a line of text, and what stands apart."""
_MANY_ELEMENTS = 100_000
"""Elements between two rows."""
Path = tuple[str, ...]


def open_xml(blob: Blob, table: Table, key: str) -> Piece:
    """Read a feed; each element that is a row.

    Raises:
        DataError: if it is cut off or broken, or no element repeats.
    """
    counted = _counted(blob.file)
    record = _record(counted, table.record, key)
    most: Counter[str] = Counter()
    lines = copy_of(_lines(blob.file, record, most))
    note = f"rows are its {counted[record]:,} <{record[-1]}> elements{' (by the settings)' if table.record else ''}"
    try:
        return piece_of_lines(blob, lines, (*blob.notes, note), single=[name for name in most if most[name] == 1])
    finally:
        lines.close()


def _counted(file: IO[bytes]) -> Counter[Path]:
    """Return how often each path of elements occurs, in the upper levels."""
    counted: Counter[Path] = Counter()
    path: list[str] = []
    for event, element in _events(file):
        if event == "start":
            path.append(_local(element))
            if len(path) <= _HIGHEST:
                counted[tuple(path)] += 1
            if len(counted) > MAX_COLUMNS:
                raise DataError(f"has more than {MAX_COLUMNS:,} different elements; export rows with the same element")
        else:
            path.pop()
            _drop(element)
    return counted


def _record(counted: Counter[Path], pinned: str, key: str) -> Path:
    named = [path for path in counted if (path[-1] == pinned if pinned else path in _RECORDS)]
    if named:
        return max(named, key=lambda path: (-len(path), counted[path]))
    if pinned:
        raise DataError(f"has no element <{pinned}>; mend `{key}.record`")
    for level in range(2, _HIGHEST + 1):
        there = [path for path in counted if len(path) == level]
        if there and counted[most := max(there, key=lambda path: counted[path])] > 1:
            return most
    raise DataError(f"has no element that repeats; name the one that is a row as `{key}.record`")


def _lines(file: IO[bytes], record: Path, most: Counter[str]) -> Iterator[bytes]:
    """Each row as a JSON line, each column a list; `most` counts how often a column stands in one row at most."""
    path: list[str] = []
    since = 0
    for event, element in _events(file):
        if event == "start":
            path.append(_local(element))
            continue
        since += 1
        if since > _MANY_ELEMENTS:
            raise DataError(
                f"has more than {_MANY_ELEMENTS:,} elements in one row; name the element that is a row as `record`"
            )
        if tuple(path) == record:
            row = _row(element)
            for name, values in row.items():
                most[name] = max(most[name], len(values))
            yield msgspec.json.encode(row) + b"\n"
        if len(path) <= len(record):
            since = 0
            _drop(element)
        path.pop()


def _row(element: Any) -> dict[str, list[Any]]:
    row: dict[str, list[Any]] = {name: [value] for name, value in element.attrib.items()}
    merchant = {_local(child) for child in element if _namespace(child) == _MERCHANT}
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name = _local(child)
        if name in merchant and _namespace(child) != _MERCHANT:
            name = f"{child.prefix or 'feed'}:{name}"
        row.setdefault(name, []).append(_value(child))
        for attribute, value in child.attrib.items():
            row.setdefault(f"{name}@{attribute}", []).append(value)
    return row


def _value(element: Any) -> Any:
    children = [child for child in element if isinstance(child.tag, str)]
    if not children or _is_marked_up(element):
        return _text(element).strip() or element.get("href") or None
    nested: dict[str, list[Any]] = {}
    for child in children:
        nested.setdefault(_local(child), []).append(_value(child))
    return {name: values[0] if len(values) == 1 else values for name, values in nested.items()}


def _is_marked_up(element: Any) -> bool:
    """Tell whether the elements within are HTML's, and not fields: those of one letter only where text stands beside them."""
    names = {_local(each).lower() for each in element.iterdescendants("*")}
    beside = (element.text or "", *(child.tail or "" for child in element))
    return names <= _INLINE | _BLOCKS and (max(map(len, names)) > 1 or any(text.strip() for text in beside))


def _text(element: Any) -> str:
    """All text in an element, without that of comments; what is no markup within a line stands apart.

    Raises:
        DataError: if a part of it is the name of an entity that HTML does not know.
    """
    parts = [element.text or ""]
    for child in element:
        part = ""
        if child.tag is etree.Entity:
            part = unescape(child.text)
            if part == child.text:
                raise DataError(f"says {part} in <{_local(element)}>, and not what that is; export it with the sign itself")
        elif isinstance(child.tag, str):
            part = _text(child) if _local(child).lower() in _INLINE else f" {_text(child).strip()} "
        parts += (part, child.tail or "")
    return "".join(parts)


def _events(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    file.seek(0)
    with _in_words():
        yield from etree.iterparse(
            file, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except etree.XMLSyntaxError as error:
        line = f" in line {error.lineno:,}" if error.lineno else ""
        raise DataError(f"is no whole XML: it is cut off, broken or too large{line}; export it again") from error


def _drop(element: Any) -> None:
    """Forget an element that was read, and those before it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _local(element: Any) -> str:
    """A name without its namespace; in a feed that is read leniently it need not be a name that XML allows."""
    return str(element.tag).rpartition("}")[2]


def _namespace(element: Any) -> str | None:
    return element.tag[1:].partition("}")[0] if isinstance(element.tag, str) and element.tag.startswith("{") else None
