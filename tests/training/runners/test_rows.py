"""Rows of events in the order that every fit reads them in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from training.runners.rows import map_rows

START = datetime(1971, 1, 1, tzinfo=UTC)
ITEMS = pl.DataFrame({"item_id": ["a", "b"], "item": [0, 1]}, schema={"item_id": pl.String, "item": pl.Int32})
KINDS = pl.Enum(["view", "purchase"])
numbers = st.sampled_from([None, 0.5, 1.0, 2.0])
row = st.tuples(
    st.sampled_from([0, 1, 7, 2**31 - 1]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from([0, 1, 2, 60, 2**40, 2**51]).map(lambda time: START + timedelta(microseconds=time)),
    st.sampled_from(KINDS.categories.to_list()),
    st.sampled_from(["o1", "o2", None]),
    numbers,
    numbers,
)
COLUMNS = {
    "user": pl.Int32(),
    "item_id": pl.String(),
    "timestamp": pl.Datetime("us", "UTC"),
    "event_type": KINDS,
    "order_id": pl.String(),
    "quantity": pl.Float64(),
    "price": pl.Float64(),
}


@given(st.lists(row, max_size=30))
def test_rows_stand_by_user_then_time_then_all_else(rows: list[tuple[object, ...]]) -> None:
    """However far apart users and times are, in whatever order they come, and also where only the last column tells them apart."""
    events = map_rows(pl.DataFrame(rows, schema=COLUMNS, orient="row"), ITEMS)
    names = ("users", "times", "kinds", "items", "order_ids", "quantities", "prices")
    found = pl.DataFrame({name: getattr(events, name) for name in names})
    assert found.equals(found.sort(names))
    assert len(events) == len(rows)
