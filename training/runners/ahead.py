"""Work that is made ahead, or beside: on one core while another is at something else."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Part = TypeVar("Part")


@contextmanager
def one_beside() -> Iterator[ThreadPoolExecutor]:
    """A thread beside this one, whose work is to be waited for inside: of what is given up nothing more begins."""
    beside = ThreadPoolExecutor(1)
    try:
        yield beside
    finally:
        beside.shutdown(cancel_futures=True)


def made_ahead(parts: Iterator[Part], n: int = 1) -> Generator[Part, None, None]:
    """Give each part in order while a thread makes the next `n`; where one fails, those before it are given first. Who gives up and
    closes it waits for the part that is being made."""
    with one_beside() as beside:
        coming = deque(beside.submit(_next, parts) for _ in range(n))
        while found := coming.popleft().result():
            coming.append(beside.submit(_next, parts))
            yield found[0]
            del found  # of large parts no more than these are in memory


def _next(parts: Iterator[Part]) -> tuple[Part] | None:
    for part in parts:
        return (part,)
    return None
