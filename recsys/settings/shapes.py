"""Settings of a table's shape: what it takes until one row is one event, one item or one person (docs/data.md)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from recsys.settings.types import Group


class Where(Group, frozen=True):
    """A condition on one column of the shop's own, read as text; blanks around it and upper or lower case do not count in `one_of`."""

    column: str
    """Column of the shop's own table."""
    pattern: str = ""
    """Regular expression (Rust syntax), searched anywhere in the text; anchor it with ^ and $. An empty cell never matches."""
    one_of: tuple[str, ...] = ()
    """The text is one of these."""
    empty: bool | None = None
    """True: the cell is empty, or one of `null_values`; false: it is not."""
    negated: bool = msgspec.field(default=False, name="not")
    """True turns the condition round: rows that do not match, with those whose cell is empty."""

    def __post_init__(self) -> None:
        """Check that there is one condition.

        Raises:
            ValueError: if there is none, or more than one.
        """
        if (self.pattern != "") + bool(self.one_of) + (self.empty is not None) != 1:
            raise ValueError(f"column {self.column!r} needs exactly one of `pattern`, `one_of` and `empty`")


class FillDown(Group, frozen=True):
    """Columns that stand on the first line of an order (or of a product with variants) and hold for its other lines too."""

    columns: tuple[str, ...]
    """Columns of the shop's own table; their empty cells are filled."""
    key: str | tuple[str, ...] = ()
    """Column, or columns, that the lines of one order share: a cell gets the first value among them. Empty: a row whose `columns`
    are all empty continues the row above, and gets all of its values, in the same file."""
    head: str = ""
    """With a key: one of the columns, which only the first line of an order says, where others are repeated. An order whose first line
    stands in another file is told by it. Empty: a line that says any of them is one of an order that begins in this file."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The key's columns."""
        return (self.key,) if isinstance(self.key, str) else self.key


class Unnest(Group, frozen=True):
    """A column that holds several lines: each becomes a row, whose fields are named with a point, for instance `items.price`."""

    column: str
    """Column that holds a list, JSON text of a list, or packed text."""
    between: str = ""
    """Packed text: what stands between two lines, for instance `;`. Empty: it is a list, or JSON."""
    fields: str = ""
    """Packed text: what stands between the fields of a line, for instance `|`. Empty: a line has one field, or is an id."""
    names: str | tuple[str, ...] = ":"
    """Packed text: what stands between the name of a field and its value, for instance `:`; or the names themselves, in order, where
    the text has none."""


class Pivot(Group, frozen=True):
    """A table with one property a row: each key becomes one row with a column for each property, and the newest value counts."""

    key: str
    """Column of whose property it is, for instance the item's id."""
    name: str
    """Column that names the property; what it names become columns."""
    value: str
    """Column of its value."""
    time: str = ""
    """Column that tells since when; the newest counts, read with `timezone` and so on. Empty: the last row counts."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All of its columns."""
        return tuple(column for column in (self.key, self.name, self.value, self.time) if column)


class Join(Group, frozen=True):
    """A second table, whose columns come to the rows with the same key; it multiplies no row."""

    paths: tuple[str, ...]
    """Files and globs, as of a table. Empty: the rows of this table itself, as variants have a parent among them."""
    on: str | tuple[str, ...] | Mapping[str, str]
    """Column that both have, or several; where the names differ, this table's column = the other's."""
    name: str = ""
    """Put before the joined columns with a point, for instance `heads` for `heads.state`. Empty: columns keep their names, and
    where both tables have one, the first table's counts."""
    before: str = ""
    """Put before the second table's key, for instance `id:` where a `Parent` is `id:16` and the second table's `ID` is 16."""
    total: tuple[str, ...] = ()
    """Columns of the second table whose numbers are added up over the rows with one key, as stock by location; of others the last row
    of a key counts. What is no number adds nothing."""
    where: tuple[Where, ...] = ()
    """Rows of the second table to keep."""
    pivot: Pivot | None = None
    """The second table has one property a row."""

    @property
    def pairs(self) -> Mapping[str, str]:
        """The columns that are compared: this table's = the other's."""
        if isinstance(self.on, str):
            return {self.on: self.on}
        return self.on if isinstance(self.on, Mapping) else {name: name for name in self.on}
