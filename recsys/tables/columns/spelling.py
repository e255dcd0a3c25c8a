"""Column names that are those of the settings but for capitals, blanks and signs: taken for them, and said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from recsys.settings.shapes import Unnest
from recsys.settings.tables import Table
from recsys.tables.presets import Preset
from recsys.tables.schema import mappable
from recsys.tables.sources import Source


def plain_name(name: str) -> str:
    """A column's name without what spellings of it differ in: letter case, blanks and signs, British and American."""
    return re.sub(r"[\W_]+", "", name.casefold()).replace("canceled", "cancelled")


def spoken_of(name: str, table: Table, preset: Preset) -> tuple[str, ...]:
    """The shop's columns that the settings of a table speak of, and the canonical ones that they map to no other."""
    mapped = [own for names in preset.columns.values() for own in names]
    mapped += [column.name for column in mappable(name) if column.name not in preset.columns]
    unnest, fill = preset.unnest, preset.fill_down
    shaped = [unnest.column if isinstance(unnest, Unnest) else unnest, *((*fill.keys, *fill.columns) if fill else ())]
    shaped += [each for parts in preset.composed.values() for each in parts]
    names = [*mapped, *sorted(table.other_columns), *filter(None, shaped)]
    return tuple(dict.fromkeys([*names, *(each.partition(".")[0] for each in names)]))


def as_spoken(source: Source, spoken: Iterable[str], also: Mapping[str, str], kept: Collection[str] = ()) -> Source:
    """Give columns the names that the settings spell differently; of two that would have one name none is taken for it.

    also: other names of columns, as of a preset · kept: columns that keep their name, for the settings speak of them elsewhere.
    """
    names = tuple(spoken)
    there = {plain_name(name) for name in names if name in source.schema}
    lacking = {plain_name(name): name for name in reversed(names) if plain_name(name) not in there}
    alike = Counter(map(plain_name, source.schema))
    free = [own for own in source.schema if own not in names and own not in kept and alike[plain_name(own)] == 1]
    others = {plain_name(own): name for own, name in also.items() if plain_name(name) not in there}
    known = others | lacking
    renamed = {own: known[plain_name(own)] for own in free if known.get(plain_name(own))}
    renamed = {own: name for own, name in renamed.items() if list(renamed.values()).count(name) == 1}
    if not renamed:
        return source
    said = ", ".join(f"column {own!r} is taken for {name!r}" for own, name in renamed.items())
    return replace(
        source,
        frame=source.frame.rename(renamed),
        schema={renamed.get(own, own): dtype for own, dtype in source.schema.items()},
        read_as=(*source.read_as, f"{source.files[0]}: {said}"),
    )
