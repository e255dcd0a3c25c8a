"""Settings of the ranker: whether one is learned, and how large it is."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from recsys.settings.types import Count, Group, NotNegative


class RankerSettings(Group, frozen=True):
    """Trees that order what the blend's recommenders bring, where they did so better on the shop's own past (docs/ranker.md)."""

    mode: Literal["off", "auto"] = "auto"
    """`auto`: a ranker is learned where LightGBM is installed, and leads where it earned it; `off`: the blend always leads."""
    microseconds: NotNegative = 0.0
    """Most microseconds that ordering adds to an answer, by a model of its costs, within the three that follow; 0: four fifths of
    what the answer costs without it."""
    depth: Annotated[int, msgspec.Meta(ge=5, le=200)] = 40
    """Most items that each recommender brings; more where the list itself is longer."""
    trees: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    """Most trees of one task."""
    leaves: Annotated[int, msgspec.Meta(ge=2, le=64)] = 8
    """Leaves of one tree."""
    folds: Annotated[int, msgspec.Meta(ge=3, le=20)] = 5
    """Most windows of `evaluation.days` before the snapshot's moment that it learns from; it needs three."""
    users: Count = 3000
    """Most shoppers of one window that it learns from; of more, so many are drawn."""
    least_users: Count = 200
    """A window in which fewer known shoppers bought is too thin to learn from or to judge by."""
    clicked_lists: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    """Most clicked lists of one window that it learns from as well, less the bias of positions; of more, so many are drawn. 0: from
    purchases alone."""
    most_events: Count = 12_000_000
    """With more events none is learned: every window is a fit of its own."""
