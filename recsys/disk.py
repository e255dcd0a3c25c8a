"""Durable files, file locks and mapped arrays on a local disk."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

_NO_ROOM = os.strerror(errno.ENOSPC)
_HARDLY_ANY = 1 << 20
"""Bytes: where a write failed and fewer are left, that is why."""


def why_unwritten(error: Exception, folder: Path) -> str:
    """Say why something in a folder could not be written. A write that was cut short names no reason: the room that is left tells."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    is_full = finds_no_room(error) or shutil.disk_usage(there).free < _HARDLY_ANY
    return f"its disk is full ({error}); make room and run it again" if is_full else str(error)


def finds_no_room(error: Exception) -> bool:
    """Tell whether an error of the system, or of a library that repeats its words, says that a disk is full."""
    return _NO_ROOM in str(error)


def sha256(file: Path) -> str:
    """Hash a file (hex)."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, has reached the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a file to write beside this one; when the block ends, it is on the disk and takes its place. Of a block that fails nothing
    stays; a process that is killed leaves a file `.*.tmp`, which nobody reads."""
    aside = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        yield aside
        sync(aside)
        os.replace(aside, path)
        sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def named_in(folder: Path, pattern: str) -> list[Path]:
    """List a folder under names of a pattern, in order; one that is not there, or goes while it is read, lists nothing."""
    try:
        return sorted(folder.glob(pattern))
    except (FileNotFoundError, NotADirectoryError):  # glob asks whether there is one before it reads it
        return []


def name_folder(aside: Path, path: Path) -> None:
    """Give a folder that was written aside its name, for good: what it lists is on the disk when this returns."""
    os.rename(aside, path)
    sync(path.parent)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold this lock file, which is made if need be, unless another thread or process does; tells whether it is held."""
    number = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        fcntl.flock(number, fcntl.LOCK_UN)
    finally:
        os.close(number)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other thread or process holds this lock file, which is made if need be, and hold it."""
    number = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        # Closing is not enough: a process that another thread forked meanwhile has the number too.
        fcntl.flock(number, fcntl.LOCK_UN)
        os.close(number)


def let_go(arrays: Iterable[NDArray[Any]]) -> None:
    """Take the pages of mapped arrays that nothing can change out of this process's memory; they are read again where they are
    needed. Other arrays stay as they are."""
    for array in arrays:
        if (pages := mapping_of(array)) is not None:
            pages.madvise(mmap.MADV_DONTNEED)


def mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """The read-only mapping of a file that an array reads; None of other arrays."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) and memoryview(owner).readonly else None
