"""Processes of a soak: their memory, descriptors, threads and mappings, as Linux tells them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

Sample: TypeAlias = Mapping[str, float]
"""Figures of one process at one moment, by the names of `UNITS`."""
UNITS: Mapping[str, str] = {
    "resident": "MB",
    "proportional": "MB",
    "private": "MB",
    "descriptors": "",
    "threads": "",
    "mappings": "",
}
"""What is sampled of a process, with its unit: resident memory, that divided among those who share it (PSS), what it wrote itself."""
_KB = {"resident": ("Rss",), "proportional": ("Pss",), "private": ("Private_Dirty", "SwapPss")}


def workers(master: int) -> list[int]:
    """The workers of a master, the one that started first in front."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return sorted(map(int, children), key=_started)


def sample(pid: int) -> Sample:
    """Look at a process.

    Raises:
        OSError: if it is gone.
    """
    folder = Path(f"/proc/{pid}")
    kilobytes = {name: int(size) for name, size in re.findall(r"(\w+):\s+(\d+) kB", (folder / "smaps_rollup").read_text())}
    memory = {name: sum(kilobytes[part] for part in parts) / 1024 for name, parts in _KB.items()}
    return {
        **memory,
        "descriptors": len(list((folder / "fd").iterdir())),
        "threads": len(list((folder / "task").iterdir())),
        "mappings": (folder / "maps").read_text().count("\n"),
    }


def _started(pid: int) -> int:
    """Return when a process started, in ticks since the machine did; 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0
