"""Excel sheets as Parquet copies: every cell as text, the row of column names found as in text files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import fastexcel
import polars as pl

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_COLUMNS
from recsys.tables.sources.formats.layout import Row, find_header, grid_of
from recsys.tables.sources.formats.workbook import check_workbook
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.tables.sources.spool import Blob
from recsys.types import DataError

_SAMPLE = 200


def open_excel(blob: Blob, table: Table, wanted: Collection[str], key: str) -> Piece:
    """Read one sheet of a workbook.

    Raises:
        DataError: if it is damaged or too large, has no such sheet, or no row of column names.
    """
    check_workbook(blob)
    with _whole():
        reader = fastexcel.read_excel(blob.path or blob.file.read())
        sheet, note = _sheet(reader, table, wanted, key)
        rows = pl.DataFrame(reader.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string"))
    return _piece(blob, rows, table, wanted, key, note)


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # The reader's panics are no Exception, and their class can be imported from nowhere.
        if isinstance(error, fastexcel.FastExcelError) or type(error).__name__ == "PanicException":
            raise DataError(
                "is no whole workbook: it is damaged, or locked with a password; save it again as .xlsx"
            ) from error
        raise


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
    values = values.filter(pl.any_horizontal(pl.all().str.contains(r"\S")))
    return copied_piece(blob.name, values.lazy(), schema, blob.written, (*blob.notes, note, header.note))


def _cells(row: Sequence[str | None]) -> list[str]:
    """Cells as text, without the empty ones at the end."""
    cells = [cell or "" for cell in row]
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _sheet(reader: fastexcel.ExcelReader, table: Table, wanted: Collection[str], key: str) -> tuple[str, str]:
    """The sheet of the settings, else of those that people see the one with most of the names, and why."""
    names = reader.sheet_names
    if table.sheet:
        if table.sheet not in names:
            raise DataError(f"has no sheet {table.sheet!r}; mend `{key}.sheet`: it has {len(names)} sheets")
        return table.sheet, f"sheet {table.sheet!r} (by the settings)"
    sheets = [reader.load_sheet(name, header_row=None, n_rows=_SAMPLE, dtypes="string") for name in names]
    filled = [sheet for sheet in sheets if sheet.height]
    if not filled:
        raise DataError("has no sheet with rows; export it again")
    shown = [sheet for sheet in filled if sheet.visible == "visible"] or filled
    hidden = f", {len(filled) - len(shown):,} of them hidden" if len(shown) < len(filled) else ""
    best = max(shown, key=lambda sheet: _hits(pl.DataFrame(sheet), wanted))
    others = f" ({len(filled):,} sheets have rows{hidden}; another one is named as `{key}.sheet`)" if len(filled) > 1 else ""
    return best.name, f"sheet {best.name!r}{others}"


def _hits(rows: pl.DataFrame, wanted: Collection[str]) -> int:
    """Most names that the settings speak of in one of a sheet's first rows."""
    return max((len({cell.strip() for cell in _cells(row)} & set(wanted)) for row in rows.iter_rows()), default=0)
