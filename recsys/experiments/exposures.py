"""First exposures as a worker knows them: which arm a person was answered by first, read from the log once and kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from recsys.live.experiments import ExperimentLog, Exposure

MAX_KEPT = 100_000
"""Most arms that a worker keeps at hand, about 20 MB; those kept longest make room."""


NO_ARM = ""
"""Kept of an id that takes no part."""


class FirstExposures:
    """The arms that people are in already, by the ids under which they ask; threads may share it."""

    def __init__(self, log: ExperimentLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._arms: dict[tuple[str, str], str] = {}
        self.changes = 0
        """How often ids were joined or erased: what was found before is not kept after."""

    def kept(self, experiment: str, user_id: str) -> str | None:
        """The arm that is kept of an id, `NO_ARM` where it takes no part; None: nothing is kept."""
        return self._arms.get((experiment, user_id))

    def keep(self, experiment: str, user_id: str, arm: str, changes: int) -> None:
        """Keep an arm, or `NO_ARM`, until ids are joined or erased, unless they were since there had been so many `changes`."""
        with self._lock:
            if changes != self.changes:
                return
            if len(self._arms) >= MAX_KEPT:
                del self._arms[next(iter(self._arms))]
            self._arms[experiment, user_id] = arm

    def of(self, experiment: str, ids: Sequence[str]) -> str | None:
        """The arm that a person, who has these ids, was exposed to first; None: to none yet.

        Raises:
            StateError: if the log cannot be read.
        """
        found = self._log.first(experiment, ids)
        return None if found is None else found.arm

    def write(self, exposures: Sequence[Exposure], received_at: int, known: int | None = None) -> list[Exposure]:
        """Write exposures down, durably when it returns; tells which are new.

        Raises:
            StateError: if the log cannot be written, or somebody was forgotten after number `known`.
        """
        changes = self.changes
        new = self._log.expose(exposures, received_at, known)
        written = [each for each, fresh in zip(exposures, new, strict=True) if fresh]
        for each in written:  # of the others an earlier one stands, perhaps of another arm: it is read next time
            self.keep(each.experiment, each.unit, each.arm, changes)
        return written

    def clear(self) -> None:
        """Keep nothing: ids were joined, or erased."""
        with self._lock:
            self._arms, self.changes = {}, self.changes + 1
