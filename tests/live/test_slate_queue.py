"""Slates on their way to the log: none is lost without being counted, and a log that is well again gets what waited."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.live import slate_queue
from recsys.live.erasure import Tombstones
from recsys.live.slate_queue import WAITING, SlateQueue
from recsys.live.sqlite import database
from recsys.types import StateError
from tests.live.drivers import Driver
from tests.live.test_slate_log import erased, note


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for long."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.02)
    monkeypatch.setattr(slate_queue, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(slate_queue, "RETRY_SECONDS", 0.01)


def until(reached: Callable[[], bool]) -> None:
    """Look again and again until something is so."""
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline


def numbers(queue: SlateQueue) -> list[int]:
    """The moments of the slates in the log."""
    return sorted(each.answered_at for each in queue.log.newest(10_000))


def written(queue: SlateQueue) -> list[int]:
    """The same, as far as the log can be read already."""
    try:
        return numbers(queue)
    except StateError:
        return []


def test_the_thread_writes_what_it_was_offered(driver: Driver, tmp_path: Path) -> None:
    """Stopping waits until everything that found room stands in the log; the rest is counted."""
    queue = SlateQueue(driver.open_slates(tmp_path, 10_000))
    queue.start()
    for number in range(3 * WAITING):
        queue.offer(note(number))
    queue.stop()
    assert len(numbers(queue)) + queue.take_dropped() == 3 * WAITING
    assert queue.take_dropped() == 0


def test_what_is_to_be_kept_waits_for_room(driver: Driver, tmp_path: Path) -> None:
    """More slates than the queue takes are all written, and none is dropped, however fast they come."""
    queue = SlateQueue(driver.open_slates(tmp_path, 10_000))
    queue.start()
    for number in range(3 * WAITING):
        queue.keep(note(number))
    queue.stop()
    assert (len(numbers(queue)), queue.take_dropped()) == (3 * WAITING, 0)


def test_without_a_thread_slates_are_written_now(driver: Driver, tmp_path: Path) -> None:
    """So it is in the command line, before a worker has started, and after it has stopped."""
    queue = SlateQueue(driver.open_slates(tmp_path, 9))
    queue.keep(note(1))
    queue.start()
    queue.stop()
    queue.offer(note(2))
    assert numbers(queue) == [1, 2]


def test_what_waits_is_not_written_once_its_user_is_erased(driver: Driver, tmp_path: Path) -> None:
    """A slate is held against the tombstones when it is written, not when it is offered."""
    now: list[Callable[[], Tombstones]] = [erased()]
    queue = SlateQueue(driver.open_slates(tmp_path, 9, lambda: now[0]()))
    queue.start()
    with queue._changed:
        queue._waiting += [note(1), note(2, "ben")]
        now[0] = erased(("ana", 0, 9))
    queue.stop()
    assert numbers(queue) == [2]


@pytest.mark.long
def test_a_log_that_is_busy_loses_nothing(driver: Driver, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While somebody else holds the file for longer than a write waits, slates wait too, and are written after that."""
    queue = SlateQueue(driver.open_slates(tmp_path, 99))
    queue.log.write([note(0)])
    queue.start()
    with driver.busy_slates(tmp_path), caplog.at_level(logging.ERROR):
        for number in range(1, 11):
            queue.keep(note(number))
        until(lambda: "slates wait until they can be logged" in caplog.text)
    until(lambda: len(numbers(queue)) == 11)
    queue.stop()
    assert (numbers(queue), queue.take_dropped()) == (list(range(11)), 0)
    assert len(caplog.records) == 1


def test_a_disk_that_is_well_again_gets_what_waited(
    driver: Driver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be written now is tried again."""
    queue = SlateQueue(driver.open_slates(tmp_path / "state", 9))
    with driver.away(tmp_path / "state"):
        queue.start()
        queue.offer(note(1))
        until(lambda: "slates wait until they can be logged" in caplog.text)
    until(lambda: written(queue) == [1])
    queue.stop()
    assert queue.take_dropped() == 0


def test_what_cannot_be_written_to_the_end_is_counted(
    driver: Driver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that ends while the log is broken gives up what waits, and says how much it was; none is waited for meanwhile."""
    queue = SlateQueue(driver.open_slates(tmp_path / "state", 9))
    with driver.away(tmp_path / "state"):
        queue.start()
        queue.keep(note(0))
        until(lambda: "slates wait until they can be logged" in caplog.text)
        began = time.monotonic()
        for number in range(1, WAITING + 6):
            queue.keep(note(number))
        assert time.monotonic() - began < 5 * slate_queue.MAX_SECONDS
        queue.stop()
    assert queue.take_dropped() == WAITING + 6


def test_a_slate_that_cannot_be_written_takes_no_other_along(driver: Driver, tmp_path: Path) -> None:
    """Of a batch with one that no database takes, that one alone is given up, and counted."""
    queue = SlateQueue(driver.open_slates(tmp_path, 99))
    queue.start()
    with queue._changed:
        queue._waiting += [note(1), note(2, "\ud800"), note(3)]
    queue.stop()
    assert (numbers(queue), queue.take_dropped()) == ([1, 3], 1)
