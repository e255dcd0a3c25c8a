"""Guesses about the values of a column: times, numbers, words for event types or for how an order stands, mail addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from recsys.tables.values.times import TimeNotation, read_times
from recsys.tables.values.words import read_words
from training.onboarding.names import event_words

_NUMBER = r"^[^\w]{0,3}(?:[A-Z]{3} ?)?[-(]?\d[\d .,'’]*\)?[^\w\d]{0,3}(?:[A-Z]{3})?$"
_DAY = r"^\s*(\d{1,2})[./-](\d{1,2})[./-](?:\d{4}|\d{2})\b"
_ZONED = r"(?i)(?:z|utc|gmt|[+-]\d{2}:?\d{2})\s*$"
_MOST_WORDS = 60
"""Different words that a column of event types has at most."""


@dataclass(frozen=True, slots=True)
class Days:
    """Dates of two short numbers and a year: how many there are, and how many prove that the day, or the month, stands first."""

    given: int
    day_first: int
    month_first: int


def texts(rows: pl.DataFrame, name: str) -> pl.Series:
    """A column's values as texts without blanks, nulls left out; of lists and structs nothing."""
    column = rows[name]
    if column.dtype.is_nested():
        return pl.Series(name, [], dtype=pl.String)
    text = column.cast(pl.String).str.strip_chars()
    return text.filter((text != "") & text.is_not_null())


def usable_for(rows: pl.DataFrame) -> Mapping[str, list[str]]:
    """By canonical column, the columns whose values could be its own; a column without a value could be anything."""
    times = [name for name in rows.columns if _is_time(rows, name)]
    numbers = [name for name in rows.columns if share(texts(rows, name), _NUMBER) >= 0.5]
    words = [name for name in rows.columns if is_event_type(texts(rows, name))]
    scalar = [name for name in rows.columns if not rows[name].dtype.is_nested() and not rows[name].dtype.is_temporal()]
    money = dict.fromkeys(("quantity", "price", "amount", "stock", "cost"), numbers)
    moments = dict.fromkeys(("timestamp", "as_of", "published_at", "published_until", "birthday"), times)
    return {
        **money,
        **moments,
        "event_type": words,
        **dict.fromkeys(("user_id", "item_id", "anonymous_id", "order_id"), scalar),
    }


def is_event_type(text: pl.Series) -> bool:
    """Tell whether there are few words, and one of them at least is known."""
    words = text.unique().to_list() if text.n_unique() <= _MOST_WORDS else []
    return bool(words) and bool(event_words(words))


def states_known(text: pl.Series) -> float:
    """Share of the values that say how an order stands, 0…1."""
    said = text.to_frame("t").select(read_words(pl.col("t"), "order")).to_series()
    return int(said.is_not_null().sum()) / max(1, len(text))


def days_of(text: pl.Series) -> Days:
    """Dates such as 05/06/2026 among the values, and what proves their order."""
    found = text.str.extract_groups(_DAY).struct.unnest()
    first, second = (found[name].cast(pl.Int32, strict=False) for name in found.columns[:2])
    return Days(int(first.is_not_null().sum()), int((first > 12).sum() or 0), int((second > 12).sum() or 0))


def is_local(rows: pl.DataFrame, name: str) -> bool:
    """Tell whether times name no zone, so that a setting must."""
    dtype = rows.schema[name]
    if isinstance(dtype, pl.Datetime):
        return dtype.time_zone is None
    return dtype == pl.String and share(texts(rows, name), r"\D") > 0.5 and share(texts(rows, name), _ZONED) < 0.5


def is_given(rows: pl.DataFrame, name: str) -> pl.Expr:
    """Tell whether a column has a value that is not blank."""
    value = pl.col(name)
    if rows.schema[name] == pl.String:
        return (value.str.strip_chars() != "").fill_null(False)
    return value.is_not_null()


def empty_share(rows: pl.DataFrame, name: str) -> float:
    """Share of the rows without a value, 0…1."""
    return 1 - len(texts(rows, name)) / max(1, rows.height)


def _is_time(rows: pl.DataFrame, name: str) -> bool:
    if rows.schema[name].is_temporal():
        return True
    text = texts(rows, name)
    if text.is_empty():
        return False
    numbers = text.str.extract(r"^(\d{8,19})(?:\.\d+)?$").drop_nulls()
    read = read_times(text.head(1_000), TimeNotation(unit="none"))
    return (
        (len(read) - read.null_count()) * 2 >= len(read)
        or days_of(text).given * 2 >= len(text)
        or len(numbers) * 2 >= len(text)
    )


def share(text: pl.Series, pattern: str) -> float:
    """Share of the values that hold a pattern, 0…1."""
    return int(text.str.contains(pattern).sum()) / max(1, len(text))
