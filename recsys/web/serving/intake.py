"""Intake of events into the live log: what a forgotten user did before being forgotten is taken, and not written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from recsys.engine.serving_state import ServingState
from recsys.live.erasure import Tombstones
from recsys.live.log import EventLog
from recsys.types import Event

_Fresh = TypeVar("_Fresh", list[bool], list[bool] | None)


def write_by(serving: ServingState, state: EventLog, events: Sequence[Event], received: int) -> list[bool] | None:
    """Write events by what was known a moment ago; False: an event of that id was there already. None, and nothing is written:
    somebody was forgotten since, or that cannot be told."""
    known = serving.read_to  # before the tombstones are asked: other threads read on meanwhile

    def add(kept: Sequence[Event]) -> list[bool] | None:
        added = state.add_events_unless_forgotten(kept, received, known)
        if added is None:
            return None
        serving.take_own(kept, added)
        return added.fresh

    return write(events, serving.forgotten, add)


def write(events: Sequence[Event], forgotten: Tombstones, add: Callable[[Sequence[Event]], _Fresh]) -> _Fresh:
    """Add the events that no tombstone covers; the others count as fresh."""
    if not forgotten:
        return add(events)
    kept = [not forgotten.cover(each.user_id, each.timestamp) for each in events]
    if (added := add([each for each, keep in zip(events, kept, strict=True) if keep])) is None:
        return added
    fresh = iter(added)
    return [next(fresh) if keep else True for keep in kept]
