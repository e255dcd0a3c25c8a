"""Events that are mapped from files: what is chosen of them takes memory, the pages that were looked at do not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from recsys.snapshot.histories import Events, no_events


def resident(file: Path) -> int:
    """Bytes of a file's mappings that are in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    found = [at for at, line in enumerate(lines) if line.endswith(f" {file}")]
    return sum(int(next(line for line in lines[at:] if line.startswith("Rss:")).split()[1]) << 10 for at in found)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_choosing_some_events_leaves_no_pages_of_all(tmp_path: Path) -> None:
    """A mask reads every page of every array, and keeps none of them; a slice reads nothing."""
    n = 1 << 18
    for name in Events.__slots__:
        np.ones(n, getattr(no_events(), name).dtype).tofile(tmp_path / name)
    events = Events(
        *(
            np.memmap(tmp_path / each, getattr(no_events(), each).dtype, mode="r").view(np.ndarray)
            for each in Events.__slots__
        )
    )
    assert events.times.sum() == n
    assert resident(tmp_path / "times") == 8 * n
    few = events.where(np.arange(n) % 1000 == 0)
    assert few.times.tolist() == [1] * len(few)
    assert [resident(tmp_path / name) for name in Events.__slots__] == [0] * len(Events.__slots__)
    assert len(events.where(slice(5, 9))) == 4
