"""Settings of the training job: how much of the events is in memory at a time, and what runs the partitions."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec

from recsys.settings.spark import SparkSettings
from recsys.settings.types import Count, Group, NotNegative

ROW_BYTES = 400
"""Memory that one row of events takes while all of them are read and fitted at once (`make benchmark-training` measures it)."""
TASK_GB = 1.0
"""Memory (GB) that a partition takes of one of Spark's tasks, where no setting says it."""
MAX_PARTITIONS = 1000
"""Most partitions; each is an open file while events are split."""


class TrainingSettings(Group, frozen=True):
    """Partitions: sets of shoppers whose events are read, mapped and fitted one set after the other (docs/training.md)."""

    partitions: Literal["auto"] | Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTITIONS)] = "auto"
    """How many; 1 holds all events in memory, more lay them down in temporary files. `auto`: as many as `memory_gb` asks for, 2, 4, 8
    and so on, lest a run that is started again finds others for a little less memory. The snapshot is the same, byte for byte."""
    memory_gb: NotNegative = 0.0
    """Memory (GB) that the events may take at a time. 0: half of what `make train` finds on its machine; all other commands hold all
    events in memory then. On Spark it is what one task may take, and 0 means 1."""
    runner: Literal["local", "spark"] = "local"
    """What maps, settles and sums up the partitions: this machine, or the executors of Spark, always in two partitions or more."""
    spark: SparkSettings = SparkSettings()
    learn_blend: Literal["auto", "random", "off"] = "auto"
    """`auto`: `make train` learns the weights of `[blend]` of each segment that nobody set or tuned, where that ranks the end of the
    shop's own past better; `random`: where it ranks a fifth of what each shopper bought better, drawn from all their past, as some
    tests of ratings ask; `off`: such segments keep the defaults."""
    learn_blend_events: Count = 5_000_000
    """With more events the blend is not learned while training, for it is a fit of its own; `make tune` learns it."""
    learn_blend_minutes: NotNegative = 5.0
    """Most minutes that learning it takes, the fit included, which is never cut short. Segments that are not learned by then keep the
    defaults, and the summary names them. 0: no end."""

    def partitions_of(self, rows: int) -> int:
        """Return how many partitions so many rows of events are cut into."""
        memory, least = (self.memory_gb or TASK_GB, 2) if self.runner == "spark" else (self.memory_gb, 1)
        if self.partitions != "auto":
            return max(self.partitions, least)
        if not memory:
            return least
        asked = max(least, math.ceil(rows * ROW_BYTES / (memory * 1e9)))
        return min(1 << (asked - 1).bit_length(), MAX_PARTITIONS)
