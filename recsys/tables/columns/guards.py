"""Columns that guard what is shown and who is written to: a value that is given and cannot be read is a no, never a yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from recsys.tables.schema import Column, Kind

_NO: tuple[Kind, ...] = ("availability", "consent")
_HIDES: Mapping[str, tuple[str, ...]] = {
    "available": ("available", "stock", "backorder", "min_stock"),
    "published": ("published", "published_at", "published_until", "price"),
}
"""Columns that are a no where one of these cannot be read: what a live update may tell anew, and what hides until the next export."""


def guards(columns: Sequence[Column]) -> tuple[str, ...]:
    """Of a table, the columns that guard; the price of an event is what was paid, and guards nothing."""
    events = any(column.kind == "type" for column in columns)
    hiding = {name for names in _HIDES.values() for name in names} - ({"price"} if events else set())
    return tuple(column.name for column in columns if column.kind in _NO or (_sells(columns) and column.name in hiding))


def closed(frame: pl.LazyFrame, columns: Sequence[Column], unread: str) -> pl.LazyFrame:
    """Close what is guarded: `unread` is the prefix of the columns that tell where a value could not be read."""
    closing = guards(columns)
    shut = []
    for name in (column.name for column in columns if column.kind in _NO):
        unreadable = pl.any_horizontal(unread + each for each in _HIDES.get(name, (name,)) if each in closing)
        shut.append(pl.when(unreadable).then(False).otherwise(name).alias(name))
    return frame.with_columns(shut)


def _sells(columns: Sequence[Column]) -> bool:
    return any(column.name == "available" for column in columns)
