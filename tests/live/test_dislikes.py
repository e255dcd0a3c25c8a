"""Dislikes in the live log: of each value what was said last, for every process, until it ends or is erased."""

from __future__ import annotations

import pytest

from recsys.live.dislikes import Dislike
from recsys.live.driver import ForgottenSinceError
from recsys.live.erasure import Erased
from recsys.live.log import EventLog

RECEIVED = 1_000_000


def test_what_was_said_last_counts(state: EventLog, other: EventLog) -> None:
    """A no that comes late changes nothing of what was said after it; every process reads the same."""
    assert other.news(0).disliked == 0
    said, undone = Dislike("ada", "item", "sofa-1", 10, 100), Dislike("ada", "item", "sofa-1", 20, 20)
    brand = Dislike("ada", "brand", "Oakly", 5, 95)
    state.dislikes.say([said, brand], RECEIVED)
    first = other.news(0).disliked
    state.dislikes.say([undone], RECEIVED)
    assert other.news(0).disliked > first > 0
    state.dislikes.say([said], RECEIVED)
    assert other.dislikes.of(["ada", "bob"]) == [brand, undone]
    assert other.dislikes.of(["bob"]) == []


def test_only_so_many_of_an_id_are_kept(state: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest stay."""
    monkeypatch.setattr("recsys.live.dislikes.MAX_DISLIKES", 2)
    state.dislikes.say([Dislike("ada", "item", f"sofa-{at}", at, 100) for at in (3, 1, 2)], RECEIVED)
    assert [each.value for each in state.dislikes.of(["ada"])] == ["sofa-2", "sofa-3"]


def test_what_ended_and_what_is_erased_goes(state: EventLog) -> None:
    """Ended ones are dropped by the job; an erasure takes those of its period."""
    state.dislikes.say([Dislike(user, "item", "sofa-1", 10, until) for user, until in (("ada", 20), ("bob", 90))], RECEIVED)
    assert state.dislikes.drop(50) == 1
    assert [each.user_id for each in state.dislikes.of(["ada", "bob"])] == ["bob"]
    assert state.forget([Erased("s:1", "bob", until=100)], 100)["dislikes"] == 1
    assert state.dislikes.of(["bob"]) == []


def test_nothing_is_written_beside_an_erasure(state: EventLog, other: EventLog) -> None:
    """Who says no by what was known before somebody was forgotten is told so, on every database."""
    said = Dislike("ada", "item", "sofa-1", 10, 100)
    known = state.last()
    state.dislikes.say([said], RECEIVED, known)
    other.forget([Erased("s:1", "ada", until=100)], 100)
    with pytest.raises(ForgottenSinceError):
        state.dislikes.say([said], RECEIVED, known)
    assert state.dislikes.of(["ada"]) == []
    state.dislikes.say([said], RECEIVED, state.last())
    assert state.dislikes.of(["ada"]) == [said]
