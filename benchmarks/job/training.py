"""Training in partitions: seconds, peak memory and content hash of `make train`, its gate included, by events, partitions and runner.

Run as `make benchmark-training ARGS="--events 1000000 10000000 --partitions 1 8 --runners local spark"`. Each run is a process of its
own, and publishes into an empty folder; temporary files lie where `TMPDIR` says. Neither a ranker nor a blend is learned, which are
fits of earlier moments that small shops alone have, on the driver. Spark is a standalone cluster on this machine: a master and
workers whose executors have one core each.
"""

from __future__ import annotations

import argparse
import json
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
_HERE = "[training]\n"
_TELLING = """
            "spark.eventLog.enabled" = "true"
            "spark.eventLog.dir" = "file://{folder}"
            "spark.eventLog.compress" = "false"
            "spark.eventLog.rolling.enabled" = "false"
"""
"""Lines of settings, after those of the cluster, with which Spark writes down what its tasks did."""


class Run(NamedTuple):
    """What one training took, and made."""

    events: int
    runner: str
    partitions: int
    seconds: float
    processor_seconds: float
    peak_mb: str
    shuffled_mb: float
    content_hash: str


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000], help="sizes of shops (default: 1,000,000)")
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 8], help="numbers of partitions (default: 1 8)")
    parser.add_argument("--runners", nargs="+", choices=("local", "spark"), default=["local"], help="default: local")
    parser.add_argument("--workers", type=int, nargs="+", default=[2], help="workers of Spark, a core each (default: 2)")
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
            for workers in (0, *chosen.workers):
                if ("spark" if workers else "local") not in chosen.runners:
                    continue
                say(f"training on {events:,} events in {partitions} partitions, {_named(workers)}")
                runs.append(on_spark(folder, events, partitions, workers) if workers else here(folder, events, partitions))
    console.table("Training in partitions", [name.replace("_", " ") for name in Run._fields], runs)


def here(folder: Path, events: int, partitions: int) -> Run:
    """Train in a process of its own."""
    settings = folder / "settings-local.toml"
    settings.write_text(settings_of(folder))
    return train(folder, settings, events, _named(0), partitions, os.environ)


def on_spark(folder: Path, events: int, partitions: int, workers: int) -> Run:
    """Train with the partitions on a cluster of so many workers that is started for it."""
    with tempfile.TemporaryDirectory() as aside, running_cluster(Path(aside), memory="1g", workers=workers) as cluster:
        stated = Path(aside) / "told"
        stated.mkdir()
        settings = folder / "settings-spark.toml"
        settings.write_text(settings_of(folder, cluster.settings + _TELLING.format(folder=stated)))
        run = train(folder, settings, events, _named(workers), partitions, cluster.environment)
        return run._replace(shuffled_mb=round(sum(map(_shuffled, stated.iterdir())) / 1e6, 1))


def settings_of(folder: Path, runner: str = _HERE) -> str:
    """Settings of the shop in a folder, with those of a runner, under which partitions are all that is worked on."""
    shop = (folder / "settings.toml").read_text()
    return f'{shop}[ranker]\nmode = "off"\n' + runner.replace(_HERE, f'{_HERE}learn_blend = "off"\n', 1)


def _named(workers: int) -> str:
    return f"Spark, {workers} worker{'s' * (workers > 1)}" if workers else "local"


def _shuffled(log: Path) -> int:
    """The bytes that the tasks of an event log of Spark wrote for others to fetch."""
    with log.open() as lines:
        metrics = [json.loads(line).get("Task Metrics") or {} for line in lines if "SparkListenerTaskEnd" in line]
    return sum(each.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0) for each in metrics)


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
        shuffled_mb=0.0,
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
