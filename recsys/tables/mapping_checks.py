"""Do a table's settings fit its columns? Said before a row is read, with every mistake at once."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.settings.tables import Table
from recsys.tables.presets import Preset
from recsys.tables.schema import Column, mappable
from recsys.tables.sources import Source
from recsys.types import EVENT_TYPES, DataError, SettingsError


def check_names(name: str, table: Table, preset: Preset) -> None:
    """Check that mappings lead to canonical columns and event types.

    Raises:
        SettingsError: naming the key, the value and what is allowed.
    """
    allowed = sorted(column.name for column in mappable(name))
    for key, given in (("columns", table.columns), ("constants", table.constants)):
        for wrong in sorted(set(given) - set(allowed)):
            raise SettingsError(f"data.{name}.{key}: {wrong!r} is no canonical column; allowed: {', '.join(allowed)}")
    words = {f"event_types.{word}": kind for word, kind in preset.event_types.items()}
    words |= {f"type_rules[{at}].event_type": rule.event_type for at, rule in enumerate(table.type_rules)}
    for key, kind in words.items():
        if kind and kind not in EVENT_TYPES:
            allowed_types = ", ".join(EVENT_TYPES)
            raise SettingsError(f"data.{name}.{key}: {kind!r} is no event type; allowed: {allowed_types}, or empty")


def check_columns(name: str, table: Table, preset: Preset, sources: Sequence[Source]) -> None:
    """Check that each file has the required columns, and some file each column that the settings name.

    Raises:
        DataError: with one line for each missing column, naming the file and the columns that it has.
    """
    lines = [_required(name, c, table, preset, source) for c in mappable(name) if c.required for source in sources]
    anywhere = {column for source in sources for column in source.schema}
    lines += [_absent(name, own, used, sources[0]) for used, own in _named(table) if own not in anywhere]
    problems = list(dict.fromkeys(line for line in lines if line))
    if problems:
        raise DataError("\n".join(problems))


def _named(table: Table) -> list[tuple[str, str]]:
    named = [(c, own) for c, names in table.columns.items() for own in ((names,) if isinstance(names, str) else names)]
    named += [("where", rule.column) for rule in table.where]
    return named + [("type_rules", rule.column) for rule in table.type_rules]


def _required(name: str, column: Column, table: Table, preset: Preset, source: Source) -> str:
    names = preset.columns.get(column.name, (column.name,))
    if column.name == "user_id" and name == "events":
        names = (*names, *preset.columns.get("anonymous_id", ("anonymous_id",)))
    told = column.name in table.constants or (column.name == "event_type" and bool(table.type_rules))
    if told or any(own in source.schema for own in names):
        return ""
    return _absent(name, names[0], column.name, source, f"; name the one that holds it in `data.{name}.columns`")


def _absent(name: str, own: str, used: str, source: Source, advice: str = "") -> str:
    used_for = f" (for {used})" if used != own else ""
    return f"{name}: {source.files[0]} has no column {own!r}{used_for}{advice}; it has: {', '.join(source.schema)}"
