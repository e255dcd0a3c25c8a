"""Moments as answers write them and callers give them."""

from __future__ import annotations

import re
from datetime import datetime

from recsys import clock

_MICROSECONDS = re.compile(r"[0-9]{1,18}")


def iso(microseconds: int) -> str:
    """A moment in microseconds since 1970 as ISO 8601 in UTC."""
    return clock.to_datetime(microseconds).isoformat()


def microseconds(given: int | str) -> int | None:
    """Read ISO 8601 with a zone as microseconds since 1970, or take a number as it is; None: it is neither."""
    if isinstance(given, int) or _MICROSECONDS.fullmatch(given):
        return int(given)
    try:
        time = datetime.fromisoformat(given)
    except ValueError:
        return None
    return None if time.tzinfo is None else clock.to_microseconds(time)
