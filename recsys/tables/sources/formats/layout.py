"""Layout of a text file: separator, lines above the names, the names themselves."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise, repeat, zip_longest
from typing import Literal, NamedTuple

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_COLUMNS
from recsys.tables.sources.formats.widths import check_decimals, fewer_fields
from recsys.tables.sources.names import distinct, value_like
from recsys.types import DataError

_SEPARATORS = ",;\t|"
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.I)
_MANY_RECORDS = 200
_HIGHEST_HEADER = 50
"""The header is looked for in so many rows."""
_GAPS = 2
"""Columns without a name from which a line may be one of titles; one is often a column of row numbers."""
_NEARLY_ALL = 0.9
"""Share of a column's cells that are no names, where those below a head are values."""


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
    """One row that is not blank: the lines that it starts and ends in, from 1, its fields, and of two lines in one what was done."""

    start: int
    end: int
    cells: list[str]
    head: str = ""


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
    if beyond := next((sign for sign in (*signs, table.quote) if not sign.isascii()), ""):
        raise DataError(
            f"has fields separated or quoted by {beyond!r}: that sign cannot be, export it with commas, semicolons or tabs"
        )
    grids = [grid_of(sign, list(_rows(lines, above, sign, table.quote))) for sign in signs]
    grid = max(grids, key=lambda each: _fitness(each, table, wanted))
    if not grid.rows:
        raise DataError("has no line of column names; export it again")
    titles = [*_rows(lines[:above], 0, grid.separator, table.quote)]
    header = find_header(grid, table, wanted, key, titles[-1] if titles else None)
    check_decimals(grid.separator, [row.cells for row in grid.rows if row.start > header.skip], header.names)
    notes = (_separator_note(grid, table, bool(sep_line)), header.note, *fewer_fields(grid.width, header.names))
    return Layout(grid.separator, table.quote, max(above, header.skip), header.names, notes)


def find_header(grid: Grid, table: Table, wanted: Collection[str], key: str, titles: Row | None = None) -> Header:
    """Find the row of column names, or take those of the settings; `titles` is the row above the grid, if there is one.

    Raises:
        DataError: if no row looks like one, without a word of what stands in it.
    """
    if table.header:
        return _given(grid, table, key)
    if table.skip_lines is not None:
        grid, at, note = _below_titles(grid, titles, _used(table, wanted)), 0, "by the settings"
    else:
        grid = _of_one_line(grid, wanted, _used(table, wanted))
        at, note = _place(grid, wanted, key)
    row = grid.rows[at]
    if len(row.cells) > MAX_COLUMNS:
        raise DataError(f"has {len(row.cells):,} columns; at most {MAX_COLUMNS:,} are read")
    line = f"lines {row.start:,} and {row.end:,}" if row.head else f"line {row.start:,}"
    return Header(row.end, _names(row.cells, wanted), f"column names in {line} ({note}){row.head}")


def _names(cells: Sequence[str], wanted: Collection[str]) -> tuple[str, ...]:
    return distinct(cell.strip() if cell.strip() in wanted else cell for cell in cells)


def _used(table: Table, wanted: Collection[str]) -> set[str]:
    """The wanted names but for the canonical ones of columns for which the settings name others."""
    mapped = {own for names in table.columns.values() for own in ([names] if isinstance(names, str) else names)}
    return {*wanted} - ({*table.columns} - mapped - table.other_columns) - {""}


def _of_one_line(grid: Grid, wanted: Collection[str], used: Collection[str]) -> Grid:
    """The rows with a head of two lines, titles of groups above names as ERP systems write them, as one row of names."""
    top = grid.rows[: _HIGHEST_HEADER + 1] if grid.width <= MAX_COLUMNS else ()
    for at, (titles, names) in enumerate(pairwise(top)):
        one, below = _joined(titles, names), [row.cells for row in grid.rows[at + 2 :]]
        if not _may_be_double(titles, one, grid, below) or not _hold_values(grid, below):
            continue
        if grid.hits(at + 1, wanted) > 1 and all(names.cells) and len({*names.cells}) == grid.width:
            return grid
        own = _names(names.cells, used)
        kept = {*own} & {*used}
        pairs = zip_longest(own, one.cells, fillvalue="")
        one = one._replace(cells=[name if full not in used and name in kept else full for name, full in pairs])
        joined = Grid(grid.separator, [*grid.rows[:at], one, *grid.rows[at + 2 :]], grid.width)
        return grid if grid.hits(at, wanted) > max(1, joined.hits(at, wanted)) else joined
    return grid


def _below_titles(grid: Grid, titles: Row | None, used: Collection[str]) -> Grid:
    """The rows with titles of groups, which stand above the names, in those names that the settings give so; others stay."""
    if titles is None:
        return grid
    names, *below = grid.rows
    one = _joined(titles, names)
    whole = Grid(grid.separator, [one, *below], max(grid.width, len(one.cells)))  # cells of the last column may all be empty
    own, full = _names(names.cells, used), _names(one.cells, used)
    new = {*used} & {*full} - {*own}
    if not new or not _may_be_double(titles, one, whole, [row.cells for row in below]):
        return grid
    cells = [long if long in new else name for name, long in zip(own, full, strict=False)]
    last = full[len(own) :]
    return replace(whole, rows=[one._replace(cells=[*cells, *(last if new & {*last} else ())]), *below])


def _joined(titles: Row, names: Row) -> Row:
    """One row of both lines: a name stands in the lower one, or in the upper one where cells are merged downwards; the title of the
    group goes before names that repeat."""
    groups: list[str] = []
    for title in chain(titles.cells, repeat("", len(names.cells) - len(titles.cells))):
        groups.append(title.strip() or (groups[-1] if groups else ""))
    single = [name.strip() or title.strip() for title, name in zip_longest(titles.cells, names.cells, fillvalue="")]
    often = Counter(single)
    repeated = {name for name in single if often[name] > 1}
    full = [
        f"{group} {name}" if name in repeated and group not in ("", name) else name
        for group, name in zip_longest(groups, single, fillvalue="")
    ]
    done = "the titles of groups stand before names that repeat" if repeated else "the titles of groups are left out"
    return Row(titles.start, names.end, full, f"; {done}")


def _may_be_double(titles: Row, one: Row, grid: Grid, below: Sequence[Sequence[str]]) -> bool:
    """Tell whether titles with gaps stand above what may be names, with which each column has one."""
    filled = sum(bool(cell.strip()) for cell in titles.cells)
    full = len(one.cells) == grid.width and all(one.cells)
    return 2 <= filled < grid.width and full and not value_like(titles.cells) and not value_like(one.cells, below)


def _hold_values(grid: Grid, rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether one of the columns at least holds values that are no names."""
    columns = zip(*(row for row in rows if len(row) == grid.width), strict=True)
    return any(_are_values([cell for cell in column if cell.strip()]) for column in columns)


def _are_values(cells: Sequence[str]) -> bool:
    """Tell whether nearly all cells are numbers, times and other values that are no names."""
    return bool(cells) and sum(bool(value_like([cell])) for cell in cells) >= _NEARLY_ALL * len(cells)


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
    if earlier := next((grid.rows[at] for at in top[: max(best - 1, 0)] if grid.hits(at, wanted) > 1), None):
        raise DataError(
            f"has names of columns in line {earlier.start:,} and others in line {grid.rows[best].start:,}, with rows between; export "
            f"them apart, or write `skip_lines = {earlier.start - 1}` under `{key}` if only the first line names the columns"
        )
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
    if not row.head and at + 1 < len(grid.rows):
        _check_single(grid, at, key)
    return at, "it looks like names" if at == 0 else f"it looks like names; {_lines_above(row)}"


def _check_single(grid: Grid, at: int, key: str) -> None:
    """Refuse a row of names with gaps above a full one of texts, where no value below tells which of both holds the names.

    Raises:
        DataError: if it cannot be told.
    """
    row, under = grid.rows[at], grid.rows[at + 1]
    gaps = grid.width - grid.filled(at)
    if gaps < _GAPS or not _may_be_double(row, under, grid, [each.cells for each in grid.rows[at + 2 :]]):
        return
    raise DataError(
        f"may have its column names in line {row.start:,}, of which {gaps:,} are empty, or in line {under.start:,}, and no "
        f"number or time below tells; write `skip_lines = {row.start - 1}` or `skip_lines = {under.start - 1}` under `{key}`, "
        f"or name them from left to right as `{key}.header`"
    )


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
