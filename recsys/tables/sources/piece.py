"""One file of a table, ready to be scanned: where it stands on disk, or as a copy, or through a reader of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import polars as pl

from recsys.tables.sources.bounds import FILE, MAX_COLUMNS, RESERVED
from recsys.tables.sources.formats.layout import Layout
from recsys.tables.sources.spool import parquet_copy
from recsys.types import DataError


@dataclass(frozen=True, slots=True)
class Standing:
    """A plain UTF-8 text file (with its layout) or a Parquet file, on disk."""

    path: str
    layout: Layout | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with its columns.

    body: a file on disk, a Parquet copy with the column `FILE` (and `MORE`), or a frame with `FILE` · from_1904: days that are numbers
    count from 1904.
    """

    name: str
    body: Standing | IO[bytes] | pl.LazyFrame
    schema: Mapping[str, pl.DataType]
    has_more: bool
    written: int
    notes: tuple[str, ...]
    from_1904: bool = False

    def close(self) -> None:
        """Let go of a copy."""
        if not isinstance(self.body, Standing | pl.LazyFrame):
            self.body.close()


def check_schema(schema: Mapping[str, pl.DataType]) -> None:
    """Check the names of columns.

    Raises:
        DataError: if they are too many, or one has a name that is taken.
    """
    if len(schema) > MAX_COLUMNS:
        raise DataError(f"has {len(schema):,} columns; at most {MAX_COLUMNS:,} are read")
    if taken := [name for name in RESERVED if name in schema]:
        raise DataError(f"has a column {taken[0]!r}, a name that is taken; rename it where it is exported")


def copied_piece(
    name: str,
    frame: pl.LazyFrame,
    schema: Mapping[str, pl.DataType],
    written: int,
    notes: tuple[str, ...],
    *,
    has_more: bool = False,
) -> Piece:
    """Write a frame with the named columns (and `MORE`) into a copy."""
    copy = parquet_copy(frame.with_columns(pl.lit(name).alias(FILE)))
    return Piece(name, copy, schema, has_more, written, notes)
