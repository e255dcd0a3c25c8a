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
from recsys.web.http.problems import Problem

_log = logging.getLogger(__name__)


class Present:
    """The serving state that answers now; threads may share it."""

    def __init__(
        self,
        store: SnapshotStore[Engine],
        erasure_keys: ErasureKeys | None,
        arms: Callable[[Engine], Arms | None],
        damaged: Callable[[Engine], str | None],
    ) -> None:
        """`arms` begins the experiments of now over an engine, `damaged` says which of its files was cut short."""
        self._store, self._erasure_keys, self._arms, self._damaged = store, erasure_keys, arms, damaged
        self._lock = threading.Lock()
        """Held while a state is made, which reads the log."""
        self._told: Engine | None = None
        self.waits: str | None = None
        """Why the newest snapshot does not answer yet; None: it does."""
        self.at_hand: ServingState | None = None
        """What answers, or answered last if the log was opened anew meanwhile; it has read the log. None: nothing did yet."""

    @property
    def engine(self) -> Engine | None:
        """The engine that answers: not the one of a snapshot that has yet to catch up; None while no snapshot is loaded."""
        return self._store.current if self.at_hand is None else self.at_hand.engine

    def get(self, log: EventLog) -> ServingState:
        """Return what answers, over the course that the log takes now.

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
                self.at_hand = state = self._made(engine, log)
            return state

    def follow(self, log: EventLog) -> None:
        """Have the newest snapshot answer once it has taken in what the log holds: what answered before goes on until then, so that no
        list waits for that, and for as long as `waits` says why; then this is to be called again."""
        newest, before = self._store.current, self.at_hand
        waits = None
        if newest is not None and before is not None and before.engine is not newest:
            try:
                if (waits := self._damaged(newest)) is None:
                    self._take_over(newest, before, log)
            except Exception as error:  # mostly StateError
                waits = f"snapshot {newest.snapshot.version} does not answer yet: {error}"
        if waits and waits != self.waits:
            _log.error("%s", waits)
        self.waits = waits

    def _take_over(self, newest: Engine, before: ServingState, log: EventLog) -> None:
        with self._lock:
            if self.at_hand is not before:
                return
            state = self._made(newest, log)
            if state.read_to < before.read_to:
                state.catch_up()  # who was forgotten meanwhile stays forgotten, should the log go away at once
            if state.lineage == log.lineage:
                self.at_hand = state

    def has_changed(self) -> bool:
        """Tell whether another engine answers than at the last call."""
        told, self._told = self._told, self.engine
        return self._told is not told

    def begin_arms(self) -> None:
        """Begin the experiments anew."""
        with self._lock:
            if self.at_hand is not None:
                self.at_hand.arms = self._arms(self.at_hand.engine)

    def _made(self, engine: Engine, log: EventLog) -> ServingState:
        before, known, folded = self.at_hand, None, engine.snapshot.manifest.state_sequence
        if before is not None and before.lineage == log.lineage and before.read_to >= folded:
            known = before.forgotten.copy()  # what came since the snapshot is read all the same
        state = ServingState(engine, log, self._erasure_keys, known)
        if known is not None and before is not None and state.lineage != before.lineage:
            return self._made(engine, log)  # the log took another course meanwhile
        state.catch_up()
        state.arms = self._arms(engine)
        return state
