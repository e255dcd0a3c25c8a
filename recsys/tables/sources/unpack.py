"""Packed files as copies of what is in them: gzip, Zstandard, and all members of a zip archive."""

from __future__ import annotations

import errno
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from backports import zstd

from recsys.tables.sources.bounds import MAX_FILES
from recsys.tables.sources.content import PACKED
from recsys.tables.sources.spool import MAX_RATIO, MAX_UNPACKED, Blob, bounded_chunks, check_room
from recsys.types import DataError

_ENCRYPTED = 0x1
_DAMAGED = "is a packed file that is damaged or cut off; copy or export it again"
_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")


def unpacked(blob: Blob, packing: str) -> Iterator[Blob]:
    """Return what is in a packed file, one blob a file.

    Raises:
        DataError: if the archive is cut off, encrypted, damaged or far too large once unpacked.
    """
    if packing == "zip":
        yield from _members(blob)
        return
    with _in_words():
        stream = gzip.GzipFile(fileobj=blob.file) if packing == "gzip" else zstd.ZstdFile(blob.file)
        yield blob.copied(bounded_chunks(stream.read, blob.size()), f"unpacked from {packing}", _inner_name(blob.name))


def _inner_name(name: str) -> str:
    for ending in PACKED:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def _members(blob: Blob) -> Iterator[Blob]:
    with _in_words(), zipfile.ZipFile(blob.file) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and not _is_junk(each.filename)]
        _check_members(members, blob.size())
        for member in members:
            inner = "".join(letter if letter.isprintable() else "_" for letter in member.filename)
            with archive.open(member) as stream:
                chunks = bounded_chunks(stream.read, member.compress_size)
                yield blob.copied(chunks, "unpacked from zip", f"{blob.name}/{inner}")


def _check_members(members: list[zipfile.ZipInfo], packed: int) -> None:
    if not members:
        raise DataError("is a zip archive with no file in it; export it again")
    if len(members) > MAX_FILES:
        raise DataError(f"holds {len(members):,} files; at most {MAX_FILES:,} are read")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise DataError("is a zip archive with a password; unpack it, or pack it without")
    total = sum(member.file_size for member in members)
    if total > max(MAX_UNPACKED, MAX_RATIO * packed):
        raise DataError(f"says that it unpacks to {total >> 20:,} MB, too much for its {packed:,} bytes; pack it again")
    check_room(total)


def _is_junk(name: str) -> bool:
    return name.startswith(_JUNK[0]) or PurePosixPath(name).name in _JUNK


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile) or error.errno == errno.EINVAL:  # a place before the start of an archive
            raise DataError(_DAMAGED) from error
        raise
    except EOFError as error:
        raise DataError("is a packed file that was cut off; copy or export it again") from error
    except (
        zipfile.BadZipFile,
        zstd.ZstdError,
        zlib.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DataError(_DAMAGED) from error
