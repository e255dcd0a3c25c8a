"""Cost of campaigns for one answer: `make benchmark-campaigns`.

On the shop of `make bench`, or of `--folder`: processor time of `answer` for the same shoppers without campaigns and with 50 running
of 10,000 stored, in turns in one process, so that ratios hold on a busy machine; by kind of action, and for a mix whose audiences
differ.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.http.bench import OUT, _engine, _users, prepare, remember
from recsys.engine.pipeline import Engine, answer
from recsys.settings.campaigns import Campaign
from recsys.types import History, Query

STORED, RUNNING = 10_000, 50
PLACEMENT = "home"
WHEN: tuple[dict[str, Any], ...] = ({}, {"known": True}, {"intent": "buyer"}, {"brand": True}, {"lifecycle": ["active"]})


def main() -> int:
    """Measure, print a table and append it to the history; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=OUT / "shop", help="a shop that was trained; default: that of `make bench`"
    )
    parser.add_argument("--users", type=int, default=300, help="shoppers of a round (default: 300)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each kind, in turns (default: 7)")
    chosen = parser.parse_args()
    if chosen.folder == OUT / "shop":
        prepare(chosen.folder, 200_000, 100_000, 10_000_000)
    engine = _engine(chosen.folder)
    asked = _asked(engine, _users(engine, chosen.users))
    kinds = {name: _engine(chosen.folder) for name in ("none", *_KINDS)}
    for name, make in _KINDS.items():
        kinds[name].campaigns.put(campaigns(engine, make))
    times, draw = {name: list[float]() for name in kinds}, random.Random(20)
    for turn in range(chosen.rounds + 1):
        for query, history in asked:
            for name in draw.sample([*kinds], len(kinds)):  # in any order: what comes first finds colder caches
                took = _microseconds(kinds[name], query, history)
                if turn:  # the first one warms up
                    times[name].append(took)
    table = Table(
        "campaigns", "p50 µs", "ratio", "p95 µs", title=f"{engine.catalog.n_known:,} items, {RUNNING} of {STORED:,} running"
    )
    found: dict[str, float] = {}
    base = statistics.median(times["none"])
    for name, values in times.items():
        p50, p95 = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        table.add_row(name, f"{p50:.1f}", f"{p50 / base:.2f}", f"{p95:.1f}")
        found |= {f"{name}_p50_us": round(p50, 1), f"{name}_ratio": round(p50 / base, 3)}
    Console().print(table)
    remember("campaigns", found)
    return 0


def campaigns(engine: Engine, action: Callable[[Engine, random.Random], dict[str, Any]]) -> dict[str, Campaign]:
    """As many campaigns as are stored, of which those at the beginning run; audiences differ where the action says so."""
    draw, found = random.Random(20), {}
    for at in range(STORED):
        body: dict[str, Any] = {"placements": [PLACEMENT], "actions": [action(engine, draw)]}
        if at >= RUNNING:
            year = 2030 + at % 50
            body |= {"from": datetime(year, 1, 1, tzinfo=UTC), "until": datetime(year, 1, 2 + at % 20, tzinfo=UTC)}
        elif action is _mixed:
            body["when"] = WHEN[at % len(WHEN)]
        found[f"campaign-{at:05}"] = msgspec.convert(body, Campaign)
    return found


def _boost(engine: Engine, draw: random.Random) -> dict[str, Any]:
    return {"boost": {"factor": draw.choice((1.2, 1.5, 2.0)), "filter": _brand(engine, draw)}}


def _exclude(engine: Engine, draw: random.Random) -> dict[str, Any]:
    return {"exclude": {"filter": _brand(engine, draw) | {"price": {"max": draw.uniform(1, 20)}}}}


def _limit(engine: Engine, draw: random.Random) -> dict[str, Any]:
    return {"limit": {"by": draw.choice(("brand", "category")), "max": draw.randint(3, 6), "within": 12}}


def _pin(engine: Engine, draw: random.Random) -> dict[str, Any]:
    item_id = engine.catalog.item_id(draw.randrange(engine.catalog.n_known))
    return {"pin": {"item_id": item_id, "place": draw.randint(1, 12)}}


def _mixed(engine: Engine, draw: random.Random) -> dict[str, Any]:
    return draw.choice((_boost, _boost, _exclude, _limit, _pin))(engine, draw)


def _brand(engine: Engine, draw: random.Random) -> dict[str, Any]:
    return {"brand": {"any": [engine.catalog.brands.text(draw.randrange(len(engine.catalog.brands)))]}}


_KINDS: dict[str, Callable[[Engine, random.Random], dict[str, Any]]] = {
    "boost": _boost,
    "exclude": _exclude,
    "limit": _limit,
    "pin": _pin,
    "mixed, five audiences": _mixed,
}


def _asked(engine: Engine, users: Sequence[str]) -> list[tuple[Query, History]]:
    now = engine.snapshot.as_of
    return [(Query(now=now, user_id=user, placement=PLACEMENT), engine.snapshot.histories.of(user)) for user in users]


def _microseconds(engine: Engine, query: Query, history: History) -> float:
    """Processor time of an answer."""
    started = time.thread_time_ns()
    answer(engine, query, history)
    return (time.thread_time_ns() - started) / 1000


if __name__ == "__main__":
    sys.exit(main())
