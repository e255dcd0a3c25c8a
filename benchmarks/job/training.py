"""Training in partitions: seconds, peak memory and content hash of `make train`, its gate included, by events, partitions and runner.

Run as `make benchmark-training ARGS="--events 1000000 10000000 --partitions 1 8 --runners local spark"`. Each run is a process of its
own, and publishes into an empty folder; temporary files lie where `TMPDIR` says. Spark is a standalone cluster on this machine: a
master and two workers, whose executors have one core each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.http.bench import OUT, prepare, say
from recsys.snapshot.store import current_version, read_manifest
from tests.support.servers.spark import children, running_cluster
from training import console

KINDS = {
    "org.apache.spark.deploy.SparkSubmit": "driver's JVM",
    "CoarseGrainedExecutorBackend": "executor's JVM",
    "pyspark.daemon": "executor's Python",
    "-mtraining": "Python",
}
"""Words of command lines, and which process of a training they tell."""
_LOOK_SECONDS = 0.5


class Run(NamedTuple):
    """What one training took, and made."""

    events: int
    runner: str
    partitions: int
    seconds: float
    processor_seconds: float
    peak_mb: str
    content_hash: str


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000], help="sizes of shops (default: 1,000,000)")
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 8], help="numbers of partitions (default: 1 8)")
    parser.add_argument("--runners", nargs="+", choices=("local", "spark"), default=["local"], help="default: local")
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
            for runner in chosen.runners:
                say(f"training on {events:,} events in {partitions} partitions, {runner}")
                run = on_spark if runner == "spark" else here
                runs.append(run(folder, events, partitions))
    console.table("Training in partitions", [name.replace("_", " ") for name in Run._fields], runs)


def here(folder: Path, events: int, partitions: int) -> Run:
    """Train in a process of its own."""
    return train(folder, folder / "settings.toml", events, "local", partitions, os.environ)


def on_spark(folder: Path, events: int, partitions: int) -> Run:
    """Train with the partitions on a cluster that is started for it."""
    with tempfile.TemporaryDirectory() as aside, running_cluster(Path(aside), memory="1g") as cluster:
        settings = folder / "settings-spark.toml"
        settings.write_text((folder / "settings.toml").read_text() + cluster.settings)
        return train(folder, settings, events, "spark", partitions, cluster.environment)


def train(folder: Path, settings: Path, events: int, runner: str, partitions: int, environment: Mapping[str, str]) -> Run:
    """Train in a process of its own.

    Raises:
        RuntimeError: if it fails.
    """
    artifacts = folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    command = [sys.executable, "-m", "training", "--settings", str(settings), "train", "--partitions", str(partitions)]
    peaks: dict[str, int] = {}
    done = threading.Event()
    looking = threading.Thread(target=_watch, args=(peaks, done), daemon=True)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    looking.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    done.set()
    looking.join()
    if status:
        raise RuntimeError(f"training failed: {' '.join(command)}")
    manifest = read_manifest(artifacts, current_version(artifacts) or "")
    return Run(
        events=events,
        runner=runner,
        partitions=partitions,
        seconds=round(seconds, 1),
        processor_seconds=round(usage.ru_utime + usage.ru_stime, 1),
        peak_mb=", ".join(f"{kind} {peak:,}" for kind, peak in ({**peaks, "Python": usage.ru_maxrss // 1024}).items()),
        content_hash=manifest.content_hash[:12],
    )


def _watch(peaks: dict[str, int], done: threading.Event) -> None:
    """Note the peak memory (MB) of each kind of process below this one, the largest of its kind."""
    while not done.wait(_LOOK_SECONDS):
        waiting = [os.getpid()]
        while waiting:
            waiting += children(process := waiting.pop())
            try:
                line = Path(f"/proc/{process}/cmdline").read_text()
                status = Path(f"/proc/{process}/status").read_text()
            except OSError:  # ended meanwhile
                continue
            kind = next((kind for word, kind in KINDS.items() if word in line.replace("\0", "")), None)
            if kind and "VmHWM:" in status:
                peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
                peaks[kind] = max(peaks.get(kind, 0), peak)


if __name__ == "__main__":
    main()
