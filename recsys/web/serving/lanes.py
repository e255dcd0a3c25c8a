"""Lanes: heavy calls take turns, and give way to the light ones between their steps.

A page must be answered in milliseconds while bulk answers, polls and cards run in the same process. Each lane of heavy
calls has a bounded number of slots and of callers that wait for one; beyond both a caller is asked to come again. A heavy
call that runs lets the light calls in flight finish before each of its steps, so that it never holds the interpreter for
longer than one step while a page waits. While light calls come in, heavy ones together rest for as long as they worked: half
of the worker's time is left, and seldom do two of them want the interpreter at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple

from recsys.web.http.problems import Problem

LaneName = Literal["stream", "card", "body", "console"]


class LaneSize(NamedTuple):
    """Calls of a lane that run at once, calls that wait for them, and seconds that one waits at most."""

    running: int
    waiting: int
    seconds: float


LANES: dict[LaneName, LaneSize] = {
    "stream": LaneSize(2, 4, 2.0),
    "card": LaneSize(1, 20, 1.5),
    "body": LaneSize(1, 8, 5.0),
    "console": LaneSize(1, 8, 10.0),
}
"""Sizes for one worker process: streams are bulk answers and polls, which hold a thread for as long as a caller reads; bodies are
light calls whose body is large or full of rows; the console's pages are for people, who wait longer."""
LARGE_BODY_BYTES = 64 * 1024
"""Bodies from this size on take milliseconds to read, and stand in a lane."""
MANY_OBJECTS = 1000
"""So do smaller ones of rows with more objects than this: `{},` in the list of items of one event is a row to be judged."""
STREAM_SECONDS = 300.0
"""Longest time that one streamed answer takes."""
STOPPING_SECONDS = 20.0
"""Time that streams have once their worker is to end; less than gunicorn's `graceful_timeout`."""
GIVE_WAY_SECONDS = 0.05
"""Longest pause for light calls in flight before one step of a heavy call, and longest rest, so that it goes on under any number of
light ones."""
LEAST_REST_SECONDS = 0.001
"""Shorter rests are put off until they are worth a change of threads."""
LATELY_SECONDS = 0.25
"""Time since the last light call after which heavy ones rest no more."""


class Lanes:
    """The calls in flight of one worker process.

    `now` tells seconds, `used` the processor time of the thread that asks, and `rest` lets some seconds go by.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now, self._used, self._rest = now, used, rest
        self._quiet = threading.Condition()
        self._light = 0
        self._last_light = self._rested = float("-inf")
        self._step = threading.local()
        self._end = float("inf")
        self._call, self._turn = _Way(self._begin_call, self._end_light), _Way(self._begin_light, self._end_light)
        self._lanes = {name: _Lane(size) for name, size in LANES.items()}

    def light(self) -> AbstractContextManager[None]:
        """Hold the way for a light call."""
        return self._call

    def turn(self) -> AbstractContextManager[None]:
        """Hold the way for a turn of the event loop, whatever it is about."""
        return self._turn

    def _begin_call(self) -> None:
        self._last_light = self._now()
        self._begin_light()

    def _begin_light(self) -> None:
        with self._quiet:
            self._light += 1

    def _end_light(self) -> None:
        with self._quiet:
            self._light -= 1
            if not self._light:
                self._quiet.notify_all()

    def enter(self, lane: LaneName) -> None:
        """Wait for a slot of a lane; `leave` gives it back.

        Raises:
            Problem: 503 with Retry-After if too many wait already, or none came free in time.
        """
        if not self._lanes[lane].enter():
            raise Problem(503, f"too many calls of this kind at once ({lane}); come again", {"Retry-After": "1"})
        self._step.began = self._used()

    def leave(self, lane: LaneName) -> None:
        """Give a slot back."""
        self._count_step()
        self._lanes[lane].leave()

    def stop(self) -> None:
        """Let streams come to an end soon: the worker is to end."""
        self._end = time.monotonic() + STOPPING_SECONDS

    def stream_end(self) -> float:
        """The moment (`time.monotonic`) at which a stream that begins now must end; it comes closer when the worker is to end."""
        return min(self._end, time.monotonic() + STREAM_SECONDS)

    def must_end(self, stream_end: float) -> bool:
        """Tell whether a stream has no time left."""
        return time.monotonic() > min(self._end, stream_end)

    def give_way(self) -> None:
        """Let the light calls in flight finish, and the worker rest from this step; call it before each step of a heavy call."""
        rested = self._count_step()
        if self._light:
            with self._quiet:
                self._quiet.wait_for(lambda: not self._light, GIVE_WAY_SECONDS)
        now = self._now()
        if rested - now >= LEAST_REST_SECONDS and now - self._last_light < LATELY_SECONDS:
            self._rest(min(rested - now, GIVE_WAY_SECONDS))

    def _count_step(self) -> float:
        used = self._used()
        worked, self._step.began = used - getattr(self._step, "began", used), used
        return self.worked(worked)

    def worked(self, worked: float) -> float:
        """Count seconds of heavy work; returns the moment at which the worker will have rested from all of it so far."""
        with self._quiet:
            now = self._now()
            self._rested = min(max(self._rested, now - worked) + 2 * worked, now + LATELY_SECONDS)
            return self._rested


class _Way:
    """The way that light calls hold, each for as long as it is inside; one object for all, since each page takes it twice."""

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._begin, self._end = begin, end

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, *error: object) -> None:
        self._end()


class _Lane:
    def __init__(self, size: LaneSize) -> None:
        self._size = size
        self._slots = threading.Semaphore(size.running)
        self._lock = threading.Lock()
        self._waiting = 0

    def enter(self) -> bool:
        if self._slots.acquire(blocking=False):
            return True
        with self._lock:
            if self._waiting >= self._size.waiting:
                return False
            self._waiting += 1
        try:
            return self._slots.acquire(timeout=self._size.seconds)
        finally:
            with self._lock:
                self._waiting -= 1

    def leave(self) -> None:
        self._slots.release()
