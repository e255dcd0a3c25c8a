"""Attributes: further columns of the item table, declared in the settings or taken whole, as columns that are read like all others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from recsys.item_filters import ATTRIBUTE
from recsys.settings import Settings
from recsys.settings.attributes import AttributeSettings, AttributeType
from recsys.snapshot.attributes import BUILT_IN, MAX_ATTRIBUTES
from recsys.tables.presets import Preset
from recsys.tables.schema import Column, Kind, mappable
from recsys.tables.sources import FILE, MORE, ROW, Source
from recsys.tables.values.notation import Guess, Notation
from recsys.tables.values.times import ISO, read_times
from recsys.tables.values.words import read_words
from recsys.types import DataError, SettingsError

_KINDS: Mapping[AttributeType, Kind] = {
    "number": "number",
    "word": "text",
    "words": "words",
    "yes_no": "flag",
    "time": "time",
}
_LONGEST_WORD = 100
"""Characters beyond which a text that nobody declared is prose, and no attribute."""


@dataclass(frozen=True, slots=True)
class AttributeColumns:
    """The attributes of one table: their columns, the shop's column of each, what stands between words, and what was guessed."""

    columns: tuple[Column, ...] = ()
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    between: Mapping[str, str] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()

    def mapping(self, preset: Preset) -> Preset:
        """A table's mapping with that of its attributes."""
        return replace(preset, columns={**preset.columns, **self.own})

    def notation(self, name: str, stated: Notation) -> Notation:
        """Return how a column is written."""
        return replace(stated, between=self.between.get(name, stated.between))


NO_ATTRIBUTES = AttributeColumns()


def attribute_columns(settings: Settings, name: str, preset: Preset, sources: Sequence[Source]) -> AttributeColumns:
    """Find the attributes of a table; only that of items has any.

    Raises:
        SettingsError: if there are too many, or one has the name of what every item has.
        DataError: if no file has the column of one.
    """
    if name != "items":
        return NO_ATTRIBUTES
    declared = {each: _whole(each, stated) for each, stated in settings.data.attributes.items()}
    _check(declared, sources)
    taken = dict(_taken(declared, preset, sources)) if settings.data.all_attributes else {}
    every = declared | {each: stated for each, (stated, _) in taken.items()}
    if len(every) > MAX_ATTRIBUTES:
        raise SettingsError(
            f"data.attributes: there are {len(every)} attributes, at most {MAX_ATTRIBUTES} are kept; name those"
        )
    return AttributeColumns(
        tuple(Column(ATTRIBUTE + each, _KINDS[stated.type]) for each, stated in every.items()),
        {ATTRIBUTE + each: (stated.column,) for each, stated in every.items()},
        {ATTRIBUTE + each: stated.separator for each, stated in every.items()},
        tuple(_guess(each, stated, evidence) for each, (stated, evidence) in taken.items()),
    )


def _whole(name: str, stated: AttributeType | AttributeSettings) -> AttributeSettings:
    if not isinstance(stated, AttributeSettings):
        return AttributeSettings(type=stated, column=name)
    return stated if stated.column else AttributeSettings(type=stated.type, column=name, separator=stated.separator)


def _check(declared: Mapping[str, AttributeSettings], sources: Sequence[Source]) -> None:
    anywhere = {own: source.schema[own] for source in sources for own in source.schema}
    for name, stated in declared.items():
        if name in BUILT_IN:
            raise SettingsError(f"data.attributes: every item has {name!r} already; give the attribute another name")
        if stated.column not in anywhere:
            names = ", ".join(own for own in anywhere if own not in (ROW, FILE, MORE))
            raise DataError(
                f"items: no file has the column {stated.column!r} (for the attribute {name}); they have: {names}"
            )
        if anywhere[stated.column].is_nested() and stated.type != "words":
            raise DataError(
                f"items: column {stated.column!r} (for the attribute {name}) holds lists; its type can be words only"
            )


def _taken(
    declared: Mapping[str, AttributeSettings], preset: Preset, sources: Sequence[Source]
) -> Iterator[tuple[str, tuple[AttributeSettings, str]]]:
    """The further columns, each with its type and the evidence for it; prose and what has no values are none."""
    used = {own for names in preset.columns.values() for own in names} | {stated.column for stated in declared.values()}
    used |= {column.name for column in mappable("items")} | {ROW, FILE, MORE}
    named = set(declared) | set(BUILT_IN)
    for own in dict.fromkeys(own for source in sources for own in source.schema):
        name = re.sub(r"\W+", "_", own.lower()).strip("_")[:64]
        if own in used or name in named or not re.fullmatch(r"[^\W\d]\w*", name):
            continue
        frames = [source.frame.select(own).unique().collect() for source in sources if own in source.schema]
        stated = _stated_by(pl.concat(frames, how="vertical_relaxed").to_series().drop_nulls())
        if stated is not None:
            named.add(name)
            yield name, (AttributeSettings(type=stated[0], column=own), stated[1])


def _stated_by(values: pl.Series) -> tuple[AttributeType, str] | None:
    """The type that all distinct values of a column fit."""
    if values.dtype == pl.Boolean:
        return "yes_no", "its type is boolean"
    if values.dtype.is_numeric():
        return "number", "its type is numeric"
    if values.dtype.is_temporal():
        return "time", "its type is a time"
    if values.dtype == pl.List(pl.String):
        return "words", "its type is a list"
    texts = values.cast(pl.String, strict=False).str.strip_chars()
    texts = texts.filter(texts != "")
    if values.dtype.is_nested() or not len(texts) or (texts.str.len_chars() > _LONGEST_WORD).any():
        return None
    count = f"all of {len(texts):,} distinct values fit"
    if texts.cast(pl.Float64, strict=False).is_finite().fill_null(False).all():
        return "number", count
    if not texts.to_frame("t").select(read_words(pl.col("t"), "flag")).to_series().has_nulls():
        return "yes_no", count
    if not read_times(texts, ISO).has_nulls():
        return "time", count
    return "word", f"{len(texts):,} distinct texts"


def _guess(name: str, stated: AttributeSettings, evidence: str) -> Guess:
    return Guess(
        "items", stated.column, f"the attribute {name}, {stated.type}", evidence, f'data.attributes.{name} = "{stated.type}"'
    )
