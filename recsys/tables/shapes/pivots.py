"""Tables with one property a row, turned so that each key has one row; of a property the newest value counts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import polars as pl

from recsys.settings.shapes import Pivot
from recsys.settings.tables import Table
from recsys.tables.columns.conditions import as_text, given_text
from recsys.tables.parsing import convert
from recsys.tables.schema import TIME, Column
from recsys.tables.shapes.base import Shaped, need
from recsys.tables.sources import FILE, MORE, ROW, Source
from recsys.tables.validation import Finding
from recsys.tables.values.notation import Guess, Place, read_notations

_AT, _KEY, _NAME, _VALUE, _GIVEN = "__at", "__pivot_key", "__name", "__value", "__given"


def pivoted(
    name: str, source: Source, table: Table, pivot: Pivot, wanted: Collection[str], before: datetime | None
) -> Shaped:
    """Turn a source; properties that nobody asks for are left out, and values from `before` on are not known yet.

    Raises:
        DataError: if the source lacks a column.
        PolarsError: if a file cannot be read.
    """
    need(name, source, pivot.columns, "pivot")
    facts = source.frame.with_columns(pl.lit(None, TIME).alias(_AT), pl.lit(False).alias(_GIVEN))
    guesses = list[Guess]()
    if pivot.time:
        column, raw = Column(pivot.time, "time"), _raw_time(source, pivot.time)
        place = Place(column, pivot.time, source.frame, raw, source.schema[pivot.time])
        notations, guesses = read_notations(name, table, [place])
        at = convert("time", raw, notations[pivot.time]).alias(_AT)
        facts = source.frame.with_columns(at, raw.is_not_null().alias(_GIVEN))
    if before is not None and pivot.time:
        facts = facts.filter((pl.col(_AT) < before).fill_null(True))
    names = as_text(pivot.name, source).str.strip_chars()
    key, value = as_text(pivot.key, source), as_text(pivot.value, source)
    facts = facts.with_columns(key.alias(_KEY), names.alias(_NAME), value.alias(_VALUE))
    there = facts.select(pl.col(_NAME).unique()).collect(engine="streaming")[_NAME].drop_nulls()
    properties = sorted(set(there) & set(wanted))
    schema: dict[str, pl.DataType] = {pivot.key: pl.String(), **dict.fromkeys(properties, pl.String())}
    turned = replace(source, frame=_turned(source, facts, pivot, properties), schema=schema)
    return Shaped((turned,), tuple(guesses), tuple(_untimed(name, source, facts, pivot)))


def _turned(source: Source, facts: pl.LazyFrame, pivot: Pivot, properties: Collection[str]) -> pl.LazyFrame:
    newest = facts.sort(_AT, ROW, nulls_last=False).unique([_KEY, _NAME], keep="last", maintain_order=True)
    more = [pl.col(MORE).drop_nulls().first()] if source.has_more else []
    values = [pl.col(_VALUE).filter(pl.col(_NAME) == each).first().alias(each) for each in properties]
    rows = newest.group_by(_KEY).agg(pl.col(ROW).min(), pl.col(FILE).min(), *more, *values)
    return rows.rename({_KEY: pivot.key}).sort(ROW)


def _raw_time(source: Source, column: str) -> pl.Expr:
    return given_text(column, source, ()) if source.schema[column] == pl.String else pl.col(column)


def _untimed(name: str, source: Source, facts: pl.LazyFrame, pivot: Pivot) -> list[Finding]:
    """Values whose time cannot be read count as the oldest."""
    if not pivot.time:
        return []
    rows, untimed = facts.select(pl.len(), (pl.col(_GIVEN) & pl.col(_AT).is_null()).sum()).collect(engine="streaming").row(0)
    advice = (
        "set `time_unit`, `day_first` or `date_format` for how they are written; until then these values count as the oldest"
    )
    found = Finding(
        name, str(source.files[0]), pivot.time, "is a point in time", untimed, untimed / max(rows, 1), "", advice
    )
    return [found] if untimed else []
