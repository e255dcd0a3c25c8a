"""Raw values of a source: the columns that a canonical one comes from, and what stands there, null where there is nothing."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from recsys.ids.nothing import NOTHING
from recsys.settings.tables import IdRules, Table
from recsys.tables.columns.conditions import as_text, given_text, kept, matches_pattern
from recsys.tables.parsing import LEVEL, level_pattern, read_categories, split_between
from recsys.tables.presets import Preset
from recsys.tables.schema import AMOUNT, Column, Kind
from recsys.tables.sources import MORE, Source
from recsys.tables.values.notation import Place
from recsys.tables.values.times import at_time_of_day

VALUES: tuple[Kind, ...] = ("time", "date", "number", "money", "stock", "flag", "availability", "consent")
"""Kinds whose values need not be text in the source."""
_EACH_READ: tuple[Kind, ...] = (*VALUES, "zone")
"""Kinds of which an unreadable value does not hide that of the next column, and blanks alone are none."""
_CATEGORY = Column("category", "category")
_QUANTITY = Column("quantity", "number")
_PEOPLE = ("user_id", "anonymous_id")


def _absent(column: Column) -> tuple[str, ...]:
    """Words that stand in a column where there is no value; a product without variants is of group 0 in several shop systems.

    A value that is read as such a word would be one item, order or group of all rows without one. Columns of people have
    `data.null_users`, which counts them; in `VALUES` such a word is found, and hides what it guards.
    """
    if column.kind in VALUES or column.kind == "type" or column.name in _PEOPLE:
        return ()
    return (*NOTHING, "0") if column.name == "group_id" else NOTHING


def _ranked(column: Column, parts: list[pl.Expr]) -> list[pl.Expr]:
    """The texts of which the first counts: platforms write an id of 0 where there is no variant, customer or order."""
    return [*(pl.when(part != "0").then(part) for part in parts), *parts] if column.kind == "id" else parts


@dataclass(frozen=True, slots=True)
class RawValues:
    """One source with what the settings say of its columns."""

    source: Source
    table: Table
    preset: Preset
    columns: tuple[Column, ...]
    ids: IdRules
    currency: str = ""
    """The catalogue's, which rows are in that name none; empty: not set."""

    def origins(self) -> dict[str, tuple[str, ...]]:
        """By canonical column, those of the shop's that the source has."""
        found: dict[str, tuple[str, ...]] = {MORE: (MORE,)}
        for column in self.columns:
            names = self.preset.columns.get(column.name, () if column is AMOUNT else (column.name,))
            found[column.name] = tuple(name for name in names if name in self.source.schema)
        if found.get("amount") and "price" not in self.preset.columns:
            found["price"] = found["amount"]
        if found.get("categories") == () and len(found["category"]) == 1:
            listed = self.preset.category_separator and isinstance(self.source.schema[found["category"][0]], pl.List)
            found["categories"] = found["category"] if listed or self.table.categories_between else ()
        return found

    def places(self) -> list[Place]:
        """The shop's columns whose notation is told by their values."""
        own = self.origins()
        read = [(c, name) for c in self.columns if c.kind in VALUES and not self._constant(c) for name in own[c.name]]
        frame, from_1904 = self.source.frame, self.source.from_1904
        return [Place(c, name, frame, self._part(c, name), self.dtype(c, name), from_1904) for c, name in read]

    def dtype(self, column: Column, name: str) -> pl.DataType:
        """The type of what a column is read from, which is that of the shop's column, or text where that is put together."""
        return pl.String() if self._is_in_two(column) else self.source.schema[name]

    def parts(self, column: Column) -> list[pl.Expr]:
        """Return what stands in each of the columns; kinds of text have one, the first with a value.

        Raises:
            SettingsError: if a pattern of the settings is not a regular expression.
        """
        if self._constant(column):
            return [self._ruled(column, pl.lit(self.table.constants[column.name]))]
        names = self.origins()[column.name]
        if not names:
            return [self._ruled(column, pl.lit(None, pl.String))]
        if column.kind == "category":
            return [self._category(names)]
        parts = [self._part(column, name) for name in names]
        if column.kind in _EACH_READ:
            return parts
        return [self._ruled(column, parts[0] if len(parts) == 1 else pl.coalesce(_ranked(column, parts)))]

    def taken_off(self) -> dict[str, pl.Expr]:
        """Return what stands in the columns of pieces that were given back or cancelled, of those that the source has."""
        return {name: self._said(_QUANTITY, name) for name in self.table.taken_off if name in self.source.schema}

    def _constant(self, column: Column) -> bool:
        return column.name in self.table.constants

    def _is_in_two(self, column: Column) -> bool:
        """Tell whether days stand in one column and their hours in another."""
        return column.name == "timestamp" and self.table.time_of_day in self.source.schema

    def _part(self, column: Column, name: str) -> pl.Expr:
        if self._is_in_two(column):
            nothing = self.preset.null_values
            return at_time_of_day(
                given_text(name, self.source, nothing), given_text(self.table.time_of_day, self.source, nothing)
            )
        rules = self.table.untracked if column.name == "stock" else ()
        if not rules or any(rule.column not in self.source.schema for rule in rules):
            return self._said(column, name)
        return pl.when(~kept(self.source, rules, self.preset.null_values)).then(self._said(column, name))

    def _said(self, column: Column, name: str) -> pl.Expr:
        dtype = self.source.schema[name]
        if dtype.is_nested() or (column.kind in VALUES and dtype != pl.String):
            return pl.col(name).fill_nan(None) if dtype.is_float() else pl.col(name)
        text = as_text(name, self.source)
        if column.name in self.preset.whole_ids:
            text = text.str.replace(r"^(\d+)\.0+$", "${1}")
        blank = text.str.strip_chars() if column.kind in _EACH_READ else text
        nothing = [*self.preset.null_values, *_absent(column)]
        return pl.when((blank != "") & ~text.is_in(nothing) if nothing else blank != "").then(text)

    def _category(self, names: tuple[str, ...]) -> pl.Expr:
        """Levels from several columns, from a list, or from text cut at the separator; else the text is canonical already. Where there
        is a separator, a list is one of whole categories, the first of which leads."""
        preset = self.preset
        lists = [isinstance(self.source.schema[name], pl.List) for name in names]
        canonical = not (preset.category_levels or any(lists) or preset.category_separator)
        texts = []
        for name, is_list in zip(names, lists, strict=True):
            text = self._part(_CATEGORY, name)
            if is_list:
                listed = text.cast(pl.List(pl.String)).list
                text = (
                    listed.drop_nulls().list.first() if preset.category_separator else listed.join(LEVEL, ignore_nulls=True)
                )
            elif self.table.categories_between:
                text = split_between(text, self.table.categories_between).list.first()
            if preset.category_separator:
                text = text.str.replace_all(level_pattern(preset.category_separator), LEVEL)
            texts.append(text)
        joined = texts[0] if len(texts) == 1 else pl.concat_str(texts, separator=LEVEL, ignore_nulls=True)
        return read_categories(joined, canonical=canonical)

    def _ruled(self, column: Column, base: pl.Expr) -> pl.Expr:
        """An event's type by the shop's words and by rules on other columns; other columns as they are."""
        if column.kind != "type":
            return base
        text = base.cast(pl.String)
        if self.preset.event_types:
            text = text.replace(self.preset.event_types)
        for rule in reversed(self.table.type_rules):
            met = matches_pattern(self.source, rule.column, rule.pattern)
            text = pl.when(met).then(pl.lit(rule.event_type)).otherwise(text)
        return text
