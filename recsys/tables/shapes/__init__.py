"""A table put into shape, lazily, between opening and mapping: one row for each event, item or person.

The order is fixed: `pivot`, `fill_down`, `join`, `unnest`; then fields of structs and of key/value lists that the settings name, with
a point (`ecommerce.transaction_id`). Source rows are numbered anew where their number changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from recsys.settings import Settings
from recsys.settings.shapes import Unnest
from recsys.settings.tables import Table
from recsys.tables.presets import Preset
from recsys.tables.shapes.base import Shaped, as_one, mapped_names, wanted_names
from recsys.tables.shapes.filling import composed, filled
from recsys.tables.shapes.joins import joined
from recsys.tables.shapes.nested import named_fields, unnested
from recsys.tables.shapes.pivots import pivoted
from recsys.tables.sources import Source


def put_into_shape(
    settings: Settings, name: str, table: Table, preset: Preset, opened: Sequence[Source], before: datetime | None
) -> Shaped:
    """Give the sources the shape that the settings tell; properties with a time from `before` on are not known yet.

    Raises:
        DataError: if a column is missing that a shape needs.
        PolarsError: if a file cannot be read.
    """
    wanted, sources = wanted_names(name, table, preset), tuple(opened)
    fill = table.fill_down or preset.fill_down
    if table.pivot or (fill and fill.key):
        sources = (as_one(sources),)
    steps = list[Shaped]()
    if table.pivot:
        [source], pivot = sources, table.pivot
        steps.append(pivoted(name, source, table, pivot, wanted, before))
        sources = steps[-1].sources
    if fill:
        must = fill is table.fill_down
        sources = tuple(filled(name, source, fill, preset.null_values, must=must) for source in sources)
    sources = tuple(composed(source, preset) for source in sources)
    for join in table.join:
        steps.append(joined(settings, name, table, sources, join, wanted))
        sources = steps[-1].sources
    if unnest := _unnest(table, preset):
        wanted -= {unnest.column} - mapped_names(name, preset)
        each = [unnested(name, source, unnest, wanted, must=bool(table.unnest)) for source in sources]
        steps += each
        sources = tuple(source for one in each for source in one.sources)
    guesses = tuple(guess for step in steps for guess in step.guesses)
    findings = tuple(finding for step in steps for finding in step.findings)
    return Shaped(tuple(named_fields(source, wanted) for source in sources), guesses, findings)


def _unnest(table: Table, preset: Preset) -> Unnest | None:
    stated = table.unnest or preset.unnest
    if isinstance(stated, Unnest):
        return stated
    return Unnest(column=stated) if stated else None
