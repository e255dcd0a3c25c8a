"""Packages that only some shops need, asked for by name where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recsys.types import DataError


@contextmanager
def needed(package: str, extra: str, why: str) -> Iterator[None]:
    """Import a package of an extra inside.

    Raises:
        DataError: naming the package, if it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise DataError(
            f"{why}, which needs the package {package}: install it with `pip install '.[{extra}]'` in the project's folder"
        ) from error
