"""Serving state of one worker: a snapshot with what the log holds since. The next one takes its place once it has caught up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from recsys.engine.choice import Arms
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.erasure import ErasureKeys
from recsys.live.log import EventLog
from recsys.snapshot.store import SnapshotStore
from recsys.types import SettingsError, StateError
from recsys.web.http.problems import Problem

_log = logging.getLogger(__name__)


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
        self.at_hand: ServingState | None = None
        """What answers, or answered last if the log was opened anew meanwhile; None: nobody asked yet."""

    def get(self, log: EventLog) -> ServingState:
        """Return what answers, over the course that the log takes now; it may have to catch up.

        Raises:
            Problem: 503 while no snapshot is loaded.
            StateError: if the log cannot be read.
            SettingsError: if somebody was forgotten under a secret that is not there.
        """
        with self._lock:
            engine = self._store.current
            if engine is None:
                raise Problem(503, "no snapshot is loaded yet", {"Retry-After": "1"})
            if self.at_hand is None or self.at_hand.lineage != log.lineage:
                self._put(ServingState(engine, log, self._erasure_keys))
            assert self.at_hand is not None
            return self.at_hand

    def follow(self, opened: bool, log: EventLog) -> bool:
        """Have the newest snapshot answer, `opened` just now or earlier, once it has taken in what the log holds: what answered before
        goes on until then, so that no list waits for that. Tells whether another one answers from now on."""
        engine, before = self._store.current, self.at_hand
        if engine is None or before is None:
            return opened
        if before.engine is engine:
            return False
        try:
            state = ServingState(engine, log, self._erasure_keys)
            state.catch_up()
        except (StateError, SettingsError):
            if opened:  # it is tried again and again
                _log.exception("the new snapshot answers once the live log can be read")
            return False
        with self._lock:
            self._put(state)
        return True

    def begin_arms(self) -> None:
        """Begin the experiments anew."""
        with self._lock:
            if self.at_hand is not None:
                self.at_hand.arms = self._arms(self.at_hand.engine)

    def _put(self, state: ServingState) -> None:
        state.arms = self._arms(state.engine)
        self.at_hand = state
