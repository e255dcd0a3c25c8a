"""Shared memory for metrics: counts of all workers, also of those that have ended."""

from __future__ import annotations

import re

import pytest

from recsys.web.http.metrics import Metrics
from recsys.web.http.metrics_board import SLOT_BYTES, SLOTS, MetricsBoard, Sample


def value(metrics: Metrics, sample: str) -> float | None:
    """The value of one sample in the text of all workers."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", metrics.text().decode(), re.MULTILINE)
    return float(found[1]) if found else None


def workers() -> tuple[Metrics, Metrics]:
    """Two workers' metrics on one board."""
    one, other = Metrics(), Metrics()
    other.board = one.board
    one.use(one.board.reserve())
    other.use(one.board.reserve())
    return one, other


def test_counts_add_up_and_the_age_is_that_of_the_last() -> None:
    """Counters and histograms are sums over workers, the snapshot's age is the largest."""
    one, other = workers()
    for metrics, age in ((one, 10.0), (other, 30.0)):
        metrics.request("/v1/popular", 200, 0.004)
        metrics.snapshot("v1", age)
        metrics.publish()
    assert value(one, 'recsys_requests_total{route="/v1/popular",status="200"}') == 2
    assert value(one, 'recsys_request_seconds_count{route="/v1/popular"}') == 2
    assert value(one, "recsys_snapshot_age_seconds") == 30
    assert value(other, 'recsys_snapshot_workers{version="v1"}') == 2


def test_a_worker_that_has_ended_leaves_its_counts_and_no_gauges() -> None:
    """Counters never go back; a gauge is only that of who lives."""
    one, other = workers()
    slot = other._slot
    other.request("/v1/popular", 200, 0.004)
    other.snapshot("v1", 30.0)
    other.publish()
    for _ in range(3):
        one.board.retire(slot)
        assert one.board.reserve() == slot
        assert value(one, 'recsys_requests_total{route="/v1/popular",status="200"}') == 1
    assert value(one, 'recsys_snapshot_workers{version="v1"}') is None


def test_versions_leave_no_series_behind() -> None:
    """Only the version that is served has a series, however many were served before."""
    metrics = Metrics()
    for number in range(50):
        metrics.snapshot(f"v{number}", 1.0)
    assert metrics.text().count(b"recsys_snapshot_workers{") == 1


def test_samples_that_do_not_fit_leave_what_stood_there() -> None:
    """A text larger than its slot is not written, and its neighbours stay whole."""
    board = MetricsBoard()
    good = [Sample("a", "counter", "help", "a_total", (), 1.0)]
    assert board.publish(1, good)
    assert board.publish(2, good)
    assert not board.publish(1, [Sample("a", "counter", "x" * SLOT_BYTES, "a_total", (), 2.0)])
    assert list(board.samples()) == good * 2


def test_more_workers_than_slots_are_served_uncounted() -> None:
    """Who finds no slot goes without."""
    board = MetricsBoard()
    taken = [board.reserve() for _ in range(SLOTS)]
    assert taken[-1] is None
    board.retire(taken[-1])
    assert len({*taken}) == SLOTS


@pytest.mark.parametrize("odd", [1, 7])
def test_half_written_samples_are_passed_over(odd: int) -> None:
    """A worker that was killed while it wrote counts for nothing until its slot is used again."""
    board = MetricsBoard()
    board.publish(1, [Sample("a", "counter", "help", "a_total", (), 1.0)])
    board._memory[SLOT_BYTES] = odd
    assert not list(board.samples())
