"""A small disk of its own for tests, which can really be full."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk(megabytes: int) -> Iterator[Path]:
    """A disk of its own size, which everybody may look into; skips the test where this user may not mount one."""
    folder = Path(tempfile.mkdtemp(prefix="recsys-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "recsys-test", str(folder)])
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a disk of its own can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path, room: int = 0) -> Path:
    """Take all the room that a disk has, but for so many bytes; the file that takes it is there until it is deleted."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    os.truncate(filler, max(0, filler.stat().st_size - room))
    return filler
