"""Work on several partitions at once: in order, two at a time, and none after one that failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support.servers.patience import PATIENCE_SECONDS
from training.runners.ahead import worked_ahead


def test_results_come_in_order_and_two_are_made_at_once() -> None:
    """Each piece of work waits for another one to be under way, and still the first result is that of the first."""
    met = threading.Barrier(2)

    def work(part: int) -> int:
        met.wait(PATIENCE_SECONDS)
        return part * part

    assert [*worked_ahead(work, range(6))] == [part * part for part in range(6)]


def test_parts_are_taken_as_they_are_needed() -> None:
    """Of many parts, those at hand are the ones under way."""
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(100):
            taken.append(part)
            yield part

    results = worked_ahead(lambda part: part, parts())
    assert next(results) == 0
    assert taken == [0, 1]


def test_after_a_failure_nothing_else_is_begun() -> None:
    """The error of the first that fails is raised, and those that wait are not worked on."""
    begun: list[int] = []

    def work(part: int) -> int:
        begun.append(part)
        if part == 1:
            raise ValueError("part 1")
        return part

    with pytest.raises(ValueError, match="part 1"):
        list(worked_ahead(work, range(100)))
    assert max(begun) <= 2
