"""Lists that are made ready: what answers the next list of a thread that must not wait, a worker's event loop."""

from __future__ import annotations

import threading
from contextlib import suppress

from recsys.engine.serving_state import ServingState
from recsys.engine.state_in_memory import StateInMemory


class ReadyLists(threading.local):
    """Lists that each thread made ready and has not taken yet."""

    _state: StateInMemory | None = None

    def make(self, serving: ServingState | None, user_id: str | None) -> bool:
        """Find what a list of a shopper, or of nobody, is answered from, instead of what was found before; False: the log has to be
        asked."""
        self._state = None
        if serving is not None:
            # Mostly NotInMemoryError. Whatever else it is, the thread that answers then meets it and says 500, and no loop ends.
            with suppress(Exception):
                self._state = StateInMemory(serving, user_id)
        return self._state is not None

    def take(self) -> StateInMemory | None:
        """Return what was made ready, once."""
        state, self._state = self._state, None
        return state
