"""Packages that only some shops need, asked for by name where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recsys.types import DataError, RecsysError


@contextmanager
def needed(package: str, extra: str, why: str, error: type[RecsysError] = DataError) -> Iterator[None]:
    """Import a package of an extra inside.

    Raises:
        RecsysError: of the type `error`, naming the package, if it is not installed.
    """
    try:
        yield
    except ImportError as missing:
        raise error(
            f"{why}, which needs the package {package}: install it with `.venv/bin/pip install '.[{extra}]'` in the project's folder"
        ) from missing
