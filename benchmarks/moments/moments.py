"""Cost of finding moments: 200,000 people, all kinds. `make benchmark-moments`.

Polls: one worker over a synthetic shop, with live events and item updates, asks for each kind for the first time, then once a
simulated minute while events come in. Batches: `training.batch.moments` looks at everybody, on all cores, the start of its processes
included.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.http.bench import prepare as prepare_shop
from benchmarks.http.bench import say
from benchmarks.http.service import publish_fit
from recsys.clock import MINUTE
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.item_changes import Standing
from recsys.live.log import EventLog
from recsys.moments.finder import Finder
from recsys.moments.kinds import KINDS
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.settings.moments import MomentKind, MomentsSettings
from recsys.snapshot.store import Snapshot, open_snapshot
from recsys.types import Event, SnapshotError
from simulator import default_items
from training import console
from training.batch.export import published
from training.batch.moments import Place, write_moments

OUT = Path("benchmarks/out")
EVENTS_PER_USER = 50
LIVE_SHOPPERS = 10_000
LIVE_EVENTS = 5
"""Live events of each of them, spread over the two hours before the first poll."""
BACK, CHEAPER = 200, 500
"""Items that come back in stock, and that get cheaper."""
A_MINUTE = 300
"""Events between two steady polls."""
MINUTES = 5
LIMIT = 1000
SEED = 20


def main() -> int:
    """Measure, and write moments.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument(
        "--folder", type=Path, default=OUT / "moments-shop", help="where the shop is made, kept for the next run"
    )
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    settings = _prepared(folder, chosen.users)
    polls = _polls(settings, folder / "state-polls")
    batches = _batches(settings, folder)
    results = {"users": chosen.users, "polls": polls, "batches_s": batches}
    OUT.mkdir(parents=True, exist_ok=True)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "moments.json").write_text(json.dumps(results, indent=1) + "\n")
    _show(polls, batches)
    return 0


def _prepared(folder: Path, users: int) -> Settings:
    """Make and train the shop, unless it is there and can be served; all kinds are on."""
    prepare_shop(folder, users, default_items(users), users * EVENTS_PER_USER)
    settings = load_settings(folder / "settings.toml")
    try:
        _open(settings)
    except (SnapshotError, KeyError, FileNotFoundError):
        shutil.rmtree(folder / "artifacts", ignore_errors=True)
        publish_fit(settings)
    return msgspec.structs.replace(settings, moments=MomentsSettings(kinds=tuple(KINDS)))


def _polls(settings: Settings, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds of the first and of steady polls of each kind, how many were found, and the worker's memory in MB."""
    shutil.rmtree(folder, ignore_errors=True)
    engine, state = Engine(_open(settings), settings), log_in(folder)
    people = [str(engine.snapshot.people.users.text(row)) for row in range(0, len(engine.snapshot.people), 17)]
    draw = random.Random(SEED)
    now = engine.snapshot.as_of
    _act(state, engine, draw.sample(people, min(LIVE_SHOPPERS, len(people))) * LIVE_EVENTS, now - 120 * MINUTE, now, draw)
    _change_items(state, engine, now, draw)
    memory = _memory()
    serving = ServingState(engine, state, None)
    finder = Finder(serving, state, lambda query: serving.answer(query).slate)
    found: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        say(f"polling for {kind}")
        due, seconds, cpu = _timed(finder, kind, now)
        found[kind] = {"due": due, "first_s": seconds, "first_cpu_s": cpu}
    steady: dict[MomentKind, list[tuple[int, float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(MINUTES):
        _act(state, engine, draw.choices(people, k=A_MINUTE), now, now + MINUTE, draw)
        now += MINUTE
        for kind in KINDS:
            steady[kind].append(_timed(finder, kind, now))
    for kind, polls in steady.items():
        hits, taken, cpus = zip(*polls, strict=True)
        found[kind]["due"] += sum(hits)
        found[kind] |= {"steady_s": statistics.median(taken), "steady_most_s": max(taken), "steady_most_cpu_s": max(cpus)}
    state.close()
    return found | {"memory": {"before_mb": memory, "after_mb": _memory()}}


def _timed(finder: Finder, kind: MomentKind, now: int) -> tuple[int, float, float]:
    """Poll: how many were found, the seconds that it took, and those that the processor worked for it."""
    started, cpu = time.perf_counter(), time.process_time()
    due = finder.find(kind, now, LIMIT, now)
    return due, round(time.perf_counter() - started, 3), round(time.process_time() - cpu, 3)


def _act(state: EventLog, engine: Engine, people: Sequence[str], since: int, until: int, draw: random.Random) -> None:
    """Have people view and cart items, and buy now and then, at moments between two."""
    catalog = engine.catalog
    events = [
        Event(
            event_id=f"{user} {draw.random()}",
            user_id=user,
            event_type=draw.choices(("view", "cart_add", "purchase"), (80, 15, 5))[0],
            timestamp=draw.randint(since, until),
            item_id=catalog.item_id(draw.randrange(catalog.n_items)),
        )
        for user in people
    ]
    state.add_events(events, until)


def _change_items(state: EventLog, engine: Engine, now: int, draw: random.Random) -> None:
    """Bring items back that were viewed a lot, and make others cheaper."""
    popular = np.argsort(-engine.catalog.sold)[: BACK + CHEAPER].tolist()
    items = [engine.catalog.item_id(row) for row in draw.sample(popular, len(popular))]
    state.add_items([ItemUpdate(item, available=False) for item in items[:BACK]], now)
    serving = ServingState(engine, state, None)
    serving.catch_up()
    updates = [ItemUpdate(item, available=True) for item in items[:BACK]]
    updates += [ItemUpdate(item, price=1.0) for item in items[BACK:]]
    state.add_items(updates, now, Standing(engine.catalog, state.last(), now))


def _batches(settings: Settings, folder: Path) -> dict[str, float]:
    """Seconds of a batch of winback, the largest kind, and of all kinds in one run, each over a log of its own."""
    batches: dict[str, tuple[MomentKind, ...]] = {"winback": ("winback",), "all": tuple(KINDS)}
    found, artifacts = dict[str, float](), settings.artifacts
    for name, kinds in batches.items():
        say(f"batch of {name}")
        log, out = folder / "state-batch", folder / "moments.parquet"
        shutil.rmtree(log, ignore_errors=True)
        place, started = Place(settings, artifacts, published(artifacts), log), time.perf_counter()
        write_moments(place, kinds, datetime.now(UTC), None, out, lambda _done, _total: None, only_look=False)
        found[name] = round(time.perf_counter() - started, 2)
    return found


def _open(settings: Settings) -> Snapshot:
    artifacts = settings.artifacts
    return open_snapshot(artifacts, published(artifacts))


def _memory() -> float:
    """The most memory that this process had, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _show(polls: dict[str, dict[str, float]], batches: dict[str, float]) -> None:
    names = ("due", "first_s", "first_cpu_s", "steady_s", "steady_most_s", "steady_most_cpu_s")
    rows = [(kind, *(polls[kind][name] for name in names)) for kind in KINDS]
    console.table("Polls", ("kind", "due", "first, s", "CPU, s", "steady, s", "slowest, s", "CPU, s"), rows)
    seconds = [(f"batch of {name}, s", taken) for name, taken in batches.items()]
    console.facts("Batches, and the memory of a worker that polls", [*seconds, *polls["memory"].items()])


if __name__ == "__main__":
    sys.exit(main())
