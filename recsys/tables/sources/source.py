"""A table's files as lazy frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from recsys.tables.sources.formats.layout import Layout


@dataclass(frozen=True, slots=True)
class Source:
    """Files with one format and one set of columns, as one lazy frame with `ROW` and `FILE` beside the shop's columns.

    Columns of text formats are all text, so that ids such as 00123 stay what they are; nested ones are lists and structs of text.

    has_more: lines can have more fields than there are columns; they stand in `MORE` · written: when the newest file was written,
    µs since 1970 · read_as: sentences on what its files were taken for, and why · layout: of text files that are scanned where they
    stand · from_1904: days that are numbers count from 1904, as in workbooks of old Macs.
    """

    files: tuple[str, ...]
    frame: pl.LazyFrame
    schema: Mapping[str, pl.DataType]
    first_row: int
    has_more: bool
    written: int
    read_as: tuple[str, ...]
    layout: Layout | None = None
    from_1904: bool = False

    def height(self) -> int:
        """Count the rows."""
        return int(self.frame.select(pl.len()).collect(engine="streaming").item())
