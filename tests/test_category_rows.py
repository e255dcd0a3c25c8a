"""Items of a category beside their order: told apart by the span of rows and the further ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.category_rows import belong

ROWS = st.integers(0, 20)


@given(st.lists(ROWS), ROWS, ROWS, st.sets(ROWS))
def test_items_belong_by_their_span_or_by_name(rows: list[int], first: int, last: int, further: set[int]) -> None:
    """An item is in a category where its row is in the span, or among the further items."""
    found = belong(np.array(rows, np.int32), first, last, np.array(sorted(further), np.int32))
    assert found.tolist() == [first <= row < last or row in further for row in rows]
