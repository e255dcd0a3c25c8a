"""Writes in a shopper's name while shoppers are forgotten, on every database: nothing of what was found before, and what is there all
the same is deleted later."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recsys.live.dislikes import Dislike
from recsys.live.driver import ForgottenSinceError, until_written
from recsys.live.erasure import Erased, ErasureKeys, Tombstones
from recsys.live.experiments import Exposure
from recsys.live.joins import Join
from recsys.live.log import EventLog
from recsys.live.moments import Moment
from recsys.types import Event, Link, SettingsError, StateError
from tests.live.test_pinned_slates import RECEIVED, WEEKLY, pin

KEYS = ErasureKeys(["o" * 32])
AT = 100
LONG = 2**60
WRITES: dict[str, Callable[[EventLog, int | None], object]] = {
    "a send": lambda log, known: log.pins.declare(WEEKLY, RECEIVED, known),
    "a pin": lambda log, known: log.pins.pin(pin("weekly", "ann", "a"), RECEIVED, known),
    "a moment": lambda log, known: log.moments.write([Moment("m", "ann", "cart", AT, (0, LONG), b"{}")], 9, RECEIVED, known),
    "an exposure": lambda log, known: log.experiments.expose([Exposure("trial", "ann", "a", AT)], RECEIVED, known),
}


def erase(log: EventLog, *ids: str, until: int = LONG) -> None:
    """Write tombstones, and delete nothing: as a log has them whose other rows were put back from a backup."""
    log.forget([Erased(KEYS.sign(each), "", until=until) for each in ids], until)


def ids(log: EventLog) -> set[str]:
    """Every id that stands in a row."""
    counted = {
        "events": "user_id",
        "links": "user_id",
        "joins": "user_id",
        "dislikes": "user_id",
        "pins": "user_id",
        "moments": "user_id",
        "exposures": "unit",
    }
    return {
        f"{table}: {user}" for table, name in counted.items() for (user,) in log.driver.read(f"SELECT {name} FROM {table}")
    }


@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_written_by_what_was_known_before(state: EventLog, other: EventLog, name: str) -> None:
    """Who writes by what was known before somebody was forgotten is told so; by what is known now it is written."""
    state.add_events([Event(event_id="1", user_id="zoe", event_type="view", timestamp=AT)], RECEIVED)
    known = state.last()
    erase(other, "ann")
    with pytest.raises(ForgottenSinceError, match="being forgotten"):
        WRITES[name](state, known)
    assert ids(state) == {"events: zoe"}
    assert state.pins.send("weekly") is None
    WRITES[name](state, state.last())
    assert ids(state) > {"events: zoe"} or state.pins.send("weekly") == WEEKLY
    with pytest.raises(ForgottenSinceError):
        WRITES[name](state, state.last() + 5)  # of another course of the log: nothing is known of that


def test_who_is_told_so_looks_again(state: EventLog, other: EventLog) -> None:
    """As often as somebody else is forgotten; if that never ends, it is said."""
    known, looks = [0], list[int]()
    erase(other, "ann")

    def look() -> None:
        looks.append(1)
        known[0] = state.last()

    assert until_written(lambda: state.pins.pin(pin("weekly", "zoe", "a"), RECEIVED, known[0]), look).user_id == "zoe"
    assert len(looks) == 1
    with pytest.raises(StateError, match="send it again"):
        until_written(lambda: state.pins.pin(pin("weekly", "zoe", "a"), RECEIVED, 0), look)

    def cannot() -> None:
        raise SettingsError("RECSYS_FORGET_SECRETS lacks a secret")

    with pytest.raises(StateError, match="lacks a secret"):
        until_written(lambda: state.pins.pin(pin("weekly", "zoe", "a"), RECEIVED, 0), cannot)


def test_what_is_there_all_the_same_is_deleted(state: EventLog) -> None:
    """Rows of every kind that a backup brought back go again, in the periods that were erased; others stay."""
    for user in ("ann", "zoe"):
        state.add_events([Event(event_id=user, user_id=user, event_type="view", timestamp=AT)], RECEIVED)
        state.add_links([Link(anonymous_id=f"{user}'s phone", user_id=user, timestamp=AT)], RECEIVED)
        state.joins.add(Join(f"{user}'s other", user, AT), RECEIVED)
        state.dislikes.say([Dislike(user, "item", "a", AT, LONG)], RECEIVED)
        state.pins.pin(pin("weekly", user, "a"), AT)
        state.moments.write([Moment(user, user, "cart", AT, (0, LONG), b"{}")], 9, RECEIVED)
        state.experiments.expose([Exposure("trial", user, "a", AT)], RECEIVED)
    before = ids(state)
    assert len(before) == 14
    erase(state, "ann", until=AT)
    assert state.forget_again(Tombstones(KEYS, state.tombstones())) == 0, "what was done at that moment is not erased"
    erase(state, "ann", until=AT + 1)
    forgotten = Tombstones(KEYS, state.tombstones())
    assert state.forget_again(forgotten) == 7
    assert ids(state) == {each for each in before if each.endswith("zoe")}
    assert state.forget_again(forgotten) == 0
