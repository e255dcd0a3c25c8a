"""Ids: the rule for every id, and the id of an event that came without one; the same for tables and for live events."""

from __future__ import annotations

import hashlib
import re

MAX_ID_BYTES = 256
_MUCH_TOO_LONG = 4096
"""Characters of a text that is not gone through to say that it is no id."""
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Unicode's control characters (category Cc), which no id may hold."""
ID_FIELD_SEPARATOR = "\x1f"
EVENT_ID_LENGTH = 32
ORDER_LINES = ("purchase", "refund")
"""Event types of which several equal ones may be lines of one order."""


def id_problem(text: str) -> str | None:
    """Say what is wrong with an id, or None: ids are 1 to 256 UTF-8 bytes without control characters."""
    if not text:
        return "is empty"
    if len(text) <= MAX_ID_BYTES and text.isascii() and text.isprintable():  # as nearly all are
        return None
    if len(text) > _MUCH_TOO_LONG:  # which may be said of many events at once
        return f"has {len(text)} characters, more than {MAX_ID_BYTES} bytes in UTF-8"
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_ID_BYTES:
        return f"has {size} bytes in UTF-8, more than {MAX_ID_BYTES}"
    if CONTROL_CHARACTERS.search(text):
        return "holds a control character"
    return None


def event_id_of(
    user_id: str, event_type: str, item_id: str | None, timestamp: int, order_id: str | None, line: int = 0
) -> str:
    """Derive the id of an event that has none: the first 32 hex digits of a SHA-256 over its fields.

    The fields stand in this order, separated by U+001F, `timestamp` in µs since 1970, an absent one as empty text; so
    the same event sent live and found in a table has one id. Equal lines of one order are told apart by their number, `line`, which
    stands last where it is above 0.
    """
    fields = (user_id, event_type, item_id or "", str(timestamp), order_id or "", *([str(line)] if line else []))
    return hashlib.sha256(ID_FIELD_SEPARATOR.join(fields).encode()).hexdigest()[:EVENT_ID_LENGTH]
