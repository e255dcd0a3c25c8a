"""NDJSON and JSON files as Parquet copies: text for what is flat, lists and structs of text for what is nested.

The columns are known before Polars reads: every line is looked at once, so a key may come late, and a broken line has a number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal, InvalidOperation
from typing import IO, Any

import ijson
import msgspec
import polars as pl

from recsys.settings.tables import Table
from recsys.tables.sources.bounds import CHUNK, MAX_LINE
from recsys.tables.sources.content import start_of_text
from recsys.tables.sources.formats.concatenated import as_one_export
from recsys.tables.sources.formats.encoding import as_utf8
from recsys.tables.sources.formats.envelope import chunks, rows_within
from recsys.tables.sources.formats.shape import Shapes
from recsys.tables.sources.formats.unique_names import Unique, UniqueNames
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.tables.sources.spool import Blob, copy_of
from recsys.types import DataError

_HEAD = 4096


def open_json(blob: Blob, table: Table) -> Piece:
    """Read a file of JSON objects: one a line, several lines an object, or an array of them.

    Raises:
        DataError: naming the line that is no object.
    """
    with ExitStack() as opened:
        text = as_utf8(blob, table.encoding)
        opened.enter_context(closing(text.file))
        text = as_one_export(text, 0, row=b"{")
        opened.enter_context(closing(text.file))
        form, rows = _form_and_rows(text, table.record)
        if not form:
            return piece_of_lines(blob, text.file, (*text.notes, "one JSON object a line"))
        with closing(copy_of(_as_lines(text.file, rows))) as lines:
            return piece_of_lines(blob, lines, (*text.notes, form))


def piece_of_lines(blob: Blob, lines: IO[bytes], notes: tuple[str, ...], single: Collection[str] = ()) -> Piece:
    """Make a piece of NDJSON lines in UTF-8; of the `single` columns, which are lists, only the first value is meant."""
    schema = _columns(lines)
    check_schema(schema)
    lines.seek(0)
    frame = pl.scan_ndjson(lines, schema=schema) if schema else pl.LazyFrame()
    frame = frame.with_columns(pl.col(name).list.first() for name in schema if name in single)
    return copied_piece(blob.name, frame, dict(frame.collect_schema()), blob.written, notes)


def _form_and_rows(text: Blob, pinned: str) -> tuple[str, str]:
    """Tell how rows are spread over the file, and their path in the words of ijson; both empty where it is one a line."""
    if rows := rows_within(text.file, pinned):
        return f"rows are the objects of its list `{rows.removesuffix('.node').removesuffix('.item')}`", rows
    form = _spread(text)
    return form, "item" if "array" in form else ""


def _spread(text: Blob) -> str:
    """Return how objects are spread over lines, where it is not one a line."""
    head = text.head(_HEAD)
    if start_of_text(head).startswith("["):
        return "a JSON array"
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if len(first) >= _HEAD - 2 or not first:
        return ""
    try:
        msgspec.json.decode(first)
    except msgspec.DecodeError as error:
        return "JSON objects over several lines" if "truncated" in str(error) else ""
    return ""


def _columns(lines: IO[bytes]) -> dict[str, pl.DataType]:
    """The columns of all lines, with their types."""
    shapes, names, decode = Shapes(), UniqueNames(), msgspec.json.Decoder().decode
    lines.seek(0)
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            row = decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise DataError(
                f"is broken: line {number:,} is not a JSON object ({_reason(error)}); export the file again"
            ) from error
        if not isinstance(row, dict):
            raise DataError(f"is broken: line {number:,} is not a JSON object but {_kind(row)}; export one object a line")
        shapes.add(row)
        try:
            names.check(line, row)
        except DataError as error:
            raise DataError(f"is broken: line {number:,} {error}") from error
    return shapes.columns()


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).removeprefix("JSON is malformed: ")


def _kind(value: object) -> str:
    return "an array" if isinstance(value, list) else "a single value"


def _as_lines(file: IO[bytes], path: str) -> Iterator[bytes]:
    """Objects at a path, or one after the other, as lines."""
    found = ijson.sendable_list()
    parser = ijson.items_coro(found, path, multiple_values=True, use_float=False, map_type=Unique)
    encode, since = msgspec.json.Encoder(enc_hook=_number).encode, 0
    try:
        for chunk in chunks(file, CHUNK >> 4):
            parser.send(chunk)
            since = 0 if found else since + len(chunk)
            if since > MAX_LINE:
                raise DataError(f"has a JSON object of more than {MAX_LINE >> 20} MB; export one object a row")
            yield b"".join(encode(each) + b"\n" for each in found)
            found.clear()
        parser.close()
    except (ijson.JSONError, InvalidOperation) as error:
        raise DataError("is no whole JSON: it is cut off or broken; export it again") from error
    except RecursionError as error:
        raise DataError("is nested too deeply; export rows whose values are not so many lists within each other") from error
    yield b"".join(encode(each) + b"\n" for each in found)


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
