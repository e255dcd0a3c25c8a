"""Writers: the ids under which something was written since the snapshot, so that nobody else's events are looked up."""

from __future__ import annotations

from collections.abc import Sequence

MAX_WRITERS = 50_000
"""Most ids that a worker knows, some 5 MB; where more wrote, anybody may have."""
MAX_FIRST = 20_000
"""Most events since the snapshot that are gone through at the first look."""


class Writers:
    """The ids, as of what was taken in last; each look says who wrote since the one before."""

    def __init__(self) -> None:
        self._ids: set[str] | None = set()

    def __contains__(self, user_id: str) -> bool:
        """Tell whether something may have been written under an id."""
        return self._ids is None or user_id in self._ids

    def take(self, wrote: Sequence[str], max_n: int) -> None:
        """Take in who wrote since the last look, some repeatedly; more than `max_n`: there were others too."""
        if self._ids is not None:
            self._ids.update(wrote)
            if len(wrote) > max_n or len(self._ids) > MAX_WRITERS:
                self._ids = None
