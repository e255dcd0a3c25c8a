"""Item updates that were read from the log and are not in the catalogue yet: a few are taken in with each list, not a thousand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from recsys.item_updates import ItemUpdate
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.overlay import overlay_all

AT_ONCE = 500
"""Changes of price and stock that are taken in together, in some milliseconds."""
_PAUSE_SECONDS = 0.001
"""Pause between two steps, in which lists go on."""
_WHOLE = 50
"""Changes that a whole item counts as, and one of an item that was put: its look-alikes are found anew."""


class Arriving:
    """Item updates on their way into one catalogue, in the order of the log; `followed` is called after each step. Not for several
    threads at once."""

    def __init__(self, catalog: Catalog, followed: Callable[[], None]) -> None:
        self._catalog, self._followed = catalog, followed
        self._waiting = deque[tuple[int, ItemUpdate]]()

    def add(self, updates: Iterable[tuple[int, ItemUpdate]]) -> None:
        """Put numbered updates behind those that wait."""
        self._waiting.extend(updates)

    def go_on(self, step: Callable[[], None], once: bool = False) -> None:
        """Have those that wait taken in, by steps that take the next few; `once`: one step is enough."""
        while self._waiting:
            step()
            if once:
                return
            time.sleep(_PAUSE_SECONDS)

    def take(self, everything: bool = False) -> bool:
        """Take the next few in, or `everything`; tells whether there are whole items among them. They wait until they are in."""
        some = [*self._waiting] if everything else [*self._next()]
        if not some:
            return False
        whole = overlay_all(self._catalog, some)
        self._followed()
        for _ in some:
            self._waiting.popleft()
        return whole

    def _next(self) -> Iterator[tuple[int, ItemUpdate]]:
        room, first = AT_ONCE, len(self._catalog.items.published)
        for number, update in self._waiting:
            yield number, update
            room -= _WHOLE if update.item is not None or self._catalog.row(update.item_id) >= first else 1
            if room <= 0:
                return
