"""Intake of events into the live log: what a forgotten user did before being forgotten is taken, and not written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recsys.engine.serving_state import ServingState
from recsys.live.driver import Appended
from recsys.live.erasure import Tombstones
from recsys.live.log import EventLog
from recsys.types import Event

MAX_TRIES = 5
"""Most attempts to write events while others are forgotten at the same time."""


def write_by(serving: ServingState, state: EventLog, events: Sequence[Event], received: int) -> list[bool] | None:
    """Write events by what was known a moment ago, and have the state know of them; see `write`."""
    known = serving.read_to  # before the tombstones are asked: other threads read on meanwhile
    return write(state, events, received, known, serving.forgotten, serving.take_own)


def write(
    state: EventLog,
    events: Sequence[Event],
    received: int,
    known: int,
    forgotten: Tombstones,
    took: Callable[[Sequence[Event], Appended], None] = lambda events, added: None,
) -> list[bool] | None:
    """Write the events that none of the tombstones up to number `known` covers; the others count as fresh.

    Returns:
        False for an event whose id was there already. None, and nothing is written: somebody was forgotten since, or that cannot be
        told.
    """
    kept = [not forgotten.cover(each.user_id, each.timestamp) for each in events] if forgotten else [True] * len(events)
    left = [each for each, keep in zip(events, kept, strict=True) if keep]
    if (added := state.add_events_unless_forgotten(left, received, known)) is None:
        return None
    took(left, added)
    fresh = iter(added.fresh)
    return [next(fresh) if keep else True for keep in kept]
