"""Measure the service against a bare Flask view, its pipeline, memory and export, and a 10-million-event fit: `make bench`.

Both services run in turn under the same gunicorn settings on the same machine, several rounds each, so that the ratios hold
where absolute figures drift. Ours has keys, metrics and the access log on; the bare one has gunicorn's access log on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.http.service import Service, running
from recsys.engine.pipeline import Engine, answer
from recsys.settings.load import load_settings
from recsys.snapshot.store import current_version, open_snapshot, point_at, read_manifest
from recsys.types import Query
from simulator import make_shop, shop_settings
from training.batch.export import Source, export

OUT = Path("benchmarks/out")
HISTORY = Path("benchmarks/history.jsonl")
"""A line a run, kept with the code."""
KEY = "bench-" + "k" * 40
LIMIT = 12
PARTS = ("training", "pipeline", "export", "http")
SETTINGS = f"""\
{shop_settings()}
[web]
clock = "events"
"""
ORIGIN = "https://shop.example"
"""Of the page that calls, where a service has `web.origins`."""


def main() -> int:
    """Run everything and write bench.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="wrk rounds of each service (default: 5)")
    parser.add_argument("--seconds", type=int, default=6, help="seconds of one round (default: 6)")
    parser.add_argument("--folder", type=Path, default=OUT / "shop", help="where the shop is made, kept for the next run")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="some of the parts; a shop that was never trained is trained first",
    )
    chosen = parser.parse_args()
    if shutil.which("wrk") is None:
        Console(stderr=True).print("error: wrk is needed (Debian: apt-get install wrk)")
        return 1
    folder: Path = chosen.folder
    prepare(folder, chosen.users, chosen.items, chosen.events)
    parts: Mapping[str, Callable[[], dict[str, float]]] = {
        "training": lambda: measure_training(folder),
        "pipeline": lambda: measure_pipeline(folder),
        "export": lambda: measure_export(folder),
        "http": lambda: measure_http(folder, chosen.rounds, chosen.seconds),
    }
    results: dict[str, float] = {}
    untrained = current_version(folder / "artifacts") is None
    for part in PARTS:
        if part in chosen.only or (part == "training" and untrained):
            results |= parts[part]()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    show(results)
    remember("bench", results)
    return 0


def prepare(folder: Path, users: int, items: int, events: int) -> None:
    """Make the shop, unless the folder holds one of this size already."""
    size = f"{users} {items} {events}"
    mark = folder / "size"
    if mark.exists() and mark.read_text() == size:
        return
    say(f"making a shop of {events:,} events")
    make_shop(folder / "data", users=users, items=items, events=events, end=datetime(2026, 3, 15, 14, 30, tzinfo=UTC))
    (folder / "settings.toml").write_text(SETTINGS)
    shutil.rmtree(folder / "artifacts", ignore_errors=True)
    mark.write_text(size)


def measure_training(folder: Path) -> dict[str, float]:
    """Train in a process of its own; seconds and peak memory as the operating system counts them."""
    say("training")
    command = [sys.executable, "-m", "training", "--settings", str(folder / "settings.toml"), "train"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"training failed: {' '.join(command)}")
    return {
        "train_10m_events_s": round(time.perf_counter() - started, 1),
        "train_10m_events_mb": round(usage.ru_maxrss / 1024),
    }


def measure_pipeline(folder: Path) -> dict[str, float]:
    """Microseconds of `answer` for shoppers drawn at random, each asked once after a warm-up; and by the blend alone where there is a
    ranker, which asks more recommenders and orders what they bring."""
    say("timing the pipeline")
    engine = _engine(folder)
    users = _users(engine, 6_000)
    measured = _microseconds(engine, users)
    found = {
        "pipeline_us_p50": round(statistics.median(measured), 1),
        "pipeline_us_p99": round(measured[int(len(measured) * 0.99)], 1),
    }
    if engine.rankers:
        unranked = _microseconds(engine.ranked_by(engine.recommenders, {}), users)
        found["pipeline_unranked_us_p50"] = round(statistics.median(unranked), 1)
    return found


def _microseconds(engine: Engine, users: Sequence[str]) -> list[float]:
    """Microseconds of each answer but those of the first thousand, ascending."""
    times = []
    for user in users:
        history = engine.snapshot.histories.of(user)
        query = Query(now=engine.snapshot.as_of, user_id=user, limit=LIMIT)
        started = time.perf_counter_ns()
        answer(engine, query, history)
        times.append((time.perf_counter_ns() - started) / 1000)
    return sorted(times[1_000:])


def measure_export(folder: Path) -> dict[str, float]:
    """Users per second of an export of everybody, processes' start included."""
    say("exporting")
    settings = load_settings(folder / "settings.toml")
    artifacts = folder / "artifacts"
    version = current_version(artifacts) or ""
    query = Query(now=read_manifest(artifacts, version).as_of, limit=LIMIT)
    started = time.perf_counter()
    users, _ = export(
        Source(settings, artifacts, version), query, None, folder / "export.parquet", lambda _done, _total: None
    )
    return {"export_users_per_s": round(users / (time.perf_counter() - started))}


def measure_http(folder: Path, rounds: int, seconds: int) -> dict[str, float]:
    """Both services in turn, ours also as pages of a shop call it: median requests per second and 99th percentiles, and
    private memory also while reloading."""
    settings, page_settings = folder / "settings.toml", folder / "settings-page.toml"
    page_settings.write_text(f'{SETTINGS}origins = ["{ORIGIN}"]\n')
    with tempfile.TemporaryDirectory() as name:
        users, slate = Path(name, "users"), Path(name, "slate.json")
        users.write_text("\n".join(quote(user, safe="") for user in _users(_engine(folder), 20_000)))
        runs: dict[str, list[tuple[float, float]]] = {"ours": [], "page": [], "bare": []}
        memory = 0.0
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            with running(settings, KEY) as ours:
                if not slate.exists():
                    slate.write_text(json.dumps(_slate(ours, users.read_text().split("\n")[0])))
                runs["ours"].append(_warm_rate(ours, users, seconds))
                memory = max(memory, _private_mb(ours))
                if number == 0:
                    memory = max(memory, _private_mb_while_reloading(folder / "artifacts", ours))
            with running(page_settings, KEY) as page:
                runs["page"].append(_warm_rate(page, users, seconds, {"Origin": ORIGIN}))
            with running(settings, KEY, {"BENCH_SLATE": str(slate)}, "benchmarks.http.bare:app_from_environment()") as bare:
                runs["bare"].append(_warm_rate(bare, users, seconds))
    return {
        "http_ratio": round(_ratio(runs["ours"], runs["bare"], 0), 3),
        "p99_ratio": round(_ratio(runs["ours"], runs["bare"], 1), 2),
        "cors_ratio": round(_ratio(runs["page"], runs["ours"], 0), 3),
        "bare_rps": round(statistics.median(rate for rate, _ in runs["bare"])),
        "ours_rps": round(statistics.median(rate for rate, _ in runs["ours"])),
        "private_mb_per_worker": round(memory, 1),
    }


def _warm_rate(
    service: Service, users: Path, seconds: int, headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[float, float]:
    service.wrk(users, 2, headers)
    return service.wrk(users, seconds, headers)


def _ratio(above: Sequence[tuple[float, float]], below: Sequence[tuple[float, float]], figure: int) -> float:
    return statistics.median(one[figure] / other[figure] for one, other in zip(above, below, strict=True))


def _slate(service: Service, user: str) -> Any:
    return service.ask("GET", f"/v1/users/{user}/recommendations?limit={LIMIT}").body


def show(results: dict[str, float]) -> None:
    """Print the figures beside their bounds."""
    bounds = {
        "http_ratio": "≥ 0.68",
        "p99_ratio": "≤ 1.7",
        "cors_ratio": "≥ 0.97",
        "pipeline_us_p50": "≤ 90",
        "private_mb_per_worker": "≤ 150",
        "export_users_per_s": "≥ 6,000",
        "train_10m_events_s": "≤ 330",
        "train_10m_events_mb": "≤ 8,000",
    }
    table = Table(title=f"Measured on {os.cpu_count()} cores", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("bound")
    for name, value in results.items():
        table.add_row(name, f"{value:,}", bounds.get(name, ""))
    Console().print(table)


def remember(name: str, results: Mapping[str, float]) -> None:
    """Append what a run measured to the history, with commit and machine, so that a slow drift shows; ratios of one run compare."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    line = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "cores": os.cpu_count(),
        "processor": model[1] if model else "",
        **results,
    }
    with HISTORY.open("a") as file:
        file.write(json.dumps(line) + "\n")


def say(text: str) -> None:
    """Tell what is being done."""
    Console(stderr=True).print(f"… {text}", highlight=False)


def _engine(folder: Path) -> Engine:
    artifacts = folder / "artifacts"
    snapshot = open_snapshot(artifacts, current_version(artifacts) or "")
    return Engine(snapshot, load_settings(folder / "settings.toml"))


def _users(engine: Engine, n: int) -> list[str]:
    users = engine.snapshot.histories.users
    draw = random.Random(20)
    return [users.text(draw.randrange(len(users))) for _ in range(n)]


def _private_mb(service: Service) -> float:
    """The largest private memory of a worker: what it has written itself; mapped files are shared pages."""
    return max(_private_dirty_mb(worker) for worker in service.workers())


def _private_dirty_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^(?:Private_Dirty|SwapPss):\s+(\d+) kB", text, re.MULTILINE))) / 1024


def _private_mb_while_reloading(artifacts: Path, service: Service) -> float:
    """Publish the same snapshot under a new name, and watch the workers take it over."""
    current = current_version(artifacts) or ""
    copy = f"2{current}"
    shutil.copytree(artifacts / current, artifacts / copy)
    manifest = msgspec.structs.replace(read_manifest(artifacts, current), version=copy)
    (artifacts / copy / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    point_at(artifacts, copy)
    try:
        most, deadline = 0.0, time.monotonic() + 30
        while time.monotonic() < deadline:
            most = max(most, _private_mb(service))
            if time.monotonic() > deadline - 20 and _all_serve(service, copy):
                break
        return most
    finally:
        point_at(artifacts, current)
        shutil.rmtree(artifacts / copy)


def _all_serve(service: Service, version: str) -> bool:
    return all(_slate(service, f"somebody-{number}")["snapshot"] == version for number in range(20))


if __name__ == "__main__":
    sys.exit(main())
