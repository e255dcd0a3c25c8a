"""What a worker serves now: the engine of the newest good snapshot, kept up to date by one background thread."""

from __future__ import annotations

import logging
import threading
import time

from recsys.data.snapshot import Snapshot, SnapshotStore
from recsys.pipeline import Engine
from recsys.settings import Settings
from recsys.types import SECOND, History
from recsys.web.metrics import Metrics
from recsys.web.problems import Problem

_log = logging.getLogger(__name__)


class Live:
    """The snapshot store of one worker, with the clock and the histories that go with what it serves."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._store: SnapshotStore[Engine] = SnapshotStore(settings.path(settings.snapshot.artifacts), self._build)
        self._counted = (0, 0)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def loaded(self) -> Engine | None:
        """The engine that serves now, or None while there is no snapshot."""
        return self._store.current

    @property
    def error(self) -> str | None:
        """Why the newest snapshot could not be taken live."""
        return self._store.error

    def engine(self) -> Engine:
        """The engine that serves now.

        Raises:
            Problem: 503 while no snapshot is loaded.
        """
        engine = self._store.current
        if engine is None:
            raise Problem(503, "no snapshot is loaded yet", {"Retry-After": "1"})
        return engine

    def now(self, engine: Engine) -> int:
        """The present in microseconds: the wall clock, or with `clock = "events"` the newest event that is known."""
        return engine.snapshot.as_of if self._settings.web.clock == "events" else time.time_ns() // 1000

    def history(self, engine: Engine, user_id: str) -> History:
        """What is known of a shopper, in the rows of the engine's snapshot."""
        return engine.snapshot.histories.of(user_id)

    def refresh(self) -> None:
        """Take a newly published snapshot live, if there is one."""
        went_live = self._store.refresh()
        counts = self._store.reloads, self._store.failures
        if went_live:
            _log.info("snapshot %s is live", self.engine().snapshot.version)
        elif counts[1] > self._counted[1]:
            _log.error("the newest snapshot is not taken live: %s", self._store.error)
        self._metrics.reloads(counts[0] - self._counted[0], counts[1] - self._counted[1])
        self._counted = counts

    def report(self) -> None:
        """Tell the metrics what this worker serves."""
        if engine := self._store.current:
            age = (time.time_ns() // 1000 - engine.snapshot.as_of) / SECOND
            self._metrics.snapshot(engine.snapshot.version, age)

    def start(self) -> None:
        """Follow CURRENT from now on. Call it in each worker, after it was forked."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="snapshot-reload", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop following and wait until the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while True:
            try:
                self.refresh()
                self.report()
            except Exception:
                _log.exception("looking for a new snapshot failed; what is served stays")
            if self._stop.wait(self._settings.snapshot.reload_seconds):
                return

    def _build(self, snapshot: Snapshot) -> Engine:
        return Engine(snapshot, self._settings)
