"""Training in partitions: seconds, peak memory and content hash of `make train`, its gate included, by events and partitions.

Run as `make benchmark-training ARGS="--events 1000000 10000000 --partitions 1 8"`. Each run is a process of its own, and publishes
into an empty folder; temporary files lie where `TMPDIR` says.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.bench import OUT, prepare, say
from recsys.snapshot.store import current_version, read_manifest
from training import console


class Run(NamedTuple):
    """What one training took, and made."""

    events: int
    partitions: int
    seconds: float
    processor_seconds: float
    peak_mb: float
    content_hash: str


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000], help="sizes of shops (default: 1,000,000)")
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 8], help="numbers of partitions (default: 1 8)")
    parser.add_argument(
        "--folder", type=Path, default=OUT / "partitions", help="where shops are made, kept for the next run"
    )
    chosen = parser.parse_args()
    runs = []
    for events in chosen.events:
        folder: Path = chosen.folder / str(events)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, max(events // 50, 1), max(events // 100, 1), events)
        for partitions in chosen.partitions:
            say(f"training on {events:,} events in {partitions} partitions")
            runs.append(train(folder, events, partitions))
    console.table("Training in partitions", [name.replace("_", " ") for name in Run._fields], runs)


def train(folder: Path, events: int, partitions: int) -> Run:
    """Train in a process of its own.

    Raises:
        RuntimeError: if it fails.
    """
    artifacts = folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    command = [sys.executable, "-m", "training", "--settings", str(folder / "settings.toml"), "train"]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--partitions", str(partitions)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"training failed: {' '.join(command)}")
    manifest = read_manifest(artifacts, current_version(artifacts) or "")
    return Run(
        events=events,
        partitions=partitions,
        seconds=round(time.perf_counter() - started, 1),
        processor_seconds=round(usage.ru_utime + usage.ru_stime, 1),
        peak_mb=round(usage.ru_maxrss / 1024),
        content_hash=manifest.content_hash[:12],
    )


if __name__ == "__main__":
    main()
