"""Joins of accounts in the live log: what was said last stands, for every process, and an erasure leaves nothing of them."""

from __future__ import annotations

import pytest

from recsys.live.erasure import Erased
from recsys.live.joins import Join, JoinChange
from recsys.live.log import EventLog

RECEIVED = 1_000_000


def test_what_was_said_last_stands(state: EventLog, other: EventLog) -> None:
    """A join, its undo and another join are told to every process, the last of each account."""
    assert state.joins.add(Join("ada", "bob", 5), RECEIVED)
    assert other.joins.changes(0) == [JoinChange(1, "ada", Join("ada", "bob", 5))]
    assert state.joins.undo("ada", RECEIVED)
    assert not state.joins.undo("ada", RECEIVED)
    assert other.joins.changes(1) == [JoinChange(2, "ada", None)]
    assert state.joins.add(Join("ada", "cleo", 7), RECEIVED)
    assert other.joins.changes(0) == [JoinChange(3, "ada", Join("ada", "cleo", 7))]
    assert other.joins.changes(3) == []


def test_an_erasure_leaves_no_join(state: EventLog) -> None:
    """Neither as the account nor as the one that it went into; later ones stay."""
    for join in (Join("ada", "bob", 5), Join("bob", "cleo", 6), Join("dan", "ada", 500), Join("eve", "fay", 5)):
        state.joins.add(join, RECEIVED)
    removed = state.forget([Erased("s:1", "ada", until=100), Erased("s:2", "bob", until=100)], 100)
    assert removed["joins"] == 2
    assert [each.account_id for each in state.joins.changes(0)] == ["dan", "eve"]


def test_there_is_room_for_so_many(state: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is not written; another one of an account that is joined is."""
    monkeypatch.setattr("recsys.live.joins.MAX_JOINS", 1)
    assert state.joins.add(Join("ada", "bob", 5), RECEIVED)
    assert not state.joins.add(Join("cleo", "bob", 5), RECEIVED)
    assert state.joins.add(Join("ada", "cleo", 6), RECEIVED)
