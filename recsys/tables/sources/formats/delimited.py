"""CSV and TSV files: read where they stand if they are plain UTF-8, else by way of a copy."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice, pairwise
from typing import IO

import polars as pl
from polars.exceptions import PolarsError

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import MAX_LINE, MORE, NAMES_AGAIN
from recsys.tables.sources.formats.concatenated import as_one_export
from recsys.tables.sources.formats.encoding import as_utf8
from recsys.tables.sources.formats.layout import Layout, find_layout
from recsys.tables.sources.formats.surplus import with_surplus, wrong_quote
from recsys.tables.sources.piece import Piece, Standing, check_schema, copied_piece
from recsys.tables.sources.spool import Blob
from recsys.tables.sources.words import reason_of
from recsys.types import DataError

_SAMPLE = 1 << 18
_SIGNS = ",;\t|"
_OTHER_SIGN = "(fields separated by another sign)"
_CELLS = 4
"""First cells of a line that are looked at for names of columns."""
_ABBREVIATION = 4
"""Letters from which a word of a name is no abbreviation such as ID."""


def open_delimited(blob: Blob, table: Table, wanted: Collection[str], key: str) -> Piece:
    """Find out a file's encoding and layout.

    Raises:
        DataError: if they cannot be told, or are not what the settings say.
    """
    with ExitStack() as opened:
        text = as_utf8(blob, table.encoding)
        opened.enter_context(closing(text.file))
        lines = _first_lines(text)
        layout = find_layout(lines, table, wanted, key)
        start, empty = sum(len(line.encode()) for line in lines[: layout.skip]), layout.separator * (len(layout.names) - 1)
        names, quote = _lines_of_names(lines, layout), layout.quote.encode()
        text = as_one_export(text, start, names, empty=empty.encode(), quote=quote)
        opened.enter_context(closing(text.file))
        text = with_surplus(text, start, layout)
        opened.enter_context(closing(text.file))
        schema: dict[str, pl.DataType] = {name: pl.String() for name in layout.names}
        check_schema(schema)
        notes = (*text.notes, *layout.notes)
        if text.path is not None:
            return Piece(blob.name, Standing(text.path, layout), schema, True, blob.written, notes)
        try:
            return copied_piece(blob.name, scan_delimited(text.file, layout), schema, blob.written, notes, has_more=True)
        except PolarsError as error:
            raise DataError(broken(text.file, layout) or f"cannot be read: {reason_of(error)}") from error


def scan_delimited(
    source: IO[bytes] | Sequence[str], layout: Layout, row: str | None = None, file: str | None = None
) -> pl.LazyFrame:
    """Scan files of one layout; all columns are text, and `MORE` tells of lines that do not fit."""
    frame = pl.scan_csv(
        source if not isinstance(source, Sequence) else list(source),
        separator=layout.separator,
        quote_char=layout.quote or None,
        has_header=False,
        skip_lines=layout.skip,
        schema={**{name: pl.String() for name in layout.names}, MORE: pl.String()},
        missing_columns="insert",
        extra_columns="ignore",
        raise_if_empty=False,
        glob=False,
        row_index_name=row,
        include_file_paths=file,
    )
    return frame.with_columns(_more(layout))


def broken(file: IO[bytes], layout: Layout) -> str:
    """Return what is wrong with the quotes of a text file that cannot be parsed, and in which line; empty: nothing."""
    if not layout.quote or not (line := _wrong_quote(file, layout)):
        return ""
    return wrong_quote(line)


def _more(layout: Layout) -> pl.Expr:
    """Also a line whose fields are separated by another sign, and one of column names, is one that does not fit."""
    more = pl.when(_names_again(layout)).then(pl.lit(NAMES_AGAIN)).otherwise(MORE) if len(layout.names) > 1 else pl.col(MORE)
    if len(layout.names) < 3:
        return more.alias(MORE)
    others = re.escape(_SIGNS.replace(layout.separator, ""))
    first, second, last = (pl.col(layout.names[at]) for at in (0, 1, -1))
    moved = second.is_null() & last.is_null() & (first.str.count_matches(f"[{others}]") >= len(layout.names) - 1)
    return pl.when(moved).then(pl.lit(_OTHER_SIGN)).otherwise(more).alias(MORE)


def _names_again(layout: Layout) -> pl.Expr:
    """Tell whether a line names columns, in whatever order and spelling: its first cells are names, two different ones at least."""
    known = sorted({spelled for name in layout.names for spelled in _spellings(name)})
    cells = [pl.col(name) for name in layout.names[:_CELLS]]
    named = [cell.is_in(known).fill_null(False) for cell in cells]
    only = pl.all_horizontal(each | cell.is_null() for each, cell in zip(named, cells, strict=True))
    differ = pl.any_horizontal(cell != other for cell, other in pairwise(cells))
    return only & differ.fill_null(False)


def _spellings(name: str) -> set[str]:
    """A name as other exports of the same columns spell it: other capitals, and other signs between its words.

    To look spellings up costs a fifth of what it takes to make every cell plain first.
    """
    words = [each for each in re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.strip())) if each]
    if not words:
        return set()
    lower, title = [word.lower() for word in words], [word.title() for word in words]
    short = [word.upper() if len(word) < _ABBREVIATION else word for word in title]
    upper = [word.upper() for word in words]
    cased = [words, lower, title, short, upper, [lower[0], *title[1:]], [lower[0], *short[1:]], [title[0], *lower[1:]]]
    return {sign.join(each) for each in cased for sign in (" ", "_", "-", "")} | {name, name.strip()}


def _first_lines(text: Blob) -> list[str]:
    start = text.head(_SAMPLE)
    if b"\n" not in start:
        start = text.head(MAX_LINE)
    lines = [f"{line}\n" for line in start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "ignore").split("\n")]
    whole = len(start) == text.size() or len(lines) == 1
    return lines if whole else lines[:-1]


def _lines_of_names(lines: Sequence[str], layout: Layout) -> set[bytes]:
    """Spellings of the line of column names further down: as it stands above the rows, with all names in quotes, and with none."""
    names = lines[layout.skip - 1].rstrip("\r\n") if layout.skip else ""
    cells = next(csv.reader([names], delimiter=layout.separator, quotechar=layout.quote or None), [])
    if len(cells) != len(layout.names):
        return set()
    quoted = (f"{layout.quote}{cell}{layout.quote}" for cell in cells)
    return {each.encode() for each in (names, layout.separator.join(cells), layout.separator.join(quoted))}


def _wrong_quote(file: IO[bytes], layout: Layout) -> int:
    """The line that a quote goes wrong in, from 1; 0: none."""
    file.seek(0)
    reader = csv.reader(_lines(file, layout.skip), delimiter=layout.separator, quotechar=layout.quote, strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error:
        return layout.skip + reader.line_num
    return 0


def _lines(file: IO[bytes], skip: int) -> Iterator[str]:
    return (line.decode("utf-8", "replace") for line in islice(file, skip, None))
