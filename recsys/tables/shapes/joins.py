"""Columns of a second table, brought to the rows that have its key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import polars as pl

from recsys.settings import Settings
from recsys.settings.shapes import Join
from recsys.settings.tables import Table
from recsys.tables.columns.conditions import given_text, kept
from recsys.tables.shapes.base import Shaped, as_one, need
from recsys.tables.shapes.pivots import pivoted
from recsys.tables.sources import ROW, Source, open_table
from recsys.tables.validation import Finding
from recsys.tables.values.numbers import read_number

_KEY = "__join_key"


def joined(
    settings: Settings, name: str, table: Table, sources: Sequence[Source], join: Join, wanted: Collection[str]
) -> Shaped:
    """Bring a table's columns to each source, by its last row of a key; rows whose key it lacks stay, and are counted. A table that is
    joined with itself by a preset may lack the columns, and parents in it are no findings.

    Raises:
        DataError: if a file or a column is missing.
        PolarsError: if a file cannot be read.
    """
    pairs = join.pairs
    own = not join.paths
    if own and not {*pairs, *pairs.values()} <= {column for source in sources for column in source.schema}:
        return Shaped(tuple(sources), (), ())
    other, findings = _other(settings, name, table, join, {*wanted, *pairs.values()}, sources)
    for source in () if own else sources:
        need(name, source, pairs, "join")
    keys = [f"{_KEY}{at}" for at in range(len(pairs))]
    rows = other.frame.select(*_keys(other, pairs.values(), join.before), ROW, *_columns(other, join.name)).drop_nulls(keys)
    last = rows.sort(ROW).unique(keys, keep="last", maintain_order=True).drop(ROW)
    if join.total:
        need(name, other, join.total, "join.total")
        last = last.drop([_named(column, join.name) for column in join.total])
        numbers = [_number(_named(column, join.name), table) for column in join.total]
        last = last.join(_totals(rows.select(*keys, *numbers), keys), on=keys, how="left")
        findings += _unread(name, other, join, table)
        other = replace(other, schema={**other.schema, **dict.fromkeys(join.total, pl.Float64())})
    each = [_with(source, last, pairs, other, join.name) for source in sources]
    findings += [] if own or join.total else _doubles(name, other, rows, keys)
    findings += [] if own else _alone(name, sources, last, pairs, keys, other)
    return Shaped(tuple(each), (), tuple(findings))


def _other(
    settings: Settings, name: str, table: Table, join: Join, wanted: Collection[str], sources: Sequence[Source]
) -> tuple[Source, list[Finding]]:
    other = as_one(open_table(settings, name, Table(paths=join.paths)) if join.paths else sources)
    findings = list[Finding]()
    need(name, other, [condition.column for condition in join.where], "join.where")
    if join.where:
        other = replace(other, frame=other.frame.filter(kept(other, join.where, table.null_values)))
    if join.pivot:
        shaped = pivoted(name, other, table, join.pivot, wanted, None)
        other, findings = shaped.sources[0], list(shaped.findings)
    need(name, other, join.pairs.values(), "join")
    return other, findings


def _keys(source: Source, columns: Collection[str], before: str = "") -> list[pl.Expr]:
    texts = [given_text(column, source, ()).str.strip_chars() for column in columns]
    return [(pl.lit(before) + text if before else text).alias(f"{_KEY}{at}") for at, text in enumerate(texts)]


def _columns(other: Source, prefix: str) -> list[pl.Expr]:
    return [pl.col(column).alias(_named(column, prefix)) for column in other.schema]


def _named(column: str, prefix: str) -> str:
    return f"{prefix}.{column}" if prefix else column


def _with(source: Source, last: pl.LazyFrame, pairs: Mapping[str, str], other: Source, prefix: str) -> Source:
    new = {_named(c, prefix): dtype for c, dtype in other.schema.items() if _named(c, prefix) not in source.schema}
    keys = [f"{_KEY}{at}" for at in range(len(pairs))]
    frame = source.frame.with_columns(_keys(source, pairs)).join(
        last.select(*keys, *new), on=keys, how="left", maintain_order="left"
    )
    return replace(source, frame=frame.drop(keys), schema={**source.schema, **new})


def _number(column: str, table: Table) -> pl.Expr:
    return read_number(pl.col(column).cast(pl.String), table.decimal or ".", units=table.units).fill_nan(None).alias(column)


def _totals(numbers: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """The sum of the numbers of each key; null where it has none."""
    total = pl.all().exclude(keys)
    return numbers.group_by(keys).agg(pl.when(total.count() > 0).then(total.sum()))


def _unread(name: str, other: Source, join: Join, table: Table) -> list[Finding]:
    """Values with digits that are no numbers, and so add nothing."""
    found = []
    for column in join.total:
        text = given_text(column, other, ())
        lost = (text.str.contains(r"\d") & _number(column, table).is_null()).sum()
        rows, total = other.frame.select(lost, pl.len()).collect(engine="streaming").row(0)
        if rows:
            advice, file = "export plain numbers, or set `decimal`; they add nothing", str(other.files[0])
            found.append(Finding(name, file, column, "is a number", rows, rows / total, "", advice, "emptied"))
    return found


def _doubles(name: str, other: Source, rows: pl.LazyFrame, keys: Sequence[str]) -> list[Finding]:
    counted = rows.select(pl.len().alias("rows"), pl.struct(keys).n_unique().alias("keys"))
    total, distinct = counted.collect(engine="streaming").row(0)
    advice = "nothing, if the last row of each is the newest; else join by more columns"
    double = total - distinct
    found = Finding(
        name, str(other.files[0]), "", "has one row for each key of a `join`", double, double / max(total, 1), "", advice
    )
    return [replace(found, level="left_out")] if double else []


def _alone(
    name: str, sources: Sequence[Source], last: pl.LazyFrame, pairs: Mapping[str, str], keys: Sequence[str], other: Source
) -> list[Finding]:
    """Rows whose key the other table lacks."""
    mine = pl.concat([source.frame.select(_keys(source, pairs)) for source in sources])
    total = mine.select(pl.len()).collect(engine="streaming").item()
    rows = mine.join(last.select(keys), on=list(keys), how="anti").select(pl.len()).collect(engine="streaming").item()
    advice = f"export both tables at one time; look whether the keys are written alike in {other.files[0]}"
    column, file = " + ".join(pairs), str(sources[0].files[0]) if sources else ""
    return (
        [Finding(name, file, column, "is a key of the joined table", rows, rows / max(total, 1), "", advice)] if rows else []
    )
