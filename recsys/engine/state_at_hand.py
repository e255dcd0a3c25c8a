"""Serving state while the live log is away: the snapshot, and what a worker took in or kept at hand before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from recsys.engine.choice import Answered
from recsys.engine.serving_state import ServingState
from recsys.live.dislikes import Dislike
from recsys.live.log import LiveEvent
from recsys.types import History, Query

NOTICE = "live state is away: what shoppers did lately may be missing"
"""The notice of each list that is answered so."""


class StateAtHand(ServingState):
    """An engine that answers from memory alone: the forgotten stay forgotten, items keep price and stock, campaigns go on.

    Nothing is looked up, nothing that is found is kept, and no experiment runs, for its exposures could not be written.
    """

    def __init__(self, state: ServingState) -> None:
        self.__dict__.update(vars(state))
        self.arms = None

    def catch_up(self, recent: bool = False) -> None:
        """Nothing can be read."""

    def answer(self, query: Query, is_message: bool = False) -> Answered:
        """Answer a query with the history at hand, and say so."""
        found = super().answer(query, is_message)
        return found._replace(slate=msgspec.structs.replace(found.slate, notices=(*found.slate.notices, NOTICE)))

    def disliked(self, user_id: str) -> Sequence[Dislike]:
        """Return what a shopper said no to, if it was asked for before."""
        return self.dislikes.kept(user_id) or ()

    def history(self, user_id: str) -> History:
        """Return the history that was kept, else that of the snapshot without what was forgotten since."""
        user_id = self.accounts.owner(user_id)
        kept = self._kept.get(user_id)
        return self._history(user_id) if kept is None else kept

    def _events_of(self, user_id: str) -> list[LiveEvent]:
        return []

    def _impressions_of(self, user_id: str, max_n: int) -> Sequence[Any]:
        return ()
