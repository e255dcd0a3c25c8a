"""Names of JSON objects that stand twice in one: two values of which no reader can tell the right one."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from recsys.types import DataError

_NAMED = b'":'


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
        """Look at a line's text only where it seems to name more than the row holds.

        Raises:
            DataError: if a name has two values.
        """
        if line.count(_NAMED) != self._encode(row).count(_NAMED):
            json.loads(line, object_pairs_hook=_unique, parse_int=str, parse_float=str)


def _unique(pairs: list[tuple[str, Any]]) -> Unique:
    found = Unique()
    for name, value in pairs:
        found[name] = value
    return found
