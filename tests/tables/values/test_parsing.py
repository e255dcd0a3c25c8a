"""Parsing of single values: points in time, ids, categories, web addresses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.categories import join_category, parent_category, split_category, within_category
from recsys.ids.event_ids import id_problem
from recsys.tables.parsing import convert
from recsys.tables.schema import TIME, Kind
from recsys.tables.values.times import read_times

NOON = datetime(2026, 5, 1, 12, 30, 15, tzinfo=UTC)
MICROS = 1_777_638_615_000_000


def converted(kind: Kind, *values: Any) -> list[Any]:
    """Values as a column of one kind."""
    column = pl.DataFrame({"raw": pl.Series(values, strict=False)})
    return column.select(convert(kind, pl.col("raw"))).to_series().to_list()


@pytest.mark.parametrize(
    "value",
    [
        "2026-05-01T12:30:15Z",
        "2026-05-01 12:30:15",
        "2026-05-01 12:30:15 UTC",
        "2026-05-01T14:30:15+02:00",
        "2026-05-01 14:30:15.000+0200",
        "1777638615",
        "1777638615000",
        MICROS // 1_000_000,
        MICROS // 1_000,
        MICROS,
        MICROS * 1_000,
        MICROS / 1e6,
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=-7))),
    ],
)
def test_one_moment_in_every_notation(value: Any) -> None:
    """ISO 8601 with or without zone (then UTC), seconds, ms, µs and ns since 1970, and typed times are one moment."""
    times = read_times(pl.Series([value]))
    assert times.dtype == TIME
    assert times.to_list() == [NOON]


def test_days_and_minutes_are_moments_too() -> None:
    """A date is its midnight in UTC; seconds may be left out; fractions are kept."""
    texts = ["2026-05-01", "2026-05-01T12:30", "2026-05-01 12:30:15.25", None, "yesterday", "31.05.2026", ""]
    day = datetime(2026, 5, 1, tzinfo=UTC)
    fraction = NOON + timedelta(milliseconds=250)
    assert read_times(pl.Series(texts)).to_list() == [day, NOON.replace(second=0), fraction, None, None, None, None]
    assert read_times(pl.Series([date(2026, 5, 1)])).to_list() == [day]


@given(st.integers(min_value=4 * 365 * 86_400, max_value=7_258_118_399))
def test_numbers_since_1970_are_told_apart_by_size(seconds: int) -> None:
    """From 1974 to 2200 seconds, ms and µs of the same moment never collide."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    for unit in (1, 1_000, 1_000_000):
        assert read_times(pl.Series([seconds * unit])).to_list() == [moment]


def test_times_that_cannot_be_are_none() -> None:
    """Before 1970 and from 2200 on, a point in time is a mistake."""
    times = [datetime(1969, 12, 31, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 2, tzinfo=UTC)]
    assert converted("time", *times) == [None, times[1], None]


@given(st.text(max_size=300))
def test_tables_and_the_service_agree_on_ids(text: str) -> None:
    """What `id_problem` accepts is read from a table as it stands; what it refuses becomes nothing."""
    if text:
        assert converted("id", text) == [None if id_problem(text) else text]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "empty"), ("a" * 257, "257 bytes"), ("é" * 129, "258 bytes"), ("a\tb", "control"), ("a\x85b", "control")],
)
def test_what_no_id_may_be(text: str, problem: str) -> None:
    """Ids are 1 to 256 UTF-8 bytes without control characters."""
    assert problem in str(id_problem(text))
    assert id_problem("é" * 128) is None


@given(st.lists(st.text(max_size=12), max_size=5))
def test_a_category_survives_the_way_to_text_and_back(levels: list[str]) -> None:
    """Splitting joined levels gives the levels, trimmed and without the empty ones, whatever they hold."""
    trimmed = tuple(level.strip() for level in levels if level.strip())
    assert split_category(join_category(levels)) == trimmed
    assert join_category(split_category(join_category(levels))) == join_category(levels)


LEVEL = st.text(min_size=1, max_size=6).filter(str.strip)


@given(st.lists(LEVEL, min_size=1, max_size=4), LEVEL)
def test_a_node_holds_itself_and_all_below_but_no_namesake(levels: list[str], more: str) -> None:
    """`within_category` follows levels, not characters."""
    node = join_category(levels)
    below = join_category([*levels, more])
    assert within_category(node, node)
    assert within_category(below, node)
    assert not within_category(node, below)
    assert parent_category(below) == node
    assert not within_category(join_category([*levels[:-1], levels[-1].strip() + "x"]), node)


def test_categories_written_by_hand() -> None:
    """Spaces around > are optional, empty levels vanish, and an escaped > belongs to its level."""
    assert split_category("Home>Sofas >  > Corner") == ("Home", "Sofas", "Corner")
    assert split_category(r"Sizes \> 40 > a\\b") == ("Sizes > 40", r"a\b")
    assert join_category(["Sizes > 40", " ", r"a\b"]) == r"Sizes \> 40 > a\\b"
    assert parent_category("Home") is None


def test_addresses_are_web_addresses_or_paths() -> None:
    """Nothing that runs when it is clicked, ends an attribute of a page, or carries a password; and nothing with spaces."""
    good = [
        "https://shop.example/a?b=1#c",
        "https://shop.example/@ada",
        "HTTP://x.example",
        "/items/1",
        "//cdn.example/i.png",
    ]
    bad = [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "shop.example/a",
        "/a b",
        "ftp://x.example/y",
        "https:///x",
        "https://ada:secret@shop.example/a",
        "https://shop.example\\@evil.example",
        "/\\evil.example",
        '/a"onmouseover=x',
        "https://shop.example/<script>",
    ]
    assert converted("url", *good, *bad) == [*good, *[None] * len(bad)]


def test_numbers_flags_and_currencies() -> None:
    """What Polars reads is a number if it is finite; yes and no are words and figures; currencies have three letters."""
    assert converted("number", "12.50", "1e3", "12,50", "€5", "nan", "inf") == [12.5, 1000.0, None, None, None, None]
    assert converted("number", Decimal("1.5")) == [1.5]
    assert converted("flag", "TRUE", "no", "1", "0", "Oui", "maybe") == [True, False, True, False, True, None]
    assert converted("flag", 1, 0, 2) == [True, False, None]
    assert converted("currency", " eur", "EURO", "€") == ["EUR", None, None]


def test_contents_carry_several_categories() -> None:
    """A list, or text with | between them; each as canonical text."""
    assert converted("categories", "Home>Sofas | Fashion", None) == [["Home > Sofas", "Fashion"], None]
    assert converted("categories", ["Home>Sofas", ""], None) == [["Home > Sofas"], None]
