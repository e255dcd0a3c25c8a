"""Parquet files, scanned where they stand."""

from __future__ import annotations

import polars as pl
from polars.exceptions import PolarsError

from recsys.tables.sources.piece import Piece, Standing, check_schema, copied_piece
from recsys.tables.sources.spool import Blob
from recsys.types import DataError

_MAGIC = b"PAR1"
_BROKEN = "cannot be read: it is no whole Parquet file; export it again"
_TAIL = 8
MAX_FOOTER = 64 << 20
"""Bytes of the list of columns at the end of a file, which is read whole."""


def open_parquet(blob: Blob) -> Piece:
    """Read the columns of a file.

    Raises:
        DataError: if it is cut off, or has too many columns.
    """
    _check_footer(blob)
    frame = pl.scan_parquet(blob.path or blob.file, glob=False)
    try:
        schema = dict(frame.collect_schema())
    except PolarsError as error:
        raise DataError(_BROKEN) from error
    check_schema(schema)
    notes = (*blob.notes, "Parquet")
    if blob.path is not None:
        return Piece(blob.name, Standing(blob.path), schema, False, blob.written, notes)
    return copied_piece(blob.name, frame, schema, blob.written, notes)


def _check_footer(blob: Blob) -> None:
    size = blob.size()
    blob.file.seek(max(0, size - _TAIL))
    tail = blob.file.read(_TAIL)
    blob.file.seek(0)
    footer = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or footer > size:
        raise DataError(_BROKEN)
    if footer > MAX_FOOTER:
        raise DataError(f"cannot be read: its list of columns takes {footer >> 20:,} MB; export fewer columns")
