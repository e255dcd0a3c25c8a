"""Neighbours of items that are put while a snapshot serves, laid over those that were fitted, in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
            fresh = not self.arrays
            mark, known = changes.count, self._catalog.n_known  # what comes meanwhile is looked at again
            changed = changes.since(self._seen, _TOLD)
            news = range(self._first, known) if changed is None else changed[changed >= self._first].tolist()
            if fresh and news:
                self.arrays = {"neighbours": changeable(self._neighbours), "weights": changeable(self._weights)}
            if news:
                self._take(news)
            self._seen = mark
            return fresh and bool(news)

    def _take(self, news: Sequence[int]) -> None:
        touched = set(self._put_with(news))
        for row in news:
            if row in self._put:
                touched |= self._put[row].enters.keys()
            vector = self._alike.of(row)
            items, cosines = self._alike.fitted(vector)
            best = np.argsort(-cosines, kind="stable")[: self._weights.shape[1]]
            above = cosines > self._weights[items, -1]
            entering = _no_better(cosines[above], self._weights[items[above], 0])
            self._put[row] = _Put(vector, _pairs(items[best], cosines[best]), dict(_pairs(items[above], entering)))
            touched |= {row, *self._put[row].enters}
        beside = _Beside(self._put)
        for row in news:
            touched.update(self._enters_beside(row, *beside.of(row)))
        self._write(touched, beside)

    def _put_with(self, rows: Sequence[int]) -> list[int]:
        """Items that were put and have one of these among their neighbours by now."""
        others = np.array(list(self._put), np.int32)
        return others[np.isin(self.arrays["neighbours"][others], rows).any(axis=1)].tolist() if len(others) else []

    def _enters_beside(self, row: int, others: Rows, cosines: Scores) -> list[int]:
        """Those of other items that were put to which an item is more like than the last of their neighbours; of equals the first row
        stands."""
        last, cosine = self.arrays["neighbours"][others, -1], self.arrays["weights"][others, -1]
        return cast(list[int], others[(cosines > cosine) | ((cosines == cosine) & (row < last))].tolist())

    def _write(self, touched: set[int], beside: _Beside) -> None:
        """Write the rows of these items anew."""
        entering: dict[int, list[Likeness]] = {}
        for row in sorted(self._put):
            for item in touched & self._put[row].enters.keys():
                entering.setdefault(item, []).append((row, self._put[row].enters[item]))
        for item in touched:
            if item in self._put:
                others, cosines = beside.of(item)
                best = np.argsort(-cosines, kind="stable")[: self._weights.shape[1]]
                self._set(item, self._put[item].closest + _pairs(others[best], cosines[best]))
            else:
                self._set(item, self._was(item) + entering.get(item, []))

    def _was(self, item: int) -> list[Likeness]:
        """Read what was fitted for an item, and keep it before it is written over."""
        if item not in self._before:
            self._before[item] = _pairs(self._neighbours[item], self._weights[item])
        return self._before[item]

    def _set(self, item: int, found: list[Likeness]) -> None:
        strongest = sorted(found, key=lambda pair: -pair[1])[: self._weights.shape[1]]
        strongest += [(0, 0.0)] * (self._weights.shape[1] - len(strongest))
        self.arrays["neighbours"][item], self.arrays["weights"][item] = zip(*strongest, strict=True)


class _Beside:
    """Vectors of all items that were put, end to end, so that one is held against the others in one pass."""

    def __init__(self, put: Mapping[int, _Put]) -> None:
        self._rows, self._put = np.array(sorted(put), np.int32), put
        vectors = [put[row].vector for row in self._rows.tolist()]
        self._owners = np.repeat(np.arange(len(vectors)), [len(each) for each in vectors])
        self._terms = np.array([term for each in vectors for term in each], np.int64)
        self._weights = np.array([weight for each in vectors for weight in each.values()], np.float64)
        self._own = np.zeros(self._terms.max(initial=-1) + 1)

    def of(self, row: int) -> tuple[Rows, Scores]:
        """Other items that share a term with one, int32[m] ascending, and the cosine with each, float32[m]."""
        vector = self._put[row].vector
        terms = list(vector)
        self._own[terms] = list(vector.values())
        sums = np.bincount(self._owners, self._weights * self._own[self._terms], len(self._rows)).astype(np.float32)
        self._own[terms] = 0
        found = (sums > 0) & (self._rows != row)
        return self._rows[found], sums[found]


def _no_better(cosines: Scores, best: Scores) -> Scores:
    """Bound cosines by the best that was fitted for each item, if any was: a blend counts shares of the best score, so that a twin
    that is put would make little of all look-alikes that stand there, and they would give way to other recommenders' items."""
    return np.where(best > 0, np.minimum(cosines, best), cosines)


def _pairs(items: Rows, values: Scores) -> list[Likeness]:
    return list(zip(items.tolist(), values.tolist(), strict=True))
