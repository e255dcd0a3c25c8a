"""Memory that training may take: found on the machine, and put into the settings before anything is read."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from recsys.settings import Settings
from recsys.settings.training import TrainingSettings
from training.cli.argument_types import partitions as partitions_of

if TYPE_CHECKING:
    from recsys.tables.shop import ShopTables

_FILES = (
    ("sys/fs/cgroup", "memory.max", "memory.current"),
    ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Folder of control groups, and their files of what they may take and take, of versions 2 and 1."""


def add_partitions(command: argparse.ArgumentParser) -> None:
    """Add what is said of partitions, for `planned`."""
    command.add_argument("--partitions", type=partitions_of, help="parts events are read in (default: training.partitions)")
    command.add_argument("--spark", nargs="?", const="", metavar="MASTER", help="run partitions on Spark (docs/training.md)")


def planned(settings: Settings, partitions: int | Literal["auto"] | None = None, master: str | None = None) -> Settings:
    """The settings with the number of partitions and the Spark cluster asked for on the command line (empty: the one that the settings
    name), and with half of the machine's memory where they name none and partitions stay here."""
    training = settings.training
    if master is not None:
        spark = msgspec.structs.replace(training.spark, master=master or training.spark.master)
        training = msgspec.structs.replace(training, runner="spark", spark=spark)
    if partitions is not None:
        training = msgspec.structs.replace(training, partitions=partitions)
    if training.runner == "local" and not training.memory_gb:
        training = msgspec.structs.replace(training, memory_gb=free_bytes() / 2e9)
    return msgspec.structs.replace(settings, training=training)


def said_of(training: TrainingSettings, shop: ShopTables) -> str:
    """Say how many partitions there were, and why."""
    rows = shop.counts["events"].read
    if training.runner == "spark":
        return f"{shop.partitions} of {rows:,} rows of events, on Spark"
    if training.partitions != "auto":
        return f"{shop.partitions} of {rows:,} rows of events, as asked for"
    if not training.memory_gb:
        return f"1: all {rows:,} rows of events were in memory"
    return f"{shop.partitions} of {rows:,} rows of events, which may take {training.memory_gb:.1f} GB at a time"


def free_bytes(root: Path = Path("/")) -> int:
    """Bytes of memory that are free: the machine's, or what a control group that this process is in has left, if that is less."""
    return min(_available(root), *(_left(group) for group in _groups(root)))


def _available(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return free[0] if free else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _groups(root: Path) -> list[Path]:
    """The control groups whose limits hold: that of this process and those above it; a container sees its own as the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    found = [root / folder for folder, _, _ in _FILES]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        top = root / _FILES[bool(controllers)][0]
        if not controllers or "memory" in controllers.split(","):
            own = top / path.lstrip("/")
            found += [own, *(above for above in own.parents if above.is_relative_to(top))]
    return found


def _left(group: Path) -> int:
    """Bytes that a control group may still take; what it read from files, it gives back."""
    for _, limit, taken in _FILES:
        if (most := _number(group / limit)) is not None:
            return max(0, most - (_number(group / taken) or 0) + _inactive_files(group))
    return sys.maxsize


def _inactive_files(group: Path) -> int:
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    pairs = dict(line.split(" ", 1) for line in lines)
    return int(pairs.get("total_inactive_file", pairs.get("inactive_file", 0)))


def _number(file: Path) -> int | None:
    """The number in a file; None where there is no such file, or it says `max`."""
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
