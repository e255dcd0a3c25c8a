"""Changes of a catalogue's items, and what is kept up to date with them: an update costs what it touches, not what was worked out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

import numpy as np

from recsys.types import Rows

KEPT = 1024
"""Changes that are told one by one; what was worked out before those is worked out anew."""
Value = TypeVar("Value")


class Changes:
    """The last changes of a catalogue: rows, and the attributes that each may have changed (None: any)."""

    def __init__(self) -> None:
        self._log: tuple[int, list[tuple[int, Collection[str] | None]]] = (0, [])
        self.count = 0

    def add(self, row: int, names: Collection[str] | None) -> None:
        """Note that an item was changed; when it has been."""
        before, log = self._log
        if len(log) >= 2 * KEPT:
            before, log = self._log = before + KEPT, log[KEPT:]
        log.append((row, names))
        self.count = before + len(log)

    def since(self, mark: int, names: frozenset[str]) -> Rows | None:
        """Rows int32[k] of items of which one of these attributes may have changed since `count` was `mark`; None: all may have."""
        before, log = self._log
        if mark < before:
            return None
        rows = {row for row, changed in log[mark - before :] if changed is None or not names.isdisjoint(changed)}
        return np.array(sorted(rows), np.int32)


class KeptUp(Generic[Value]):
    """Result over some attributes of all items, mended where an item changed."""

    def __init__(
        self, changes: Changes, names: frozenset[str], make: Callable[[], Value], mend: Callable[[Value, Rows], Value]
    ) -> None:
        self._changes, self._names, self._make, self._mend = changes, names, make, mend
        self._held = changes.count, make()

    def get(self) -> Value:
        """As of now; answers on their way keep what they have."""
        mark, value = self._held
        count = self._changes.count  # before anything is read: what comes in meanwhile is looked at again
        if mark != count:
            rows = self._changes.since(mark, self._names)
            if rows is None:
                value = self._make()
            elif len(rows):
                value = self._mend(value, rows)
            self._held = count, value
        return value
