"""Ids that name nobody."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.ids.user_ids import NULL_USERS, NullUsers
from recsys.tables.values.nobody import is_nobody
from tests.support.shops.handmade import calm

USUAL = NullUsers(NULL_USERS)


@pytest.mark.parametrize(
    "text",
    [
        "guest",
        "Guest ",
        "UNDEFINED",
        "0",
        "-1",
        "",
        "  ",
        "(not set)",
        "NaN",
        "None",
        "null",
        "Gast",
        "invité",
        "Walk-in Customer",
        "NOT LOGGED IN",
        "\\N",
        "#N/A",
    ],
)
def test_what_shops_write_for_nobody_names_nobody(text: str) -> None:
    """Case and blanks around the word do not matter, and an empty id is nobody's."""
    assert text in USUAL
    assert USUAL.first_named(text, "anon-5") == "anon-5"


@pytest.mark.parametrize("text", ["guest-5", "00", "1", "nobody", "o", "ann"])
def test_other_ids_name_somebody(text: str) -> None:
    """Only the whole id is compared."""
    assert text not in USUAL
    assert USUAL.first_named(text, "anon-5") == text


def test_a_list_of_the_shops_own_replaces_the_usual_one() -> None:
    """All but the empty id, which names nobody anywhere."""
    own = NullUsers(["Kasse"])
    assert "kasse" in own
    assert "guest" not in own
    assert "" in own
    assert own.first_named("kasse", None) == "kasse"
    assert own.first_named(None, None) == ""


@calm
@given(
    st.lists(
        st.sampled_from([*NULL_USERS, "Guest", " guest", "ann", "", "GUEST\t", "x 0", "0 "])
        | st.text(st.characters(codec="ascii"))
    )
)
def test_tables_and_the_service_agree(texts: list[str]) -> None:
    """The rule over a column says of every id what the rule for one id says."""
    frame = pl.DataFrame({"user_id": texts}, schema={"user_id": pl.String})
    assert frame.select(is_nobody("user_id", USUAL)).to_series().to_list() == [text in USUAL for text in texts]
