"""Activity of shoppers in the live log: what was shown, clicked and then bought, by placement and hour, and what came to a stop.

It is counted on from page to page: each look reads what was written since the last one, in small steps, and of more than
`MAX_ROWS` rows only the newest. So a look costs the same however large the log is.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from recsys.clock import DAY, HOUR
from recsys.live.log import EventLog
from recsys.types import Event

MAX_ROWS = 60_000
"""Most rows of the log that one look reads; about a second's work."""
STEP = 500
"""Rows of the log that are read at once."""
KEPT_HOURS = 28 * 24
BOUGHT_AFTER = 7 * DAY
"""A purchase is counted for the placement on which its shopper clicked the item so shortly before."""
MAX_CLICKS = 100_000
"""Most clicks that wait for a purchase."""
STOP_HOURS = 3
STOP_EVENTS = 6
"""Something has stopped if it happened so often in the same hours of the day before, and not at all in the last `STOP_HOURS`."""
UNNAMED = ""
"""The placement of events that name none."""
SHOWN, CLICKED, BOUGHT = "impression", "click", "bought"


@dataclass(frozen=True, slots=True)
class PlacementActivity:
    """Activity on one placement in a span of time: items shown and clicked, and order lines of items clicked there before."""

    placement: str
    shown: int
    clicked: int
    bought: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Events of a type that no longer come: how many there were in the same hours of the day before."""

    event_type: str
    before: int


class Activity:
    """The counts of one worker."""

    def __init__(self, log: EventLog, placements: Collection[str]) -> None:
        """`placements` are those that are counted by themselves: a page could name any."""
        self._log, self._placements, self._lock = log, frozenset(placements), threading.Lock()
        self._read = -1
        self._by_placement: Counter[tuple[int, str, str]] = Counter()
        self._by_type: Counter[tuple[int, str]] = Counter()
        self._clicks: OrderedDict[bytes, tuple[str, int]] = OrderedDict()
        self._sends: dict[str, str] = {}
        self.since: int | None = None
        """Time of the earliest event that was counted, in microseconds; None: there was none."""

    def catch_up(self, step: Callable[[], None]) -> None:
        """Count what was written since the last look; `step` is called before each piece of work.

        Raises:
            StateError: if the log cannot be read.
        """
        with self._lock:
            last = self._log.last()
            if self._read < 0 or last - self._read > MAX_ROWS:
                self._start_at(max(0, last - MAX_ROWS))
            while self._read < last:
                step()
                until = min(self._read + STEP, last)
                for batch in self._log.events_between(self._read, until):
                    self._count(event for _, _, event in batch)
                self._read = until
            self._drop_old()

    def by_placement(self, now: int, hours: int) -> list[PlacementActivity]:
        """Return what happened in the last hours, the placement with the most clicks first."""
        counts: Counter[tuple[str, str]] = Counter()
        first, last = (now - hours * HOUR) // HOUR, now // HOUR
        with self._lock:
            for (hour, placement, what), count in self._by_placement.items():
                if first < hour <= last:
                    counts[placement, what] += count
        found = [
            PlacementActivity(name, *(counts[name, what] for what in (SHOWN, CLICKED, BOUGHT)))
            for name in {placement for placement, _ in counts}
        ]
        return sorted(found, key=lambda each: (-each.clicked, -each.shown, each.placement))

    def stopped(self, now: int) -> list[Stopped]:
        """Return what came in these hours of yesterday and does not come today."""
        with self._lock:
            counts = dict(self._by_type)
        last = now // HOUR
        hours = range(last - STOP_HOURS, last + 1)

        def came(event_type: str, days: int) -> int:
            return sum(counts.get((hour - 24 * days, event_type), 0) for hour in hours)

        kinds = sorted({event_type for _, event_type in counts})
        found = [Stopped(kind, came(kind, 1)) for kind in kinds if not came(kind, 0)]
        return [each for each in found if each.before >= STOP_EVENTS]

    def _start_at(self, seq: int) -> None:
        """Count anew from a row on."""
        self._read, self.since = seq, None
        self._by_placement.clear()
        self._by_type.clear()
        self._clicks.clear()

    def _count(self, events: Iterable[Event]) -> None:
        for event in events:
            hour = event.timestamp // HOUR
            self.since = event.timestamp if self.since is None else min(self.since, event.timestamp)
            self._by_type[hour, event.event_type] += 1
            if event.event_type in (SHOWN, CLICKED):
                placement = self._placement(event)
                self._by_placement[hour, placement, event.event_type] += 1
                if event.event_type == CLICKED:
                    self._note_click(event, placement)
            elif event.event_type == "purchase":
                self._note_purchase(event, hour)

    def _note_click(self, event: Event, placement: str) -> None:
        key = _pair(event)
        self._clicks.pop(key, None)
        self._clicks[key] = placement, event.timestamp
        if len(self._clicks) > MAX_CLICKS:
            self._clicks.popitem(last=False)

    def _note_purchase(self, event: Event, hour: int) -> None:
        click = self._clicks.get(_pair(event))
        if click is not None and 0 <= event.timestamp - click[1] <= BOUGHT_AFTER:
            self._by_placement[hour, click[0], BOUGHT] += 1

    def _placement(self, event: Event) -> str:
        named = (event.properties or {}).get("placement")
        if isinstance(named, str) and named in self._placements:
            return named
        return self._placement_of_send(event.send_id) if event.send_id else UNNAMED

    def _placement_of_send(self, send_id: str) -> str:
        if send_id not in self._sends:
            if len(self._sends) >= MAX_CLICKS:
                self._sends.clear()
            send = self._log.pins.send(send_id)
            self._sends[send_id] = send.placement if send else UNNAMED
        return self._sends[send_id]

    def _drop_old(self) -> None:
        oldest = max((hour for hour, _ in self._by_type), default=0) - KEPT_HOURS
        _drop_before(self._by_placement, oldest)
        _drop_before(self._by_type, oldest)


def _pair(event: Event) -> bytes:
    """A shopper and an item in few bytes, so that no id is kept."""
    return blake2b(f"{event.user_id}\n{event.item_id}".encode(), digest_size=8).digest()


def _drop_before(counts: Counter[Any], hour: int) -> None:
    for key in [key for key in counts if key[0] < hour]:
        del counts[key]
