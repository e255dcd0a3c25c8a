"""Ids that do not meet, and the repair that would let them."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.tables.checks.matching import Hint, hint
from tests.support.shops.handmade import calm


def found(events: list[str], items: list[str]) -> Hint | None:
    """The hint for ids with one event each."""
    frame = pl.DataFrame({"item_id": events, "rows": [1] * len(events)}, schema={"item_id": pl.String, "rows": pl.Int64})
    return hint(frame, pl.Series(items, dtype=pl.String))


@pytest.mark.parametrize(
    ("event", "item", "repairs"),
    [
        ("qx-1 ", "qx-1", ("trim",)),
        ("qx-1", "QX-1", ("lower",)),
        ("880.0", "880", ("whole",)),
        ("12.5", "12.50", ("whole",)),
        ("71", "0071", ("unpad",)),
        ("0071", "71", ("unpad",)),
        ("shopify_DE_1_880", "880", ("prefix",)),
        ("880", "SKU-880", ("prefix",)),
        ("SKU880", "880", ("prefix",)),
        (" 0880.0", "880", ("trim", "whole", "unpad")),
    ],
)
def test_the_fewest_repairs_are_named(event: str, item: str, repairs: tuple[str, ...]) -> None:
    """Blanks, case, `.0`, zeros and prefixes, on either side; what is not needed is not proposed."""
    assert found([event], [item, "other"]) == Hint(repairs, 1, ((event, item),))


def test_an_id_that_two_items_answer_to_meets_none() -> None:
    """A repair that makes different items one is no repair."""
    assert found(["1"], ["A-1", "B-1"]) is None
    assert found(["nothing"], ["like", "it"]) is None
    assert found(["a"], []) is None


def test_most_events_decide() -> None:
    """The words name every repair that lets more events meet an item, and the pairs those with most events."""
    frame = pl.DataFrame({"item_id": ["71", "b", "?"], "rows": [5, 9, 99]})
    said = hint(frame, pl.Series(["0071", "B"]))
    assert said == Hint(("lower", "unpad"), 14, (("b", "B"), ("71", "0071")))
    assert said is not None
    assert said.words == "upper and lower case and leading zeros"


@pytest.mark.long
@calm
@given(
    st.lists(st.text("aB0.1 -", max_size=6), max_size=12, unique=True),
    st.lists(st.text("aB0.1 -", max_size=6), max_size=12, unique=True),
)
def test_pairs_are_of_both_sides(events: list[str], items: list[str]) -> None:
    """Whatever the ids are, a pair is an event's id and an item's, and no event is counted twice."""
    said = found(events, items)
    assert said is None or (
        0 < said.events <= len(events) and all(one in events and other in items for one, other in said.pairs)
    )
