"""Input of the peer models: the events that our own fits read, as a matrix of users and items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from recsys.behaviour import ages_in_days, decay, event_weights
from recsys.clock import DAY
from recsys.settings import BehaviourSettings
from recsys.snapshot.histories import Events
from recsys.types import EventType, Rows, Scores

Setting: TypeAlias = float | int | bool
Drawn: TypeAlias = Mapping[str, Setting]
"""One draw of a peer's settings."""
ScoreRows: TypeAlias = NDArray[np.float32]
Scorer: TypeAlias = Callable[[Rows], ScoreRows]
"""User rows int32[b] to scores float32[b, n], the caller's own copy; -inf where the model does not know the item."""
NONE = np.float32(-np.inf)


@dataclass(frozen=True)
class Inputs:
    """A shop up to one moment, as peers read it.

    events: cleaned, by user, then time · as_of in microseconds · weights float32[11] of the event types, 1 for a purchase ·
    seed of everything random.
    """

    events: Events
    n_users: int
    n_items: int
    as_of: int
    weights: Scores
    seed: int

    def matrix(self, settings: Drawn) -> csr_array:
        """Users × items of (Σ event weight · 0.5 ^ (age / half-life)) ^ power, float32.

        `half_life_days` 0 does not decay; `window_days` above 0 leaves older events out; `purchases_only` leaves the others out.
        """
        ages = ages_in_days(self.events.times, self.as_of)
        strengths = self.weights[self.events.kinds] * decay(ages, float(settings.get("half_life_days", 0)))
        counted = (strengths > 1e-6) & (self.events.items >= 0)
        if settings.get("purchases_only"):
            counted &= self.events.kinds == EventType.PURCHASE
        if settings.get("window_days"):
            counted &= self.events.times > self.as_of - int(settings["window_days"] * DAY)
        where = (self.events.users[counted], self.events.items[counted])
        matrix = coo_array((strengths[counted], where), shape=(self.n_users, self.n_items)).tocsr()
        matrix.sort_indices()
        matrix.data = (matrix.data ** settings.get("power", 1)).astype(np.float32)
        return matrix

    def purchases(self, window_days: float) -> NDArray[np.float32]:
        """Return how often each item was bought in the last days, float32[n]."""
        bought = {"purchases_only": True, "window_days": window_days}
        return np.asarray(self.matrix(bought).sum(axis=0), np.float32)


def inputs_of(events: Events, n_users: int, n_items: int, as_of: int, behaviour: BehaviourSettings, seed: int) -> Inputs:
    """The inputs of a shop, its event weights scaled so that a purchase weighs 1."""
    weights = event_weights(behaviour)
    return Inputs(events, n_users, n_items, as_of, weights / weights[EventType.PURCHASE], seed)
