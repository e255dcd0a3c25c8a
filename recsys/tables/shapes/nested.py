"""Nested values: lists whose entries become rows, fields of structs, and parameters of key/value lists, named with a point."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec
import polars as pl

from recsys.settings.shapes import Unnest
from recsys.tables.shapes.base import Shaped, need, numbered
from recsys.tables.shapes.packed import json_lines, json_values, packed_fields, packed_lines
from recsys.tables.sources import ROW, WHOLE, Source
from recsys.tables.validation import Finding
from recsys.types import DataError

_PAIRS = (("key", "value"), ("name", "value"))
"""Fields of the entries of a list that holds parameters by their names."""


def unnested(name: str, source: Source, unnest: Unnest, wanted: Collection[str], *, must: bool) -> Shaped:
    """Make a row of each entry of a column's lists; an empty list is one row without an entry. Of text whose fields nobody asks for
    the entries are values. Unless it `must`, a column that is not there, or holds no lists, is left as it is.

    Raises:
        DataError: if the source lacks the column, or nothing is asked of its entries.
        PolarsError: if a file cannot be read.
    """
    source = source if unnest.column in source.schema else named_fields(source, {unnest.column})
    column, dtype = unnest.column, source.schema.get(unnest.column)
    if must:
        need(name, source, [column], "unnest")
    if isinstance(dtype, pl.List):
        return Shaped((_exploded(source, column, inner_of(dtype)),))
    if dtype != pl.String:
        return Shaped((source,))
    fields = {each.removeprefix(f"{column}.") for each in wanted if each.startswith(f"{column}.")}
    if not (fields or column in wanted):
        raise DataError(f'{name}: no setting names a field of `unnest`; map one, for instance item_id = "{column}.sku"')
    if unnest.between:
        unnest = unnest if fields else msgspec.structs.replace(unnest, names=())
        lines = _exploded(replace(source, frame=source.frame.with_columns(packed_lines(unnest))), column, pl.String())
        values = packed_fields(unnest, wanted)
        frame = lines.frame.with_columns(value.alias(field) for field, value in values.items())
        shaped = replace(lines, frame=frame, schema={**lines.schema, **dict.fromkeys(values, pl.String())})
    else:
        lists, kind = json_lines(column, fields) if fields else json_values(column)
        whole = replace(source, frame=source.frame.with_columns(lists))
        shaped = named_fields(_exploded(whole, column, inner_of(kind)), wanted)
    return Shaped((shaped,), (), tuple(_empty_lines(name, source, shaped, column)))


def _exploded(source: Source, column: str, inner: pl.DataType) -> Source:
    whole = source.frame.with_columns(pl.col(ROW).alias(WHOLE))
    frame = numbered(source, whole.explode(column, empty_as_null=True, keep_nulls=True))
    return replace(source, frame=frame, schema={**source.schema, column: inner})


def _empty_lines(name: str, source: Source, shaped: Source, column: str) -> list[Finding]:
    """Lines in which none of the fields is found that the settings name."""
    fields = [each for each in shaped.schema if each.startswith(f"{column}.")] or [column]
    nothing = pl.all_horizontal(pl.col(field).is_null() for field in fields)
    given = (source.frame.select((pl.col(column).str.strip_chars() != "").sum())).collect(engine="streaming").item()
    lines, without = shaped.frame.select(pl.len(), nothing.sum()).collect(engine="streaming").row(0)
    rows = without - (source.height() - given)
    rule, advice = f"holds lines with {' or '.join(fields)}", "look at `between`, `fields` and `names` of `unnest`"
    found = Finding(name, str(source.files[0]), column, rule, rows, rows / max(lines, 1), "", advice, "emptied")
    return [found] if rows > 0 else []


def named_fields(source: Source, wanted: Collection[str]) -> Source:
    """Make columns of the wanted fields inside of columns: `ecommerce.transaction_id`, `event_params.ga_session_id`."""
    found: dict[str, tuple[pl.Expr, pl.DataType]] = {}
    for name in sorted(wanted):
        column = _longest(name, source.schema)
        if name not in source.schema and column:
            value = _field(pl.col(column), source.schema[column], name[len(column) + 1 :])
            found |= {name: value} if value else {}
    if not found:
        return source
    frame = source.frame.with_columns(value.alias(name) for name, (value, _) in found.items())
    return replace(source, frame=frame, schema={**source.schema, **{name: dtype for name, (_, dtype) in found.items()}})


def _longest(name: str, columns: Collection[str]) -> str:
    """The longest column that a name with points starts with."""
    parts = name.split(".")
    starts = (".".join(parts[:at]) for at in range(len(parts) - 1, 0, -1))
    return next((start for start in starts if start in columns), "")


def _field(value: pl.Expr, dtype: pl.DataType, path: str) -> tuple[pl.Expr, pl.DataType] | None:
    """The field at a path, and its type; None where there is none."""
    if not path:
        return _scalar(value, dtype)
    if isinstance(dtype, pl.Struct):
        return _inside(value, dtype, path)
    place, _, rest = path.partition(".")
    if isinstance(dtype, pl.List) and place.isdigit():
        return _field(value.list.get(int(place), null_on_oob=True), inner_of(dtype), rest)
    pair = _pair(dtype)
    if pair is None:
        return None
    entry, names, values = pl.element(), *pair
    named = entry.filter(entry.struct.field(names) == path).struct.field(values)
    inner = _fields(inner_of(dtype))[values]
    return _scalar(value.list.eval(named).list.first(), inner)


def _inside(value: pl.Expr, dtype: pl.Struct, path: str) -> tuple[pl.Expr, pl.DataType] | None:
    fields = _fields(dtype)
    name = next((each for each in sorted(fields, key=len, reverse=True) if f"{path}.".startswith(f"{each}.")), None)
    return _field(value.struct.field(name), fields[name], path[len(name) + 1 :]) if name else None


def _scalar(value: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, pl.DataType]:
    """A value that may be given in one of several types, as Google's parameters are: the first that is there, as text."""
    fields = _fields(dtype)
    if not fields or not all(name.endswith("_value") for name in fields):
        return value, dtype
    return pl.coalesce(value.struct.field(name).cast(pl.String) for name in fields), pl.String()


def inner_of(dtype: pl.DataType) -> pl.DataType:
    """Type of a list's entries."""
    assert isinstance(dtype, pl.List)
    return dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()


def _pair(dtype: pl.DataType) -> tuple[str, str] | None:
    fields = _fields(inner_of(dtype)) if isinstance(dtype, pl.List) else {}
    return next((pair for pair in _PAIRS if set(pair) <= set(fields)), None)


def _fields(dtype: pl.DataType) -> Mapping[str, pl.DataType]:
    fields = dtype.fields if isinstance(dtype, pl.Struct) else []
    return {field.name: field.dtype if isinstance(field.dtype, pl.DataType) else field.dtype() for field in fields}
