"""The clock and its units: moments are int64 microseconds since 1970-01-01 UTC, wherever the project counts them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> int:
    """The wall clock, in microseconds; only what a person or a caller started reads it."""
    return time.time_ns() // 1000


def to_microseconds(moment: datetime) -> int:
    """A moment as microseconds, to the last one."""
    return (moment - EPOCH) // _MICROSECOND


def to_datetime(microseconds: int) -> datetime:
    """A moment from microseconds.

    Raises:
        OverflowError: from the year 10000 on, and before the year 1.
    """
    return EPOCH + timedelta(microseconds=microseconds)
