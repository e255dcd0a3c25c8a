"""Cells filled from the line above, or from the first line of their order; columns that an export says in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from recsys.settings.shapes import FillDown
from recsys.tables.columns.conditions import given_text
from recsys.tables.presets import Preset
from recsys.tables.shapes.base import need
from recsys.tables.sources import FILE, Source
from recsys.types import DataError

_HEAD = "__head"


def filled(name: str, source: Source, fill: FillDown, nothing: Sequence[str], *, must: bool) -> Source:
    """Fill the columns within their key, or else from the row above. Unless it `must`, columns that are not there are passed over.

    Raises:
        DataError: if the source lacks a column, or `head` is none of them.
    """
    if fill.head and fill.head not in fill.columns:
        raise DataError(
            f"data.{name}.fill_down.head: {fill.head!r} is none of its columns; allowed: {', '.join(fill.columns)}"
        )
    keys = [key for key in fill.keys if key]
    if not must and not set(keys) <= set(source.schema):
        return source
    columns = [column for column in fill.columns if must or column in source.schema]
    need(name, source, (*keys, *columns), "fill_down")
    values = {column: _given(source, column, nothing) for column in columns}
    if keys:
        return replace(source, frame=_within(source, values, keys, fill.head, nothing))
    return replace(source, frame=_from_above(source.frame, values))


def composed(source: Source, preset: Preset) -> Source:
    """Put the columns together that a preset makes of others, as `Tee - Red / M` is a variant; null where the first has no value."""
    for name, (first, *others) in preset.composed.items():
        there = [other for other in others if other in source.schema]
        if name in source.schema or first not in source.schema:
            continue
        title, *options = (given_text(part, source, preset.null_values) for part in (first, *there))
        option = pl.concat_str(options, separator=" / ", ignore_nulls=True) if options else pl.lit("")
        whole = pl.when(title.is_not_null() & (option != "")).then(title + " - " + option).otherwise(title)
        source = replace(
            source, frame=source.frame.with_columns(whole.alias(name)), schema={**source.schema, name: pl.String()}
        )
    return source


def _within(
    source: Source, values: dict[str, pl.Expr], keys: Sequence[str], head: str, nothing: Sequence[str]
) -> pl.LazyFrame:
    """The first value among the rows with the same key and of the same file. Only where that lacks the head of a key, the column of
    which says something, or else any, do other files: two stores, or two years, may give two orders one number. Rows without a key
    keep their own."""
    texts = [given_text(key, source, nothing) for key in keys]
    keyed = pl.all_horizontal(text.is_not_null() for text in texts)
    told = [values[head]] if head in values else [*values.values()]
    has_head = pl.any_horizontal(value.is_not_null() for value in told).any().over([*texts, FILE])

    def first(value: pl.Expr) -> pl.Expr:
        there = value.drop_nulls().first()
        return pl.when(has_head).then(there.over([*texts, FILE])).otherwise(there.over(texts))

    said = [
        pl.when(value.is_not_null() | ~keyed).then(value).otherwise(first(value)).alias(column)
        for column, value in values.items()
    ]
    return source.frame.with_columns(said)


def _from_above(frame: pl.LazyFrame, values: dict[str, pl.Expr]) -> pl.LazyFrame:
    """All columns of the last row that has any of them, in the same file: a cell that is empty there stays empty below."""
    is_head = pl.any_horizontal(value.is_not_null() for value in values.values())
    block = pl.struct(value.alias(column) for column, value in values.items())
    head = pl.when(is_head).then(block).forward_fill().over(FILE).alias(_HEAD)
    columns = [pl.col(_HEAD).struct.field(column).alias(column) for column in values]
    return frame.with_columns(head).with_columns(columns).drop(_HEAD)


def _given(source: Source, column: str, nothing: Sequence[str]) -> pl.Expr:
    """Return what stands there, null where it is blank."""
    if source.schema[column] != pl.String:
        return pl.col(column)
    return given_text(column, source, nothing)
