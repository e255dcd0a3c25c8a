"""Benchmark of an experiment from settings to read-out on the events of a real shop: `make benchmark-replayed`.

The shop is trained up to a moment. What came after it is replayed in order: before each visit its shopper asks for a list of an arm,
sees it, and clicks the items of it that the visit has. So orders are those that came anyway, and no arm can change them; clicks are
more where an arm knows the shopper better. Then `make experiment` reads the tables and the log as it would of a live shop.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
import polars as pl

from recsys.clock import MINUTE
from recsys.engine.inspection.replay import logged
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.experiments.exposures import FirstExposures
from recsys.experiments.running import RunningExperiments
from recsys.live.databases import open_log, open_slates
from recsys.live.slate_log import LoggedSlate
from recsys.settings import Settings
from recsys.settings.experiments import Experiment
from recsys.settings.load import load_settings
from recsys.snapshot.store import current_version, open_snapshot, publish
from recsys.tables.shop import read_shop
from recsys.types import Event, History, Query
from training import console
from training.experiments.readout import experiment
from training.job.job import fit

OUT = Path("benchmarks/out/replayed")
NAME = "replayed"
ARMS = [
    {"name": "control", "share": 0.5, "change": {"rules": [{"name": "bestsellers", "recommenders": {"bestsellers": 1.0}}]}},
    {"name": "item_item", "share": 0.5, "change": {"rules": [{"name": "item_item", "recommenders": {"item_item": 1.0}}]}},
]
_BATCH = 1_000
RATE = 20_000
"""Assignments a second under load."""
_THREADS, _TICK_SECONDS, _TURN_SECONDS, _TURNS = 8, 0.02, 0.5, 15


class Visit(NamedTuple):
    """One shopper's events of one day: when the first was (microseconds), and the items."""

    at: int
    user_id: str
    items: frozenset[str]


def main() -> int:
    """Train, replay and read; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, default=Path("examples/online_retail/settings.toml"))
    parser.add_argument("--since", type=_day, default=datetime(2011, 10, 15, tzinfo=UTC), help="what came later is replayed")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    now, settings = datetime.now(UTC), settings_of(chosen.settings, chosen.out)
    if current_version(settings.artifacts) is None:
        fitted = fit(settings, now=now, before=chosen.since)
        publish(settings.artifacts, fitted.manifest, fitted.groups)
    began = time.process_time()
    visits = visits_of(settings, now, chosen.since)
    serving = replay(settings, visits)
    console.say(f"{len(visits):,} visits replayed in {time.process_time() - began:.0f} s of processor")
    console.say(f"an experiment adds {added(serving, visits):.1f} µs of processor to an answer")
    rate, micros = added_under_load(serving, visits)
    console.say(f"with {rate:,.0f} assignments a second from {_THREADS} threads it adds {micros:.1f} µs")
    return experiment(settings, NAME, now, None, timer=time.process_time_ns)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def settings_of(file: Path, out: Path) -> Settings:
    """The shop's settings with an experiment, and artifacts and state of its own; every list is logged."""
    settings = load_settings(file)
    trial = msgspec.convert({"placement": "home", "arms": ARMS, "metric": "click_through"}, Experiment)
    folder = out.resolve()
    return msgspec.structs.replace(
        settings,
        experiments={NAME: trial},
        snapshot=msgspec.structs.replace(settings.snapshot, artifacts=str(folder / "artifacts")),
        state=msgspec.structs.replace(settings.state, folder=str(folder / "state"), slate_share=1.0),
    )


def visits_of(settings: Settings, now: datetime, since: datetime) -> list[Visit]:
    """The visits after a moment, oldest first."""
    events = read_shop(settings, now=now).events.filter(pl.col("timestamp") >= since).drop_nulls(["user_id", "item_id"])
    by_day = pl.col("timestamp").dt.truncate("1d").alias("day")
    visits = events.group_by("user_id", by_day).agg(
        pl.col("timestamp").min().dt.epoch("us").alias("at"), pl.col("item_id").unique()
    )
    rows = visits.sort("at", "user_id").select("at", "user_id", "item_id").collect().rows()
    return [Visit(at, user_id, frozenset(items)) for at, user_id, items in rows]


def added(serving: ServingState, visits: list[Visit]) -> float:
    """Return how long it takes to find the arm of shoppers who are in one (µs of processor), beyond their profile, which the answer
    needs anyway."""
    asked = [(query := _query(visit), serving.history(query.user_id or "")) for visit in visits[:_BATCH]]
    profiler = serving.engine.profiler
    times = []
    for _ in range(5):
        began = time.process_time()
        for query, history in asked:
            serving.choose(query, history)
        half = time.process_time()
        for query, history in asked:
            profiler.profile(query.user_id, history, query.now)
        times.append((half - began) - (time.process_time() - half))
    return median(times) / len(asked) * 1e6


def added_under_load(serving: ServingState, visits: list[Visit]) -> tuple[float, float]:
    """Ask for arms `RATE` times a second from several threads at once, in turns with profiles alone; returns how many a second there
    were, and what each added (µs of processor), beyond the profile: medians of the turns."""
    asked = [(query := _query(visit), serving.history(query.user_id or "")) for visit in visits[:_BATCH]]
    profile = serving.engine.profiler.profile
    turns = []
    for _ in range(_TURNS):
        rate, chosen = _paced(lambda query, history: serving.choose(query, history), asked)
        _, plain = _paced(lambda query, history: profile(query.user_id, history, query.now), asked)
        turns.append((rate, chosen - plain))
    return median(rate for rate, _ in turns), median(each for _, each in turns)


def _paced(call: Callable[[Query, History], object], asked: list[tuple[Query, History]]) -> tuple[float, float]:
    """Make `RATE` calls a second from `_THREADS` threads; returns how many a second there were, and µs of processor of each."""
    calls = RATE * _TICK_SECONDS / _THREADS
    ticks = round(_TURN_SECONDS / _TICK_SECONDS)
    begun = time.perf_counter()

    def ask(first: int) -> None:
        for tick in range(ticks):
            for at in range(round(calls)):
                call(*asked[(first + tick * round(calls) + at) % len(asked)])
            time.sleep(max(begun + (tick + 1) * _TICK_SECONDS - time.perf_counter(), 0))

    before = time.process_time()
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(ask, range(0, len(asked), len(asked) // _THREADS)))
    count = ticks * round(calls) * _THREADS
    return count / (time.perf_counter() - begun), (time.process_time() - before) / count * 1e6


def replay(settings: Settings, visits: list[Visit]) -> ServingState:
    """Answer each visit, write down whom it exposes, and have its shopper see the list and click what the visit has of it."""
    version = current_version(settings.artifacts)
    assert version is not None
    engine, log, slates = (
        Engine(open_snapshot(settings.artifacts, version), settings),
        open_log(settings),
        open_slates(settings),
    )
    serving = ServingState(engine, log, None)
    serving.arms = running = RunningExperiments(engine, settings.experiments, FirstExposures(log.experiments))
    for start in range(0, len(visits), _BATCH):
        notes: list[LoggedSlate] = []
        events: list[Event] = []
        for visit in visits[start : start + _BATCH]:
            found = serving.answer(_query(visit))
            running.exposed(found.exposures, visit.at)
            notes.append(logged(found, visit.at))
            events += _seen(notes[-1], visit)
        slates.write(notes)
        log.add_events(events, visits[-1].at)
    return serving


def _query(visit: Visit) -> Query:
    return Query(now=visit.at - MINUTE, user_id=visit.user_id, limit=12)


def _seen(note: LoggedSlate, visit: Visit) -> list[Event]:
    """Impressions of a list, and clicks on what the visit has of it."""
    kinds = [(item, "impression") for item, _ in note.shown]
    kinds += [(item, "click") for item, _ in note.shown if item in visit.items]
    return [
        Event(
            event_id=f"{note.recommendation_id}-{kind}-{item}",
            user_id=visit.user_id,
            timestamp=visit.at - MINUTE,
            event_type=kind,
            item_id=item,
            recommendation_id=note.recommendation_id,
        )
        for item, kind in kinds
    ]


if __name__ == "__main__":
    raise SystemExit(main())
