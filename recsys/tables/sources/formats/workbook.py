"""Bounds of a workbook: what its parts unpack to, and how far away its last cell is, looked at before anything is read."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

from recsys.tables.sources.bounds import CHUNK, MAX_COLUMNS
from recsys.tables.sources.spool import MAX_RATIO, MAX_UNPACKED, Blob
from recsys.types import DataError

MAX_SHEET = 512 << 20
"""Bytes that a workbook may unpack to: a sheet is held in memory."""
MAX_CELLS = 50_000_000
"""Cells of a sheet from its first to its last one, also empty ones."""
_MAX_ROWS = 1 << 20
_CELL = re.compile(rb"""\br\s*=\s*["']\s*([A-Za-z]+)(\d+)["']""")
_ROW = re.compile(rb"""<(?:\w+:)?row\s[^<>]*?\br\s*=\s*["']\s*(\d+)["']""")
_LONGEST = 100
"""Bytes of a cell's place with its signs: chunks overlap by so many."""


def check_workbook(blob: Blob) -> None:
    """Look at what a workbook will need in memory. The sizes that an archive gives for its parts may be lies, so each is unpacked.

    Raises:
        DataError: if that is too much, or the archive is damaged.
    """
    if not zipfile.is_zipfile(blob.file):
        blob.file.seek(0)
        return
    most = min(MAX_SHEET, max(MAX_UNPACKED, MAX_RATIO * blob.size()))
    try:
        with zipfile.ZipFile(blob.file) as archive:
            parts = archive.infolist()
        total = sum(part.file_size for part in parts)
        for part in parts:
            if total > most:
                raise _too_large(total, most)
            total += _checked(blob.file, part, most) - part.file_size
        if total > most:
            raise _too_large(total, most)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError("is no whole workbook: it is damaged; save it again as .xlsx") from error
    blob.file.seek(0)


def _too_large(total: int, most: int) -> DataError:
    return DataError(f"unpacks to {total >> 20:,} MB; a workbook may have {most >> 20:,} MB; export it as CSV")


def _checked(file: IO[bytes], part: zipfile.ZipInfo, most: int) -> int:
    """Bytes that a part unpacks to; the places of its cells are looked at."""
    total, end, far = 0, b"", _Extent()
    for chunk in _unpacked(file, part):
        total += len(chunk)
        if total > most:
            raise _too_large(total, most)
        if part.filename.endswith(".xml") and "sharedStrings" not in part.filename:
            far.feed(end + chunk)
            end = chunk[-_LONGEST:]
    return total


def _unpacked(file: IO[bytes], part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Chunks of a part to the end of its packed bytes, whatever size it says that it has."""
    file.seek(part.header_offset + 26)
    names = file.read(4)
    file.seek(int.from_bytes(names[:2], "little") + int.from_bytes(names[2:], "little"), 1)
    packed = _taken(file, part.compress_size)
    if part.compress_type == zipfile.ZIP_STORED:
        yield from packed
        return
    if part.compress_type != zipfile.ZIP_DEFLATED:
        raise NotImplementedError
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for chunk in packed:
        while chunk and not inflate.eof:
            yield inflate.decompress(chunk, CHUNK)
            chunk = inflate.unconsumed_tail


def _taken(file: IO[bytes], size: int) -> Iterable[bytes]:
    while size > 0 and (chunk := file.read(min(size, CHUNK))):
        size -= len(chunk)
        yield chunk


class _Extent:
    """Row and column of the farthest cell of a sheet."""

    def __init__(self) -> None:
        self._row, self._column = 0, 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            DataError: if a cell is too far away.
        """
        found = _CELL.findall(chunk)
        rows = max((int(number) for number in _ROW.findall(chunk)), default=0)
        self._row = max(self._row, max((int(number) for _, number in found), default=0))
        self._column = max(self._column, max((_column(letters) for letters in {letters for letters, _ in found}), default=0))
        if self._column > MAX_COLUMNS or max(rows, self._row) > _MAX_ROWS or self._row * self._column > MAX_CELLS:
            raise DataError(
                f"has a sheet of {max(rows, self._row):,} rows and {self._column:,} columns, also empty ones; export it as CSV"
            )


def _column(letters: bytes) -> int:
    """Number of a column, A = 1."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
