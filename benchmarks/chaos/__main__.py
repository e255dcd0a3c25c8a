"""Three nodes behind nginx for half an hour under load, while nodes, database and object store die and come back.

`make benchmark-chaos` starts PostgreSQL with a synchronous standby, an S3 server (versitygw), three nodes and the nginx of deploy/.
Accidents come one after the other: a rolling restart, a node killed (every third time with its disk), the database killed, its standby
taking over, the database silent, the store cut off; a snapshot is published all the while. With --namespaces nodes are cut off from
each other too, with --before they begin with another version and are upgraded under load. At the end accepted events are held against
the log. Exit code 1: an accepted event was lost or came twice, or a list failed that should not have.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.chaos.cluster import cluster
from benchmarks.chaos.run import ACCIDENTS, CUTS, Chaos
from benchmarks.http.service import Service
from benchmarks.soak.load import Kind, Load
from benchmarks.soak.run import KEYS, declared
from benchmarks.soak.verdict import count_events
from recsys.live.postgres.log import PostgresLog
from simulator import make_shop, shop_settings
from tests.support.servers.running import ROOT

OUT = Path("benchmarks/out/chaos")
LISTS: tuple[Kind, ...] = ("page", "similar", "bestsellers", "popular")
"""Calls that are answered whatever is away, behind nginx with one retry."""
LEAST_ANSWERED = 0.999


def main() -> int:
    """Run, print the tables and the verdict, write chaos.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=60, help="calls a second (default: 60)")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--users", type=int, default=1000, help="users of the shop (default: 1000)")
    parser.add_argument("--pause", type=float, default=12, help="seconds between two accidents (default: 12)")
    parser.add_argument("--publish-every", type=float, default=30, help="seconds between two snapshots (default: 30)")
    parser.add_argument(
        "--before", default="", metavar="COMMIT", help="the version that nodes run first, and are upgraded from"
    )
    parser.add_argument(
        "--namespaces", action="store_true", help="nodes in network namespaces, which are cut off (needs root)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=(*ACCIDENTS, *CUTS), help="accidents that happen (default: all that can)"
    )
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=OUT)
    chosen = parser.parse_args()
    folder: Path = chosen.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    make_shop(folder / "data", users=chosen.users, end=datetime.now(UTC))
    shop = shop_settings().replace('"data/', f'"{folder}/data/')
    keys = {f"RECSYS_KEYS_{scope.upper()}": key for scope, key in KEYS.items()}
    with (
        version(chosen.before, folder) as code,
        cluster(folder, shop, keys, chosen.nodes, code, chosen.namespaces) as running,
    ):
        settings = folder / "settings.toml"
        for words in (["migrate"], ["train", "--force", "a run of chaos"]):
            subprocess.run([sys.executable, "-m", "training", "--settings", str(settings), *words], cwd=code, check=True)
        for node in running.nodes:
            node.start()
        load = Load(declared(Service(0, running.port, {}), settings), chosen.rate, chosen.seed)
        accidents = chosen.only or (*ACCIDENTS, *(CUTS if chosen.namespaces else ()))
        chaos = Chaos(running, settings, accidents, chosen.seed)
        load.start()
        chaos.run(chosen.minutes * 60, chosen.pause, chosen.publish_every)
        load.stop()
        return conclude(chaos, load, chosen.minutes, folder)


@contextmanager
def version(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out beside this run; none: the program as it is here. Returns the folder of the program."""
    if not commit:
        yield ROOT
        return
    code = folder / "before"
    subprocess.run(["git", "worktree", "add", "--quiet", "--force", "--detach", str(code), commit], cwd=ROOT, check=True)
    try:
        yield code
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(code)], cwd=ROOT, check=True)


def conclude(chaos: Chaos, load: Load, minutes: float, folder: Path) -> int:
    """Hold accepted events against the log, print everything and write it down; returns the exit code."""
    with closing(PostgresLog(chaos.cluster.address)) as log:
        stored = Counter(event.event_id for batch in log.events_between(0, 1 << 60) for _, _, event in batch)
    events, outcomes = count_events(load.tally.accepted, stored), load.tally.outcomes
    lists = sum(len(load.tally.times[kind]) for kind in LISTS)
    failed = sum(count for name, count in outcomes.items() if name.startswith(tuple(f"failed: {kind}:" for kind in LISTS)))
    away = sum(until - since for since, until in chaos.away)
    answered = 1 - failed / max(lists, 1)
    found = [*chaos.failed]
    if events.lost or events.doubled:
        found.append(f"of {events.accepted:,} accepted events {events.lost} were lost and {events.doubled} came twice")
    if answered < LEAST_ANSWERED:
        found.append(f"{answered:.3%} of the lists were answered, fewer than {LEAST_ANSWERED:.1%}")
    show(chaos, load)
    written = {
        "minutes": minutes,
        "happened": dict(chaos.happened),
        "database away, seconds": round(away, 1),
        "lists": lists,
        "lists failed": failed,
        "outcomes": dict(outcomes),
        "events": events._asdict(),
        "snapshots that answered": len(load.tally.snapshots),
        "complaints": found,
    }
    (folder / "chaos.json").write_text(json.dumps(written, indent=1) + "\n")
    Console().print(f"{lists - failed:,} of {lists:,} lists answered; the database was away for {away:.0f} s")
    Console().print(f"events accepted {events.accepted:,}, lost {events.lost}, doubled {events.doubled}")
    Console().print("\n".join(f"✗ {each}" for each in found) or "✓ passed")
    return 1 if found else 0


def show(chaos: Chaos, load: Load) -> None:
    """Print what happened, what became of calls, and how long they took."""
    calls = Table("what", "times", title="accidents, and what became of calls", title_justify="left")
    for name, count in chaos.happened.most_common():
        calls.add_row(name, f"{count:,}")
    calls.add_section()
    for name, count in load.tally.outcomes.most_common():
        calls.add_row(name, f"{count:,}")
    taken = Table("kind", "calls", "p50 ms", "p99 ms", "max ms", title="time from when a call was due", title_justify="left")
    for kind, times in load.tally.times.items():
        if len(times) > 1:
            cuts = statistics.quantiles(times, n=100, method="inclusive")
            taken.add_row(kind, f"{len(times):,}", *(f"{value:.1f}" for value in (cuts[49], cuts[98], max(times))))
    for table in (calls, taken):
        Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
