"""Checks of a snapshot's arrays, each by itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support.shops.handmade import calm
from training.gate.snapshot_checks import distinct_groups


@calm
@given(st.lists(st.integers(-1, 9)), st.integers(1, 12))
def test_groups_are_counted_up_to_the_limit(groups: list[int], max_n: int) -> None:
    """A list can hold an item of each group, and every item of none, wherever among the items they stand."""
    groups = [0] * (20 * max_n) + groups
    expected = len({group for group in groups if group >= 0}) + groups.count(-1)
    assert distinct_groups(np.array(groups, np.int32), max_n) == min(max_n, expected)
