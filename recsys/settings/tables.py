"""Settings of the shop's tables: where they are, and how their columns and words map to the canonical ones (docs/data.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from recsys.ids.user_ids import NULL_USERS, NullUsers
from recsys.settings.attributes import AttributeName, AttributeSettings, AttributeType
from recsys.settings.shapes import FillDown, Join, Pivot, Unnest, Where
from recsys.settings.spark import SparkTable
from recsys.settings.types import Count, Group, NotNegative, Positive, Share

Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
Factor = Annotated[float, msgspec.Meta(gt=1, le=1e9)]

Format = Literal["", "csv", "ndjson", "json", "xml", "excel", "parquet", "delta", "iceberg"]
Separator = Annotated[str, msgspec.Meta(max_length=1)]
Quote = Annotated[str, msgspec.Meta(max_length=1)]
Lines = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class TypeRule(Group, frozen=True):
    """Gives the rows whose column matches a pattern an event type; the first matching rule wins."""

    column: str
    """Column of the shop's own table."""
    pattern: str
    """Regular expression, as in `where`."""
    event_type: str
    """One of the canonical event types, for instance `refund`."""


class Table(Group, frozen=True):
    """Place of one table, and the mapping of its columns to the canonical ones (docs/data.md)."""

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
    """Name of the XML element that is one row; empty: `item` of RSS, `entry` of Atom, else the element repeated most. Of JSON the path
    of the list whose objects are rows, for instance `data.orders`; empty: found out, where the rest tells of a page only."""
    sheet: str = ""
    """Name of the sheet of an Excel file; empty: the first one with rows."""
    database: str = ""
    """Instead of `paths`: `postgresql://user@host/name`, `sqlite:///shop.db` or `duckdb:///shop.duckdb`; variables are expanded.
    A password comes from the environment (`PGPASSWORD`), never from here."""
    query: str = ""
    """What to ask the `database`: one SELECT. Or name a `table`."""
    table: str = ""
    """A table or view of the `database`, read whole; `schema.name` where it needs one."""
    spark: SparkTable | None = None
    """Instead of `paths`: what Spark reads, with the cluster of `[training.spark]`."""
    preset: str = ""
    """A known export whose settings are built in, for instance `shopify` (docs/data.md lists them); your own settings go over it."""
    pivot: Pivot | None = None
    """The table has one property a row."""
    fill_down: FillDown | None = None
    """Cells that are empty because the line above, or the order's first line, says it."""
    join: tuple[Join, ...] = ()
    """Tables whose columns come to the rows by a key, one after the other."""
    unnest: str | Unnest = ""
    """Column that holds several lines, each of which becomes a row; how packed text is cut is told by a table of its own."""
    void_orders: tuple[str | Where, ...] = ()
    """How an order stands: a column whose words say that it was cancelled, voided, refunded, failed or is still pending, or that
    holds the moment when it was; or a condition. Such an order counts in nothing, with all its lines. `no` and `yes` add words."""
    columns: Mapping[str, str | tuple[str, ...]] = {}
    """Canonical column = the shop's column. Several columns: of each row the first value that can be read; for `category` one column
    per level. `amount` (a line's total) may stand for `price`, which is then amount / quantity."""
    constants: Mapping[str, str | float | bool] = {}
    """Canonical column = one value for every row, for instance `event_type = "purchase"` or `currency = "GBP"`."""
    event_types: Mapping[str, str] = {}
    """The shop's word = the canonical event type; words not named here are taken as they are. An empty text drops the rows."""
    type_rules: tuple[TypeRule, ...] = ()
    """Event types told by another column, for instance invoices starting with C are refunds."""
    where: tuple[Where, ...] = ()
    """Source rows to keep; the others are counted as left out, not as wrong."""
    untracked: tuple[Where, ...] = ()
    """Of `items`: rows for which all of this holds have a stock that nobody counts, so that its number says nothing. A condition on a
    column that a file lacks never holds."""
    refused: tuple[str | Where, ...] = ()
    """Of `users`: columns in which a yes, or a moment, is of somebody who wants no messages, as in `unsubscribed_at` or `opt_out`; or
    conditions. Such a person has refused every channel, whatever the columns of consent say."""
    category_separator: str = ""
    """Separator of the levels in the shop's own category text, for instance `/`; empty: the canonical ` > `."""
    categories_between: str = ""
    """What stands between several categories of one item in one text, for instance `,`. The first one leads texts, all count for
    lists and filters. Empty: a text is one category, and more of them stand in a column `categories`, with | between them."""
    null_values: tuple[str, ...] = ()
    """More texts that mean "nothing", for instance `(not set)`, beside `NULL`, `nan`, `#N/A` and the like in ids and texts."""
    yes: tuple[str, ...] = ()
    """More words that mean yes, for instance `preorder` where it may be shown; in `void_orders`, that the order stands."""
    no: tuple[str, ...] = ()
    """More words that mean no; in `void_orders`, that the order counts in nothing."""
    discounted: bool | None = None
    """Of events with a `discount`: false says that `price`, or `amount`, is from before the discount, which is then taken off. True or
    unset: the price is what was paid, and stays."""
    taken_off: tuple[str, ...] = ()
    """Of events: columns that say how many pieces of a purchase were given back or cancelled, which are taken off its quantity."""
    decimal: Literal["", ".", ","] = ""
    """Decimal mark of numbers in text. Empty: told by the values of the column, or of the table, if they prove one."""
    units: tuple[str, ...] = ()
    """More words that may stand beside a number and mean nothing, for instance `Karton`."""
    timezone: str = "UTC"
    """Time zone (IANA) of times that name none, for instance `Europe/Berlin`. Of an hour that comes twice in autumn the first is
    taken; one that does not exist in spring is an hour later."""
    day_first: bool | None = None
    """Order of dates such as 05/06/2026: true is 5 June, false is 6 May. Unset: such a text is no date."""
    time_of_day: str = ""
    """Column with the time of day of a `timestamp` that holds days alone, for instance `Time`."""
    date_format: str | tuple[str, ...] = ()
    """Formats of times in text that go before all others, for instance `%d %b %Y %H:%M` (strftime of Rust's chrono)."""
    time_unit: Literal["", "s", "ms", "us", "ns", "date", "excel", "excel1904"] = ""
    """What times are as plain numbers: seconds and so on since 1970, dates such as 20260331, or days of a spreadsheet such as
    46174.4375, which count from 1904 in workbooks of old Macs. Empty: told by the whole column."""

    @property
    def named(self) -> bool:
        """Tell whether the settings say where the table is."""
        return bool(self.paths or self.database or self.spark)

    @property
    def other_columns(self) -> frozenset[str]:
        """The shop's columns that the settings name beside those of `columns`: in conditions, rules and shapes."""
        names = [each if isinstance(each, str) else each.column for each in (*self.void_orders, *self.refused)]
        names += [*self.taken_off, self.time_of_day]
        names += [rule.column for rules in (self.where, self.untracked, self.type_rules) for rule in rules]
        names += [self.unnest if isinstance(self.unnest, str) else self.unnest.column]
        names += [key for join in self.join for key in join.pairs]
        if self.fill_down:
            names += [*self.fill_down.keys, *self.fill_down.columns]
        if self.pivot:
            names += self.pivot.columns
        return frozenset(name for name in names if name)


IdRule = Literal["trim", "lower", "upper", "whole", "unpad"]


class IdRules(Group, frozen=True):
    """Rules that make ids alike before they are compared, in all tables and in the live log; empty: they stay as they are.

    `trim` takes away blanks, signs that nobody sees, and what stands around a mail address (`mailto:`, `Ida <…>`), `lower` and
    `upper` change letters, `whole` makes 123 of 123.0 and 12.5 of 12.50, `unpad` takes leading
    zeros from numbers.
    """

    user: tuple[IdRule, ...] = ()
    """For `user_id` and `anonymous_id`, for instance `["trim", "lower"]` where they are mail addresses."""
    item: tuple[IdRule, ...] = ()
    """For `item_id`, for instance `["trim", "whole", "unpad"]` after a spreadsheet had them."""


class DataSettings(Group, frozen=True):
    """The shop's tables."""

    events: Table = Table(paths=("data/events*.parquet",))
    items: Table = Table()
    """Without paths, items are built from events (last seen title, price, brand, category)."""
    attributes: Mapping[AttributeName, AttributeType | AttributeSettings] = {}
    """Attribute = what it is, for further columns of the item table: `number`, `word`, `words`, `yes_no`, `time`, or a table with
    `type`, `column` and `separator`. Filters and campaigns may name them."""
    all_attributes: bool = False
    """Every further column of the item table is an attribute, of the type that all of its values fit; `attributes` goes first."""
    users: Table = Table()
    identities: Table = Table()
    contents: Table = Table()
    currency: str = ""
    """The catalogue's currency (ISO 4217). Empty: the one that the items carry; two different ones stop the job."""
    rates: Mapping[Currency, Positive] = {}
    """Other currency = what one unit of it is worth in the catalogue's, for instance `USD = 0.92`. Amounts in it are converted;
    in a currency without a rate they count in no revenue."""
    null_users: tuple[str, ...] = NULL_USERS
    """User ids that mean "nobody", in any case; an empty id always does. Nobody has a profile, a history, an export line or a
    moment. A list here replaces the built-in one."""
    numbered_tills: bool | None = None
    """Ids such as `POS 7` or `Kasse 2` are those of tills, and nobody's. `false`: they are customers, such as a wholesaler's outlets.
    Unset: they are tills', and where they do as little as customers do, the job stops and asks."""
    staff: Annotated[tuple[str, ...], msgspec.Meta(max_length=10_000)] = ()
    """User ids of staff and testers: they are answered like everybody, and no read-out of an experiment, attribution or `make whatif`
    counts them, under any id that is linked to them."""
    max_events_a_minute: Count = 60
    """An id that does more by hand (views, searches, carts) in any minute is a machine: all of that is left out."""
    max_events_a_day: Count = 1000
    """The same in any day, UTC."""
    max_price_factor: Factor = 30.0
    """A price above the item's usual one by more than this factor counts in no revenue."""
    max_quantity_factor: Factor = 100.0
    """A purchase of more units than this factor times the item's usual number counts in no revenue, if it also comes to more than so
    many times what 99 % of the shop's purchase lines do not exceed."""
    max_rejected_share: Share = 0.05
    """A table with a larger share of bad rows stops the job."""
    max_unreadable_share: Share = 0.2
    """A column that guards what is shown (availability, stock, price, consent and so on) stops the job where a larger share of its
    values cannot be read, and where none can."""
    export_hours: NotNegative = 6.0
    """Where no row of the item table says `as_of` when it is: its file may have been queried so many hours before it was written.
    Item updates of that time stay over it."""
    ids: IdRules = IdRules()
    rejects: str = "rejects"
    """Folder for the bad rows, one Parquet file per table with the rule that each broke; relative to the settings file."""

    @property
    def nobody(self) -> NullUsers:
        """The ids that name nobody."""
        return NullUsers(self.null_users, numbered_tills=self.numbered_tills is not False)
