"""Work on several partitions at once, in threads: arrays and frames are worked on without the interpreter's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 2
"""Partitions that are worked on at once: with more, memory would grow, and most steps use several cores by themselves."""

Part = TypeVar("Part")
Result = TypeVar("Result")


def worked_ahead(work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Make something of each part, in order; parts are taken as they are needed, and while one result is used the next is made.

    Of work that fails, or of results that nobody asks for any more, the work under way is waited for, and no other is begun.
    """
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for part in parts:
                under_way.append(pool.submit(work, part))
                if len(under_way) == AT_ONCE:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
