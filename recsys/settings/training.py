"""Settings of the training job: how much of the events is in memory at a time."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec

from recsys.settings.types import Group, NotNegative

ROW_BYTES = 400
"""Memory that one row of events takes while all of them are read and fitted at once (`make benchmark-training` measures it)."""
MAX_PARTITIONS = 1000
"""Most partitions; each is an open file while events are split."""


class TrainingSettings(Group, frozen=True):
    """Partitions: sets of shoppers whose events are read, mapped and fitted one set after the other (docs/training.md)."""

    partitions: Literal["auto"] | Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTITIONS)] = "auto"
    """How many; 1 holds all events in memory, more lay them down in temporary files. `auto`: as many as `memory_gb` asks for. The
    snapshot is the same, byte for byte."""
    memory_gb: NotNegative = 0.0
    """Memory (GB) that the events may take at a time. 0: half of what `make train` finds on its machine; all other commands hold all
    events in memory then."""

    def partitions_of(self, rows: int) -> int:
        """Return how many partitions so many rows of events are cut into."""
        if self.partitions != "auto":
            return self.partitions
        if not self.memory_gb:
            return 1
        return min(max(1, math.ceil(rows * ROW_BYTES / (self.memory_gb * 1e9))), MAX_PARTITIONS)
