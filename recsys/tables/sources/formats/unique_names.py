"""Names of JSON objects that stand twice in one: two values of which no reader can tell the right one."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from recsys.types import DataError

_NAMED = b'":'
_NAMED_APART = re.compile(rb'"[ \t\r\n]*:')
_ESCAPED = re.compile(rb"\\u00(?:20|22|3[aA])")
"""A blank, a quote or a colon inside a text that only its decoded row shows as such."""


class Unique(dict[str, Any]):
    """An object in which a name may stand twice with one value, but not with two."""

    def __setitem__(self, name: str, value: Any) -> None:
        """Set a value; raises a DataError where there is another."""
        if name in self and self[name] != value:
            raise DataError(f"has an object with {name[:50]!r} twice, with two values; export each name once")
        super().__setitem__(name, value)


class UniqueNames:
    """The check of lines that are decoded already: as many names as the decoded row has are each there once."""

    def __init__(self) -> None:
        """Begin; the encoder is one for all lines."""
        self._encode = msgspec.json.Encoder().encode

    def check(self, line: bytes, row: dict[str, Any]) -> None:
        """Look at a line's text only where it names more than the row holds, or hides signs that are counted behind escapes.

        Any quote with a colon after it that the encoded row has stands in the line as well, so a name too many is never evened out.

        Raises:
            DataError: if a name has two values.
        """
        if _named(line) != _named(self._encode(row)) or (b"\\u00" in line and _ESCAPED.search(line)):
            json.loads(line, object_pairs_hook=_unique, parse_int=str, parse_float=str)


def _named(text: bytes) -> int:
    """Count quotes with a colon after them, whatever blanks stand between: the slower search only where a blank precedes a colon."""
    if b" :" in text or b"\t:" in text or b"\r:" in text or b"\n:" in text:
        return len(_NAMED_APART.findall(text))
    return text.count(_NAMED)


def _unique(pairs: list[tuple[str, Any]]) -> Unique:
    found = Unique()
    for name, value in pairs:
        found[name] = value
    return found
