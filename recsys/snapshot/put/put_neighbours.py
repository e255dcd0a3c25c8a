"""Neighbours of items that are put while a snapshot serves, laid over those that were fitted, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import NamedTuple, Protocol, cast

import numpy as np

from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.changeable import changeable
from recsys.types import Arrays, Rows, Scores

Vector = Mapping[int, float]
Likeness = tuple[int, float]
"""An item and the cosine with it."""
_TOLD = frozenset(("price",))
"""Beside what is put as a whole, a change of this makes an item like others than before."""


class Alike(Protocol):
    """Likeness of items, held against each other by the cosine of vectors of length 1."""

    def of(self, row: int) -> Vector:
        """Terms of an item as it is now, and what each counts."""
        ...

    def fitted(self, vector: Vector) -> tuple[Rows, Scores]:
        """Fitted items int32[m] that share a term with a vector, ascending, and the cosines float32[m]."""
        ...


class _Put(NamedTuple):
    """An item that was put: its vector, the fitted items that it is most like, and those of which it is a neighbour itself."""

    vector: Vector
    closest: list[Likeness]
    enters: dict[int, float]


class PutNeighbours:
    """Fitted arrays `neighbours` int32[n, k] and `weights` float32[n, k], with those of the items that were put since.

    Each row has the strongest of what was fitted for it and of what is put by now, in whatever order it was put: an item that is put
    otherwise gives back the places that it had.
    """

    def __init__(self, catalog: Catalog, fitted: Arrays, alike: Alike) -> None:
        self._catalog, self._alike = catalog, alike
        self._neighbours, self._weights = cast(Rows, fitted["neighbours"]), cast(Scores, fitted["weights"])
        self._first, self._seen = len(catalog.items.published), 0
        self._put: dict[int, _Put] = {}
        self._having: dict[int, dict[int, float]] = {}
        """Term = the items that were put with it, and what it counts in each."""
        self._before: dict[int, list[Likeness]] = {}
        """Fitted item = what was fitted for it, where other items have its places now."""
        self._lock = Lock()
        self.arrays: Arrays = {}
        """What holds by now; empty until an item is put."""

    def began(self) -> bool:
        """Take in what was put, or changed its price; tell whether `arrays` hold from now on, where the fitted ones did."""
        changes = self._catalog.changes
        if changes.count == self._seen or self._catalog.n_known == self._first:
            return False
        with self._lock:
            fresh, mark, known = (
                not self.arrays,
                changes.count,
                self._catalog.n_known,
            )  # what comes meanwhile is looked at again
            changed = changes.since(self._seen, _TOLD)
            news = range(self._first, known) if changed is None else changed[changed >= self._first].tolist()
            if fresh and news:
                self.arrays = {"neighbours": changeable(self._neighbours), "weights": changeable(self._weights)}
            self._take(news)
            self._seen = mark
            return fresh and bool(news)

    def _take(self, news: Iterable[int]) -> None:
        touched: set[int] = set()
        for row in news:
            touched |= self._forget(row)
            vector = self._alike.of(row)
            items, cosines = self._alike.fitted(vector)
            best = np.argsort(-cosines, kind="stable")[: self._weights.shape[1]]
            above = cosines > self._weights[items, -1]
            entering = _no_better(cosines[above], self._weights[items[above], 0])
            self._put[row] = _Put(vector, _pairs(items[best], cosines[best]), dict(_pairs(items[above], entering)))
            for term, weight in vector.items():
                self._having.setdefault(term, {})[row] = weight
            touched |= {row, *self._put[row].enters, *self._beside(row)}
        self._write(touched)

    def _forget(self, row: int) -> set[int]:
        """Take an item out as it was put before; returns the rows that it stood in."""
        if row not in self._put:
            return set()
        touched = {*self._put[row].enters, *self._beside(row)}
        for term in self._put.pop(row).vector:
            del self._having[term][row]
        return touched

    def _beside(self, row: int) -> dict[int, float]:
        """Other items that were put and share a term with one of them, and their cosines."""
        sums: dict[int, float] = {}
        for term, weight in self._put[row].vector.items():
            for other, its in self._having[term].items():
                sums[other] = sums.get(other, 0.0) + weight * its
        sums.pop(row, None)
        return sums

    def _write(self, touched: set[int]) -> None:
        """Write the rows of these items anew."""
        entering: dict[int, list[Likeness]] = {}
        for row in sorted(self._put):
            for item in touched & self._put[row].enters.keys():
                entering.setdefault(item, []).append((row, self._put[row].enters[item]))
        for item in touched:
            found = self._put[item].closest + sorted(self._beside(item).items()) if item in self._put else self._was(item)
            self._set(item, found + entering.get(item, []))

    def _was(self, item: int) -> list[Likeness]:
        """Read what was fitted for an item, and keep it before it is written over."""
        if item not in self._before:
            self._before[item] = _pairs(self._neighbours[item], self._weights[item])
        return self._before[item]

    def _set(self, item: int, found: list[Likeness]) -> None:
        strongest = sorted(found, key=lambda pair: -pair[1])[: self._weights.shape[1]]
        strongest += [(0, 0.0)] * (self._weights.shape[1] - len(strongest))
        self.arrays["neighbours"][item], self.arrays["weights"][item] = zip(*strongest, strict=True)


def _no_better(cosines: Scores, best: Scores) -> Scores:
    """Bound cosines by the best that was fitted for each item, if any was: a blend counts shares of the best score, so that a twin
    that is put would make little of all look-alikes that stand there, and they would give way to other recommenders' items."""
    return np.where(best > 0, np.minimum(cosines, best), cosines)


def _pairs(items: Rows, values: Scores) -> list[Likeness]:
    return list(zip(items.tolist(), values.tolist(), strict=True))
