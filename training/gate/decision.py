"""The gate's rule between new settings and live ones, from the paired differences of what shoppers would have been shown.

The last window decides alone where it can: no difference can be worse than the margin, or one surely is a loss. Where it cannot, for a
small shop's intervals are wide, the windows before it decide: what lost no more than the margin there, on average, goes live. The
rule's error rates stand in docs/evaluation.md (`make benchmark-gate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from training.evaluation.metrics import Interval

Outcome = Literal["no worse", "worse", "undecided"]


class Change(NamedTuple):
    """NDCG@10 of the new settings minus that of the live ones, paired, with its interval, beside the live mean."""

    name: str
    change: Interval
    live: float

    def outcome(self, largest_loss: float) -> Outcome:
        """Return what this difference alone says, with a margin of so large a share of the live mean."""
        if self.change.low >= -largest_loss * self.live:
            return "no worse"
        return "worse" if self.change.high < 0 else "undecided"

    @property
    def relative(self) -> float:
        """The difference as a share of the live mean; 0 where that is 0."""
        return self.change.mean / self.live if self.live > 0 else 0.0


def in_the_window(changes: Sequence[Change], largest_loss: float) -> Outcome:
    """Return what the last window says: one sure loss is a loss, whatever the others are."""
    found = {each.outcome(largest_loss) for each in changes}
    return "worse" if "worse" in found else "undecided" if "undecided" in found else "no worse"


def goes_live(outcome: Outcome, before: float, largest_loss: float) -> bool:
    """The rule, given what the last window says and the mean relative difference on the windows before."""
    return outcome == "no worse" or (outcome == "undecided" and before >= -largest_loss)


def on_average(changes: Sequence[Change]) -> float:
    """The mean relative difference, so that a tenth gained on either task counts the same; 0 of none."""
    return float(np.mean([each.relative for each in changes])) if changes else 0.0
