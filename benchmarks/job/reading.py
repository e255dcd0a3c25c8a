"""Reading: processor time and peak memory of all of a shop's tables, by events, beside an earlier version of this project.

Run as `make benchmark-reading ARGS="--events 1000000 10000000 --beside ../before"`, where `../before` is a checkout of that version
with a `.venv`. Each reading is a process of its own, the two versions in turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.http.bench import OUT, prepare, say
from training import console

_READ = """
import sys
from pathlib import Path
try:
    from recsys.settings.load import load_settings
    from recsys.tables.shop import read_shop
except ImportError:
    from recsys.settings_file import load_settings
    from recsys.data.tables import read_shop
tables = read_shop(load_settings(Path(sys.argv[1])))
rows = getattr(tables, "rows", tables.events)
columns = ["user_id", "item_id", "timestamp", "event_type", "order_id", "quantity", "price"]
held = rows.select(columns).collect(engine="streaming")
status = Path("/proc/self/status").read_text()
print("peak", status.partition("VmHWM:")[2].split()[0])
"""
"""Read a shop, and have in memory what every fit reads of its events; the second import is of versions without `recsys/tables`."""


class Reading(NamedTuple):
    """Cost of one reading."""

    processor_seconds: float
    peak_mb: float


class Row(NamedTuple):
    """Medians of the readings of one shop by one version."""

    events: int
    version: str
    processor_seconds: float
    peak_mb: int
    time_ratio: str
    memory_ratio: str


def main() -> None:
    """Read everything in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000], help="sizes of shops (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="readings of each (default: 3)")
    parser.add_argument("--beside", type=Path, help="checkout of an earlier version, with a .venv")
    parser.add_argument("--folder", type=Path, default=OUT / "reading", help="where shops are made, kept for the next run")
    chosen = parser.parse_args()
    versions = {"this": Path.cwd(), **({"before": chosen.beside} if chosen.beside else {})}
    rows = []
    for events in chosen.events:
        folder: Path = chosen.folder / str(events)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, max(events // 50, 1), max(events // 100, 1), events)
        rows += _rows(folder, events, versions, chosen.rounds)
    console.table("Reading", [name.replace("_", " ") for name in Row._fields], rows)


def _rows(folder: Path, events: int, versions: dict[str, Path], rounds: int) -> list[Row]:
    found: dict[str, list[Reading]] = {name: [] for name in versions}
    for at in range(rounds):
        say(f"reading {events:,} events, round {at + 1}")
        for name, checkout in versions.items():
            found[name].append(read(folder / "settings.toml", checkout))
    seconds = {name: median(each.processor_seconds for each in readings) for name, readings in found.items()}
    peak = {name: median(each.peak_mb for each in readings) for name, readings in found.items()}
    base = list(versions)[-1]
    return [
        Row(
            events=events,
            version=name,
            processor_seconds=round(seconds[name], 1),
            peak_mb=round(peak[name]),
            time_ratio=f"{seconds[name] / seconds[base]:.2f}",
            memory_ratio=f"{peak[name] / peak[base]:.2f}",
        )
        for name in versions
    ]


def read(settings: Path, checkout: Path) -> Reading:
    """Read a shop by the code of a checkout, in a process of its own.

    Raises:
        RuntimeError: if it fails.
    """
    python = checkout.absolute() / ".venv/bin/python"
    command = [str(python) if python.exists() else sys.executable, "-c", _READ, str(settings.absolute())]
    with subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"reading failed in {checkout}: {settings}")
    return Reading(usage.ru_utime + usage.ru_stime, int(said.rpartition("peak ")[2]) / 1024)


if __name__ == "__main__":
    main()
