"""Excel sheets as Parquet copies: every cell as text, the row of column names found as in text files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import fastexcel
import polars as pl

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_COLUMNS
from recsys.tables.sources.formats.layout import Header, Row, find_header, grid_of
from recsys.tables.sources.formats.workbook import check_workbook
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.tables.sources.spool import Blob
from recsys.types import DataError

_SAMPLE = 200
_ERROR = re.compile(r"Error\((\w+)\)")
_ERRORS = {"Div0": "#DIV/0!", "NA": "#N/A", "Name": "#NAME?", "Null": "#NULL!", "Num": "#NUM!", "Ref": "#REF!"}
"""Errors of formulas as the reader and as spreadsheets call them."""


def open_excel(blob: Blob, table: Table, wanted: Collection[str], key: str) -> Piece:
    """Read a sheet of a workbook, and those that people see with the same columns.

    Raises:
        DataError: if it is damaged or too large, has no such sheet, or no row of column names.
    """
    from_1904 = check_workbook(blob)
    with _whole():
        reader = fastexcel.read_excel(blob.path or blob.file.read())
        found, note = _sheets(reader, table, wanted, key)
        read = [
            _values(_cells_of(reader.load_sheet(each.name, header_row=None, skip_rows=0, dtypes="string")), each)
            for each in found
        ]
    values = pl.concat(read, how="diagonal")  # a note to the right of one of them is a column that the others lack
    schema: dict[str, pl.DataType] = {name: pl.String() for name in values.columns}
    check_schema(schema)
    notes = (*blob.notes, note, found[0].header.note, *(["its days count from 1904"] if from_1904 else []))
    piece = copied_piece(blob.name, values.lazy(), schema, blob.written, notes)
    return replace(piece, from_1904=from_1904)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A sheet with its row of column names, and the rows from its first one to that."""

    name: str
    header: Header
    above: int


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


def _headed(name: str, rows: pl.DataFrame, table: Table, wanted: Collection[str], key: str) -> _Sheet:
    """Find the row of column names in a sheet's first rows.

    Raises:
        DataError: if there is none.
    """
    above = table.skip_lines or 0
    sample = [_cells(row) for row in rows[above : above + _SAMPLE].iter_rows()]
    filled = [Row(at, at, cells) for at, cells in enumerate(sample, above + 1) if cells]
    if not filled:
        raise DataError("has no row of column names; export it again")
    titles = [Row(above, above, _cells(row)) for row in rows[max(above - 1, 0) : above].iter_rows()]
    header = find_header(grid_of("", filled), table, wanted, key, titles[0] if titles else None)
    return _Sheet(name, header, max(above, header.skip))


def _cells_of(sheet: fastexcel.ExcelSheet) -> pl.DataFrame:
    """All cells as text, with the errors of formulas as a spreadsheet shows them: a value that cannot be read is not none.

    Raises:
        DataError: if there are too many columns.
    """
    if sheet.width > MAX_COLUMNS:
        raise DataError(f"has {sheet.width:,} columns; at most {MAX_COLUMNS:,} are read")
    batch, errors = sheet.to_arrow_with_errors()
    rows = pl.DataFrame(batch)
    wrong: dict[int, dict[int, str]] = {}
    for each in errors.errors if errors else ():
        row, column = each.offset_position
        stated = _ERROR.search(each.detail)
        wrong.setdefault(column, {})[row] = _ERRORS.get(stated[1], "#VALUE!") if stated else "#VALUE!"
    return rows.with_columns(rows.to_series(column).scatter([*at], [*at.values()]) for column, at in wrong.items())


def _values(rows: pl.DataFrame, sheet: _Sheet) -> pl.DataFrame:
    """The rows below the column names, without empty ones."""
    names = sheet.header.names + tuple(f"column_{at + 1}" for at in range(len(sheet.header.names), rows.width))
    values = rows[sheet.above :].rename(dict(zip(rows.columns, names, strict=True)))
    return values.filter(pl.any_horizontal(pl.all().str.contains(r"\S")))


def _cells(row: Sequence[str | None]) -> list[str]:
    """Cells as text, without the empty ones at the end."""
    cells = [cell or "" for cell in row]
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _sheets(reader: fastexcel.ExcelReader, table: Table, wanted: Collection[str], key: str) -> tuple[list[_Sheet], str]:
    """The sheet of the settings, else of those that people see the one with most of the names and all with its columns; and why."""
    names = reader.sheet_names
    if table.sheet and table.sheet not in names:
        raise DataError(f"has no sheet {table.sheet!r}; mend `{key}.sheet`: it has {len(names)} sheets")
    asked = [table.sheet] if table.sheet else names
    sheets = [
        reader.load_sheet(name, header_row=None, skip_rows=0, n_rows=_SAMPLE + (table.skip_lines or 0), dtypes="string")
        for name in asked
    ]
    if table.sheet:
        return [
            _headed(table.sheet, pl.DataFrame(sheets[0]), table, wanted, key)
        ], f"sheet {table.sheet!r} (by the settings)"
    filled = [sheet for sheet in sheets if sheet.height]
    if not filled:
        raise DataError("has no sheet with rows; export it again")
    shown = [sheet for sheet in filled if sheet.visible == "visible"] or filled
    hidden = f", {len(filled) - len(shown):,} of them hidden" if len(shown) < len(filled) else ""
    best = max(shown, key=lambda sheet: _hits(pl.DataFrame(sheet), wanted))
    first = _headed(best.name, pl.DataFrame(best), table, wanted, key)
    alike = [first, *_alike([each for each in shown if each is not best], first, table, wanted, key)]
    left = len(filled) - len(alike)
    others = f" ({len(filled):,} sheets have rows{hidden}; another one is named as `{key}.sheet`)" if left else ""
    more = f" and {len(alike) - 1:,} more with the same columns: one is named as `{key}.sheet`" if len(alike) > 1 else ""
    return alike, f"sheet {best.name!r}{more}{others}"


def _alike(
    sheets: Sequence[fastexcel.ExcelSheet], first: _Sheet, table: Table, wanted: Collection[str], key: str
) -> Iterator[_Sheet]:
    """Those of the sheets with the columns of the first one."""
    for sheet in sheets:
        with suppress(DataError):
            found = _headed(sheet.name, pl.DataFrame(sheet), table, wanted, key)
            if len(found.header.names) > 1 and {*found.header.names} == {*first.header.names}:
                yield found


def _hits(rows: pl.DataFrame, wanted: Collection[str]) -> int:
    """Most names that the settings speak of in one of a sheet's first rows."""
    return max((len({cell.strip() for cell in _cells(row)} & set(wanted)) for row in rows.iter_rows()), default=0)
