"""Variety of one list: what was shown too often sinks, lists that rotate differ from day to day and shopper to shopper, and what
resembles the items above it sinks below what does not.

All multiply the relevance of what a list ranks. They are functions of the query alone, so that a list can be answered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.settings.placements import Placement
from recsys.snapshot.catalog import Catalog
from recsys.types import Query, Rows


class Variety:
    """Effects of variety on the items of one list."""

    def __init__(self, catalog: Catalog, placement: Placement, query: Query) -> None:
        self._catalog, self._rotate = catalog, placement.rotate or 0.0
        self.fading = (1 - (placement.variety or 0.0)) ** 0.5
        """An item's relevance is multiplied by this for each one above it of its leaf category, and for each of its brand."""
        self._seed = f"{query.now // DAY}/{query.user_id or ''}/{query.placement}/".encode()
        fatigue = placement.fatigue or None
        self._shown = dict(query.shown) if fatigue else {}
        sunk = (
            {catalog.row(name): fatigue.factor ** (count // fatigue.after) for name, count in query.shown} if fatigue else {}
        )
        self.sunk = {row: factor for row, factor in sunk.items() if row >= 0 and factor < 1}
        """Row = the factor of an item that sinks."""

    def factors(self, rows: Sequence[int] | Rows) -> NDArray[np.float64]:
        """Return what the relevance of items is multiplied by, float64[k]."""
        found = np.array([self.sunk.get(int(row), 1.0) for row in rows])
        if self._rotate:
            found *= [1 - self._rotate * self._draw(int(row)) for row in rows]
        return found

    def without_dial(self) -> Variety:
        """The same, where nothing sinks for what stands above it."""
        found = copy(self)
        found.fading = 1.0
        return found

    def said(self, row: int) -> str:
        """Return why an item sinks; empty: it does not."""
        if row not in self.sunk:
            return ""
        return f"shown {self._shown[self._catalog.item_id(row)]:.4g} times without a click, which sinks it here"

    def _draw(self, row: int) -> float:
        """A number from 0 to 1 that is this item's, on this day, for this shopper."""
        digest = blake2b(self._seed + self._catalog.item_id(row).encode(), digest_size=4).digest()
        return int.from_bytes(digest, "little") / 2**32


def variety_of(catalog: Catalog, placement: Placement, query: Query) -> Variety | None:
    """The variety of a list; None: there is none, and the list is as it is ranked."""
    if not (placement.rotate or placement.variety or (placement.fatigue and query.shown)):
        return None
    found = Variety(catalog, placement, query)
    return found if placement.rotate or placement.variety or found.sunk else None
