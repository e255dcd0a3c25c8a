"""Arrays in files without a name, mapped: they take memory only where they are looked at, and are gone with the process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import closing
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from recsys.disk import mapping_of
from recsys.snapshot.histories import Events, no_events
from recsys.tables.sources.spool import check_room
from recsys.types import Arrays, DataError
from training.runners.ahead import made_ahead

_SMALL = 1 << 20
"""Bytes of an array that is left in memory."""


class EventFiles:
    """Settled events in files, one per array: partitions are appended, then all of them are mapped."""

    def __init__(self) -> None:
        self._files: dict[str, IO[bytes]] = {}
        self._dtypes: dict[str, np.dtype[np.generic]] = {}

    def append(self, events: Events) -> None:
        """Lay the events of the next users down.

        Raises:
            DataError: if the disk would be full.
        """
        if not len(events):
            return
        arrays = arrays_of_events(events)
        try:
            check_room(sum(array.nbytes for array in arrays.values()))
        except DataError as error:
            raise DataError(f"events: {error}") from error
        for name, array in arrays.items():
            if name not in self._files:
                self._files[name] = tempfile.TemporaryFile()  # noqa: SIM115
                self._dtypes[name] = array.dtype
            array.tofile(self._files[name])

    def extend(self, parts: Iterable[Events]) -> None:
        """Lay one part after another down, each while the next is made: two are in memory at a time; raises as `append`."""
        with closing(made_ahead(iter(parts))) as ahead:
            for part in ahead:
                self.append(part)

    def events(self) -> Events:
        """Map them; nothing can be appended any more."""
        if not self._files:
            return no_events()
        return Events(*(self._mapped(name) for name in Events.__slots__))

    def _mapped(self, name: str) -> NDArray[Any]:
        with self._files[name] as file:
            return _mapped(file, self._dtypes[name])


def arrays_of_events(events: Events) -> Arrays:
    """Events as arrays by name."""
    return {name: getattr(events, name) for name in Events.__slots__}


def events_of(arrays: Arrays) -> Events:
    """The events of `arrays_of_events`."""
    return Events(*(cast(Any, arrays[name]) for name in Events.__slots__))


def in_files(arrays: Arrays) -> Arrays:
    """The same arrays, the large ones mapped from files.

    Raises:
        DataError: if the disk would be full.
    """
    return {
        name: _in_file(each) if each.nbytes > _SMALL and mapping_of(each) is None else each for name, each in arrays.items()
    }


def _in_file(array: NDArray[Any]) -> NDArray[Any]:
    check_room(array.nbytes)
    with tempfile.TemporaryFile() as file:
        np.ascontiguousarray(array).tofile(file)
        return _mapped(file, array.dtype, array.shape)


def _mapped(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    file.flush()
    return np.memmap(file, dtype, mode="r", shape=shape).view(np.ndarray)
