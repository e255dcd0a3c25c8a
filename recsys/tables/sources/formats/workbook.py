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
MAX_CELLS = 25_000_000
"""Cells of a sheet from its first to its last one, also empty ones."""
_MAX_ROWS = 1 << 20
_CELL = re.compile(rb"""\br\s*=\s*["']\s*([A-Za-z]+)(\d+)["']""")
_ROW = re.compile(rb"""<(?:\w+:)?row\s[^<>]*?\br\s*=\s*["']\s*(\d+)["']""")
_TEXT_END = re.compile(rb"</(?:\w+:)?si>")
_SHARED = re.compile(rb"""\bt\s*=\s*["']s["'][^<>]{0,200}>\s*<(?:\w+:)?v>\s*(\d{1,9})\s*<""")
_LONGEST = 100
"""Bytes of a cell's place with its signs: chunks overlap by so many."""


def check_workbook(blob: Blob) -> bool:
    """Look at what a workbook will need in memory; tells whether its days count from 1904. The sizes that an archive gives for its
    parts may be lies, so each is unpacked.

    Raises:
        DataError: if that is too much, or the archive is damaged.
    """
    if not zipfile.is_zipfile(blob.file):
        blob.file.seek(0)
        return False
    most = min(MAX_SHEET, max(MAX_UNPACKED, MAX_RATIO * blob.size()))
    try:
        with zipfile.ZipFile(blob.file) as archive:
            parts = archive.infolist()
        total, shared = sum(part.file_size for part in parts), SharedTexts(most)
        for part in parts:
            if total > most:
                raise _too_large(total, most)
            total += _checked(blob.file, part, most, shared) - part.file_size
        if total > most:
            raise _too_large(total, most)
        if shared.may_be_too_large:
            _check_shared(blob.file, parts, shared, most)
        from_1904 = _counts_from_1904(blob.file, parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError("is no whole workbook: it is damaged; save it again as .xlsx") from error
    blob.file.seek(0)
    return from_1904


def _counts_from_1904(file: IO[bytes], parts: Iterable[zipfile.ZipInfo]) -> bool:
    book = next((part for part in parts if part.filename == "xl/workbook.xml"), None)
    start = b"".join(_unpacked(file, book)) if book else b""
    return bool(re.search(rb"""\bdate1904\s*=\s*["'](?:1|true)["']""", start))


def _check_shared(file: IO[bytes], parts: Iterable[zipfile.ZipInfo], shared: SharedTexts, most: int) -> None:
    """Count what the texts that cells share take where each cell has its own.

    Raises:
        DataError: if it is too much.
    """
    sheets = [part for part in parts if _is_sheet(part.filename)]
    total = sum(shared.size_of(_unpacked(file, part)) for part in sheets)
    if total > most:
        raise _too_large(total, most)


def _is_sheet(name: str) -> bool:
    return name.endswith(".xml") and "sharedStrings" not in name


def _too_large(total: int, most: int) -> DataError:
    return DataError(f"unpacks to {total >> 20:,} MB; a workbook may have {most >> 20:,} MB; export it as CSV")


def _checked(file: IO[bytes], part: zipfile.ZipInfo, most: int, shared: SharedTexts) -> int:
    """Bytes that a part unpacks to; the places of its cells are looked at."""
    total, end, far = 0, b"", _Extent()
    for chunk in _unpacked(file, part):
        total += len(chunk)
        if total > most:
            raise _too_large(total, most)
        if _is_sheet(part.filename):
            far.feed(end + chunk)
            shared.count(chunk)
            end = chunk[-_LONGEST:]
        elif "sharedStrings" in part.filename:
            shared.feed(chunk)
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
        rows = max(map(_row, _ROW.findall(chunk)), default=0)
        self._row = max(self._row, max((_row(number) for _, number in found), default=0))
        self._column = max(self._column, max((_column(letters) for letters in {letters for letters, _ in found}), default=0))
        if self._column > MAX_COLUMNS or max(rows, self._row) > _MAX_ROWS or self._row * self._column > MAX_CELLS:
            raise DataError(
                f"has a sheet of {max(rows, self._row):,} rows and {self._column:,} columns, also empty ones; export it as CSV"
            )


def _row(digits: bytes) -> int:
    """Number of a row; of one that is too far away anyway, another that is."""
    return int(digits[:12])


def _column(letters: bytes) -> int:
    """Number of a column, A = 1; of one that is too far away anyway, another that is."""
    number = 0
    for letter in letters[:4].upper():
        number = number * 26 + letter - 64
    return number


class SharedTexts:
    """Texts that many cells point at: a file of some kilobytes can have a million cells that share one long text."""

    def __init__(self, most: int) -> None:
        self._most, self._cells, self._open = most, 0, 0
        self._sizes: list[int] = []
        self._kept = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the texts."""
        *ended, left = _TEXT_END.split(self._kept + chunk)
        for each in ended:
            self._sizes.append(self._open + len(each))
            self._open = 0
        self._kept = left[-_LONGEST:]
        self._open += len(left) - len(self._kept)

    def count(self, chunk: bytes) -> None:
        """Take the next bytes of a sheet."""
        self._cells += chunk.count(b't="s"') + chunk.count(b"t='s'")

    @property
    def may_be_too_large(self) -> bool:
        """Tell whether the cells would take too much if each had the longest text."""
        return self._cells * max(self._sizes, default=0) > self._most

    def size_of(self, chunks: Iterable[bytes]) -> int:
        """Bytes of the texts that the cells of a sheet point at."""
        total, kept, sizes = 0, b"", self._sizes
        for chunk in chunks:
            whole, _, kept = (kept + chunk).rpartition(b"</c>")
            for number in _SHARED.findall(whole):
                total += sizes[int(number)] if int(number) < len(sizes) else 0
            if total > self._most:
                break
        return total
