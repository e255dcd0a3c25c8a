"""Whole copies of a database file: taken while others write it, looked through, and put back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from recsys.disk import sync, write_whole
from recsys.types import StateError


def copy(source: Path, target: Path) -> None:
    """Write a file as it was at one moment; writers go on meanwhile. Either the whole copy is on the disk, or none.

    Raises:
        StateError: if the source cannot be read or the copy cannot be written.
    """
    with _named(source), write_whole(target) as aside:
        aside.touch(mode=0o600)
        uri = f"{source.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True)) as opened, closing(sqlite3.connect(aside)) as written:
            opened.backup(written)


def check(file: Path) -> None:
    """Read a file through.

    Raises:
        StateError: if it is no database, or one with damage.
    """
    with _named(file), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
        found = opened.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise StateError(f"{file}: {found}; take another backup")


def put(source: Path, target: Path) -> None:
    """Have a copy take the place of a file that nobody has open; the log that led to that file goes with it.

    Raises:
        StateError: if a process has the file open.
    """
    rest = [target.with_name(target.name + end) for end in ("-wal", "-shm")]
    if target.exists():
        with _named(target), closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=rw", uri=True)) as opened:
            opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if any(each.exists() for each in rest):  # the last one to close a file takes them away
            raise StateError(f"{target}: a process has it open; stop the service first")
    for each in rest:
        each.unlink(missing_ok=True)
    sync(target.parent)
    copy(source, target)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StateError(f"{file}: {error}") from error
