"""Verdict of a soak: what was lost, doubled or failed, and what grew."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from benchmarks.soak.processes import UNITS, Sample

MEMORY_GROWTH = 0.05
"""Largest growth of memory that counts as flat, as a share; or `MEMORY_MB`, if that is more."""
MEMORY_MB = 10.0
COUNT_GROWTH = 3.0
"""Largest growth of descriptors and mappings that counts as flat, beside `OF_A_THREAD`."""
MOST_THREADS = 60
"""Threads of a worker at most: the 48 of gunicorn's pool, of which one begins where all before it are busy, and its own few."""
OF_A_THREAD = {"descriptors": 2.0, "mappings": 3.0}
"""What a thread of the pool has of its own: connections to the live log, its stack."""
SHARED = ("resident", "proportional")
"""Figures that hold pages of snapshots, which grow with the shop and are divided by who else has them: told, not judged."""
EXPLAINED = (
    "answered",
    "answered by the second attempt",
    "connection broken by a kill",
    "asked to come again: GET sends",
    "asked to come again: GET moments",
)
"""Outcomes that may be. Cards and polls may be asked to come again, for pages go before them."""


class Slope(NamedTuple):
    """One figure of one process: its medians in the second and the last quarter of the run, and whether that is flat."""

    early: float
    late: float
    flat: bool

    @property
    def growth(self) -> float:
        """By how much it grew."""
        return self.late - self.early


class EventCount(NamedTuple):
    """Accepted events against the log: how many were accepted, are not there, are there more than once."""

    accepted: int
    lost: int
    doubled: int


def slopes(samples: Sequence[Sample]) -> dict[str, Slope]:
    """Compare the last quarter of a run with the second; the first one warms up. A few samples are no slope: {}."""
    quarter = len(samples) // 4
    if not quarter:
        return {}
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    more = max(_slope("threads", early, late).growth, 0.0)
    return {name: _slope(name, early, late, more) for name in UNITS}


def count_events(accepted: Collection[str], logged: Mapping[str, int]) -> EventCount:
    """Hold accepted ids against how often the log holds each."""
    lost = sum(1 for each in accepted if each not in logged)
    return EventCount(len(accepted), lost, sum(1 for times in logged.values() if times > 1))


def complaints(outcomes: Counter[str], events: EventCount, grown: Mapping[str, Mapping[str, Slope]]) -> list[str]:
    """Say in a line each what must not be; none: the soak was passed."""
    found = [f"{times} × {name}" for name, times in sorted(outcomes.items()) if name not in EXPLAINED]
    if events.lost:
        found.append(f"{events.lost} accepted events are not in the log")
    if events.doubled:
        found.append(f"{events.doubled} events are in the log more than once")
    for process, figures in grown.items():
        for name, slope in figures.items():
            if not slope.flat and name not in SHARED:
                found.append(f"{name} of {process} grew from {slope.early:.1f} to {slope.late:.1f} {UNITS[name]}".rstrip())
    return found


def _slope(name: str, early: Sequence[Sample], late: Sequence[Sample], threads: float = 0.0) -> Slope:
    """Compare the medians of one figure; `threads` have begun meanwhile."""
    before, after = (statistics.median(sample[name] for sample in part) for part in (early, late))
    if name == "threads":
        return Slope(before, after, after <= max(MOST_THREADS, before))
    of_threads = OF_A_THREAD.get(name, 0.0) * threads
    allowed = max(MEMORY_MB, MEMORY_GROWTH * before) if UNITS[name] == "MB" else COUNT_GROWTH + of_threads
    return Slope(before, after, after - before <= allowed)
