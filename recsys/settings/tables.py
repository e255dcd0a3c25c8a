"""Settings of the shop's tables: where they are, and how their columns and words map to the canonical ones (docs/data.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from recsys.settings.types import Group, Share

Format = Literal["", "csv", "ndjson", "json", "xml", "excel", "parquet", "delta", "iceberg"]
Separator = Annotated[str, msgspec.Meta(max_length=1)]
Quote = Annotated[str, msgspec.Meta(max_length=1)]
Lines = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


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
    """Files or globs, relative to the settings file or as `s3://` `gs://` `az://` addresses; `$RECSYS_DATA` and other variables
    are expanded."""
    format: Format = ""
    """What the files are; empty: their first bytes and their endings tell. A Delta or Iceberg table in a cloud store needs it."""
    encoding: str = ""
    """How the letters of text files are written, for instance `windows-1252`; empty: found out from the whole file and named by
    `make validate`. `utf-8-lossy` puts � for what is not UTF-8."""
    separator: Separator = ""
    """The sign between the fields of a text file, for instance `;`; empty: found out from its first lines."""
    quote: Quote = '"'
    """The sign around fields that hold a separator; empty: quotes are letters like others."""
    header: tuple[str, ...] = ()
    """Names of the columns, from left to right, of files that have no line of names."""
    skip_lines: Lines | None = None
    """Lines above the line of column names. Without it such lines are found out; `0` says that the first line holds the names."""
    record: str = ""
    """Name of the XML element that is one row; empty: `item` of RSS, `entry` of Atom, else the element repeated most."""
    sheet: str = ""
    """Name of the sheet of an Excel file; empty: the first one with rows."""
    database: str = ""
    """Instead of `paths`: `postgresql://user@host/name`, `sqlite:///shop.db` or `duckdb:///shop.duckdb`; variables are expanded.
    A password comes from the environment (`PGPASSWORD`), never from here."""
    query: str = ""
    """What to ask the `database`: one SELECT. Or name a `table`."""
    table: str = ""
    """A table or view of the `database`, read whole; `schema.name` where it needs one."""
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

    @property
    def named(self) -> bool:
        """Whether the settings say where the table is."""
        return bool(self.paths or self.database)


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
