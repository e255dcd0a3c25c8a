"""Files and folders that somebody else deletes in the moment in which they are opened."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_waiting: dict[str, Path] = {}
_hooked: list[bool] = []
_OPENING = ("open", "os.scandir", "os.listdir")


@contextmanager
def vanishing(opened: Path, gone: Path | None = None) -> Iterator[None]:
    """Delete `gone`, else the path itself, just before a path is opened for the first time from here on."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_delete)
    _waiting[str(opened)] = gone or opened
    try:
        yield
        assert str(opened) not in _waiting, f"nobody opened {opened}"
    finally:
        _waiting.pop(str(opened), None)


def _delete(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: it cannot be taken away again, so it does nothing while nobody waits for it."""
    if not _waiting or event not in _OPENING or not isinstance(arguments[0], str | os.PathLike):
        return
    gone = _waiting.pop(os.fspath(arguments[0]), None)
    if gone is None:
        return
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()
