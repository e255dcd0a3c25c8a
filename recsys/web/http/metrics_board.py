"""Shared memory in which the workers of one service publish their metrics for each other.

The board is anonymous memory made before the workers are forked, a slot a worker, so that no disk can fill up or vanish
under a counter. A worker writes all its samples as one JSON text; a reader that meets a half-written slot reads it again.
The process that forks the workers keeps the counts of those that have ended.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

SLOTS = 128
SLOT_BYTES = 256 * 1024
"""Memory of a slot; only the pages that are written to are taken up."""
_HEADER = struct.Struct("<QQ")
_TRIES = 1_000


class Sample(NamedTuple):
    """One value of a metric: family, its type (counter, gauge, histogram), help, sample name and labels."""

    family: str
    kind: str
    help: str
    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


_decode = msgspec.json.Decoder(list[Sample]).decode


class MetricsBoard:
    """Slots of samples; slot 0 holds those of workers that have ended."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        self._free = list(range(SLOTS - 1, 0, -1))

    def reserve(self) -> int | None:
        """Take a slot for a worker that is about to be forked; None: there is none left, and it is not counted."""
        return self._free.pop() if self._free else None

    def retire(self, slot: int | None) -> None:
        """Keep the counts of a worker that has ended, and free its slot. Call it in the process that reserves."""
        if slot is None:
            return
        left = [each for each in self._read(slot) if each.kind != "gauge"]
        self.publish(0, merged([*self._read(0), *left], ()))
        self.publish(slot, [])
        self._free.append(slot)

    def publish(self, slot: int, samples: Iterable[Sample]) -> bool:
        """Write a worker's samples; returns False where they do not fit, and leaves what stood there."""
        body = msgspec.json.encode(list(samples))
        if len(body) > SLOT_BYTES - _HEADER.size:
            return False
        start = slot * SLOT_BYTES
        version = _HEADER.unpack_from(self._memory, start)[0] | 1
        _HEADER.pack_into(self._memory, start, version, 0)
        self._memory[start + _HEADER.size : start + _HEADER.size + len(body)] = body
        _HEADER.pack_into(self._memory, start, version + 1, len(body))
        return True

    def samples(self) -> Iterator[Sample]:
        """The samples of all workers, and of those that have ended."""
        for slot in range(SLOTS):
            yield from self._read(slot)

    def _read(self, slot: int) -> Sequence[Sample]:
        start = slot * SLOT_BYTES
        for _ in range(_TRIES):
            before, length = _HEADER.unpack_from(self._memory, start)
            if not length:
                if before % 2:
                    continue
                return []
            body = self._memory[start + _HEADER.size : start + _HEADER.size + length]
            if before % 2 == 0 and _HEADER.unpack_from(self._memory, start) == (before, length):
                return _decode(body)
        return []  # its worker was killed in the middle of a write


def merged(samples: Iterable[Sample], maxima: Sequence[str]) -> list[Sample]:
    """Add up samples of the same name and labels; of the families named in `maxima` the largest counts."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for each in samples:
        key = each.name, each.labels
        if old := found.get(key):
            value = max(old.value, each.value) if each.family in maxima else old.value + each.value
            each = each._replace(value=value)
        found[key] = each
    return list(found.values())
