"""From a shop's own columns to the canonical ones, as Polars expressions over one lazily read source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from polars.exceptions import PolarsError

from recsys.settings.tables import Table
from recsys.tables.parsing import LEVEL, convert, read_categories
from recsys.tables.presets import Preset
from recsys.tables.schema import AMOUNT, KINDS, Column, Kind
from recsys.tables.sources import MORE, ROW, Source
from recsys.types import SettingsError

GIVEN = "?"
"""Prefix of the columns that tell whether the source had a value at all."""
_RAW = "!"
_TYPED: tuple[Kind, ...] = ("time", "date", "number", "money", "flag")
"""Kinds whose values need not be text in the source."""
_CATEGORY = Column("category", "category")


@dataclass(frozen=True, slots=True)
class Mapped:
    """One source's kept rows as canonical columns, each with its `?` column, and where each column came from."""

    source: Source
    frame: pl.LazyFrame
    origins: Mapping[str, tuple[str, ...]]


def map_source(source: Source, table: Table, preset: Preset, columns: tuple[Column, ...], before: datetime | None) -> Mapped:
    """Map one source; rows that the settings leave out, or that are not before `before`, are gone.

    Raises:
        SettingsError: if a pattern is not a regular expression, or a constant is no value for its column.
    """
    origins = _origins(columns, source, preset)
    raw = {column.name: _raw(column, origins[column.name], source, table, preset) for column in columns}
    if "event_type" in raw:
        raw["event_type"] = _event_type(raw["event_type"], source, table, preset)
    frame = _raw_rows(source, table, raw)
    given = [pl.col(_RAW + c.name).is_not_null().alias(GIVEN + c.name) for c in columns]
    frame = frame.select(ROW, GIVEN + MORE, *(_value(c, raw[c.name]).alias(c.name) for c in columns), *given)
    if AMOUNT in columns:
        frame = _finish_events(frame, has_amount="amount" in preset.columns and "price" not in preset.columns)
    money = [pl.when(pl.col(c.name) >= 0).then(pl.col(c.name)).alias(c.name) for c in columns if c.kind == "money"]
    frame = frame.with_columns(money) if money else frame
    if before is not None and "timestamp" in raw:
        frame = frame.filter(pl.col("timestamp").is_null() | (pl.col("timestamp") < before))
    return Mapped(source, frame, origins)


def _raw_rows(source: Source, table: Table, raw: Mapping[str, pl.Expr]) -> pl.LazyFrame:
    frame = source.frame
    for rule in table.where:
        frame = frame.filter(_matches(source, rule.column, rule.pattern))
    ragged = pl.col(MORE).is_not_null() if source.has_more else pl.lit(False)
    frame = frame.select(ROW, ragged.alias(GIVEN + MORE), *(value.alias(_RAW + name) for name, value in raw.items()))
    return frame.filter(pl.col(_RAW + "event_type").ne_missing("")) if "event_type" in raw else frame


def _origins(columns: tuple[Column, ...], source: Source, preset: Preset) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {MORE: (MORE,)}
    for column in columns:
        names = preset.columns.get(column.name, () if column is AMOUNT else (column.name,))
        there = tuple(name for name in names if name in source.schema)
        found[column.name] = there[:1] if column.kind in _TYPED else there
    if found.get("amount") and "price" not in preset.columns:
        found["price"] = found["amount"]
    return found


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
    if column.kind == "category":
        return _category(names, source, preset)
    parts = [_part(column, name, source, preset) for name in names]
    return parts[0] if len(parts) == 1 else pl.coalesce(parts)


def _part(column: Column, name: str, source: Source, preset: Preset) -> pl.Expr:
    dtype = source.schema[name]
    if dtype.is_nested() or (column.kind in _TYPED and dtype != pl.String):
        return pl.col(name)
    text = _text(name, source)
    if column.name in preset.whole_ids:
        text = text.str.replace(r"^(\d+)\.0+$", "${1}")
    return pl.when(~text.is_in(["", *preset.null_values])).then(text)


def _text(name: str, source: Source) -> pl.Expr:
    """A column as text; whole floats, as pandas makes of integer ids with gaps, without the `.0`."""
    dtype, value = source.schema[name], pl.col(name)
    if dtype == pl.String:
        return value
    if not dtype.is_float():
        return value.cast(pl.String, strict=False)
    whole = value.is_finite() & (value == value.round(0)) & (value.abs() < 2**53)
    number = value.cast(pl.Int64, strict=False).cast(pl.String)
    return pl.when(whole).then(number).otherwise(value.fill_nan(None).cast(pl.String))


def _category(names: tuple[str, ...], source: Source, preset: Preset) -> pl.Expr:
    """Levels from several columns, from a list, or from text cut at the separator; else the text is canonical already."""
    lists = [isinstance(source.schema[name], pl.List) for name in names]
    canonical = not (preset.category_levels or any(lists) or preset.category_separator)
    texts = []
    for name, is_list in zip(names, lists, strict=True):
        text = _part(_CATEGORY, name, source, preset)
        if is_list:
            text = text.cast(pl.List(pl.String)).list.join(LEVEL, ignore_nulls=True)
        if preset.category_separator:
            text = text.str.replace_all(preset.category_separator, LEVEL, literal=True)
        texts.append(text)
    joined = texts[0] if len(texts) == 1 else pl.concat_str(texts, separator=LEVEL, ignore_nulls=True)
    return read_categories(joined, canonical=canonical)


def _event_type(base: pl.Expr, source: Source, table: Table, preset: Preset) -> pl.Expr:
    text = base.cast(pl.String)
    if preset.event_types:
        text = text.replace(preset.event_types)
    for rule in reversed(table.type_rules):
        text = pl.when(_matches(source, rule.column, rule.pattern)).then(pl.lit(rule.event_type)).otherwise(text)
    return text


def _value(column: Column, raw: pl.Expr) -> pl.Expr:
    """Convert the raw column; what is the same for every row is converted here and now."""
    if raw.meta.root_names():
        return convert(column.kind, pl.col(_RAW + column.name))
    given, value = pl.select(raw.alias("given"), convert(column.kind, raw).alias("value")).row(0)
    if given is not None and value is None:
        raise SettingsError(f"data: constants.{column.name} = {given!r} breaks the rule “{KINDS[column.kind].usable}”")
    return pl.lit(value, column.dtype)


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
