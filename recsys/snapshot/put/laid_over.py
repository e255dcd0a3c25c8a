"""Indexes of items by key (brand, category, word), with the items that were put laid over them."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

import numpy as np

from recsys.types import Rows

Key = TypeVar("Key", bound=Hashable)


class LaidOver(Generic[Key]):
    """The keys of items that were put, in place of those that an index of the snapshot has for their rows.

    changed int32[k] the rows that were put, ascending. Arrays are replaced and never written to, so that answers on their way read
    a whole one.
    """

    def __init__(self) -> None:
        self.changed: Rows = _NOBODY
        self._keys: dict[int, Collection[Key]] = {}
        self._rows: dict[Key, Rows] = {}

    def put(self, row: int, keys: Collection[Key]) -> None:
        """Lay the keys of an item over those that it had."""
        for key in self._keys.get(row, ()):
            self._rows[key] = self._rows[key][self._rows[key] != row]
        one = np.array([row], np.int32)
        for key in keys:
            self._rows[key] = np.union1d(self._rows.get(key, _NOBODY), one).astype(np.int32)
        if row not in self._keys:
            self.changed = np.union1d(self.changed, one).astype(np.int32)
        self._keys[row] = keys

    def keys(self, row: int) -> Collection[Key] | None:
        """The keys of an item that was put; None: it was not."""
        return self._keys.get(row)

    def of(self, key: Key) -> Rows:
        """Rows of the items that were put with a key, int32[k] ascending."""
        return self._rows.get(key, _NOBODY)

    def over(self, found: Rows, key: Key) -> Rows:
        """Rows that an index has for a key, int32[m], as they are by now; ascending where any item was put."""
        if not len(self.changed):
            return found
        return np.union1d(found[~np.isin(found, self.changed)], self.of(key)).astype(np.int32)


_NOBODY = np.empty(0, np.int32)
