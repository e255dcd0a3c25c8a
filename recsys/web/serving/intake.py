"""Intake of what people do into the live log: what somebody did before being forgotten is taken, and not written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recsys.engine.serving_state import ServingState
from recsys.live.driver import Appended, Written, until_written
from recsys.live.erasure import Tombstones
from recsys.live.log import EventLog
from recsys.types import Event, Link


def write_down(
    state: EventLog,
    events: Sequence[Event],
    received: int,
    serving: ServingState | None,
    look: Callable[[], ServingState | None],
    tombstones: Callable[[], Tombstones],
) -> list[bool]:
    """Write events by what was known a moment ago (`serving`), and have that know of them.

    Returns:
        False for an event whose id was there already.

    Raises:
        StateError: as `unless_forgotten`.
    """

    def write(known: int, forgotten: Tombstones, found: ServingState | None) -> list[bool]:
        return _write(state, events, received, known, forgotten, *(() if found is None else (found.take_own,)))

    return unless_forgotten(state, serving, look, tombstones, write)


def new_links(links: Sequence[Link], serving: ServingState) -> list[Link]:
    """Those that are not known, and not from before one of their ids was forgotten."""
    cover = serving.forgotten.cover
    new = [each for each in links if not serving.is_repeated(each)]
    return [each for each in new if not any(cover(one, each.timestamp) for one in (each.anonymous_id, each.user_id))]


def unless_forgotten(
    state: EventLog,
    serving: ServingState | None,
    look: Callable[[], ServingState | None],
    tombstones: Callable[[], Tombstones],
    write: Callable[[int, Tombstones, ServingState | None], Written],
) -> Written:
    """Write by what was known a moment ago (`serving`); where somebody was forgotten since, look and try again. Before a snapshot is
    loaded the tombstones themselves are read.

    `write` is given a number, the tombstones up to it, and who knows them; it raises ForgottenSinceError.

    Raises:
        StateError: if the log cannot be read or written, or others are forgotten all the time.
    """
    found = serving

    def attempt() -> Written:
        nonlocal found
        if (found := found or look()) is not None:
            known = found.read_to  # before the tombstones are asked: other threads read on meanwhile
            return write(known, found.forgotten, found)
        known = state.last()
        return write(known, tombstones(), None)

    def look_anew() -> None:
        nonlocal found
        found = None

    return until_written(attempt, look_anew)


def _write(
    state: EventLog,
    events: Sequence[Event],
    received: int,
    known: int,
    forgotten: Tombstones,
    took: Callable[[Sequence[Event], Appended], None] = lambda events, added: None,
) -> list[bool]:
    """Write the events that none of the tombstones up to number `known` covers; the others count as fresh.

    Returns:
        False for an event whose id was there already.

    Raises:
        ForgottenSinceError: nothing is written, for somebody was forgotten since, or that cannot be told.
    """
    kept = [not forgotten.cover(each.user_id, each.timestamp) for each in events] if forgotten else [True] * len(events)
    left = [each for each, keep in zip(events, kept, strict=True) if keep]
    added = state.add_events_unless_forgotten(left, received, known)
    took(left, added)
    fresh = iter(added.fresh)
    return [next(fresh) if keep else True for keep in kept]
