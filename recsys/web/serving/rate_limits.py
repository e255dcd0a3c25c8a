"""Rate limits by caller and route, of logins by address, and of dislikes by reader; each worker counts for itself."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from recsys.settings import RateLimit
from recsys.types import SettingsError
from recsys.web.http.auth import Caller
from recsys.web.http.problems import Problem

_LEAST_SWEPT = 10_000
"""Callers up to whose number ended windows are not looked for."""


class RateLimits:
    """The limits of one worker process; a caller is the shopper of a token, or a key."""

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        """Read the limits.

        Raises:
            SettingsError: naming the rate that cannot be read.
        """
        self._limits = [(limit, _rate(limit.rate)) for limit in limits]
        self._windows = FixedWindowRateLimiter(_Windows())

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
        wait = _wait(self._windows, rate, limit.route, caller.name)
        return Problem(429, f"more than {limit.rate} calls of this caller", {"Retry-After": wait}, allowed=limit.rate)


class Attempts:
    """Limit of what one address or reader may do so often, in one worker process."""

    def __init__(self, text: str, setting: str, what: str) -> None:
        """Read the rate that a setting names, of what is done.

        Raises:
            SettingsError: if it cannot be read.
        """
        self._text, self._rate, self._what = text, _rate(text, setting), what
        self._windows = FixedWindowRateLimiter(_Windows())

    def check(self, whose: str) -> None:
        """Count one attempt.

        Raises:
            Problem: 429 with Retry-After (seconds) once there were too many.
        """
        if not self._windows.hit(self._rate, whose):
            wait = _wait(self._windows, self._rate, whose)
            raise Problem(429, f"more than {self._text} {self._what}; try again in {wait} s", {"Retry-After": wait})


class _Windows(Storage):
    """Windows of callers in memory. That of the library starts a thread a hundred times a second, which goes through all callers; here
    those that have ended go when their number has doubled."""

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[float, int]] = {}
        """Caller = when the window ends (seconds), and the calls in it."""
        self._lock, self._sweep_at = threading.Lock(), _LEAST_SWEPT

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing here fails."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count calls; returns how many there are in the window that stands, or begins now for so many seconds."""
        now = time.time()
        with self._lock:
            end, count = self._windows.get(key, (0.0, 0))
            if end <= now:
                end, count = now + expiry, 0
                self._sweep(now)
            self._windows[key] = end, count + amount
        return count + amount

    def _sweep(self, now: float) -> None:
        if len(self._windows) >= self._sweep_at:
            self._windows = {key: window for key, window in self._windows.items() if window[0] > now}
            self._sweep_at = max(_LEAST_SWEPT, 2 * len(self._windows))

    def get(self, key: str) -> int:
        """Calls in the window that stands."""
        end, count = self._windows.get(key, (0.0, 0))
        return count if end > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """The moment at which the window ends, in seconds."""
        return self._windows.get(key, (time.time(), 0))[0]

    def check(self) -> bool:
        """Memory is there."""
        return True

    def reset(self) -> int:
        """Begin anew; returns how many callers there were."""
        count = len(self._windows)
        self._windows = {}
        return count

    def clear(self, key: str) -> None:
        """Begin anew for a caller."""
        self._windows.pop(key, None)


def _wait(windows: FixedWindowRateLimiter, rate: RateLimitItem, *caller: str) -> str:
    """Seconds until a caller may come again."""
    return str(max(1, math.ceil(windows.get_window_stats(rate, *caller).reset_time - time.time())))


def _rate(text: str, setting: str = "web.limits.rate") -> RateLimitItem:
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{setting}: {text!r} is no rate; allowed: such as 20/second or 600/minute") from error
