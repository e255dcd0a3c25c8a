"""The canonical columns of every table, as data: name, kind, and whether a row can do without.

docs/data.md explains each one; `mapping.py` turns a shop's own columns into these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from recsys.types import CHANNELS, EVENT_TYPES

Kind = Literal[
    "id", "text", "url", "category", "categories", "currency", "type", "time", "date",
    "number", "money", "stock", "flag", "availability", "consent", "words", "zone",
]  # fmt: skip

TIME = pl.Datetime("us", "UTC")
EVENT_TYPE = pl.Enum(EVENT_TYPES)


@dataclass(frozen=True, slots=True)
class KindOfValue:
    """Kind of values: their Polars type, what makes one usable, and what to do where one is not."""

    dtype: pl.DataType
    usable: str
    advice: str


_MONEY = (
    "export plain amounts of 0 or more, or pin `decimal` in the settings; a currency beside the number has to be the row's, and more "
    "signs can be named in `units`"
)
_NUMBER = "export plain numbers, or pin `decimal` in the settings; more units beside the number can be named in `units`"
_WORDS = "name the words in `yes` or `no` in the settings, or map another column (an empty list: none)"
_TYPES = 'map the word under `event_types` in the settings; map it to "" to leave such rows out'
_TIMES = (
    "export ISO 8601 such as 2026-05-31T09:30:00Z, or set `day_first`, `date_format` or `time_unit` in the settings for how they are "
    "written"
)
KINDS: Mapping[Kind, KindOfValue] = {
    "id": KindOfValue(
        pl.String(), "is an id of at most 256 bytes without control characters", "shorten or clean it where it is exported"
    ),
    "text": KindOfValue(pl.String(), "is text", "export the column as text"),
    "url": KindOfValue(
        pl.String(),
        "is a web address (http, https) or a path starting with /",
        "export full addresses without spaces, quotes, angle brackets, or a name and password",
    ),
    "category": KindOfValue(
        pl.String(), "is a category path", "name the separator of its levels as `category_separator` in the settings"
    ),
    "categories": KindOfValue(
        pl.List(pl.String()), "is a list of category paths", "export a list, or text with | between the categories"
    ),
    "words": KindOfValue(
        pl.List(pl.String()), "is a list of words", "export a list, or name what stands between them as `separator`"
    ),
    "currency": KindOfValue(pl.String(), "is a currency code of three letters", "export ISO 4217 codes such as EUR"),
    "type": KindOfValue(EVENT_TYPE, f"is one of {', '.join(EVENT_TYPES)}", _TYPES),
    "time": KindOfValue(TIME, "is a point in time from 1970 to 2200", _TIMES),
    "date": KindOfValue(
        pl.Date(), "is a date", "export dates such as 1990-05-31, or set `day_first` or `date_format` in the settings"
    ),
    "zone": KindOfValue(
        pl.String(),
        "is the name of a time zone",
        "export names of the IANA database such as Europe/Berlin; until then `messages.timezone` counts for these people",
    ),
    "number": KindOfValue(pl.Float64(), "is a finite number", _NUMBER),
    "money": KindOfValue(pl.Float64(), "is a finite number, 0 or more", _MONEY),
    "stock": KindOfValue(pl.Float64(), "is a number of units, or a word such as sold out", _NUMBER),
    "flag": KindOfValue(pl.Boolean(), "is yes or no", _WORDS),
    "availability": KindOfValue(pl.Boolean(), "says whether it is for sale", _WORDS),
    "consent": KindOfValue(pl.Boolean(), "says whether they may be written to", _WORDS),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column; a row without a value in a required column is left out, if it may not be empty."""

    name: str
    kind: Kind
    required: bool = False
    may_be_empty: bool = False
    """The column has to be there, and a row does without a value in it."""

    @property
    def dtype(self) -> pl.DataType:
        """Polars type of the column."""
        return KINDS[self.kind].dtype


def _columns(required: str, optional: str) -> tuple[Column, ...]:
    pairs = [(text, True) for text in required.split()] + [(text, False) for text in optional.split()]
    return tuple(Column(*_name_and_kind(text), needed) for text, needed in pairs)


def _name_and_kind(text: str) -> tuple[str, Kind]:
    name, _, kind = text.partition(":")
    found: dict[str, Kind] = {known: known for known in KINDS}
    return name, found[kind or "text"]


TABLES: Mapping[str, tuple[Column, ...]] = {
    "events": (
        Column("user_id", "id", required=True, may_be_empty=True),
        *_columns(
            "timestamp:time event_type:type",
            "item_id:id event_id:id session_id:id anonymous_id:id order_id:id quantity:number price:money currency:currency "
            "category:category query channel recommendation_id:id send_id:id coupon discount:money",
        ),
    ),
    "items": _columns(
        "item_id:id",
        "title url:url image_url:url category:category categories:categories brand price:money currency:currency "
        "available:availability stock:stock published:availability backorder:availability group_id:id description published_at:time "
        "replenishable:flag cost:money as_of:time published_until:time min_stock:number",
    ),
    "users": _columns(
        "user_id:id", "locale timezone:zone birthday:date " + " ".join(f"consent_{name}:consent" for name in CHANNELS)
    ),
    "identities": _columns("anonymous_id:id user_id:id", "timestamp:time"),
    "contents": _columns("content_id:id title url:url", "categories:categories published_at:time"),
}
"""Canonical columns by table; those that a row must have come first."""

AMOUNT = Column("amount", "money")
"""May be mapped in place of an event's `price`: the line's total, so that price = amount / quantity."""


def schema(table: str) -> pl.Schema:
    """Polars schema of a canonical table."""
    return pl.Schema({column.name: column.dtype for column in TABLES[table]})


def mappable(table: str) -> tuple[Column, ...]:
    """Columns that the settings of a table may name; events may carry what the item table lacks but lists, and `amount`."""
    if table != "events":
        return TABLES[table]
    own = {column.name for column in TABLES["events"]} | {"categories"}
    return (*TABLES["events"], *(column for column in TABLES["items"] if column.name not in own), AMOUNT)
