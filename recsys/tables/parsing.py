"""Parsing of values by kind: ids, numbers, addresses, points in time, categories; null where a value is not usable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import polars as pl

from recsys.categories import join_category, split_category
from recsys.event_ids import MAX_ID_BYTES
from recsys.tables.schema import EVENT_TYPE, KINDS, TIME, Kind
from recsys.types import EVENT_TYPES

LEVEL = "\x1f"
"""Stands between the levels of a category until they are escaped and joined."""
_YES = ("true", "t", "1", "1.0", "yes", "y", "in stock", "in_stock")
_NO = ("false", "f", "0", "0.0", "no", "n", "out of stock", "out_of_stock")
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def convert(kind: Kind, raw: pl.Expr) -> pl.Expr:
    """Canonical value of a raw one (text, or a type that fits); null where there is none or it is not usable."""
    return _CONVERSIONS[kind](raw)


def read_categories(raw: pl.Expr, *, canonical: bool) -> pl.Expr:
    """Canonical category text, from levels with `LEVEL` between them, or from text that is canonical already."""
    read: Callable[[str], str] = _tidied if canonical else _joined

    def each(series: pl.Series) -> pl.Series:
        distinct = series.drop_nulls().unique()
        nodes = pl.Series([read(text) or None for text in distinct], dtype=pl.String)
        return series.replace_strict(distinct, nodes, default=None, return_dtype=pl.String)

    return raw.map_batches(each, return_dtype=pl.String(), is_elementwise=True)


def _tidied(text: str) -> str:
    return join_category(split_category(text))


def _joined(text: str) -> str:
    return join_category(text.split(LEVEL))


def _id(raw: pl.Expr) -> pl.Expr:
    text = raw.cast(pl.String)
    return pl.when((text.str.len_bytes() <= MAX_ID_BYTES) & ~text.str.contains(r"\p{Cc}")).then(text)


def _trimmed(raw: pl.Expr) -> pl.Expr:
    return raw.cast(pl.String).str.strip_chars()


def _url(raw: pl.Expr) -> pl.Expr:
    text = _trimmed(raw)
    return pl.when(text.str.contains(r"^(?i:https?://[^\s/]|/)[^\s\p{Cc}]*$")).then(text)


def _currency(raw: pl.Expr) -> pl.Expr:
    text = _trimmed(raw).str.to_uppercase()
    return pl.when(text.str.contains(r"^[A-Z]{3}$")).then(text)


def _number(raw: pl.Expr) -> pl.Expr:
    value = raw.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _flag(raw: pl.Expr) -> pl.Expr:
    word = _trimmed(raw).str.to_lowercase()
    return pl.when(word.is_in(_YES)).then(True).when(word.is_in(_NO)).then(False)


def _time(raw: pl.Expr) -> pl.Expr:
    time = raw.map_batches(read_times, return_dtype=TIME, is_elementwise=True)
    return pl.when(time.is_between(_EARLIEST, _LATEST)).then(time)


def _date(raw: pl.Expr) -> pl.Expr:
    return raw.map_batches(read_times, return_dtype=TIME, is_elementwise=True).dt.date()


def _categories(raw: pl.Expr) -> pl.Expr:
    def each(series: pl.Series) -> pl.Series:
        lists = series if isinstance(series.dtype, pl.List) else series.cast(pl.String).str.split("|")
        nodes = [None if row is None else [_tidied(str(text)) for text in row if text] for row in lists.to_list()]
        return pl.Series(series.name, nodes, dtype=KINDS["categories"].dtype)

    return raw.map_batches(each, return_dtype=KINDS["categories"].dtype, is_elementwise=True)


_CONVERSIONS: Mapping[Kind, Callable[[pl.Expr], pl.Expr]] = {
    "id": _id,
    "text": _trimmed,
    "url": _url,
    "category": lambda raw: raw,
    "categories": _categories,
    "currency": _currency,
    "type": lambda raw: pl.when(raw.is_in(EVENT_TYPES)).then(raw).cast(EVENT_TYPE, strict=False),
    "time": _time,
    "date": _date,
    "number": _number,
    "money": _number,
    "flag": _flag,
}


def read_times(series: pl.Series) -> pl.Series:
    """Read points in time as UTC: typed ones, ISO 8601 text, or seconds, ms, µs or ns since 1970 told apart by size.

    Text and types without a zone are taken as UTC. Below 10^11 a number is seconds (until the year 5138), below 10^14
    ms, below 10^17 µs, else ns. What is none of these becomes null.
    """
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        zoned = series.dt.convert_time_zone("UTC") if dtype.time_zone else series.dt.replace_time_zone("UTC")
        return zoned.dt.cast_time_unit("us")
    if dtype == pl.Date:
        return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if dtype.is_numeric():
        return _since_1970(series)
    if dtype == pl.String:
        return _from_text(series)
    return pl.Series(series.name, [None] * len(series), dtype=TIME)


def _since_1970(series: pl.Series) -> pl.Series:
    value, size = pl.col("n"), pl.col("n").abs()
    whole = series.dtype.is_integer()
    unit = pl.when(size < 1e11).then(1_000_000).when(size < 1e14).then(1_000)
    micro = value * unit.otherwise(1) if whole else (value.cast(pl.Float64) * unit.otherwise(1)).round(0)
    counted = pl.when(size < 1e17).then(micro).otherwise(value // 1000)
    times = series.to_frame("n").select(counted.cast(pl.Int64, strict=False).cast(pl.Datetime("us"))).to_series()
    return times.dt.replace_time_zone("UTC")


def _from_text(series: pl.Series) -> pl.Series:
    text = series.str.strip_chars().str.replace(r"\s*UTC$", "Z").str.replace(r"^(\d{4}-\d\d-\d\d) +", "${1}T")
    found = pl.Series(series.name, [None] * len(series), dtype=TIME)
    for read in _TEXT_TIMES:
        left = found.is_null() & text.is_not_null()
        if not left.any():
            break
        found = found.zip_with(~left, read(pl.select(pl.when(left).then(text)).to_series()))
    return found


def _pattern(form: str) -> Callable[[pl.Series], pl.Series]:
    def read(text: pl.Series) -> pl.Series:
        times = text.str.to_datetime(form, time_unit="us", strict=False)
        dtype = times.dtype
        return times if isinstance(dtype, pl.Datetime) and dtype.time_zone else times.dt.replace_time_zone("UTC")

    return read


_TEXT_TIMES: tuple[Callable[[pl.Series], pl.Series], ...] = (
    _pattern("%+"),
    _pattern("%Y-%m-%dT%H:%M:%S%.f"),
    _pattern("%Y-%m-%dT%H:%M:%S%.f%#z"),
    _pattern("%Y-%m-%dT%H:%M"),
    lambda text: text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    lambda text: _since_1970(text.str.extract(r"^(-?\d{6,18}(?:\.\d+)?)$").cast(pl.Float64, strict=False)),
)
