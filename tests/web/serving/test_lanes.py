"""Lanes: heavy calls take turns and let light ones go first."""

from __future__ import annotations

import threading

import pytest

from recsys.web.http.problems import Problem
from recsys.web.serving.lanes import LANES, Lanes
from tests.support.servers.patience import PATIENCE_SECONDS


@pytest.mark.long
def test_a_full_lane_asks_to_come_again() -> None:
    """With all slots taken, callers wait; one that finds too many waiting, or waits too long, gets a 503 with Retry-After."""
    lanes, size = Lanes(), LANES["card"]
    for _ in range(size.running):
        lanes.enter("card")
    refused: list[Problem] = []

    def ask() -> None:
        try:
            lanes.enter("card")
        except Problem as problem:
            refused.append(problem)

    callers = [threading.Thread(target=ask) for _ in range(size.waiting + 1)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE_SECONDS)
    assert len(refused) == size.waiting + 1
    assert {problem.status for problem in refused} == {503}
    assert refused[0].headers["Retry-After"] == "1"
    lanes.leave("card")
    lanes.enter("card")


def test_lanes_do_not_stand_in_each_others_way() -> None:
    """A full lane refuses nobody in another one."""
    lanes = Lanes()
    for _ in range(LANES["stream"].running):
        lanes.enter("stream")
    lanes.enter("card")


def test_a_heavy_call_waits_for_light_ones_but_not_for_ever() -> None:
    """It goes on once the last light call is done, and in any case after a moment."""
    lanes = Lanes()
    went_on = threading.Event()

    def heavy() -> None:
        lanes.give_way()
        went_on.set()

    with lanes.light():
        other = threading.Thread(target=heavy)
        other.start()
        assert went_on.wait(PATIENCE_SECONDS), "a light call that takes long does not stop a heavy one"
    other.join()
    lanes.give_way()


def test_streams_end_soon_when_the_worker_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream has time left until it runs out or the worker stops."""
    lanes = Lanes()
    end = lanes.stream_end()
    assert not lanes.must_end(end)
    monkeypatch.setattr("recsys.web.serving.lanes.STOPPING_SECONDS", -1.0)
    lanes.stop()
    assert lanes.must_end(end)
