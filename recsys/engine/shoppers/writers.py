"""Writers: the ids under which something was written since the snapshot, so that nobody else's events are looked up."""

from __future__ import annotations

from collections.abc import Collection

MAX_WRITERS = 50_000
"""Most ids that a worker knows, some 5 MB; where more wrote, anybody may have."""
MAX_EVENTS = 20_000
"""Most events since the last look that are gone through; of one shopper there may be thousands in one request."""


class Writers:
    """The ids, as of what was taken in last; each look says who wrote since the one before."""

    def __init__(self) -> None:
        self._ids: set[str] | None = set()

    def __contains__(self, user_id: str) -> bool:
        """Tell whether something may have been written under an id."""
        return self._ids is None or user_id in self._ids

    def take(self, wrote: Collection[str], are_all: bool = True) -> None:
        """Take in who wrote since the last look; unless these `are_all`, there were others too."""
        if self._ids is not None:
            self._ids.update(wrote)
            if not are_all or len(self._ids) > MAX_WRITERS:
                self._ids = None
