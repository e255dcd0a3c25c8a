"""Conditions of the settings on a shop's own columns: rows to keep, and orders that count in nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl
from polars.exceptions import PolarsError

from recsys.ids.nothing import NO_MOMENT
from recsys.settings.shapes import Where
from recsys.settings.tables import Table
from recsys.tables.parsing import by_distinct
from recsys.tables.sources import Source
from recsys.tables.values.notation import notation_of_settings
from recsys.tables.values.times import read_times
from recsys.tables.values.words import read_words
from recsys.types import SettingsError

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Before it, a number is the code of a state and no moment."""


def matches_pattern(source: Source, column: str, pattern: str) -> pl.Expr:
    """Tell whether a column's text holds a pattern; an empty cell, or a column that a file lacks, never does.

    Raises:
        SettingsError: if the pattern is not a regular expression.
    """
    try:
        pl.Series([""]).str.contains(pattern)
    except PolarsError as error:
        raise SettingsError(f"data: {pattern!r} is not a regular expression: {error}") from error
    return as_text(column, source).str.contains(pattern).fill_null(False) if column in source.schema else pl.lit(False)


def kept(source: Source, conditions: Sequence[Where], null_values: Sequence[str]) -> pl.Expr:
    """Rows for which all conditions hold; raises as `matches_pattern`."""
    return pl.all_horizontal(pl.lit(True), *(_holds(source, each, null_values) for each in conditions))


def filtered_rows(source: Source, conditions: Sequence[Where], null_values: Sequence[str]) -> int:
    """Count the rows that the conditions leave out; raises as `matches_pattern`."""
    if not conditions:
        return 0
    left = source.frame.select((~kept(source, conditions, null_values)).fill_null(True).sum())
    return int(left.collect(engine="streaming").item())


def void(source: Source, table: Table, null_values: Sequence[str]) -> pl.Expr:
    """Rows that take their order out: by the words or times of a state, or by a condition; a word that nobody knows does too."""
    return pl.any_horizontal(pl.lit(False), *(_voids(source, each, table, null_values) for each in table.void_orders))


def refusing(source: Source, table: Table, null_values: Sequence[str]) -> pl.Expr:
    """Rows of people who refused messages: by whatever a column says but a no, or by a condition."""
    return pl.any_horizontal(pl.lit(False), *(_refuses(source, each, null_values) for each in table.refused))


def says_never(text: pl.Expr) -> pl.Expr:
    """Tell whether a text stands where a moment would, if it never came, as in dumps of databases: `NULL`, `0000-00-00`, `-`."""
    said = text.str.strip_chars().str.to_lowercase()
    return said.is_in(NO_MOMENT) | said.str.starts_with("0000-00-00")


def says_a_state(source: Source, table: Table, null_values: Sequence[str]) -> pl.Expr:
    """Rows that say in words or by a moment how their order stands."""
    named = [each for each in table.void_orders if isinstance(each, str)]
    return pl.any_horizontal(pl.lit(False), *(given_text(each, source, null_values).is_not_null() for each in named))


def unknown_state(source: Source, column: str, table: Table, null_values: Sequence[str]) -> pl.Expr:
    """Rows whose order's state is given in words that nobody knows."""
    text = given_text(column, source, null_values)
    return text.is_not_null() & _stands(text, table).is_null()


def ended_state(source: Source, void: str | Where, table: Table, null_values: Sequence[str]) -> pl.Expr:
    """Rows whose order counts in nothing by a condition, or by what is known of a column's words and moments."""
    if isinstance(void, Where):
        return _holds(source, void, null_values)
    text = given_text(void, source, null_values)
    return text.is_not_null() & (~_stands(text, table)).fill_null(False)


def as_text(name: str, source: Source) -> pl.Expr:
    """A column as text; whole floats, as pandas makes of integer ids with gaps, without the `.0`."""
    dtype, value = source.schema[name], pl.col(name)
    if dtype == pl.String:
        return value
    if not dtype.is_float():
        return value.cast(pl.String, strict=False)
    whole = value.is_finite() & (value == value.round(0)) & (value.abs() < 2**53)
    number = value.cast(pl.Int64, strict=False).cast(pl.String)
    return pl.when(whole).then(number).otherwise(value.fill_nan(None).cast(pl.String))


def given_text(name: str, source: Source, null_values: Sequence[str]) -> pl.Expr:
    """A column as text, null where it is blank or means nothing, or where a file lacks the column."""
    if name not in source.schema:
        return pl.lit(None, pl.String)
    text = as_text(name, source)
    return pl.when((text.str.strip_chars() != "") & ~text.is_in(list(null_values))).then(text)


def _holds(source: Source, condition: Where, null_values: Sequence[str]) -> pl.Expr:
    if condition.pattern:
        met = matches_pattern(source, condition.column, condition.pattern)
    elif condition.one_of:
        wanted = [text.strip().casefold() for text in condition.one_of]
        text = given_text(condition.column, source, null_values).str.strip_chars().str.to_lowercase()
        met = text.is_in(wanted).fill_null(False)
    else:
        met = given_text(condition.column, source, null_values).is_null() == pl.lit(condition.empty)
    return ~met if condition.negated else met


def _voids(source: Source, each: str | Where, table: Table, null_values: Sequence[str]) -> pl.Expr:
    if isinstance(each, Where):
        return _holds(source, each, null_values)
    text = given_text(each, source, null_values)
    return text.is_not_null() & ~_stands(text, table).fill_null(False)


def _refuses(source: Source, each: str | Where, null_values: Sequence[str]) -> pl.Expr:
    if isinstance(each, Where):
        return _holds(source, each, null_values)
    text = given_text(each, source, null_values)
    return text.is_not_null() & ~says_never(text) & read_words(text, "flag").ne_missing(pl.lit(False))


def _stands(text: pl.Expr, table: Table) -> pl.Expr:
    """True: the order stands; false: it does not, or the moment is given when it ceased to; null: nobody knows."""
    notation = notation_of_settings(table).time

    def read(states: pl.Series) -> pl.Series:
        said = states.to_frame("state").select(read_words(pl.col("state"), "order", table.yes, table.no)).to_series()
        moments = (read_times(states, notation) >= _EARLIEST).fill_null(False)
        return said.zip_with(said.is_not_null() | ~moments, ~moments)

    return by_distinct(text, read, pl.Boolean())
