"""Ground of the shapes: what a shape hands on, which columns are wanted, and how a missing one is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from recsys.settings.tables import Table
from recsys.tables.presets import Preset
from recsys.tables.schema import mappable
from recsys.tables.sources import FILE, MORE, ROW, Source
from recsys.tables.validation import Finding
from recsys.tables.values.notation import Guess
from recsys.types import DataError


@dataclass(frozen=True, slots=True)
class Shaped:
    """A table's sources in shape, with what was told by their values on the way, and what was found."""

    sources: tuple[Source, ...]
    guesses: tuple[Guess, ...] = ()
    findings: tuple[Finding, ...] = ()


def wanted_names(name: str, table: Table, preset: Preset) -> frozenset[str]:
    """The shop's columns that the settings of a table speak of, and the canonical ones."""
    return mapped_names(name, preset) | table.other_columns


def mapped_names(name: str, preset: Preset) -> frozenset[str]:
    """The shop's columns whose values become canonical ones, and the canonical ones."""
    mapped = [own for names in preset.columns.values() for own in names]
    return frozenset([*(column.name for column in mappable(name)), *mapped])


def need(name: str, source: Source, columns: Iterable[str], used: str) -> None:
    """Check that a source has the columns that a shape needs.

    Raises:
        DataError: naming the first that it lacks, and what it has.
    """
    for column in columns:
        if column not in source.schema:
            has = ", ".join(source.schema)
            raise DataError(f"{name}: {source.files[0]} has no column {column!r} (for `{used}`); it has: {has}")


def as_one(sources: Sequence[Source]) -> Source:
    """All sources of a table as one, for what looks across its rows."""
    if len(sources) == 1:
        return sources[0]
    frame = pl.concat([each.frame for each in sources], how="diagonal_relaxed")
    columns = {name: dtype for name, dtype in frame.collect_schema().items() if name not in (ROW, FILE, MORE)}
    return replace(
        sources[0],
        files=tuple(file for each in sources for file in each.files),
        frame=frame,
        schema=columns,
        has_more=any(each.has_more for each in sources),
        written=max(each.written for each in sources),
        read_as=tuple(said for each in sources for said in each.read_as),
        layout=None,
    )


def numbered(source: Source, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Number rows anew, in their order, after one became several."""
    counted = frame.drop(ROW).with_row_index("__n")
    return counted.with_columns((pl.col("__n").cast(pl.UInt64) + source.first_row).alias(ROW)).drop("__n")
