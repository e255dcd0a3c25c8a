"""Excel sheets as Parquet copies: every cell as text, the row of column names found as in text files."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence

import fastexcel
import polars as pl

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_COLUMNS
from recsys.tables.sources.formats.layout import Row, find_header, grid_of
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.tables.sources.spool import MAX_RATIO, MAX_UNPACKED, Blob, bounded_chunks
from recsys.types import DataError

_SAMPLE = 200
MAX_SHEET = 512 << 20
"""Bytes that a workbook may unpack to: a sheet is held in memory."""
MAX_CELLS = 50_000_000
"""Cells of a sheet from its first to its last one, also empty ones."""
_CELL = re.compile(rb"""\br=["']([A-Z]{1,3})(\d{1,7})["']""")


def open_excel(blob: Blob, table: Table, wanted: Collection[str], key: str) -> Piece:
    """Read one sheet of a workbook.

    Raises:
        DataError: if it is damaged or too large, has no such sheet, or no row of column names.
    """
    _check_size(blob)
    try:
        reader = fastexcel.read_excel(blob.path or blob.file.read())
        sheet, note = _sheet(reader, table, key)
        rows = pl.DataFrame(reader.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string"))
    except fastexcel.FastExcelError as error:
        raise DataError("is no whole workbook: it is damaged, or locked with a password; save it again as .xlsx") from error
    return _piece(blob, rows, table, wanted, key, note)


def _piece(blob: Blob, rows: pl.DataFrame, table: Table, wanted: Collection[str], key: str, note: str) -> Piece:
    if rows.width > MAX_COLUMNS:
        raise DataError(f"has {rows.width:,} columns; at most {MAX_COLUMNS:,} are read")
    above = table.skip_lines or 0
    sample = [_cells(row) for row in rows[above : above + _SAMPLE].iter_rows()]
    filled = [Row(at, at, cells) for at, cells in enumerate(sample, above + 1) if cells]
    if not filled:
        raise DataError("has no row of column names; export it again")
    header = find_header(grid_of("", filled), table, wanted, key)
    first = max(above, header.skip)
    names = header.names + tuple(f"column_{at + 1}" for at in range(len(header.names), rows.width))
    schema: dict[str, pl.DataType] = {name: pl.String() for name in names}
    check_schema(schema)
    values = rows[first:].rename(dict(zip(rows.columns, names, strict=True)))
    return copied_piece(blob.name, values.lazy(), schema, blob.written, (*blob.notes, note, header.note))


def _cells(row: Sequence[str | None]) -> list[str]:
    """Cells as text, without the empty ones at the end."""
    cells = [cell or "" for cell in row]
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _sheet(reader: fastexcel.ExcelReader, table: Table, key: str) -> tuple[str, str]:
    names = reader.sheet_names
    if table.sheet:
        if table.sheet not in names:
            raise DataError(f"has no sheet {table.sheet!r}; mend `{key}.sheet`: it has {len(names)} sheets")
        return table.sheet, f"sheet {table.sheet!r} (by the settings)"
    filled = [name for name in names if reader.load_sheet(name, header_row=None, n_rows=1, dtypes="string").height]
    if not filled:
        raise DataError("has no sheet with rows; export it again")
    others = f" ({len(filled)} sheets have rows; another one is named as `{key}.sheet`)" if len(filled) > 1 else ""
    return filled[0], f"sheet {filled[0]!r}{others}"


def _check_size(blob: Blob) -> None:
    """Look at what the workbook will need in memory, before it is read."""
    if not zipfile.is_zipfile(blob.file):
        blob.file.seek(0)
        return
    try:
        with zipfile.ZipFile(blob.file) as archive:
            _check_archive(archive, min(MAX_SHEET, max(MAX_UNPACKED, MAX_RATIO * blob.size())))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError("is no whole workbook: it is damaged; save it again as .xlsx") from error
    blob.file.seek(0)


def _check_archive(archive: zipfile.ZipFile, most: int) -> None:
    total = sum(member.file_size for member in archive.infolist())
    if total > most:
        raise DataError(f"unpacks to {total >> 20:,} MB; a workbook may have {most >> 20:,} MB; export it as CSV")
    for member in archive.infolist():
        if member.filename.startswith("xl/worksheets/") and member.filename.endswith(".xml"):
            with archive.open(member) as stream:
                _check_cells(bounded_chunks(stream.read, member.compress_size))


def _check_cells(chunks: Iterable[bytes]) -> None:
    row = column = 0
    for chunk in chunks:
        found = _CELL.findall(chunk)
        row = max(row, max((int(number) for _, number in found), default=0))
        column = max(column, max((_column(letters) for letters in {letters for letters, _ in found}), default=0))
    if column > MAX_COLUMNS or row * column > MAX_CELLS:
        raise DataError(f"has a sheet of {row:,} rows and {column:,} columns, also empty ones; export it as CSV")


def _column(letters: bytes) -> int:
    """Number of a column, A = 1."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
