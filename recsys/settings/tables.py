"""Settings of the shop's tables: where they are, and how their columns and words map to the canonical ones (docs/data.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from recsys.settings.types import Group, Share


class Where(Group, frozen=True):
    """Keep only the source rows whose column, read as text, matches a pattern (null never matches)."""

    column: str
    """Column of the shop's own table."""
    pattern: str
    """Regular expression (Rust syntax), searched anywhere in the text; anchor it with ^ and $."""


class TypeRule(Group, frozen=True):
    """Gives the rows whose column matches a pattern an event type; the first matching rule wins."""

    column: str
    """Column of the shop's own table."""
    pattern: str
    """Regular expression, as in `where`."""
    event_type: str
    """One of the canonical event types, for instance `refund`."""


class Table(Group, frozen=True):
    """Where one table is and how its columns map to the canonical ones (docs/data.md)."""

    paths: tuple[str, ...] = ()
    """Parquet, CSV or NDJSON files, or globs; `$RECSYS_DATA` and other variables are expanded; relative to the settings file."""
    preset: Literal["", "rees46", "ga4"] = ""
    """A known export whose column mapping is built in; `columns` then overrides single columns."""
    columns: Mapping[str, str | tuple[str, ...]] = {}
    """Canonical column = the shop's column. For `category` a list of columns, one per level. `amount` (a line's total) may
    stand for `price`, which is then amount / quantity."""
    constants: Mapping[str, str | float | bool] = {}
    """Canonical column = one value for every row, for instance `event_type = "purchase"` or `currency = "GBP"`."""
    event_types: Mapping[str, str] = {}
    """The shop's word = the canonical event type; words not named here are taken as they are. An empty text drops the rows."""
    type_rules: tuple[TypeRule, ...] = ()
    """Event types told by another column, for instance invoices starting with C are refunds."""
    where: tuple[Where, ...] = ()
    """Source rows to keep; the others are counted as left out, not as wrong."""
    category_separator: str = ""
    """Separator of the levels in the shop's own category text, for instance `/`; empty: the canonical ` > `."""
    null_values: tuple[str, ...] = ()
    """Texts that mean "nothing", for instance `(not set)`."""


class DataSettings(Group, frozen=True):
    """The shop's tables."""

    events: Table = Table(paths=("data/events*.parquet",))
    items: Table = Table()
    """Without paths, items are built from events (last seen title, price, brand, category)."""
    users: Table = Table()
    identities: Table = Table()
    contents: Table = Table()
    currency: str = ""
    """The catalogue's currency (ISO 4217). Empty: the one that the items carry; two different ones stop the job."""
    max_rejected_share: Share = 0.05
    """A table with a larger share of bad rows stops the job."""
    rejects: str = "rejects"
    """Folder for the bad rows, one Parquet file per table with the rule that each broke; relative to the settings file."""
