"""Presets: pieces of settings for known exports, one TOML file each, so that their users need little beyond a path.

A file `NAME.toml` beside this one holds a table of settings for each of the shop's tables that the platform exports, in the words of
a settings file, with its public source. `preset = "NAME"` lays it under the settings of a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

import msgspec

from recsys.settings.catalog import NeverKind
from recsys.settings.shapes import FillDown, Join, Unnest
from recsys.settings.tables import Table
from recsys.settings.types import Group
from recsys.types import SettingsError

_SHAPES = frozenset({"unnest", "fill_down"})
"""Settings of a preset that are passed over where a file has another shape."""
_OF_COLUMN = {"taken_off": "quantity", "time_of_day": "timestamp"}
"""Settings that speak of one canonical column, as the preset maps it."""
_MAPPED = frozenset({"columns", "event_types", "null_values"})


class TablePreset(Table, frozen=True):
    """Settings for one table of a platform's export; what they name and a file does not have is passed over."""

    signature: tuple[tuple[str, ...], ...] = ()
    """Column names of the export in each of its layouts, whatever their letter case: a file with all names of one is taken for it."""
    whole_ids: tuple[str, ...] = ()
    """Canonical columns whose ids may have become text like `123.0` on their way, and lose the `.0` again."""
    never_kinds: tuple[NeverKind, ...] = ()
    """Kinds of items in such an export that are no recommendation."""
    composed: Mapping[str, tuple[str, ...]] = {}
    """A column that the export lacks = those that it is made of: `Tee - Red / M` of a title and the values of options."""
    also: Mapping[str, str] = {}
    """Another name of a column, in exports of other versions = the one that is named above."""


class Platform(Group, frozen=True):
    """One platform: what it is called, where its layout is described, and its tables."""

    title: str
    sources: tuple[str, ...]
    not_read: str = ""
    """Parts of the export that no table takes anything from, in words."""
    timezone_rule: str = ""
    """Zone of times that name none, in words; empty: they are UTC or name theirs."""
    zone_matters: bool = True
    """A person has to name the zone of times that name none; not where the platform writes UTC, or days without an hour."""
    events: TablePreset | None = None
    items: TablePreset | None = None
    users: TablePreset | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """Names in one table of an export.

    `columns` gives for each canonical column the export's columns: the levels of a category, else those of which the
    first one with a value counts; columns that a file does not have are passed over. `category_levels`: each column of the
    category holds a level, however many of them a file has. `whole_ids`: as of `TablePreset`. `unnest`, `fill_down`: shapes that a
    file may have. `never_kinds`, `composed`, `also`: as of `TablePreset`.
    """

    columns: Mapping[str, tuple[str, ...]]
    event_types: Mapping[str, str]
    null_values: tuple[str, ...] = ()
    category_separator: str = ""
    category_levels: bool = False
    whole_ids: tuple[str, ...] = ()
    unnest: str | Unnest = ""
    fill_down: FillDown | None = None
    never_kinds: tuple[NeverKind, ...] = ()
    composed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)


@cache
def preset_names() -> tuple[str, ...]:
    """The names of all presets, sorted."""
    return tuple(
        sorted(file.name.removesuffix(".toml") for file in files(__name__).iterdir() if file.name.endswith(".toml"))
    )


@cache
def platform(name: str) -> Platform:
    """Read the file of a preset; raises `KeyError` where there is none."""
    if name not in preset_names():
        raise KeyError(name)
    return msgspec.toml.decode((files(__name__) / f"{name}.toml").read_bytes(), type=Platform)


def preset_of(name: str, table: Table) -> TablePreset:
    """The preset that the settings of a table name; an empty one where they name none.

    Raises:
        SettingsError: if there is no such preset, or it has no such table.
    """
    if not table.preset:
        return TablePreset()
    if table.preset not in preset_names():
        allowed = ", ".join(preset_names())
        raise SettingsError(f"data.{name}.preset: {table.preset!r} is no preset; allowed: {allowed}")
    found: TablePreset | None = getattr(platform(table.preset), name, None)
    if found is None:
        having = ", ".join(each for each in preset_names() if getattr(platform(each), name, None))
        raise SettingsError(f"data.{name}.preset: {table.preset!r} has no {name}; allowed: {having or 'none'}")
    return found


def laid_over(name: str, table: Table) -> Table:
    """The settings of a table over those of its preset, but for mapping and shapes; raises as `preset_of`."""
    base = preset_of(name, table)
    taken: dict[str, object] = {}
    for key in Table.__struct_fields__:
        own, under = getattr(table, key), getattr(base, key)
        if key == "constants":
            taken[key] = {**under, **own}
        elif key in ("yes", "no", "units"):
            taken[key] = (*under, *own)
        elif key == "join":
            taken[key] = (*own, *(_beside(table, join) for join in under if not own or not join.paths))
        elif key == "discounted" and any(_maps_anew(table, base, each) for each in ("price", "amount", "discount")):
            taken[key] = own  # the preset's is of its own columns
        elif key == "untracked" and {"stock"} & {*table.columns, *table.constants}:
            taken[key] = own  # the preset's is of its own column
        elif key in _OF_COLUMN and _maps_anew(table, base, _OF_COLUMN[key]):
            taken[key] = own  # likewise
        elif key not in _SHAPES | _MAPPED and own == getattr(_NOTHING, key):
            taken[key] = under
    return msgspec.structs.replace(table, **taken)


def merged(name: str, table: Table) -> Preset:
    """Give the mapping of a table: its preset, with what the settings say themselves on top; raises as `preset_of`."""
    base = preset_of(name, table)
    kept = {name: own for name, own in base.columns.items() if not (name == "categories" and "category" in table.columns)}
    columns = {**kept, **table.columns}
    return Preset(
        columns={column: (own,) if isinstance(own, str) else tuple(own) for column, own in columns.items()},
        event_types={**base.event_types, **table.event_types},
        null_values=(*base.null_values, *table.null_values),
        category_separator=table.category_separator or base.category_separator,
        category_levels=not isinstance(columns.get("category", ""), str),
        whole_ids=base.whole_ids,
        unnest=base.unnest,
        fill_down=base.fill_down,
        never_kinds=base.never_kinds,
        composed=base.composed,
        also=base.also,
    )


def mapping_of(preset: str, name: str = "events") -> Preset:
    """The mapping of one table of a preset."""
    return merged(name, Table(preset=preset))


def _maps_anew(table: Table, base: TablePreset, column: str) -> bool:
    """Tell whether a table takes a canonical column from elsewhere than its preset does."""
    own, under = (_several(each.columns.get(column, ())) for each in (table, base))
    return column in table.constants or (column in table.columns and own != under)


def _several(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _beside(table: Table, join: Join) -> Join:
    """A preset's further table: its file stands in the folder of the table's own."""
    folder = PurePosixPath(table.paths[0]).parent if table.paths else PurePosixPath()
    return msgspec.structs.replace(join, paths=tuple(str(folder / path) for path in join.paths))


_NOTHING = Table()
