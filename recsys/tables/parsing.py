"""Parsing of values by kind: ids, numbers, addresses, points in time, categories; null where a value is not usable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import polars as pl

from recsys import clock
from recsys.categories import join_category, split_category
from recsys.ids.event_ids import MAX_ID_BYTES
from recsys.locales import zone_name
from recsys.tables.schema import EVENT_TYPE, TIME, Kind
from recsys.tables.values.notation import Notation
from recsys.tables.values.numbers import currency_beside, read_number, shared_sign_beside
from recsys.tables.values.signs import control, has_sign
from recsys.tables.values.times import at_a_seam, read_days, read_times
from recsys.tables.values.words import Meaning, read_words
from recsys.types import EVENT_TYPES

LEVEL = "\x1f"
"""Stands between the levels of a category until they are escaped and joined."""
_ESCAPED = "\x1e"
"""Stands for a sign behind a backslash while a text is split at that sign."""
TOLD = Notation(plain=True)
"""Notation of what is typed, or written as Polars writes it."""
_EARLIEST, _LATEST = clock.EPOCH, datetime(2200, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1850, 1, 1)
"""No birthday is before it: a number of another unit."""
_AT_LEAST = r"^(?:>|≥|>=|over|more than|über|mehr als)?\s*(\d+)\s*\+?$"
_WEB_ADDRESS = r'^(?:(?i:https?:)?//[^\s\p{Cc}"<>/?#@\\]+(?:[/?#][^\s\p{Cc}"<>]*)?|/(?:[^\s\p{Cc}"<>/\\][^\s\p{Cc}"<>]*)?)$'
"""A web address without a name and password in it, or a path from the shop's root; none that could end an attribute of a page."""


def convert(kind: Kind, raw: pl.Expr, notation: Notation = TOLD) -> pl.Expr:
    """Canonical value of a raw one (text, or a type that fits); null where there is none or it is not usable."""
    return _CONVERSIONS[kind](raw, notation)


def level_pattern(separator: str) -> str:
    """Regular expression of what stands between levels: the separator; `>` also without the blanks, or as HTML has it, between words:
    `Home>Kitchen`, not `Batteries >5Ah`."""
    return r"\s+(?:>|&gt;)\s+|\b(?:>|&gt;)(?:\s+|\b)" if separator.strip() == ">" else re.escape(separator)


def read_categories(raw: pl.Expr, *, canonical: bool) -> pl.Expr:
    """Canonical category text, from levels with `LEVEL` between them, or from text that is canonical already."""
    read: Callable[[str], str] = _tidied if canonical else _joined

    def each(texts: pl.Series) -> pl.Series:
        return pl.Series([read(text) or None for text in texts], dtype=pl.String)

    return by_distinct(raw, each, pl.String())


def currency_of(raw: pl.Expr) -> pl.Expr:
    """Currency that a text of money names beside its number; null where it names none."""
    return by_distinct(raw, lambda texts: texts.to_frame("t").select(currency_beside(pl.col("t"))).to_series(), pl.String())


def shared_sign_of(raw: pl.Expr) -> pl.Expr:
    """Sign that several currencies share and a text of money has beside its number; null where it has none."""
    return by_distinct(
        raw, lambda texts: texts.to_frame("t").select(shared_sign_beside(pl.col("t"))).to_series(), pl.String()
    )


def skipped_by_clocks(raw: pl.Expr, notation: Notation) -> pl.Expr:
    """Tell whether a local time was skipped by its zone, and is read as later."""
    return raw.map_batches(lambda each: at_a_seam(each, notation.time), return_dtype=pl.Boolean(), is_elementwise=True)


def split_between(text: pl.Expr, between: str) -> pl.Expr:
    """Texts that a sign stands between. Behind a backslash, as WooCommerce writes the comma of a name, it is a part of its text."""
    texts = text.str.replace_all("\\" + between, _ESCAPED, literal=True).str.split(between)
    return texts.list.eval(pl.element().str.replace_all(_ESCAPED, between, literal=True))


def by_distinct(raw: pl.Expr, read: Callable[[pl.Series], pl.Series], dtype: pl.DataType) -> pl.Expr:
    """Read each distinct text once."""

    def each(series: pl.Series) -> pl.Series:
        distinct = series.cast(pl.String).drop_nulls().unique()
        return series.cast(pl.String).replace_strict(distinct, read(distinct), default=None, return_dtype=dtype)

    return raw.map_batches(each, return_dtype=dtype, is_elementwise=True)


def _tidied(text: str) -> str:
    return join_category(split_category(text))


def _joined(text: str) -> str:
    return join_category(text.split(LEVEL))


def _id(raw: pl.Expr, _notation: Notation) -> pl.Expr:
    return raw.cast(pl.String).map_batches(_usable_ids, return_dtype=pl.String(), is_elementwise=True)


def _usable_ids(texts: pl.Series) -> pl.Series:
    too_long = (texts.str.len_bytes() > MAX_ID_BYTES).any()
    if not too_long and not has_sign(texts, control):
        return texts
    usable = (pl.col("t").str.len_bytes() <= MAX_ID_BYTES) & ~pl.col("t").str.contains(r"\p{Cc}")
    return texts.to_frame("t").select(pl.when(usable).then("t")).to_series()


def _trimmed(raw: pl.Expr, _notation: Notation) -> pl.Expr:
    return raw.cast(pl.String).str.strip_chars()


def _url(raw: pl.Expr, notation: Notation) -> pl.Expr:
    text = _trimmed(raw, notation)
    return pl.when(text.str.contains(_WEB_ADDRESS)).then(text)


def _currency(raw: pl.Expr, notation: Notation) -> pl.Expr:
    def each(texts: pl.Series) -> pl.Series:
        text = _trimmed(pl.col("t"), notation).str.to_uppercase()
        return texts.to_frame("t").select(pl.when(text.str.contains(r"^[A-Z]{3}$")).then(text)).to_series()

    return by_distinct(raw, each, pl.String())


def _zone(raw: pl.Expr, _notation: Notation) -> pl.Expr:
    return by_distinct(raw, lambda texts: pl.Series([zone_name(text) for text in texts], dtype=pl.String), pl.String())


def _number(raw: pl.Expr, notation: Notation) -> pl.Expr:
    return _read_number(raw, notation, money=False)


def _money(raw: pl.Expr, notation: Notation) -> pl.Expr:
    return _read_number(raw, notation, money=True)


def _read_number(raw: pl.Expr, notation: Notation, *, money: bool) -> pl.Expr:
    if notation.plain:
        value = raw.cast(pl.Float64, strict=False)
        return pl.when(value.is_finite()).then(value)

    def each(texts: pl.Series) -> pl.Series:
        number = read_number(pl.col("t"), notation.mark, strict=notation.strict, units=notation.units, money=money)
        return texts.to_frame("t").select(number).to_series()

    return by_distinct(raw, each, pl.Float64())


def _stock(raw: pl.Expr, notation: Notation) -> pl.Expr:
    """A number of units; `10+` and `>10` are ten, a word that means not for sale is none."""
    number = _read_number(raw, notation, money=False)
    if notation.plain:
        return number
    least = raw.cast(pl.String).str.strip_chars().str.to_lowercase().str.extract(_AT_LEAST).cast(pl.Float64, strict=False)
    none = read_words(raw, "availability", notation.yes, notation.no) == pl.lit(False)
    return pl.coalesce(number, least, pl.when(none).then(0.0))


def _words(meaning: Meaning) -> Callable[[pl.Expr, Notation], pl.Expr]:
    return lambda raw, notation: read_words(raw, meaning, notation.yes, notation.no)


def _time(raw: pl.Expr, notation: Notation) -> pl.Expr:
    time = raw.map_batches(lambda each: read_times(each, notation.time), return_dtype=TIME, is_elementwise=True)
    return pl.when(time.is_between(_EARLIEST, _LATEST)).then(time)


def _date(raw: pl.Expr, notation: Notation) -> pl.Expr:
    day = raw.map_batches(lambda each: read_days(each, notation.time), return_dtype=pl.Date(), is_elementwise=True)
    return pl.when(day.is_between(_FIRST_DAY, _LATEST.date())).then(day)


def _categories(raw: pl.Expr, notation: Notation) -> pl.Expr:
    def node(given: object) -> str:
        if isinstance(given, list):
            return join_category(str(level) for level in given if level is not None)
        if not notation.levels:
            return _tidied(str(given))
        return join_category(re.split(level_pattern(notation.levels), str(given)))

    return _lists(raw, notation, node)


def _several(raw: pl.Expr, notation: Notation) -> pl.Expr:
    return _lists(raw, notation, lambda given: str(given).strip())


def _lists(raw: pl.Expr, notation: Notation, read: Callable[[object], str]) -> pl.Expr:
    """Distinct texts of each row, read one by one, from a list or from text; null where there is none."""

    def each(series: pl.Series) -> pl.Series:
        lists = series
        if not isinstance(series.dtype, pl.List):
            text = pl.col(series.name).cast(pl.String)
            lists = series.to_frame().select(split_between(text, notation.between)).to_series()
        found = [dict.fromkeys(read(given) for given in row or () if given is not None) for row in lists.to_list()]
        return pl.Series(series.name, [[text for text in row if text] or None for row in found], dtype=_TEXTS)

    return raw.map_batches(each, return_dtype=_TEXTS, is_elementwise=True)


_TEXTS = pl.List(pl.String())
_CONVERSIONS: Mapping[Kind, Callable[[pl.Expr, Notation], pl.Expr]] = {
    "id": _id,
    "text": _trimmed,
    "url": _url,
    "category": lambda raw, _: raw,
    "categories": _categories,
    "words": _several,
    "currency": _currency,
    "type": lambda raw, _: pl.when(raw.is_in(EVENT_TYPES)).then(raw).cast(EVENT_TYPE, strict=False),
    "time": _time,
    "date": _date,
    "number": _number,
    "money": _money,
    "stock": _stock,
    "flag": _words("flag"),
    "availability": _words("availability"),
    "consent": _words("consent"),
    "zone": _zone,
}
