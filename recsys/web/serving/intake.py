"""Intake of what people do into the live log: what somebody did before being forgotten is taken, and not written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recsys.engine.serving_state import ServingState
from recsys.live.driver import BEING_FORGOTTEN, MAX_TRIES, Appended, Written
from recsys.live.erasure import Tombstones
from recsys.live.log import EventLog
from recsys.types import Event, Link, StateError


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

    def write(known: int, forgotten: Tombstones, found: ServingState | None) -> list[bool] | None:
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
    write: Callable[[int, Tombstones, ServingState | None], Written | None],
) -> Written:
    """Write by what was known a moment ago (`serving`); where somebody was forgotten since, look and try again. Before a snapshot is
    loaded the tombstones themselves are read.

    `write` is given a number, the tombstones up to it, and who knows them; None: somebody was forgotten after that number.

    Raises:
        StateError: if the log cannot be read or written, or others are forgotten all the time.
    """
    for _ in range(MAX_TRIES):
        if (serving := serving or look()) is not None:
            known = serving.read_to  # before the tombstones are asked: other threads read on meanwhile
            written = write(known, serving.forgotten, serving)
        else:
            known = state.last()
            written = write(known, tombstones(), None)
        if written is not None:
            return written
        serving = None
    raise StateError(BEING_FORGOTTEN)


def _write(
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
