"""Serving state of one worker: a snapshot with what the log holds since. The next one takes its place once it has caught up."""

from __future__ import annotations

import threading
from collections.abc import Callable

from recsys.engine.choice import Arms
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.erasure import ErasureKeys
from recsys.live.log import EventLog
from recsys.snapshot.store import SnapshotStore
from recsys.web.http.problems import Problem


class Present:
    """The serving state that answers now; threads may share it."""

    def __init__(
        self,
        store: SnapshotStore[Engine],
        erasure_keys: ErasureKeys | None,
        arms: Callable[[Engine], Arms | None],
    ) -> None:
        """`arms` begins the experiments of now over an engine."""
        self._store, self._erasure_keys, self._arms = store, erasure_keys, arms
        self._lock = threading.Lock()
        """Held while a state is made: two never read the log into one catalogue at a time."""
        self._told: Engine | None = None
        self.at_hand: ServingState | None = None
        """What answers, or answered last if the log was opened anew meanwhile; None: nobody asked yet."""

    @property
    def engine(self) -> Engine | None:
        """The engine that answers: not the one of a snapshot that has yet to catch up; None while no snapshot is loaded."""
        return self._store.current if self.at_hand is None else self.at_hand.engine

    def get(self, log: EventLog) -> ServingState:
        """Return what answers, over the course that the log takes now; it may have to catch up.

        Raises:
            Problem: 503 while no snapshot is loaded.
            StateError: if the log cannot be read.
            SettingsError: if somebody was forgotten under a secret that is not there.
        """
        if (state := self.at_hand) is not None and state.lineage == log.lineage:
            return state
        with self._lock:
            if (state := self.at_hand) is None or state.lineage != log.lineage:
                if (engine := self._store.current) is None:
                    raise Problem(503, "no snapshot is loaded yet", {"Retry-After": "1"})
                state = self._put(ServingState(engine, log, self._erasure_keys))
            return state

    def follow(self, log: EventLog) -> bool:
        """Have the newest snapshot answer once it has taken in what the log holds: what answered before goes on until then, so that no
        list waits for that. Tells whether another one answers than at the last call.

        Raises:
            StateError: if the log cannot be read; the one before goes on.
            SettingsError: if somebody was forgotten under a secret that is not there.
        """
        with self._lock:
            engine, before = self._store.current, self.at_hand
            if engine is not None and before is not None and before.engine is not engine:
                state = ServingState(engine, log, self._erasure_keys)
                state.catch_up()
                if state.read_to < before.read_to:
                    state.catch_up()  # who was forgotten meanwhile stays forgotten, should the log go away at once
                if state.lineage == log.lineage:
                    self._put(state)
            told, self._told = self._told, self.engine
            return self._told is not told

    def begin_arms(self) -> None:
        """Begin the experiments anew."""
        with self._lock:
            if self.at_hand is not None:
                self.at_hand.arms = self._arms(self.at_hand.engine)

    def _put(self, state: ServingState) -> ServingState:
        state.arms = self._arms(state.engine)
        self.at_hand = state
        return state
