"""Rules on rare characters, asked of a batch of texts before they are asked of each: no text is judged otherwise in company."""

from __future__ import annotations

import sys
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.ids.event_ids import id_problem
from recsys.tables.parsing import convert
from recsys.tables.values.signs import control, has_sign, matches, one_of

PATTERN = r"^\s*\[.*\]|a\|"
TEXTS = st.lists(st.none() | st.text("a[]| é\x85\x00", max_size=5) | st.text(max_size=3), max_size=30)


@pytest.mark.long
@given(TEXTS)
@settings(max_examples=50)
def test_a_text_matches_in_a_batch_as_it_does_alone(texts: list[str | None]) -> None:
    """A pattern is looked for wherever its sign stands in a batch; what is null never matches."""
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    found = frame.select(matches(pl.col("text"), PATTERN, one_of(b"[|"))).to_series()
    assert found.equals(frame.select(pl.col("text").str.contains(PATTERN).fill_null(False)).to_series())


@given(TEXTS)
@settings(max_examples=50)
def test_an_id_is_usable_in_a_batch_if_it_is_alone(texts: list[str | None]) -> None:
    """Ids of a table keep the rule of the service, whatever stands in the rows around them."""
    frame = pl.DataFrame({"id": texts}, schema={"id": pl.String})
    read = frame.select(convert("id", pl.col("id")))["id"].to_list()
    assert read == [text if text is None or not text or id_problem(text) is None else None for text in texts]


def test_no_control_character_passes() -> None:
    """Every character of Unicode's Cc has the sign."""
    controls = [chr(number) for number in range(sys.maxunicode + 1) if unicodedata.category(chr(number)) == "Cc"]
    assert [each for each in controls if not has_sign(pl.Series([f"a{each}b"]), control)] == []


def test_the_last_of_many_texts_is_looked_at() -> None:
    """A batch is looked at to its end."""
    assert has_sign(pl.Series(["a"] * 250_000 + ["a\x85"]), control)


@pytest.mark.parametrize("length", [256, 257])
def test_one_long_id_among_short_ones(length: int) -> None:
    """An id is too long from 257 bytes, with sound ones beside it."""
    frame = pl.DataFrame({"id": ["a", "b" * length, None]})
    assert frame.select(convert("id", pl.col("id")))["id"].null_count() == 1 + (length > 256)


def test_nothing_has_no_sign() -> None:
    """Batches without a text, or with none but null, have no sign."""
    for texts in ([], [None], [""]):
        assert not has_sign(pl.Series(texts, dtype=pl.String), control)
