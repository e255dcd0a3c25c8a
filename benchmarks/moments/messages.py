"""Cost and stability of messages: cards and slates of a send over HTTP, and files of a million lines.

The cards of one send are asked for in four passes, each user's once a pass, eight at a time: first, again, after a training with
two more weeks of events, and after a restart. Then everybody is exported, and the memory that it takes is watched.
`make benchmark-messages`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import islice
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.http.bench import prepare as prepare_shop
from benchmarks.http.bench import say
from benchmarks.http.service import PATIENCE_SECONDS, Service, publish_fit, running
from recsys.messages.slots import SLOT_SECRETS
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.snapshot.store import open_snapshot, read_manifest
from recsys.types import Query
from recsys.web.http.auth import KEYS_PREFIX
from simulator import default_items
from training import console
from training.batch.export import Shape, Source, export, published

OUT = Path("benchmarks/out")
EVENTS_PER_USER = 25
CONNECTIONS = 8
CARDS, BULK, BULKS = 10_000, 5_000, 14
"""Users whose cards are asked for in a pass, users of one bulk call, and bulk calls of users who were not asked for before."""
BEFORE = datetime(2026, 3, 1, tzinfo=UTC)
"""The first training sees nothing of the shop's last two weeks."""
PASSES = ("first", "again", "after a training", "after a restart")
SEND_ID, PLACEMENT, LIMIT = "2026-w14", "email_weekly", 6
SEND = {"placement": PLACEMENT, "limit": LIMIT, "template": "weekly", "expires_at": "2099-01-01T00:00:00Z"}
FILES: tuple[tuple[Shape, str], ...] = (("long", "csv"), ("long", "ndjson"), ("long", "parquet"), ("flat", "csv"))
ITEMS_PER_USER = 12
SHARES = (0.1, 0.5, 1.0)
"""How far an export has come when its largest memory up to then is told."""
SAMPLE_SECONDS = 0.05
KEY, SLOT_SECRET = "messages-" + "k" * 40, "messages-" + "s" * 40
SEED = 20


class Pass(NamedTuple):
    """All users once, in their order.

    `milliseconds` of each card, float64[users] · `seconds` of the pass · processor seconds of the workers, and of what else ran on
    the machine · each card's SHA-256 · the items of each slate, asked for after the cards.
    """

    milliseconds: NDArray[np.float64]
    seconds: float
    workers: float
    others: float
    cards: list[bytes]
    slates: list[tuple[str, ...]]


class Sample(NamedTuple):
    """Progress of an export, from 0 to 1, and the MB of its process and of its workers then, mapped files aside."""

    share: float
    parent: float
    workers: float


def main() -> int:
    """Measure, and write messages.json; returns 1 if a slate of the send did not stay what it was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000, help="at least 90,000 (default: 100,000)")
    parser.add_argument("--folder", type=Path, default=OUT / "messages-shop", help="where the shop is made and kept")
    chosen = parser.parse_args()
    os.environ |= {SLOT_SECRETS: SLOT_SECRET, f"{KEYS_PREFIX}MESSAGES": KEY}
    prepare_shop(chosen.folder, chosen.users, default_items(chosen.users), chosen.users * EVENTS_PER_USER)
    file = _settings_file(chosen.folder)
    sends = measure_sends(file)
    _show_sends(sends)
    exports = measure_exports(file)
    _show_exports(exports)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "messages.json").write_text(json.dumps({"users": chosen.users, **sends, "exports": exports}, indent=1) + "\n")
    return 0 if len({each["items_sha256"] for each in sends["passes"].values()}) == 1 else 1


def measure_sends(file: Path) -> dict[str, Any]:
    """Four passes of cards, bulk calls before the training, and how many slates the training changes that are not pinned.

    Raises:
        RuntimeError: on an answer other than 200, and where a new snapshot is not served within a minute.
    """
    settings = load_settings(file)
    publish_fit(settings, BEFORE)
    people = _people(settings, CARDS + BULKS * BULK)
    asked, others = people[:CARDS], people[CARDS:]
    unpinned = {"placement": PLACEMENT, "limit": LIMIT}
    with _clients() as clients:
        with running(file, KEY) as service:
            service.ask("PUT", f"/v1/sends/{SEND_ID}", SEND)
            passes = [_pass(service, clients, asked) for _ in range(2)]
            bulk = _bulk(service, others)
            before = _slates(service, asked, unpinned)
            publish_fit(settings)
            _wait_for(service, published(settings.artifacts))
            passes.append(_pass(service, clients, asked))
            after = _slates(service, asked, unpinned)
        with running(file, KEY) as service:
            passes.append(_pass(service, clients, asked))
    changed = sum(one != other for one, other in zip(before, after, strict=True)) / CARDS
    figures = {name: _figures(each, passes[0]) for name, each in zip(PASSES, passes, strict=True)}
    return {"passes": figures, "unpinned_slates_changed_by_training": round(changed, 3), "bulk": bulk}


def measure_exports(file: Path) -> list[dict[str, Any]]:
    """Export everybody in each form, each in a process of its own, and watch the memory of all processes that it takes."""
    spawn, found = multiprocessing.get_context("spawn"), []
    for shape, ending in FILES:
        say(f"exporting: {shape} {ending}")
        share, out = spawn.Value("d", 0.0), file.with_name(f"{shape}.{ending}")
        process = spawn.Process(target=_export, args=(file, out, shape, share))
        started, samples = time.perf_counter(), []
        process.start()
        while process.is_alive():
            samples += _sample(process.pid or 0, share.value)
            process.join(SAMPLE_SECONDS)
        if process.exitcode:
            raise RuntimeError(f"the export to {out} failed")
        seconds = round(time.perf_counter() - started, 1)
        found.append({"file": f"{shape} {ending}", "lines": _count(out), "seconds": seconds, **_grown(samples)})
    return found


def ask_for(port: int, headers: Mapping[str, str], addresses: Sequence[str]) -> list[tuple[float, bytes]]:
    """Ask for one address after the other: milliseconds and the answer's SHA-256 each.

    Raises:
        RuntimeError: on an answer other than 200.
    """
    found = []
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
        for address in addresses:
            started = time.perf_counter()
            connection.request("GET", address, headers=dict(headers))
            answer = connection.getresponse()
            body = answer.read()
            found.append(((time.perf_counter() - started) * 1000, hashlib.sha256(body).digest()))
            if answer.status != 200:
                raise RuntimeError(f"{address} was answered by {answer.status}: {body!r}")
    return found


def peaks(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """The largest MB of the process and of its workers by the time that each of `SHARES` was written."""
    until = [[each for each in samples if each.share <= share] for share in SHARES]
    return [(max(each.parent for each in some), max(each.workers for each in some)) for some in until]


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started, as they are now."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread, or the whole process, has ended since
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


@contextmanager
def _clients() -> Iterator[ProcessPoolExecutor]:
    """Processes that ask, so that none waits for another's Python; all have started."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CONNECTIONS, spawn, initializer=spawn.Barrier(CONNECTIONS).wait) as clients:
        list(clients.map(abs, range(CONNECTIONS)))
        yield clients


def _settings_file(folder: Path) -> Path:
    """The shop's settings with slots and a state of their own, with nothing learned and nothing pinned yet."""
    for name in ("artifacts", "state-sends"):
        shutil.rmtree(folder / name, ignore_errors=True)
    file, slots = folder / "sends.toml", '[messages]\npublic_url = "https://m.shop.example"\n'
    file.write_text((folder / "settings.toml").read_text() + slots + '[state]\nfolder = "state-sends"\n')
    return file


def _people(settings: Settings, n: int) -> list[str]:
    """Users drawn from the snapshot, each once."""
    artifacts = settings.artifacts
    users = open_snapshot(artifacts, published(artifacts)).histories.users
    return [users.text(row) for row in random.Random(SEED).sample(range(len(users)), n)]


def _pass(service: Service, clients: ProcessPoolExecutor, users: Sequence[str]) -> Pass:
    """Ask for everybody's card, all clients at once, then for everybody's items."""
    say("asking for the cards")
    addresses = [f"/v1/sends/{SEND_ID}/users/{quote(user, safe='')}/card" for user in users]
    share = -(-len(users) // CONNECTIONS)
    parts = [addresses[start : start + share] for start in range(0, len(users), share)]
    ports, headers = [service.port] * CONNECTIONS, [service.headers] * CONNECTIONS
    started, before = time.perf_counter(), np.array([service.cpu_seconds(), _others_seconds()])
    answers = [answer for some in clients.map(ask_for, ports, headers, parts) for answer in some]
    workers, others = np.array([service.cpu_seconds(), _others_seconds()]) - before
    seconds, slates = time.perf_counter() - started, _slates(service, users, {"send_id": SEND_ID})
    return Pass(np.array([ms for ms, _ in answers]), seconds, workers, others, [card for _, card in answers], slates)


def _others_seconds() -> float:
    """Processor seconds that everything but this process and its descendants has used, proc(5)."""
    user, nice, system, _idle, _waiting, *interrupts = Path("/proc/stat").read_text().split()[1:9]
    ticks = sum(map(int, (user, nice, system, *interrupts)))
    for pid in (os.getpid(), *descendants(os.getpid())):
        ticks -= sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _figures(one: Pass, first: Pass) -> dict[str, Any]:
    return {
        "p50_ms": round(float(np.percentile(one.milliseconds, 50)), 1),
        "p99_ms": round(float(np.percentile(one.milliseconds, 99)), 1),
        "most_ms": round(float(one.milliseconds.max()), 1),
        "cards_per_s": round(len(one.cards) / one.seconds),
        "processor_ms_per_card": round(one.workers * 1000 / len(one.cards), 2),
        "others_share": round(one.others / one.seconds / (os.cpu_count() or 1), 2),
        "cards_as_at_first": sum(card == before for card, before in zip(one.cards, first.cards, strict=True)),
        "items_sha256": hashlib.sha256(json.dumps(one.slates).encode()).hexdigest(),
    }


def _slates(service: Service, users: Sequence[str], asked: Mapping[str, object]) -> list[tuple[str, ...]]:
    """The items of each user's slate, in bulk."""
    calls = (_lines(service, users[start : start + BULK], asked) for start in range(0, len(users), BULK))
    return [tuple(item["item_id"] for item in json.loads(line)["items"]) for call in calls for line in call]


def _lines(service: Service, users: Sequence[str], asked: Mapping[str, object]) -> Iterator[bytes]:
    """The lines of one bulk call, as they come."""
    headers = {**service.headers, "Content-Type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("POST", "/v1/recommendations", json.dumps({"user_ids": users, **asked}), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"a bulk call was answered by {answer.status}: {answer.read()!r}")
        yield from answer


def _bulk(service: Service, users: Sequence[str]) -> list[dict[str, float | str]]:
    """Users per second of each bulk call, the last one of users asked for before, and the largest private MB of a worker in it."""
    say("asking in bulk")
    calls = {f"first {at // BULK + 1}": users[at : at + BULK] for at in range(0, len(users), BULK)} | {
        "again": users[-BULK:]
    }
    found: list[dict[str, float | str]] = []
    for name, some in calls.items():
        started = time.perf_counter()
        most = max(_private_mb(service) for _ in islice(_lines(service, some, {"send_id": SEND_ID}), 0, None, 500))
        rate = round(len(some) / (time.perf_counter() - started))
        found.append({"call": name, "users_per_s": rate, "most_mb": most})
    return found


def _private_mb(service: Service) -> float:
    return round(max(_megabytes(worker, "smaps_rollup", "Private_Dirty") for worker in descendants(service.pid)), 1)


def _wait_for(service: Service, version: str) -> None:
    """Wait until all workers serve a version."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while {service.ask("GET", "/readyz").body["snapshot"] for _ in range(20)} != {version}:
        if time.monotonic() > deadline:
            raise RuntimeError(f"snapshot {version} was not served within {PATIENCE_SECONDS} s")
        time.sleep(0.1)


def _export(file: Path, out: Path, shape: Shape, share: Synchronized[float]) -> None:
    artifacts = (settings := load_settings(file)).artifacts
    version = published(artifacts)
    query = Query(now=read_manifest(artifacts, version).as_of, limit=ITEMS_PER_USER)

    def progress(done: int, total: int) -> None:
        share.value = done / total

    export(Source(settings, artifacts, version), query, None, out, progress, shape)


def _sample(pid: int, share: float) -> list[Sample]:
    """One sample; none if a process ended meanwhile."""
    try:
        workers = sum(_megabytes(worker, "status", "RssAnon") for worker in descendants(pid))
        return [Sample(share, _megabytes(pid, "status", "RssAnon"), workers)]
    except (OSError, KeyError):
        return []


def _megabytes(pid: int, file: str, name: str) -> float:
    """A figure of a process, which the operating system gives in kB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/{file}").read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if line[-1] == "kB"}[f"{name}:"] / 1024


def _grown(samples: Sequence[Sample]) -> dict[str, Any]:
    found = peaks(samples)
    own, workers = ([round(mb) for mb in each] for each in zip(*found, strict=True))
    _, half, whole = map(sum, found)
    return {"own_mb": own, "workers_mb": workers, "second_half_adds": round(whole / half - 1, 3)}


def _count(out: Path) -> int:
    scans: Mapping[str, Callable[[Path], pl.LazyFrame]]
    scans = {".csv": pl.scan_csv, ".ndjson": pl.scan_ndjson, ".parquet": pl.scan_parquet}
    return int(scans[out.suffix](out).select(pl.len()).collect().item())


def _show_sends(found: Mapping[str, Any]) -> None:
    columns = ("pass", "p50, ms", "p99, ms", "most, ms", "cards/s", "CPU, ms", "others", "same cards")
    console.table("Cards", columns, [(name, *tuple(each.values())[:-1]) for name, each in found["passes"].items()])
    same = "yes" if len({each["items_sha256"] for each in found["passes"].values()}) == 1 else "no"
    changed = found["unpinned_slates_changed_by_training"]
    console.facts("Items", [("the same in all passes", same), ("unpinned slates that the training changed", changed)])
    console.table("Bulk", ("call", "users/s", "MB of a worker"), [tuple(each.values()) for each in found["bulk"]])


def _show_exports(found: Sequence[Mapping[str, Any]]) -> None:
    columns = ("file", "lines", "seconds", "own MB at 10, 50, 100 %", "workers' MB", "second half adds")
    rows = [[" ".join(map(str, cell)) if isinstance(cell, list) else cell for cell in each.values()] for each in found]
    console.table("Export", columns, rows)


if __name__ == "__main__":
    sys.exit(main())
