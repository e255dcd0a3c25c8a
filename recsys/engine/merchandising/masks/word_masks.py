"""Masks of single words: the items of one catalogue that are of a brand, in a category, or hold a word of an attribute.

A word that few items hold is read from the list of these; a word of many items from codes, or from a mask that was prepared when the
snapshot was opened, so that a filter which is asked for the first time costs little more than one that was asked before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from recsys.snapshot.attributes import Words
from recsys.snapshot.catalog import Catalog
from recsys.types import Mask, Rows

_FEW = 64
"""A word that fewer than one in so many items hold is read from its list."""
_PREPARED_BYTES = 16 << 20
"""Of the masks that are prepared, those of the words that most items hold."""
MaskOf: TypeAlias = Callable[[str], Mask]
"""Of a word its mask, not to be written to."""


class WordMasks:
    """Masks of the words of one catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._prepared = _prepared(catalog)

    def of(self, name: str) -> MaskOf | None:
        """Of an attribute of words, what finds the mask of one; None: it is none."""
        catalog = self._catalog
        if name == "brand":
            return self._of_brand
        if name == "category":
            return self._in_category
        column = catalog.attributes.columns.get(name)
        return (lambda word: self._holding(name, column, word)) if isinstance(column, Words) else None

    def _of_brand(self, word: str) -> Mask:
        catalog, code = self._catalog, self._catalog.brands.row(word)
        rows = catalog.brand_items(code) if code >= 0 else _NOBODY
        return catalog.brand == np.int32(code) if len(rows) * _FEW > catalog.n_items else self._listed(rows)

    def _in_category(self, word: str) -> Mask:
        catalog, code = self._catalog, self._catalog.categories.row(word)
        if code < 0 or len(catalog.nodes_put.changed):
            return self._listed(catalog.items_in(word))
        found = np.zeros(catalog.n_items, bool)
        found[catalog.item_from[code] : catalog.item_to[code]] = True
        found[catalog.further.items(code)] = True
        return found

    def _holding(self, name: str, column: Words, word: str) -> Mask:
        prepared = self._prepared.get((name, word))
        if prepared is None:
            return self._listed(column.holding(word))
        if len(column.changed):
            prepared = prepared.copy()
            prepared[column.changed] = [word in column.words(row) for row in column.changed.tolist()]
        return prepared

    def _listed(self, rows: Rows) -> Mask:
        found = np.zeros(self._catalog.n_items, bool)
        found[rows] = True
        return found


def _prepared(catalog: Catalog) -> dict[tuple[str, str], Mask]:
    """The masks of the words that most items hold."""
    n = max(catalog.n_items, 1)
    every = [
        (count, name, column, code)
        for name, column in catalog.attributes.columns.items()
        if isinstance(column, Words)
        for code, count in enumerate(column.published_counts.tolist())
        if count * _FEW > n
    ]
    found = {}
    for _, name, column, code in sorted(every, key=lambda each: -each[0])[: _PREPARED_BYTES // n]:
        mask = np.zeros(n, bool)
        mask[column.published_items(code)] = True
        mask.flags.writeable = False
        found[name, column.names.text(code)] = mask
    return found


_NOBODY = np.empty(0, np.int32)
