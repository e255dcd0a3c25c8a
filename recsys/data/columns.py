"""The canonical columns of every table, as data: name, kind, and whether a row can do without.

docs/data.md explains each one; `mapping.py` turns a shop's own columns into these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from recsys.types import EVENT_TYPES

Kind = Literal["id", "text", "url", "category", "categories", "currency", "type", "time", "date", "number", "money", "flag"]

TIME = pl.Datetime("us", "UTC")
EVENT_TYPE = pl.Enum(EVENT_TYPES)
DTYPES: Mapping[Kind, pl.DataType] = {
    "id": pl.String(),
    "text": pl.String(),
    "url": pl.String(),
    "category": pl.String(),
    "categories": pl.List(pl.String()),
    "currency": pl.String(),
    "type": EVENT_TYPE,
    "time": TIME,
    "date": pl.Date(),
    "number": pl.Float64(),
    "money": pl.Float64(),
    "flag": pl.Boolean(),
}
CHANNELS = ("email", "push", "sms", "whatsapp")


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column; a row without a value in a required column is left out."""

    name: str
    kind: Kind
    required: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """Polars type of the column."""
        return DTYPES[self.kind]


def _columns(required: str, optional: str) -> tuple[Column, ...]:
    pairs = [(text, True) for text in required.split()] + [(text, False) for text in optional.split()]
    return tuple(Column(*_name_and_kind(text), needed) for text, needed in pairs)


def _name_and_kind(text: str) -> tuple[str, Kind]:
    name, _, kind = text.partition(":")
    found: dict[str, Kind] = {known: known for known in DTYPES}
    return name, found[kind or "text"]


TABLES: Mapping[str, tuple[Column, ...]] = {
    "events": _columns(
        "user_id:id timestamp:time event_type:type",
        "item_id:id event_id:id session_id:id anonymous_id:id order_id:id quantity:number price:money currency:currency "
        "category:category query channel recommendation_id:id send_id:id coupon discount:money",
    ),
    "items": _columns(
        "item_id:id",
        "title url:url image_url:url category:category brand price:money currency:currency available:flag stock:number "
        "group_id:id description published_at:time replenishable:flag cost:money",
    ),
    "users": _columns("user_id:id", "locale birthday:date " + " ".join(f"consent_{name}:flag" for name in CHANNELS)),
    "identities": _columns("anonymous_id:id user_id:id", "timestamp:time"),
    "contents": _columns("content_id:id title url:url", "categories:categories published_at:time"),
}
"""Canonical columns by table; those that a row must have come first."""

AMOUNT = Column("amount", "number")
"""May be mapped in place of an event's `price`: the line's total, so that price = amount / quantity."""


def schema(table: str) -> pl.Schema:
    """Polars schema of a canonical table."""
    return pl.Schema({column.name: column.dtype for column in TABLES[table]})


def mappable(table: str, *, with_item_columns: bool = False) -> tuple[Column, ...]:
    """Columns that the settings of a table may name; events carry item columns too where there is no item table."""
    columns = TABLES[table]
    if table != "events":
        return columns
    own = {column.name for column in columns}
    extra = [c for c in TABLES["items"] if c.name not in own] if with_item_columns else []
    return (*columns, *extra, AMOUNT)
