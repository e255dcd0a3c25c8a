"""Tasks that recommendations are measured on, and that a ranker is fitted for: `repeat` counts anything that was bought, and what a
shopper owns may be shown; `new` counts, and shows, only what the shopper had not bought before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from recsys.engine.ranker.ranker import LEARNED_LIMIT
from recsys.engine.ranker.trees import RankTask
from recsys.types import Bought

Task: TypeAlias = RankTask
TASKS: Mapping[Task, Bought] = {"repeat": Bought("allow"), "new": Bought("hide_days", 36_500)}
"""`new` hides everything ever bought, replenishable or not: a shop may show it again, but here it cannot be a hit."""
DEPTH = LEARNED_LIMIT
"""Length of every list that is judged."""
