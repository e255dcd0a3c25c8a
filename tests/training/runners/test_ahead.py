"""Parts that are made ahead: in their order, no more of them than were asked for, and errors where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from recsys.types import DataError
from training.runners.ahead import made_ahead

PATIENCE_SECONDS = 60


def test_parts_come_in_their_order() -> None:
    """However many are made ahead, and also such as are nothing; of no part there is none."""
    for n in (1, 2, 9):
        assert list(made_ahead(iter([3, 0, 2, 7]), n)) == [3, 0, 2, 7]
    assert list(made_ahead(iter(list[int]()))) == []


def test_the_next_part_is_made_while_one_is_looked_at() -> None:
    """The second is begun before the first is given back; the third, of one that is made ahead, is not."""
    begun = [Event() for _ in range(3)]

    def parts() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    ahead = made_ahead(parts())
    assert next(ahead) == 0
    assert begun[1].wait(PATIENCE_SECONDS)
    assert not begun[2].is_set()
    assert list(ahead) == [1, 2]


def test_an_error_comes_out_where_its_part_would() -> None:
    """The parts before it are given; and nothing more is made for one who looks no further."""
    made = []

    def parts() -> Iterator[int]:
        for number in range(9):
            if number == 2:
                raise DataError("events: the disk has no room")
            made.append(number)
            yield number

    ahead = made_ahead(parts())
    assert [next(ahead), next(ahead)] == [0, 1]
    with pytest.raises(DataError, match="no room"):
        next(ahead)
    made.clear()
    ahead = made_ahead(parts())
    next(ahead)
    ahead.close()
    assert made in ([0], [0, 1])
