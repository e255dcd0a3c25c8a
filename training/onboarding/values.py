"""Guesses about the values of a column: times, numbers, words for event types or for how an order stands, mail addresses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from recsys.tables.columns.conditions import says_never
from recsys.tables.values.digits import with_plain_digits
from recsys.tables.values.numbers import UNITS, read_number
from recsys.tables.values.plausible import plausible_share
from recsys.tables.values.times import ZONE_WORDS, TimeNotation
from recsys.tables.values.words import read_words
from training.onboarding.concepts import concepts
from training.onboarding.names import event_words, plain, says_kind

_PLAIN = r"^-?\d[\d.,]*$"
_PLAIN_NUMBER = r"^-?\d+(?:[.,]\d+)?$"
_DAY = r"^\s*(\d{1,2})(?:[/-]|\.\s?)(\d{1,2})(?:[/-]|\.\s?)(?:\d{4}|\d{2})\.?(?:[\s,;T]|$)"
_SHORT_DAY = r"^\s*(\d{2})[/.-](\d{2})[/.-](\d{2})(?:[\s,;T]|$)"
_ZONED = rf"(?i)(?:z|utc|gmt|\d\s*(?:{'|'.join(ZONE_WORDS)})|[:T]\d\d.*?[+-]\d{{2}}:?\d{{2}})\s*$"
_ENOUGH, _ALMOST, _MOST = 5, 0.95, 0.8
"""Orders of several lines that must be there, and their share that must be alike, before a column is taken for the order's; the
share of plausible times in a column whose name says nothing of a time, and that of days with a year of four digits, which articles
have not."""
_WHOLE_DAY = r"^\s*(?:(?:19|20)\d\d\D\d\d?\D\d\d?|\d\d?\D\d\d?\D(?:19|20)\d\d)(?:\D|$)"
_MONTHS, _YEARS = 12, 6
"""Months of a year; years before this one of which a shop's events are mostly."""
_MANY_ROWS = 40
"""Rows from which a column with another value in each names rows, and not the items of events."""
_LOOKED_AT = 1_000
"""Values of which it is tried how they can be read."""
_POSTS = frozenset(("post", "posta", "correo", "courriel"))
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
    """By canonical column, the columns whose values could be its own; a column without a value could be anything.

    `filled`: those with a value.
    """
    text = {name: texts(rows, name) for name in rows.columns}
    times = [name for name in rows.columns if _is_time(rows, name)]
    numbers = [name for name in rows.columns if is_number(text[name])]
    event_types = [name for name in rows.columns if is_event_type(text[name])]
    words = [
        *event_types,
        *(name for name in rows.columns if name not in event_types and says_kind(name) and _are_words(text[name])),
    ]
    scalar = [name for name in rows.columns if not rows[name].dtype.is_nested() and not rows[name].dtype.is_temporal()]
    money = dict.fromkeys(("quantity", "price", "amount", "stock", "cost"), numbers)
    moments = dict.fromkeys(("timestamp", "as_of", "published_at", "published_until", "birthday"), times)
    return {
        "filled": [name for name in rows.columns if rows[name].dtype.is_nested() or len(text[name])],
        **money,
        **moments,
        "stock": [name for name in rows.columns if name in numbers or is_stock(text[name])],
        "available": [name for name in rows.columns if name not in numbers or text[name].is_in(["0", "1"]).all()],
        "event_type": words,
        "events.event_type": event_types,
        "events.item_id": [name for name in scalar if len(text[name]) and not is_another_in_each(text[name])],
        "events.user_id": [name for name in scalar if len(text[name]) and not are_names_of_people(name, text[name])],
        "user_id": [name for name in scalar if not _is_other_post(name, text[name])],
        **dict.fromkeys(("item_id", "anonymous_id", "order_id"), scalar),
    }


def are_names_of_people(name: str, text: pl.Series) -> bool:
    """Tell whether a column that is only called a customer's holds several words in most values: first and last names."""
    return concepts(name) == ("user",) and share(text, r"^\p{L}[^\d@]*\s[^\d@]*\p{L}\.?$") > 0.5


def _is_other_post(name: str, text: pl.Series) -> bool:
    """Tell whether a name may mean a mail address or something posted, and the values hold no addresses."""
    return plain(name) in _POSTS and not text.is_empty() and share(text, "@") < 0.5


def is_number(text: pl.Series) -> bool:
    """Tell whether half of the values can be read as numbers or money, with one decimal mark or the other."""
    first = text.head(_LOOKED_AT)
    if share(first, _PLAIN) >= 0.5 or share(first, r"\d") < 0.5:
        return bool(len(first)) and share(first, _PLAIN) >= 0.5
    some = first.to_frame("t")
    read = some.select(
        pl.coalesce(read_number(pl.col("t"), mark, units=UNITS, money=True) for mark in (".", ","))
    ).to_series()
    return bool(len(read)) and (len(read) - read.null_count()) * 2 >= len(read)


def is_stock(text: pl.Series) -> bool:
    """Tell whether half of the values are numbers of units, some of them in words: `12`, `10+`, `sold out`."""
    first = text.head(_LOOKED_AT)
    words = first.to_frame("t").select(read_words(pl.col("t"), "availability").is_not_null()).to_series()
    counted = first.str.contains(r"^\D{0,2}\d") & ~first.is_in(["0", "1"])
    return bool(counted.any()) and int((words | counted).sum()) * 2 >= len(first)


def says_for_sale(text: pl.Series) -> bool:
    """Tell whether all values say whether something is for sale, of some that it is and of some that it is not."""
    said = text.unique().to_frame("t").select(read_words(pl.col("t"), "availability")).to_series()
    return not said.null_count() and bool(said.any()) and not said.all()


def is_nothing(name: str) -> pl.Expr:
    """Tell whether an amount is 0, whatever its currency and decimal mark."""
    return pl.col(name).cast(pl.String).str.contains(r"^[^\d-]*0+(?:[.,]0+)?\D*$").fill_null(False)


def is_event_type(text: pl.Series) -> bool:
    """Tell whether there are few words, and one of them at least is known."""
    words = text.unique().to_list() if text.n_unique() <= _MOST_WORDS else []
    return bool(words) and bool(event_words(words))


def _are_words(text: pl.Series) -> bool:
    """Tell whether there are few words, and no numbers."""
    return 0 < text.n_unique() <= _MOST_WORDS and not text.str.contains(r"^[\d.,-]+$").any()


def states_known(text: pl.Series) -> float:
    """Share of the values that say how an order stands, 0…1."""
    said = text.to_frame("t").select(read_words(pl.col("t"), "order")).to_series()
    return int(said.is_not_null().sum()) / max(1, len(text))


def affirmed(text: pl.Series) -> list[str]:
    """The words for yes, if all values are words for yes and no; none otherwise."""
    words = text.str.to_lowercase().unique(maintain_order=True)
    said = words.to_frame("t").select(read_words(pl.col("t"), "flag")).to_series()
    return [] if said.null_count() else words.filter(said).to_list()


def denied(text: pl.Series) -> list[str]:
    """The words for no, if all values are words for yes and no; none otherwise."""
    words = text.str.to_lowercase().unique(maintain_order=True)
    said = words.to_frame("t").select(read_words(pl.col("t"), "flag")).to_series()
    return [] if said.null_count() else words.filter(~said).to_list()


def states_given(text: pl.Series) -> bool:
    """Tell whether few words say how orders stand, all of them known, of those that stand and of those that do not."""
    words = text.unique()
    if not 2 <= len(words) <= _MOST_WORDS or text.str.contains(r"^[\d.,-]+$").any():
        return False
    said = words.to_frame("t").select(read_words(pl.col("t"), "order")).to_series()
    return not said.null_count() and bool(said.any()) and not said.all()


def days_of(text: pl.Series) -> Days:
    """Dates such as 05/06/2026 among the values, and what proves their order."""
    found = with_plain_digits(text).str.extract_groups(_DAY).struct.unnest()
    first, second = (found[name].cast(pl.Int32, strict=False) for name in found.columns[:2])
    return Days(int(first.is_not_null().sum()), int((first > 12).sum() or 0), int((second > 12).sum() or 0))


def year_first(text: pl.Series, now: datetime | None = None) -> bool | None:
    """Tell whether days of three numbers of two digits begin with the year; None: they may begin with it or end with it.

    They do if all first numbers are years of a shop's life and not all last ones are, or only the first ones can be years so far; no
    second one says that it is no month, and the last ones are more different than the first ones, as days are.
    """
    found = with_plain_digits(text).str.extract_groups(_SHORT_DAY).struct.unnest().drop_nulls()
    first, second, last = (found[name].cast(pl.Int32) for name in found.columns)
    if len(found) * 2 < len(text) or (second > _MONTHS).any():
        return False
    now = now or datetime.now(UTC)
    year = now.year % 100
    begins, ends = (bool(each.is_between(year - _YEARS, year).all()) for each in (first, last))
    begins |= bool((first <= year).all() and (last > year).any())
    if not begins or ends or first.n_unique() > last.n_unique():
        return False
    return True if first.n_unique() < last.n_unique() else None


def swapped_days(text: pl.Series) -> tuple[int, int]:
    """Count the days that a spreadsheet took for its own with day and month swapped, and those that it left as text, since there is
    no thirteenth month; (0, 0) if some text could have been taken too, or some day of its own is after the twelfth."""
    found = with_plain_digits(text).str.extract_groups(_DAY).struct.unnest()
    left = [found[name].cast(pl.Int32, strict=False).drop_nulls() for name in found.columns[:2]]
    serial = pl.col("t").str.extract(r"^(\d{5})(?:\.\d+)?$").cast(pl.Int32, strict=False)
    of_its_own = pl.coalesce(
        pl.col("t").str.extract(r"^\d{4}-\d\d-(\d\d)(?:\D|$)").cast(pl.Int32, strict=False),
        (pl.date(1899, 12, 30) + pl.duration(days=serial)).dt.day().cast(pl.Int32),
    )
    days = text.to_frame("t").select(of_its_own).to_series().drop_nulls()
    is_left = any(len(each) >= _ENOUGH and bool((each > _MONTHS).all()) for each in left)
    return (len(days), len(left[0])) if is_left and len(days) >= _ENOUGH and bool((days <= _MONTHS).all()) else (0, 0)


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


def is_said(rows: pl.DataFrame, name: str) -> pl.Expr:
    """Tell whether a column has a value that is not blank, and no word of a database for nothing, such as `NULL`."""
    return is_given(rows, name) & ~says_never(pl.col(name).cast(pl.String))


def where_empty(rows: pl.DataFrame, name: str) -> str:
    """The settings that keep the rows in which a column says nothing."""
    text = texts(rows, name)
    words = text.to_frame("t").filter(says_never(pl.col("t")))["t"].unique().sort()
    nothing = f", and `null_values = {json.dumps(words.to_list())}`" if len(words) else ""
    return f'`where = [{{ column = "{name}", empty = true }}]`{nothing}'


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
    if {"date", "made"} & set(
        concepts(name)
    ):  # a number such as 46174.4375 may be a day of a spreadsheet where its name says so
        numbers = numbers.extend(text.str.extract(r"^((?:3[3-9]|[4-6]\d|7[0-2])\d{3}(?:\.\d+)?)$").drop_nulls())
    return len(numbers) * 2 >= len(text) or _reads_as_times(name, text.head(_LOOKED_AT))


def _reads_as_times(name: str, text: pl.Series) -> bool:
    """Tell whether half of the values are plausible times; of a column whose name says nothing of a time, nearly all."""
    if share(text, _PLAIN_NUMBER) > 0.5 or share(text, r"\d") < 0.5:
        return False
    orders = (None,) if not days_of(text).given else (True, False)
    read = max(plausible_share(text, TimeNotation(unit="none", day_first=order)) for order in orders)
    least = _MOST if share(text, _WHOLE_DAY) >= _MOST else _ALMOST
    return read >= (0.5 if {"date", "made"} & set(concepts(name)) else least)


def share(text: pl.Series, pattern: str) -> float:
    """Share of the values that hold a pattern, 0…1."""
    return int(text.str.contains(pattern).sum()) / max(1, len(text))


def is_of_the_order(rows: pl.DataFrame, own: str, order: str) -> bool:
    """Tell whether a value belongs to the order: it is the same on all lines of almost each that has several."""
    orders = rows.filter(is_given(rows, own) & is_given(rows, order)).group_by(order).agg(pl.len(), pl.col(own).n_unique())
    several = orders.filter(pl.col("len") > 1)
    return several.height >= _ENOUGH and int((several[own] == 1).sum()) >= _ALMOST * several.height


def told_by(rows: pl.DataFrame, own: str, key: str) -> float | None:
    """Share of the further rows of a key that repeat the value which it has most often in a column, 0…1; None: no key has two rows."""
    stated = rows.filter(is_given(rows, own) & is_given(rows, key)).group_by(key, own).len()
    keys = stated.group_by(key).agg(pl.col("len").sum() - 1, pl.col("len").max().alias("same") - 1)
    further = int(keys["len"].sum())
    return int(keys["same"].sum()) / further if further else None


def is_another_in_each(text: pl.Series) -> bool:
    """Tell whether many rows have a value, and none of them the same."""
    return len(text) >= _MANY_ROWS and text.n_unique() == len(text)
