"""From a shop's own columns to the canonical ones, as Polars expressions over one lazily read source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from polars.exceptions import PolarsError

from recsys.data.categories import join_category, split_category
from recsys.data.columns import AMOUNT, DTYPES, EVENT_TYPE, TIME, Column
from recsys.data.event_ids import EVENT_ID_LENGTH, ID_FIELD_SEPARATOR, MAX_ID_BYTES
from recsys.data.presets import Preset
from recsys.data.sources import ROW, Source
from recsys.settings import Table
from recsys.types import EVENT_TYPES, SettingsError

GIVEN = "?"
"""Prefix of the columns that tell whether the source had a value at all."""
_RAW = "!"
_LEVEL = "\x1f"
_YES = ("true", "t", "1", "1.0", "yes", "y", "in stock", "in_stock")
_NO = ("false", "f", "0", "0.0", "no", "n", "out of stock", "out_of_stock")


@dataclass(frozen=True, slots=True)
class Mapped:
    """One source's kept rows as canonical columns, each with its `?` column, and where each column came from."""

    source: Source
    frame: pl.LazyFrame
    origins: Mapping[str, tuple[str, ...]]


def map_source(source: Source, table: Table, preset: Preset, columns: tuple[Column, ...], before: datetime | None) -> Mapped:
    """Map one source; rows that the settings leave out, or that are not before `before`, are gone.

    Raises:
        SettingsError: if a pattern is not a regular expression.
    """
    origins = {column.name: _origins(column, source, preset) for column in columns}
    raw = {column.name: _raw(column, origins[column.name], source, table, preset) for column in columns}
    if "event_type" in raw:
        raw["event_type"] = _event_type(raw["event_type"], source, table, preset)
    frame = source.frame
    for rule in table.where:
        frame = frame.filter(_matches(source, rule.column, rule.pattern))
    frame = frame.select(ROW, *(value.alias(_RAW + name) for name, value in raw.items()))
    if "event_type" in raw:
        frame = frame.filter(pl.col(_RAW + "event_type").ne_missing(""))
    given = [pl.col(_RAW + c.name).is_not_null().alias(GIVEN + c.name) for c in columns]
    frame = frame.select(ROW, *(_value(c, raw[c.name], preset).alias(c.name) for c in columns), *given)
    if AMOUNT in columns:
        frame = _finish_events(frame, has_amount=bool(origins["amount"]) and "price" not in preset.columns)
    frame = frame.with_columns(pl.when(pl.col(c.name) >= 0).then(pl.col(c.name)).alias(c.name) for c in columns if c.kind == "money")
    if before is not None and any(column.name == "timestamp" for column in columns):
        frame = frame.filter(pl.col("timestamp").is_null() | (pl.col("timestamp") < before))
    return Mapped(source, frame, origins)


def _origins(column: Column, source: Source, preset: Preset) -> tuple[str, ...]:
    names = preset.columns.get(column.name, (column.name,) if column is not AMOUNT else ())
    return tuple(name for name in names if name in source.schema)


def _matches(source: Source, column: str, pattern: str) -> pl.Expr:
    try:
        pl.Series([""]).str.contains(pattern)
    except PolarsError as error:
        raise SettingsError(f"data: {pattern!r} is not a regular expression: {error}") from error
    return _text(column, source).str.contains(pattern).fill_null(False) if column in source.schema else pl.lit(False)


def _raw(column: Column, names: tuple[str, ...], source: Source, table: Table, preset: Preset) -> pl.Expr:
    """Source value, null where there is nothing; text but for times, numbers and flags that are typed already."""
    if column.name in table.constants:
        return pl.lit(table.constants[column.name])
    if not names:
        return pl.lit(None, pl.String)
    parts = [_part(column, name, source, preset) for name in names]
    if column.kind == "category":
        texts = [_levels(part, source.schema[name], preset) for part, name in zip(parts, names, strict=True)]
        plain = len(parts) == 1 and not _is_list(source, names[0]) and not preset.category_separator
        return _category(texts, canonical=plain and column.name not in _several(table, preset))
    return parts[0] if len(parts) == 1 else pl.coalesce(parts)


def _several(table: Table, preset: Preset) -> tuple[str, ...]:
    own = table.columns.get("category")
    levels = not isinstance(own, str) if own is not None else len(preset.columns.get("category", ())) > 1
    return ("category",) if levels else ()


def _part(column: Column, name: str, source: Source, preset: Preset) -> pl.Expr:
    dtype = source.schema[name]
    if dtype.is_nested() or (column.kind in ("time", "date", "number", "money", "flag") and dtype != pl.String):
        return pl.col(name)
    text = _text(name, source)
    nothing = ["", *preset.null_values]
    return pl.when(~text.is_in(nothing)).then(text)


def _text(name: str, source: Source) -> pl.Expr:
    dtype, value = source.schema[name], pl.col(name)
    if dtype.is_float():
        whole = value.is_finite() & (value == value.round(0)) & (value.abs() < 2**53)
        return pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.fill_nan(None).cast(pl.String))
    return value if dtype == pl.String else value.cast(pl.String)


def _is_list(source: Source, name: str) -> bool:
    return isinstance(source.schema[name], pl.List)


def _levels(part: pl.Expr, dtype: pl.DataType, preset: Preset) -> pl.Expr:
    text = part.cast(pl.List(pl.String)).list.join(_LEVEL, ignore_nulls=True) if isinstance(dtype, pl.List) else part
    return text.str.replace_all(preset.category_separator, _LEVEL, literal=True) if preset.category_separator else text


def _category(texts: list[pl.Expr], *, canonical: bool) -> pl.Expr:
    joined = pl.concat_str(texts, separator=_LEVEL, ignore_nulls=True) if len(texts) > 1 else texts[0]
    read: Callable[[str], str] = (
        (lambda text: join_category(split_category(text))) if canonical else (lambda text: join_category(text.split(_LEVEL)))
    )

    def each(series: pl.Series) -> pl.Series:
        distinct = series.drop_nulls().unique()
        nodes = pl.Series([read(text) or None for text in distinct], dtype=pl.String)
        return series.replace_strict(distinct, nodes, default=None, return_dtype=pl.String)

    return joined.map_batches(each, return_dtype=pl.String(), is_elementwise=True)


def _event_type(base: pl.Expr, source: Source, table: Table, preset: Preset) -> pl.Expr:
    text = base.cast(pl.String)
    if preset.event_types:
        text = text.replace(preset.event_types)
    for rule in reversed(table.type_rules):
        text = pl.when(_matches(source, rule.column, rule.pattern)).then(pl.lit(rule.event_type)).otherwise(text)
    return text


def _value(column: Column, raw: pl.Expr, preset: Preset) -> pl.Expr:
    """Convert the raw column; what is the same for every row is converted here and now."""
    if raw.meta.root_names():
        return _convert(column, pl.col(_RAW + column.name), preset)
    return pl.lit(pl.select(_convert(column, raw, preset)).item(), column.dtype)


def _convert(column: Column, raw: pl.Expr, preset: Preset) -> pl.Expr:
    """Canonical value, null where there is none or it is not usable."""
    if column.kind == "id":
        text = raw.cast(pl.String)
        if column.name in preset.whole_ids:
            text = text.str.replace(r"^(\d+)\.0+$", "${1}")
        return pl.when((text.str.len_bytes() <= MAX_ID_BYTES) & ~text.str.contains(r"\p{Cc}")).then(text)
    if column.kind == "text":
        return raw.cast(pl.String).str.strip_chars()
    return _CONVERSIONS[column.kind](raw)


def _url(raw: pl.Expr) -> pl.Expr:
    text = raw.cast(pl.String).str.strip_chars()
    return pl.when(text.str.contains(r"^(?i:https?://[^\s/]|/)[^\s\p{Cc}]*$")).then(text)


def _currency(raw: pl.Expr) -> pl.Expr:
    text = raw.cast(pl.String).str.strip_chars().str.to_uppercase()
    return pl.when(text.str.contains(r"^[A-Z]{3}$")).then(text)


def _number(raw: pl.Expr) -> pl.Expr:
    value = raw.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _flag(raw: pl.Expr) -> pl.Expr:
    word = raw.cast(pl.String).str.strip_chars().str.to_lowercase()
    return pl.when(word.is_in(_YES)).then(True).when(word.is_in(_NO)).then(False)


def _time(raw: pl.Expr) -> pl.Expr:
    return raw.map_batches(read_times, return_dtype=TIME, is_elementwise=True)


def _categories(raw: pl.Expr) -> pl.Expr:
    def each(series: pl.Series) -> pl.Series:
        lists = series if isinstance(series.dtype, pl.List) else series.cast(pl.String).str.split("|")
        nodes = [None if row is None else [join_category(split_category(str(text))) for text in row if text] for row in lists.to_list()]
        return pl.Series(series.name, nodes, dtype=DTYPES["categories"])

    return raw.map_batches(each, return_dtype=DTYPES["categories"], is_elementwise=True)


_CONVERSIONS: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "url": _url,
    "category": lambda raw: raw,
    "categories": _categories,
    "currency": _currency,
    "type": lambda raw: pl.when(raw.is_in(EVENT_TYPES)).then(raw).cast(EVENT_TYPE, strict=False),
    "time": _time,
    "date": lambda raw: _time(raw).dt.date(),
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
    return series.to_frame("n").select(counted.cast(pl.Int64, strict=False).cast(pl.Datetime("us"))).to_series().dt.replace_time_zone("UTC")


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


def _finish_events(frame: pl.LazyFrame, *, has_amount: bool) -> pl.LazyFrame:
    """Refunds carry positive numbers; a price is one piece's, and null where quantity is not above 0."""
    refund, signed = pl.col("event_type") == "refund", ("quantity", "price", "amount", "discount")
    positive = [pl.when(refund).then(pl.col(name).abs()).otherwise(pl.col(name)).alias(name) for name in signed]
    counted = pl.col("quantity").is_null() | (pl.col("quantity") > 0)
    price, given = pl.col("price"), pl.col(GIVEN + "price")
    if has_amount:
        price, given = pl.col("amount") / pl.col("quantity").fill_null(1.0), pl.col(GIVEN + "amount")
    known = pl.col(GIVEN + "user_id")
    return (
        frame.with_columns(positive)
        .with_columns(
            pl.when(counted).then(price).alias("price"),
            (given & counted).alias(GIVEN + "price"),
            pl.when(known).then("user_id").otherwise("anonymous_id").alias("user_id"),
            (known | pl.col(GIVEN + "anonymous_id")).alias(GIVEN + "user_id"),
        )
        .drop("amount", GIVEN + "amount")
    )
