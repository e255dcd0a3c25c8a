"""Rate limits by caller and route, each worker counting for itself."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from recsys.settings import RateLimit
from recsys.types import SettingsError
from recsys.web.http.auth import Caller
from recsys.web.http.problems import Problem


class RateLimits:
    """The limits of one worker process; a caller is the shopper of a token, or a key."""

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        """Read the limits.

        Raises:
            SettingsError: naming the rate that cannot be read.
        """
        self._limits = [(limit, _rate(limit.rate)) for limit in limits]
        self._windows = FixedWindowRateLimiter(MemoryStorage())

    def check(self, caller: Caller, route: str) -> None:
        """Count one call.

        Raises:
            Problem: 429 with Retry-After (seconds) once a limit of the caller is reached.
        """
        for limit, rate in self._limits:
            counted = limit.caller in caller.kinds and limit.route in ("", route)
            if counted and not self._windows.hit(rate, limit.route, caller.name):
                raise self._refusal(limit, rate, caller)

    def _refusal(self, limit: RateLimit, rate: RateLimitItem, caller: Caller) -> Problem:
        reset = self._windows.get_window_stats(rate, limit.route, caller.name).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        return Problem(429, f"more than {limit.rate} calls of this caller", {"Retry-After": str(wait)}, allowed=limit.rate)


def _rate(text: str) -> RateLimitItem:
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"web.limits.rate: {text!r} is no rate; allowed: such as 20/second or 600/minute") from error
