"""Layout of a text file: separator, lines above the names, the names themselves."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_COLUMNS
from recsys.tables.sources.names import distinct, value_like
from recsys.types import DataError

_SEPARATORS = ",;\t|"
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.I)
_MANY_RECORDS = 200
_HIGHEST_HEADER = 50
"""The header is looked for in so many rows."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a text file; two files with the same can be read together.

    skip: lines above the first row of values · names: one a column · notes: what was found out, and from what.
    """

    separator: str
    quote: str
    skip: int
    names: tuple[str, ...]
    notes: tuple[str, ...] = field(compare=False)


class Row(NamedTuple):
    """One row that is not blank: the lines that it starts and ends in, from 1, and its fields."""

    start: int
    end: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Grid:
    """The first rows of a file and the usual number of fields."""

    separator: str
    rows: Sequence[Row]
    width: int

    def hits(self, at: int, wanted: Collection[str]) -> int:
        """Return how many of the names that the settings speak of stand in a row."""
        return len({cell.strip() for cell in self.rows[at].cells} & set(wanted))

    def filled(self, at: int) -> int:
        """Return how many fields of a row are not blank."""
        return sum(bool(cell.strip()) for cell in self.rows[at].cells)

    def share(self) -> float:
        """Share of the rows with the usual number of fields, 0…1."""
        return sum(len(row.cells) == self.width for row in self.rows) / max(1, len(self.rows))


@dataclass(frozen=True, slots=True)
class Header:
    """The column names, the lines above the first row of values, and why these."""

    skip: int
    names: tuple[str, ...]
    note: str


def find_layout(lines: Sequence[str], table: Table, wanted: Collection[str], key: str) -> Layout:
    """Find the layout in a file's first lines, each with its end.

    Raises:
        DataError: if no line looks like column names, or there are too many.
    """
    above, sep_line = table.skip_lines or 0, None
    if not table.skip_lines and lines and (sep_line := _SEP_LINE.fullmatch(lines[0])):
        above = 1
    signs = table.separator or (sep_line[1] if sep_line else _SEPARATORS)
    grids = [grid_of(sign, list(_rows(lines, above, sign, table.quote))) for sign in signs]
    grid = max(grids, key=lambda each: _fitness(each, table, wanted))
    if not grid.rows:
        raise DataError("has no line of column names; export it again")
    header = find_header(grid, table, wanted, key)
    notes = (_separator_note(grid, table, bool(sep_line)), header.note)
    return Layout(grid.separator, table.quote, max(above, header.skip), header.names, notes)


def find_header(grid: Grid, table: Table, wanted: Collection[str], key: str) -> Header:
    """Find the row of column names, or take those of the settings.

    Raises:
        DataError: if no row looks like one, without a word of what stands in it.
    """
    if table.header:
        return _given(grid, table, key)
    at, note = (0, "by the settings") if table.skip_lines is not None else _place(grid, wanted, key)
    row = grid.rows[at]
    cells = [cell.strip() if cell.strip() in wanted else cell for cell in row.cells]
    if len(cells) > MAX_COLUMNS:
        raise DataError(f"has {len(cells):,} columns; at most {MAX_COLUMNS:,} are read")
    return Header(row.end, distinct(cells), f"column names in line {row.start:,} ({note})")


def _given(grid: Grid, table: Table, key: str) -> Header:
    """The names of the settings; titles above the values, and a line that repeats the names, are passed over."""
    if grid.width != len(table.header):
        raise DataError(
            f"has {grid.width:,} fields in most of its lines, but `{key}.header` names {len(table.header):,}; name each column"
        )
    first = next((at for at, row in enumerate(grid.rows) if len(row.cells) > 1 or grid.width == 1), 0)
    skip, note = (grid.rows[first - 1].end if first else 0), "column names by the settings"
    if tuple(cell.strip() for cell in grid.rows[first].cells) == table.header:
        skip, note = grid.rows[first].end, f"{note}, which line {grid.rows[first].start:,} repeats"
    elif skip:
        note = f"{note}; {_lines_above(grid.rows[first])}"
    return Header(skip, distinct(table.header), note)


def _place(grid: Grid, wanted: Collection[str], key: str) -> tuple[int, str]:
    top = range(min(len(grid.rows), _HIGHEST_HEADER))
    best = max(top, key=lambda at: (grid.hits(at, wanted), -at))
    hits = grid.hits(best, wanted)
    reasons = value_like(grid.rows[best].cells) if hits else []
    if hits > 1 or (hits and not reasons):
        known = f"it holds {hits} of the names that the settings speak of"
        return best, known if best == 0 else f"{known}; {_lines_above(grid.rows[best])}"
    return _unknown_names(grid, top, key)


def _unknown_names(grid: Grid, top: range, key: str) -> tuple[int, str]:
    """The first row as wide as most, if it looks like names that the settings do not speak of.

    A spreadsheet fills up titles with empty fields to that width: a row that is mostly empty, above one that is not, is passed over.
    """
    wide = [each for each in top if len(grid.rows[each].cells) == grid.width]
    at = next((each for each in wide if grid.filled(each) * 2 >= grid.width), wide[0] if wide else 0)
    row = grid.rows[at]
    below = [each.cells for each in grid.rows[at + 1 :] if each.cells != row.cells]  # a head of a further page is no row
    if reasons := value_like(row.cells, below):
        line = "first line" if row.start == 1 else f"line {row.start:,}"
        raise DataError(
            f"has no line of column names: its {line} does not look like one (of its {len(row.cells):,} fields "
            f"{', '.join(reasons)}); name them from left to right as `{key}.header`, or write `skip_lines = {row.start - 1}` "
            "if that line does hold the names"
        )
    return at, "it looks like names" if at == 0 else f"it looks like names; {_lines_above(row)}"


def _lines_above(row: Row) -> str:
    lines = row.start - 1
    return f"the {lines:,} line{'s' if lines > 1 else ''} above {'are' if lines > 1 else 'is'} passed over"


def _separator_note(grid: Grid, table: Table, sep_line: bool) -> str:
    sign = _NAMES.get(grid.separator, repr(grid.separator))
    if table.separator:
        return f"fields separated by {sign} (by the settings)"
    if sep_line:
        return f"fields separated by {sign} (by its line sep=)"
    return f"fields separated by {sign} ({grid.width:,} fields in {grid.share():.0%} of its first {len(grid.rows):,} rows)"


def _fitness(grid: Grid, table: Table, wanted: Collection[str]) -> tuple[bool, int, bool, float, int]:
    """Return how well a separator fits: names found, a header as wide as the rows, the rows alike."""
    top = range(min(len(grid.rows), _HIGHEST_HEADER))
    hits = max((grid.hits(at, wanted) for at in top), default=0)
    fits = bool(grid.rows) and grid.width > 1 and any(len(grid.rows[at].cells) == grid.width for at in top)
    return bool(table.header) and grid.width == len(table.header), hits, fits, grid.share(), grid.width


def grid_of(separator: str, rows: Sequence[Row]) -> Grid:
    """Rows with the number of fields that most of them have."""
    counted = Counter(len(row.cells) for row in rows)
    width = max(counted, key=lambda each: (counted[each], each)) if counted else 0
    return Grid(separator, rows, width)


def _rows(lines: Sequence[str], above: int, separator: str, quote: str) -> Iterator[Row]:
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    reader = csv.reader(lines[above:], delimiter=separator, quotechar=quote or None, quoting=quoting)
    start = above + 1
    try:
        for cells in reader:
            end = above + reader.line_num
            if any(cell.strip() for cell in cells):
                yield Row(start, end, cells)
            start = end + 1
            if reader.line_num >= _MANY_RECORDS:
                return
    except csv.Error:
        return
