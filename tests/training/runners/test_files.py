"""Files of settled events: parts that are laid down one after another come back end to end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from recsys.snapshot.histories import Events, no_events
from recsys.types import DataError
from training.runners.files import EventFiles, arrays_of_events, events_of


def alike(user: int, count: int) -> Events:
    """So many events of a user, all alike."""
    return events_of({name: np.full(count, user, each.dtype) for name, each in arrays_of_events(no_events()).items()})


def test_parts_come_back_end_to_end() -> None:
    """In their order and with their types, whatever their length; of no part and of empty ones there are no events."""
    files = EventFiles()
    files.extend(alike(user, count) for user, count in ((1, 3), (2, 0), (3, 70_000), (4, 1)))
    found = files.events()
    for name, array in arrays_of_events(found).items():
        assert array.dtype == getattr(no_events(), name).dtype
        assert np.array_equal(array, np.repeat([1, 3, 4], [3, 70_000, 1]))
    for parts in ([], [no_events()]):
        files = EventFiles()
        files.extend(parts)
        assert len(files.events()) == 0


def test_an_error_between_parts_comes_out() -> None:
    """What fails while a part is made is told as it is."""

    def parts() -> Iterator[Events]:
        yield no_events()
        raise DataError("events: the disk has no room")

    with pytest.raises(DataError, match="no room"):
        EventFiles().extend(parts())
