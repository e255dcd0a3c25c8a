"""The synthetic shop's calendar: when visits happen, and what sells in which season."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from recsys import clock
from recsys.clock import DAY, MINUTE
from recsys.types import Times
from simulator import plan
from simulator.goods import LEAF_NAMES, Floats, Ints
from simulator.words import LEAVES

HOURS = np.array([8, 4, 2, 1, 1, 2, 5, 10, 16, 20, 22, 24, 26, 24, 22, 22, 24, 28, 34, 42, 46, 40, 28, 16], np.float64)
"""Relative visits in each hour of the day, UTC."""


@dataclass(frozen=True)
class Calendar:
    """Days of the history with their pull: growth, weekdays, gift season. Times are microseconds since 1970 UTC."""

    start: int
    end: int
    sums: NDArray[np.float64]

    @property
    def span(self) -> float:
        """Days from start to end."""
        return (self.end - self.start) / DAY

    def between(self, rng: np.random.Generator, oldest: Floats, youngest: Floats) -> Times:
        """Draw a time for each pair of ages in days, busy days and hours more often."""
        grid = np.arange(len(self.sums), dtype=np.float64)
        low = np.interp(np.maximum(self.span - oldest, 0.0), grid, self.sums)
        high = np.interp(self.span - youngest, grid, self.sums)
        return self.at_hour(rng, np.interp(low + rng.random(len(low)) * (high - low), self.sums, grid).astype(np.int64))

    def at_age(self, rng: np.random.Generator, age: Floats) -> Times:
        """Draw a time of the day that lies `age` days before the end, or of the day before it."""
        return self.at_hour(rng, np.maximum(self.span - age, 0.0).astype(np.int64))

    def at_hour(self, rng: np.random.Generator, day: Ints) -> Times:
        """Draw a time on each day of the history; what would fall into the last hour moves a day back."""
        hours = np.concatenate([[0.0], np.cumsum(HOURS / HOURS.sum())])
        part = np.interp(rng.random(len(day)), hours, np.arange(25.0)) / 24
        time = self.start + day.astype(np.int64) * DAY + (part * DAY).astype(np.int64)
        return np.asarray(np.where(time > self.end - 60 * MINUTE, time - DAY, time))

    def day_of(self, time: Times) -> NDArray[np.int64]:
        """Day of the history of each time."""
        return (time - self.start) // DAY


def make_calendar(end: datetime) -> Calendar:
    """Lay out the days before `end` (UTC), the first from midnight."""
    start = (end - timedelta(days=plan.SPAN_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [start + timedelta(days=number) for number in range(plan.SPAN_DAYS + 1)]
    pull = np.linspace(1.0, plan.GROWTH, len(days)) * np.array([plan.WEEKDAYS[day.weekday()] for day in days])
    first, last, factor = plan.GIFT_SEASON
    pull *= [factor if first <= day.timetuple().tm_yday <= last else 1.0 for day in days]
    first_time, last_time = (clock.to_microseconds(moment) for moment in (start, end))
    return Calendar(first_time, last_time, np.concatenate([[0.0], np.cumsum(pull)]))


def seasons(calendar: Calendar) -> NDArray[np.float32]:
    """Pull of each leaf category on each day of the history, float32[leaves, days]."""
    start = clock.to_datetime(calendar.start).timetuple().tm_yday
    phase = 2 * np.pi * (start + np.arange(plan.SPAN_DAYS + 2)) / 365.25
    pull = np.ones((len(LEAVES), plan.SPAN_DAYS + 2), np.float32)
    for name, (peak, times) in plan.SEASONS.items():
        wave = 0.5 + 0.5 * np.cos(phase - 2 * np.pi * peak / 365.25)
        pull[LEAF_NAMES.index(name)] = 2 * (1 + (times - 1) * wave) / (1 + times)
    return pull
