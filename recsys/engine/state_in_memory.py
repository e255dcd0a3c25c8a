"""Serving state of one moment for one list that has to ask a log on another machine nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsys.engine.serving_state import ServingState
from recsys.live.dislikes import Dislike
from recsys.live.log import LiveEvent
from recsys.types import History, StateError


class NotInMemoryError(StateError):
    """The log has to be asked."""


class StateInMemory(ServingState):
    """State of one moment: a shopper's history and dislikes stay as they were found, whatever other threads take in meanwhile."""

    def __init__(self, state: ServingState, user_id: str | None) -> None:
        """Find all that a list of a shopper, or of nobody, is made from.

        Raises:
            NotInMemoryError: if the log has to be asked for some of it, or whether there is something new.
        """
        self.__dict__.update(vars(state))
        self.arms = None
        self._found: tuple[str, History, Sequence[Dislike]] | None = None
        if self._state.known_version() != self._version:
            raise NotInMemoryError("something may be new in the log")
        if user_id is not None:
            self._check_impressions()
            self._found = user_id, self.history(user_id), self.disliked(user_id)

    def catch_up(self, recent: bool = False) -> None:
        """Nothing is read."""

    def history(self, user_id: str) -> History:
        """Return what was found of a shopper, or can be; it is not kept, for the caller may be nobody who is let in."""
        if self._found and self._found[0] == user_id:
            return self._found[1]
        owner = self.accounts.owner(user_id)
        kept = self._kept.get(owner)
        return self._history(owner) if kept is None else kept

    def disliked(self, user_id: str) -> Sequence[Dislike]:
        """Return what was found that a shopper said no to, or can be."""
        if self._found and self._found[0] == user_id:
            return self._found[2]
        if (kept := self.dislikes.kept(user_id)) is None:
            raise NotInMemoryError("dislikes have to be looked up")
        return kept

    def _check_impressions(self) -> None:
        if any(placement.fatigue for placement in self.engine.settings.placements.values()):
            raise NotInMemoryError("impressions have to be looked up")

    def _events_of(self, user_id: str) -> list[LiveEvent]:
        if user_id in self._writers:
            raise NotInMemoryError("events have to be looked up")
        return []

    def _impressions_of(self, user_id: str, max_n: int) -> Sequence[Any]:
        raise NotInMemoryError("impressions have to be looked up")
