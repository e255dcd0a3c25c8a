"""Lanes: heavy calls take turns and let light ones go first."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from recsys.web.http.problems import Problem
from recsys.web.serving.lanes import GIVE_WAY_SECONDS, LANES, LATELY_SECONDS, MANY_OBJECTS, Lanes, LaneSize
from tests.support.servers.intake import intake, row_results, send
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


class Hours:
    """Time of a worker with one thread, which goes on when it works or rests."""

    def __init__(self) -> None:
        self.now = self.used = 100.0
        self.rests: list[float] = []
        self.lanes = Lanes(lambda: self.now, lambda: self.used, self._rest)

    def _rest(self, seconds: float) -> None:
        self.rests.append(round(seconds, 6))
        self.now += seconds

    def work(self, seconds: float) -> None:
        """Work on a step."""
        self.now += seconds
        self.used += seconds


def test_heavy_calls_rest_as_long_as_they_worked_while_pages_come() -> None:
    """Each step is followed by as much rest, also the last one of a call, by the next call; nobody rests where no page came lately."""
    hours = Hours()
    lanes = hours.lanes
    lanes.enter("stream")
    lanes.give_way()
    hours.work(0.004)
    lanes.give_way()
    assert hours.rests == []
    hours.now += 0.01
    with lanes.light():
        hours.work(0.007)
    lanes.give_way()
    hours.work(0.005)
    lanes.leave("stream")
    lanes.enter("body")
    lanes.give_way()
    assert hours.rests == [0.007, 0.005]
    hours.work(0.004)
    hours.now += LATELY_SECONDS
    lanes.give_way()
    hours.work(0.004)
    lanes.give_way()
    assert hours.rests == [0.007, 0.005]


def test_a_turn_of_the_loop_is_no_page() -> None:
    """Heavy calls come in by the loop as well: that alone makes none of them rest."""
    hours = Hours()
    hours.lanes.enter("card")
    hours.lanes.give_way()
    with hours.lanes.turn():
        hours.work(0.004)
    hours.lanes.give_way()
    assert hours.rests == []


def test_short_steps_rest_together() -> None:
    """What is too short for a rest of its own is made up for later: half of the time is work."""
    hours = Hours()
    hours.lanes.enter("stream")
    begun = hours.now
    for _ in range(1000):
        with hours.lanes.light():
            hours.work(0.0003)
        hours.lanes.give_way()
    assert len(hours.rests) < 300
    assert 0.29 < sum(hours.rests) < 0.31 < hours.now - begun


def test_no_rest_is_long() -> None:
    """A step of seconds is rested from in parts, and not for seconds."""
    hours = Hours()
    hours.lanes.enter("console")
    hours.work(9.0)
    for _ in range(20):
        with hours.lanes.light():
            hours.now += 0.01
        hours.lanes.give_way()
    assert hours.rests
    assert max(hours.rests) <= GIVE_WAY_SECONDS
    assert sum(hours.rests) <= LATELY_SECONDS


def test_small_bodies_full_of_rows_take_turns(artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in the lane of large bodies, which is closed here; ordinary ones go on."""
    monkeypatch.setitem(LANES, "body", LaneSize(0, 0, 0.0))
    app = intake(artifacts, tmp_path)

    def view(items: int) -> dict[str, object]:
        return {"client_id": "1", "events": [{"name": "view_item", "params": {"items": [{"item_id": "sofa-1"}] * items}}]}

    assert row_results(send(app, view(MANY_OBJECTS // 2)))["rejected"] == []
    refused = send(app, view(MANY_OBJECTS))
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"


def test_streams_end_soon_when_the_worker_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream has time left until it runs out or the worker stops."""
    lanes = Lanes()
    end = lanes.stream_end()
    assert not lanes.must_end(end)
    monkeypatch.setattr("recsys.web.serving.lanes.STOPPING_SECONDS", -1.0)
    lanes.stop()
    assert lanes.must_end(end)
