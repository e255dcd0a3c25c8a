"""Steady clock of a running service: the wall clock, held against the time that has passed, so that a jump of it is noticed.

A wall clock that is set ten years ahead for a minute would date rows for ever: events and erasures would count until then. So what is
written asks `trusted`, which refuses; what is only read goes on with `now`, which does not jump.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from recsys import clock
from recsys.clock import DAY, HOUR
from recsys.web.http.problems import ClockError

_log = logging.getLogger(__name__)
LARGEST_CORRECTION = HOUR
"""A wall clock that is set by no more is followed (microseconds)."""
LONGEST_SILENCE = 5 * 365 * DAY
"""An erasure so long after everything that is known of the shop is refused: the clock is wrong (microseconds)."""


def _passed() -> int:
    """Microseconds since the machine started, those in which it slept included."""
    name = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(name) // 1000


class SteadyClock:
    """The time of a service; threads and forked processes may share it."""

    def __init__(self, wall: Callable[[], int] = clock.now, passed: Callable[[], int] = _passed) -> None:
        """`wall`: microseconds since 1970; `passed`: microseconds since any moment, which nobody sets."""
        self._wall, self._passed = wall, passed
        self._known = wall(), passed()
        self._reported = False

    def now(self) -> int:
        """The moment in microseconds; while the wall clock has jumped, the one at which it would stand otherwise."""
        return self._look()[0]

    def trusted(self) -> int:
        """The moment in microseconds, for what is written.

        Raises:
            ClockError: while the wall clock has jumped.
        """
        now, jump = self._look()
        if jump:
            raise ClockError(said(jump))
        return now

    def jump(self) -> int:
        """Tell how far the wall clock has jumped ahead (microseconds; below 0: back); 0: it has not."""
        return self._look()[1]

    def tell(self) -> None:
        """Log that the wall clock jumped, once, and that it is right again."""
        jump = self.jump()
        if jump and not self._reported:
            _log.error("%s", said(jump))
        elif self._reported and not jump:
            _log.info("the clock is right again")
        self._reported = bool(jump)

    def _look(self) -> tuple[int, int]:
        (wall, passed), (known, then) = (self._wall(), self._passed()), self._known
        expected = known + passed - then
        if abs(wall - expected) > LARGEST_CORRECTION:
            return expected, wall - expected
        self._known = wall, passed
        return wall, 0


def said(jump: int) -> str:
    """A jump in words, with what to do."""
    far = f"{abs(jump) / HOUR:,.0f} hours" if abs(jump) < 2 * DAY else f"{abs(jump) / DAY:,.0f} days"
    return (
        f"the clock of this machine jumped {far} {'ahead' if jump > 0 else 'back'} while the service ran, so nothing is written; "
        "set it right, or restart the service if it is right now"
    )


def moment_of_erasure(now: int, newest: int) -> int:
    """The moment up to which somebody is erased: now, and never before the newest event that is known (microseconds).

    Raises:
        ClockError: if all that is known lies years back: an erasure dated ahead would hold for all that comes until then.
    """
    if now - newest > LONGEST_SILENCE:
        raise ClockError(
            f"the clock says {clock.to_datetime(now):%Y-%m-%d}, but the newest that is known of the shop is of "
            f"{clock.to_datetime(newest):%Y-%m-%d}, so nobody is erased; set the clock right, or train on newer events"
        )
    return max(now, newest)
