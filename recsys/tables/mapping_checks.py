"""Do a table's settings fit its columns? Said before a row is read, with every mistake at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import polars as pl
from polars.exceptions import PolarsError

from recsys.settings.tables import Table
from recsys.tables.columns.spelling import plain_name
from recsys.tables.presets import Preset, preset_of
from recsys.tables.schema import Column, mappable
from recsys.tables.sources import Source
from recsys.tables.sources.names import SECOND, listed, shortened
from recsys.tables.validation import Finding
from recsys.tables.values.notation import notation_of_settings
from recsys.tables.values.times import TimeNotation, read_times
from recsys.types import EVENT_TYPES, DataError, SettingsError

_MOMENT = datetime(2026, 5, 31, 9, 30, tzinfo=UTC)


def check_names(name: str, table: Table, preset: Preset) -> None:
    """Check that mappings lead to canonical columns and event types, and that zone, formats and words can be used.

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
    _check_times(name, table)
    torn = sorted({word.strip().casefold() for word in table.yes} & {word.strip().casefold() for word in table.no})
    if torn:
        raise SettingsError(f"data.{name}.yes: {torn[0]!r} stands in `no` too; a word has one meaning")


def _check_times(name: str, table: Table) -> None:
    try:
        pl.Series([_MOMENT]).dt.convert_time_zone(table.timezone)
    except PolarsError as error:
        raise SettingsError(
            f"data.{name}.timezone: {table.timezone!r} is no time zone; allowed: names of the IANA database such as Europe/Berlin"
        ) from error
    for form in notation_of_settings(table).time.formats:
        if not _is_format(form):
            raise SettingsError(
                f"data.{name}.date_format: {form!r} is no format of a time; allowed: for instance %d.%m.%Y %H:%M"
            )


def _is_format(form: str) -> bool:
    """Tell whether a moment written in a format can be read back."""
    try:
        written = pl.Series([_MOMENT]).dt.strftime(form)
        return written[0] != form and not read_times(written, TimeNotation(formats=(form,), unit="none")).has_nulls()
    except PolarsError:
        return False


def check_columns(name: str, own: Table, table: Table, preset: Preset, sources: Sequence[Source]) -> None:
    """Check that each file has the required columns, and some file each column that the shop's `own` settings name.

    Of a preset's columns those of `void_orders` must not all be missing, or cancelled orders would count.

    Raises:
        DataError: with one line for each missing column, naming the file and the columns that it has.
    """
    lines = [_required(name, c, table, preset, source) for c in mappable(name) if c.required for source in sources]
    anywhere = {column for source in sources for column in source.schema}
    lines += [_absent(name, missing, used, sources[0]) for used, missing in _named(own) if missing not in anywhere]
    states = [each if isinstance(each, str) else each.column for each in table.void_orders]
    if states and not own.void_orders and not anywhere & {*states}:
        lines.append(_absent(name, states[0], "void_orders", sources[0], "; name the column that says how an order stands"))
    lines += [_nested(name, column, preset, source) for column in mappable(name) for source in sources]
    if table.void_orders and not anywhere & set(preset.columns.get("order_id", ("order_id",))):
        lines.append(_absent(name, "order_id", "void_orders", sources[0], f"; name it in `data.{name}.columns`"))
    problems = list(dict.fromkeys(line for line in lines if line))
    if problems:
        raise DataError("\n".join(problems))


def doubtful_columns(name: str, own: Table, table: Table, preset: Preset, sources: Sequence[Source]) -> list[Finding]:
    """Say which columns stand twice under a name that is read, and which ones of a preset that void orders no file has."""
    read = {column for names in preset.columns.values() for column in names} | table.other_columns
    read |= {each.name for each in mappable(name)} - {*preset.columns}
    twice = [
        (source, column)
        for source in sources
        for column in (each.removesuffix(SECOND) for each in source.schema if each.endswith(SECOND))
        if _is_spelled(column, read, source)
    ]
    found = [
        _doubtful(
            name,
            source,
            column,
            "stands once among the names",
            "name each column once; the first is read, the others are not",
        )
        for source, column in twice
    ]
    states = () if own.void_orders else [each if isinstance(each, str) else each.column for each in table.void_orders]
    lacking = [column for column in states if not any(column in source.schema for source in sources)]
    advice = "export the column, or orders that it would void count"
    found += [_doubtful(name, sources[0], column, "is there, for it says how orders stand", advice) for column in lacking]
    return found + (_without_stock(name, table, preset, sources) if name == "items" else [])


def _without_stock(name: str, table: Table, preset: Preset, sources: Sequence[Source]) -> list[Finding]:
    """Say that no file has the stock, where one says what is sold without it: all would count as for sale."""
    there = {column for source in sources for column in source.schema}
    names = {each: (*preset.columns.get(each, (each,)),) for each in ("stock", "available", "backorder")}
    told = [each for each in ("stock", "available") if each in table.constants or there & {*names[each]}]
    says = next((column for column in names["backorder"] if column in there), "")
    if told or not says:
        return []
    advice = "export it, or bring it with `join` and `total` from a table of stock by location; until then all is for sale"
    return [_doubtful(name, sources[0], names["stock"][0], f"is there, since {says} says what is sold without it", advice)]


def _is_spelled(column: str, read: Collection[str], source: Source) -> bool:
    """Tell whether a column that stands twice is one of those `read`, however it is spelled. Another spelling of a name that is there
    may stand twice: it is not read."""
    alike = {each for each in read if plain_name(each) == plain_name(column) != ""}
    there = alike & {*source.schema}
    return bool(there if column not in source.schema else column in read or (alike and not there))


def unlike_export(name: str, own: Table, opened: Sequence[Source]) -> list[Finding]:
    """Say which columns that a preset reads are missing, if the files have the columns of none of its layouts, and something is read
    from nowhere: a translated export, or another one, would be read in part and in silence."""
    layout = preset_of(name, own)
    there = {plain_name(column) for source in opened for column in source.schema}
    mapped = [names for column, names in layout.columns.items() if column not in {*own.columns, *own.constants}]
    plain = [{plain_name(each) for each in ((names,) if isinstance(names, str) else names)} for names in mapped]
    lacking = [[each for each in columns if plain_name(each) not in there] for columns in layout.signature]
    nearest = [each for each in min(lacking, key=len, default=[]) if any(plain_name(each) in names for names in plain)]
    if not any(plain_name(each) in names and not names & there for each in nearest for names in plain):
        return []
    advice = f"name the columns that hold them in `data.{name}.columns`, or look whether this is such an export"
    rule = f"has {', '.join(nearest)}, as exports of {own.preset} have"
    return [_doubtful(name, opened[0], "", rule, advice)]


def _doubtful(name: str, source: Source, column: str, rule: str, advice: str) -> Finding:
    return Finding(name, str(source.files[0]), column, rule, 0, 1.0, "", advice)


def _named(table: Table) -> list[tuple[str, str]]:
    named = [(c, own) for c, names in table.columns.items() for own in ((names,) if isinstance(names, str) else names)]
    named += [("where", rule.column) for rule in table.where] + [("untracked", rule.column) for rule in table.untracked]
    named += [("taken_off", column) for column in table.taken_off]
    named += [("time_of_day", table.time_of_day)] if table.time_of_day else []
    stated = (("void_orders", table.void_orders), ("refused", table.refused))
    named += [(key, each if isinstance(each, str) else each.column) for key, columns in stated for each in columns]
    return named + [("type_rules", rule.column) for rule in table.type_rules]


def _required(name: str, column: Column, table: Table, preset: Preset, source: Source) -> str:
    names = preset.columns.get(column.name, (column.name,))
    if column.name == "user_id" and name == "events":
        names = (*names, *preset.columns.get("anonymous_id", ("anonymous_id",)))
    constant = column.name in table.constants or (column.name == "event_type" and bool(table.type_rules))
    if constant or any(own in source.schema for own in names):
        return ""
    return _absent(
        name,
        names[0],
        column.name,
        source,
        f"; name the one that holds it in `data.{name}.columns`, or bring it from another table with `data.{name}.join`",
    )


def _nested(name: str, column: Column, preset: Preset, source: Source) -> str:
    if column.kind in ("category", "categories"):
        return ""
    nested = [
        own for own in preset.columns.get(column.name, (column.name,)) if source.schema.get(own, pl.String()).is_nested()
    ]
    if not nested:
        return ""
    own, dtype = nested[0], source.schema[nested[0]]
    field = f", for instance {own}.{dtype.fields[0].name}" if isinstance(dtype, pl.Struct) and dtype.fields else ""
    return (
        f"{name}: {source.files[0]}: column {own!r} (for {column.name}) holds lists or several fields; name one field{field}, "
        f'and for a list set `data.{name}.unnest = "{own}"`'
    )


def _absent(name: str, own: str, used: str, source: Source, advice: str = "") -> str:
    used_for = f" (for {used})" if used != own else ""
    return f"{name}: {source.files[0]} has no column {shortened(own)!r}{used_for}{advice}; it has: {listed(source.schema)}"
