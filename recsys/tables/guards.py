"""Columns that guard what is shown and who is written to: a value that is given and cannot be read is a no, never a yes."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recsys.tables.schema import Column, Kind

_NO: tuple[Kind, ...] = ("availability", "consent")
_SHOWS = ("available", "published", "backorder", "stock", "published_at")


def guards(columns: Sequence[Column]) -> tuple[str, ...]:
    """Of a table, the columns that guard; the price of an event is what was paid, and guards nothing."""
    events = any(column.kind == "type" for column in columns)
    shows = _SHOWS if events else (*_SHOWS, "price")
    return tuple(column.name for column in columns if column.kind in _NO or (_sells(columns) and column.name in shows))


def closed(frame: pl.LazyFrame, columns: Sequence[Column], unread: str) -> pl.LazyFrame:
    """Close what is guarded: `unread` is the prefix of the columns that tell where a value could not be read."""
    names = [column.name for column in columns if column.kind in _NO]
    shut = [pl.when(pl.col(unread + name)).then(False).otherwise(name).alias(name) for name in names]
    if not _sells(columns):
        return frame.with_columns(shut)
    unreadable = pl.any_horizontal(unread + name for name in guards(columns))
    return frame.with_columns(shut).with_columns(pl.when(unreadable).then(False).otherwise("available").alias("available"))


def _sells(columns: Sequence[Column]) -> bool:
    return any(column.name == "available" for column in columns)
