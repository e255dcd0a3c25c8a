"""Text ids ↔ rows, memory-mapped: sorted hashes for the way in, a UTF-8 blob with offsets for the way out.

A dict of a million ids costs every worker a hundred megabytes of its own; these four arrays are shared pages and a look-up
takes a few microseconds. Hash collisions are harmless: the bytes are compared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from recsys.types import Arrays, Rows, SnapshotError


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=8).digest()


def _hash(key: bytes) -> int:
    return int.from_bytes(_digest(key), "little")


def order_key(order_id: str) -> int:
    """A number of 61 bits that stands for an order id, the same in tables and while serving."""
    return _hash(order_id.encode("utf-8", "surrogatepass")) >> 3


def unknown_item(item_id: str) -> int:
    """A code below -1 that stands for an item which the catalogue lacks, the same in tables and while serving; -1 is no item."""
    return -2 - (_hash(item_id.encode("utf-8", "surrogatepass")) >> 34)


class Texts:
    """Byte strings laid end to end, read at their rows; views of the mapped pages, cheaper to index than arrays."""

    def __init__(self, arrays: Arrays, prefix: str) -> None:
        self._offsets = np.ascontiguousarray(arrays[f"{prefix}_offsets"], np.int64).data
        self._blob = np.ascontiguousarray(arrays[f"{prefix}_blob"], np.uint8).data

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, row: int) -> bytes:
        return self._blob[self._offsets[row] : self._offsets[row + 1]].tobytes()

    def text(self, row: int) -> str:
        """The same as text, where it is UTF-8."""
        return self._blob[self._offsets[row] : self._offsets[row + 1]].tobytes().decode()


class IdMap:
    """The ids of one kind (items, users, brands …), each at its row 0…n-1.

    Arrays: `hashes` uint64[n] ascending · `rows` int32[n] the row of each hash · `offsets` int64[n+1] and `blob` uint8 the
    UTF-8 bytes of each row's id.
    """

    def __init__(self, arrays: Arrays, prefix: str) -> None:
        self._hashes = np.ascontiguousarray(arrays[f"{prefix}_hashes"], np.uint64)
        self._rows = np.ascontiguousarray(arrays[f"{prefix}_rows"], np.int32)
        self._texts = Texts(arrays, prefix)
        if len(self._texts) != len(self._hashes) or len(self._rows) != len(self._hashes):
            raise SnapshotError(f"the id map of {prefix} is inconsistent: its arrays differ in length")

    def __len__(self) -> int:
        return len(self._hashes)

    def row(self, text: str) -> int:
        """Find the row of an id; -1 if there is none."""
        key = text.encode("utf-8", "surrogatepass")
        hashes, hashed = self._hashes.data, _hash(key)  # a view: cheaper to index than the array
        at = bisect_left(hashes, hashed)
        while at < len(hashes) and hashes[at] == hashed:
            row = int(self._rows[at])
            if self._texts[row] == key:
                return row
            at += 1
        return -1

    def rows_in(self, other: IdMap) -> Rows:
        """Of each id here, by row, the row of the same id in another map, int32[n]; -1 where that does not have it.

        Ids are told apart by their 64-bit hashes alone: it says where to look, not who somebody is.
        """
        found = np.full(len(self), -1, np.int32)
        if len(other):
            at = np.minimum(other._hashes.searchsorted(self._hashes), len(other) - 1)
            found[self._rows] = np.where(other._hashes[at] == self._hashes, other._rows[at], -1)
        return found

    def text(self, row: int) -> str:
        """Give the id at a row of 0…n-1."""
        return self._texts.text(row)


def id_arrays(ids: Sequence[str], prefix: str) -> Arrays:
    """Build the arrays of an `IdMap` whose row r holds `ids[r]`; the ids must be distinct."""
    keys = [text.encode() for text in ids]
    hashes = np.frombuffer(b"".join(map(_digest, keys)), "<u8").astype(np.uint64)
    order = np.argsort(hashes, kind="stable")
    return {
        f"{prefix}_hashes": hashes[order],
        f"{prefix}_rows": order.astype(np.int32),
        **blob_arrays(keys, prefix),
    }


def blob_arrays(texts: Sequence[bytes], prefix: str) -> Arrays:
    """Lay byte strings end to end: `blob` uint8 and `offsets` int64[n+1]."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
    return {f"{prefix}_offsets": offsets, f"{prefix}_blob": np.frombuffer(b"".join(texts), np.uint8)}
