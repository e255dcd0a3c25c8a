"""The service for an hour at about 70 % of its load, with a new snapshot each minute, killed workers and changing items.

`make benchmark-soak` runs gunicorn over a synthetic shop of its own. Every minute a snapshot is published, every tenth of them by
training on the shop with what the log holds by then; the youngest worker is killed again and again, so that the oldest shows what
grows. At the end accepted events are held against the log. Exit code 1: something failed, was lost, came twice or grew.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.http.service import running
from benchmarks.soak.load import Load
from benchmarks.soak.processes import UNITS
from benchmarks.soak.run import KEYS, Soak, capacity, declared, prepare
from benchmarks.soak.verdict import EventCount, Slope, complaints, count_events, slopes
from recsys.live.databases import log_in

OUT = Path("benchmarks/out/soak")
SHARE = 0.7
"""Share of the measured load that is offered, unless a rate is given."""


def main() -> int:
    """Run, print the tables and the verdict, write soak.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument(
        "--rate", type=float, help="calls a second (default: 70 %% of what is answered in a first measurement)"
    )
    parser.add_argument("--users", type=int, default=5000, help="users of the shop (default: 5000)")
    parser.add_argument("--kill-every", type=float, default=45, help="seconds between two kills (default: 45)")
    parser.add_argument("--publish-every", type=float, default=60, help="seconds between two snapshots (default: 60)")
    parser.add_argument("--train-every", type=int, default=10, help="each so many snapshots are trained (default: 10)")
    parser.add_argument("--folder", type=Path, default=OUT)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C does: the service ends too
    settings = prepare(chosen.folder, chosen.users)
    variables = {f"RECSYS_KEYS_{scope.upper()}": key for scope, key in KEYS.items()}
    with running(settings, KEYS["admin"], variables) as service:
        shop = declared(service, settings)
        rate = chosen.rate or SHARE * capacity(shop)
        soak = Soak(service, settings, Load(shop, rate))
        soak.run(chosen.minutes * 60, chosen.kill_every, chosen.publish_every, chosen.train_every)
    return conclude(soak, rate, chosen.minutes, settings)


def conclude(soak: Soak, rate: float, minutes: float, settings: Path) -> int:
    """Hold accepted events against the log, print everything and write it down; returns the exit code."""
    events = count_events(soak.load.tally.accepted, logged_events(settings.parent / "state"))
    grown = {process: slopes(samples) for process, samples in soak.samples.items()}
    found = complaints(soak.load.tally.outcomes, events, grown)
    if soak.failed:
        found.append(f"{soak.failed} snapshots could not be published")
    if (log := settings.with_suffix(".log").read_text()).count("Traceback"):
        found.append(f"{log.count('Traceback')} tracebacks in the service's log")
    show(soak, rate, events, grown)
    Console().print("\n".join(f"✗ {each}" for each in found) or "✓ passed: nothing failed, was lost, came twice or grew")
    written = {
        "minutes": minutes,
        "rate": round(rate, 1),
        "published": soak.published,
        "snapshots": len(soak.load.tally.snapshots),
        "kills": soak.kills,
        "outcomes": dict(soak.load.tally.outcomes),
        "events": events._asdict(),
        "slopes": {process: {name: slope._asdict() for name, slope in each.items()} for process, each in grown.items()},
        "samples": soak.samples,
        "complaints": found,
    }
    (settings.parent / "soak.json").write_text(json.dumps(written, indent=1) + "\n")
    return 1 if found else 0


def logged_events(state: Path) -> Counter[str]:
    """How often the log holds each event id."""
    log = log_in(state)
    found = Counter(event.event_id for batch in log.events_between(0, 1 << 60) for _, _, event in batch)
    log.close()
    return found


def show(soak: Soak, rate: float, events: EventCount, grown: Mapping[str, Mapping[str, Slope]]) -> None:
    """Print what happened to calls, how long they took, and what processes held."""
    tally = soak.load.tally
    calls = Table(
        "outcome", "calls", title=f"{rate:.0f} calls a second for {soak.seconds / 60:.0f} minutes", title_justify="left"
    )
    for name, times in tally.outcomes.most_common():
        calls.add_row(name, f"{times:,}")
    calls.add_section()
    calls.add_row("workers killed", f"{soak.kills}")
    calls.add_row("snapshots published", f"{soak.published}")
    calls.add_row("snapshots that answered", f"{len(tally.snapshots)}")
    for name, count in events._asdict().items():
        calls.add_row(f"events {name}", f"{count:,}")
    taken = Table("kind", "calls", "p50 ms", "p99 ms", "max ms", title="time from when a call was due", title_justify="left")
    for kind, each in tally.times.items():
        if len(each) > 1:
            taken.add_row(kind, f"{len(each):,}", *(f"{value:.1f}" for value in _quantiles(each)))
    held = Table("process", "figure", "2nd quarter", "last quarter", "", title="medians of samples", title_justify="left")
    for process, figures in grown.items():
        for name, slope in figures.items():
            flat = "flat" if slope.flat else "grows"
            held.add_row(process, f"{name} {UNITS[name]}", f"{slope.early:.1f}", f"{slope.late:.1f}", flat)
    for table in (calls, taken, held):
        Console().print(table)


def _quantiles(times: Sequence[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[98], max(times)


if __name__ == "__main__":
    sys.exit(main())
