"""Copies of the shop's data without a name in any folder: gone with the frame that reads them, or with the process.

`tempfile` says where they are, so `TMPDIR` moves them. A copy may not fill the disk, and packed bytes may not become endless.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from recsys.tables.sources.bounds import CHUNK, MAX_LINE
from recsys.types import DataError

LEAST_FREE = 1 << 30
"""Bytes that a copy leaves free on its disk."""
MAX_UNPACKED = 1 << 30
"""Bytes that any packed file may become; beyond, `MAX_RATIO` counts."""
MAX_RATIO = 200
"""Unpacked bytes per packed byte."""
_ROWS_AT_A_TIME = 20_000
"""Rows in each batch that is written to a copy: with Polars' own 100,000 the batches in work take half as much memory again."""
_MANY_FILES = 200
"""Copies held open at once before they are put together."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes of one file: open from its start, either as it stands on disk (`path`) or as a copy.

    written: µs since 1970 · notes: how the bytes came about, in words.
    """

    name: str
    file: IO[bytes]
    path: str | None
    written: int
    notes: tuple[str, ...] = ()

    def size(self) -> int:
        """Bytes."""
        return os.fstat(self.file.fileno()).st_size

    def head(self, size: int) -> bytes:
        """The first bytes; the file is at its start again."""
        self.file.seek(0)
        start = self.file.read(size)
        self.file.seek(0)
        return start

    def copied(self, chunks: Iterable[bytes], note: str = "", name: str = "") -> Blob:
        """The same file with other bytes."""
        return Blob(name or self.name, copy_of(chunks), None, self.written, (*self.notes, note) if note else self.notes)


def local_blob(path: str) -> Blob:
    """Open a file of this machine."""
    return Blob(path, open(path, "rb"), path, Path(path).stat().st_mtime_ns // 1000)


def copy_of(chunks: Iterable[bytes]) -> IO[bytes]:
    """Write chunks into a new copy.

    Raises:
        DataError: if the disk would be full.
    """
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        for chunk in chunks:
            check_room(len(chunk))
            copy.write(chunk)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy


def check_room(needed: int) -> None:
    """Raise a DataError where a copy of so many bytes would fill the disk."""
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free - needed < LEAST_FREE:
        raise DataError(f"needs more room for its copy than {folder} has; set TMPDIR to a folder on a larger disk")


def bounded_chunks(read: Callable[[int], bytes], packed: int) -> Iterable[bytes]:
    """Chunks of what packed bytes unpack to.

    Raises:
        DataError: if they become more than files of a shop do.
    """
    total, allowed = 0, max(MAX_UNPACKED, MAX_RATIO * packed)
    while chunk := read(CHUNK):
        total += len(chunk)
        if total > allowed:
            raise DataError(f"unpacks to more than {allowed >> 20:,} MB, too much for its {packed:,} bytes; pack it again")
        yield chunk


class LineBound:
    """The length of lines, watched while a file is read chunk by chunk."""

    def __init__(self) -> None:
        """Start at the start of a line."""
        self._open, self._lines = 0, 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            DataError: if a line is too long.
        """
        first = chunk.find(b"\n")
        self._open += len(chunk) if first < 0 else first
        if self._open > MAX_LINE:
            raise DataError(f"has a line of more than {MAX_LINE >> 20} MB; export one row a line")
        if first >= 0:
            self._open = len(chunk) - chunk.rfind(b"\n") - 1


def parquet_copy(frame: pl.LazyFrame) -> IO[bytes]:
    """Write a frame into a new copy, streaming."""
    check_room(0)
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with pl.Config(streaming_chunk_size=_ROWS_AT_A_TIME):
            frame.sink_parquet(copy, compression="lz4")
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy


def scan_copies(copies: list[IO[bytes]], row: str | None = None) -> pl.LazyFrame:
    """One lazy frame over copies that it owns from here on; `row` names a column that numbers the rows."""
    frame = pl.scan_parquet(list(copies), row_index_name=row)
    for copy in copies:
        copy.close()
    return frame


def laid_down(frame: pl.LazyFrame, table: str) -> pl.LazyFrame:
    """The rows of a table in a file without a name, to be read from there as often as need be.

    Raises:
        DataError: if the disk would be full.
    """
    try:
        return scan_copies([parquet_copy(frame)])
    except DataError as error:
        raise DataError(f"{table}: {error}") from error


def at_hand(rows: pl.LazyFrame, partitions: int) -> pl.LazyFrame:
    """Events that are read several times: in memory, or in a temporary file where they are cut into partitions; raises as
    `laid_down`."""
    return laid_down(rows, "events") if partitions > 1 else rows.collect(engine="streaming").lazy()


def put_together(copies: Sequence[IO[bytes]]) -> list[IO[bytes]]:
    """The same copies, as one where they are so many that the process could run out of open files."""
    if len(copies) < _MANY_FILES:
        return list(copies)
    whole = parquet_copy(pl.scan_parquet(list(copies)))
    for copy in copies:
        copy.close()
    return [whole]
