"""Mismatches of a caller's values and the types that they are read as: what msgspec says of one, and where.

Its messages end in a place, "Expected `int`, got `str` - at `$.slates[2].limit`", and may repeat names that a caller made up, which
may look like a place.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_UNKNOWN_BEGINS = "Object contains unknown field `"
UNKNOWN = re.compile(_UNKNOWN_BEGINS + "(.*)`", re.DOTALL)
MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_AT = " - at `$"
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
"""A step on the way: a member, a place of a list, or some member of an object whose members are the caller's."""
_STEPS = re.compile(rf"(?:{_STEP.pattern})*`")


class Mismatch(NamedTuple):
    """A mismatch in words, where it is (`slates[2].limit`; empty: the whole), the last member on the way there, and the value; of
    some member of an object, the object."""

    text: str
    where: str
    name: str
    value: Any


def mismatch_of(message: str, raw: dict[str, Any]) -> Mismatch:
    """Find what a message says of some values."""
    text, _, place = message.rpartition(_AT)
    return _mismatch(text, place, raw) or Mismatch(message, "", "", raw)


def _mismatch(text: str, place: str, raw: dict[str, Any]) -> Mismatch | None:
    """The mismatch, unless there is no such place, or nothing there of which the text speaks."""
    if not text or not _STEPS.fullmatch(place):
        return None
    where, name = "", ""
    value: Any = raw
    for step in _STEP.finditer(place):
        if step[2] == "...":
            where = where + place[step.start() : -1]
            break
        where, name = where + step[0], step[1] or name
        try:
            value = value[step[1] or int(step[2])]
        except (LookupError, TypeError, ValueError):
            return None
    unknown = UNKNOWN.fullmatch(text)
    if unknown is None and text.startswith(_UNKNOWN_BEGINS):  # it was cut off in the midst of a name
        return None
    spoken_of = unknown is None or (isinstance(value, dict) and unknown[1] in value)
    return Mismatch(text, where.lstrip("."), name, value) if spoken_of else None
