"""The soak's bookkeeping: what it counts, and what it complains of."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from benchmarks.soak.load import SHARES, Kind, Shop, question
from benchmarks.soak.processes import UNITS, Sample, sample, workers
from benchmarks.soak.verdict import EXPLAINED, EventCount, complaints, count_events, slopes

SHOP = Shop(0, {}, ["ana", "bo/b"], ["sofa 1"], "weekly")
FINE = EventCount(3, 0, 0)


def held(**figures: float) -> Sample:
    """A sample, flat but for some figures."""
    return dict.fromkeys(UNITS, 100.0) | figures


def test_events_are_held_against_the_log() -> None:
    """An accepted event that is not there is lost; one that is there twice is doubled, whoever sent it."""
    assert count_events({"a", "b", "c"}, {"a": 1, "b": 2, "other": 1}) == (3, 1, 1)


def test_what_grows_after_the_first_quarter_is_told() -> None:
    """Warming up is no growth; memory that grows by a tenth, or descriptors by ten, are."""
    warm = [held(private=1.0, descriptors=1)] * 5
    flat = slopes([*warm, *[held()] * 15])
    assert all(each.flat for each in flat.values())
    grown = slopes([*warm, *[held()] * 10, *[held(private=120.0, descriptors=110)] * 5])
    assert sorted(name for name, each in grown.items() if not each.flat) == ["descriptors", "private"]
    assert complaints(Counter(), FINE, {"a worker": grown}) == [
        "private of a worker grew from 100.0 to 120.0 MB",
        "descriptors of a worker grew from 100.0 to 110.0",
    ]
    assert slopes([held()] * 3) == {}


@pytest.mark.parametrize(
    ("figures", "grown"),
    [
        ({"threads": 15, "descriptors": 113, "mappings": 118}, []),
        ({"threads": 15, "descriptors": 114, "mappings": 119}, ["descriptors", "mappings"]),
        ({"threads": 61}, ["threads"]),
        ({"threads": 9, "descriptors": 104}, ["descriptors"]),
    ],
)
def test_a_thread_of_the_pool_has_some_of_its_own(figures: dict[str, float], grown: list[str]) -> None:
    """The pool fills where calls wait, up to its bound: descriptors grow by two a thread then, and not by more."""
    began = held(threads=10.0)
    found = slopes([*[began] * 15, *[{**began, **figures}] * 5])
    assert [name for name, each in found.items() if not each.flat] == grown


@pytest.mark.parametrize(
    ("outcome", "fine"),
    [*((name, True) for name in EXPLAINED), ("failed: page: 500", False), ("asked to come again: POST events", False)],
)
def test_what_is_not_explained_is_a_complaint(outcome: str, fine: bool) -> None:
    """Only named outcomes pass, so that a new one is looked at."""
    assert (complaints(Counter({outcome: 1}), FINE, {}) == []) is fine


def test_lost_and_doubled_events_are_complaints() -> None:
    """Each in a sentence."""
    assert complaints(Counter(), EventCount(9, 2, 1), {}) == [
        "2 accepted events are not in the log",
        "1 events are in the log more than once",
    ]


@pytest.mark.parametrize("kind", SHARES)
def test_a_name_makes_the_same_call(kind: Kind) -> None:
    """A call is made again from its name, with ids that no other has, nor that of another load, and ids in its address are encoded."""
    one, again, other = (question(kind, SHOP, name, random.Random(7)) for name in ("20.7", "20.7", "-1.7"))
    assert one == again
    assert "bo/b" not in one.address + other.address
    if kind == "events":
        assert not {each["event_id"] for each in one.body["events"]} & {each["event_id"] for each in other.body["events"]}


def test_a_process_is_looked_at() -> None:
    """Linux tells all figures of a process; it has no workers where it started none."""
    found = sample(os.getpid())
    assert set(found) == set(UNITS)
    assert min(found.values()) > 0
    assert os.getpid() not in workers(os.getpid())
