"""Fetching of snapshots from an object store into a machine's folder, by one of its workers at a time, beside answering."""

from __future__ import annotations

import logging
import threading
import time

from recsys.snapshot.mirror import AnotherFetchesError, SnapshotMirror
from recsys.types import SnapshotError
from recsys.web.http.metrics import Metrics

_log = logging.getLogger(__name__)
_MAX_DOUBLINGS = 6
"""A store that does not answer is asked more and more rarely: at last after 64 times the usual wait."""
_NOW_AND_THEN_SECONDS = 60.0
"""So often a machine looks for reports that another one wrote, and for versions that were deleted."""


class SnapshotFetcher:
    """A thread of a worker that mirrors what the store's CURRENT names. While the store is away, the folder goes on serving."""

    def __init__(self, mirror: SnapshotMirror, poll_seconds: float, metrics: Metrics) -> None:
        self._mirror = mirror
        self._poll_seconds = poll_seconds
        self._metrics = metrics
        self._failures = 0
        self._reports_at, self._reports_failed = float("-inf"), False
        self._deleted_at = float("-inf")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def error(self) -> str | None:
        """Return what is wrong with the store, without its address, which is nobody's business; None: it answered last time."""
        return (
            "the object store of snapshots cannot be used at the moment; the service's log says why"
            if self._failures
            else None
        )

    @property
    def reports_may_lack(self) -> bool:
        """Tell whether the store did not answer last time, or not every report could be fetched."""
        return bool(self._failures) or self._reports_failed

    def look(self) -> bool:
        """Fetch what is new; tells whether there was a snapshot. Never raises for a store that is away or wrong."""
        try:
            moved = self._mirror.fetch_current()
        except AnotherFetchesError:
            return False
        except SnapshotError as error:
            self._failures += 1
            self._metrics.fetch_failed()
            _log.error("the snapshot was not fetched: %s", error)
            return False
        self._failures = 0
        self._look_for_lines()
        self._look_for_reports()
        self._look_for_deleted()
        if moved is not None:
            _log.info("fetched %d of %d files, %.1f MB", moved.files, moved.all_files, moved.bytes / 1e6)
        return moved is not None

    def _look_for_lines(self) -> None:
        """Fetch the newest versions of snapshot lines; what keeps it keeps no snapshot."""
        try:
            fetched = self._mirror.fetch_lines()
        except AnotherFetchesError:
            return
        except SnapshotError as error:
            self._metrics.fetch_failed()
            _log.error("not all snapshot lines were fetched: %s", error)
            return
        if fetched:
            _log.info("fetched %d versions of snapshot lines", fetched)

    def _look_for_reports(self) -> None:
        """Fetch what other machines wrote, now and then; what keeps it keeps no snapshot."""
        if time.monotonic() - self._reports_at < _NOW_AND_THEN_SECONDS:
            return
        try:
            fetched = self._mirror.fetch_reports()
        except AnotherFetchesError:
            return  # whether any are missing is found at the next look
        except SnapshotError as error:
            self._reports_at, self._reports_failed = time.monotonic(), True
            self._metrics.fetch_failed()
            _log.error("not all reports were fetched: %s", error)
            return
        self._reports_at, self._reports_failed = time.monotonic(), False
        if fetched:
            _log.info("fetched %d reports", fetched)

    def _look_for_deleted(self) -> None:
        """Drop versions that were deleted in the store, now and then; what keeps it keeps no snapshot."""
        if time.monotonic() - self._deleted_at < _NOW_AND_THEN_SECONDS:
            return
        try:
            self._mirror.drop_deleted()
        except AnotherFetchesError:
            return
        except SnapshotError as error:
            self._metrics.fetch_failed()
            _log.error("versions that the store has no more were not dropped: %s", error)
        self._deleted_at = time.monotonic()

    def start(self) -> None:
        """Look from now on. Call it in each worker, after it was forked."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="snapshot-fetch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop looking; a file that is just fetched is not waited for: the next start goes on where it ended."""
        self._stop.set()

    def _follow(self) -> None:
        while True:
            try:
                self.look()
            except Exception:
                _log.exception("looking for a snapshot in the store failed; what is served stays")
            if self._stop.wait(self._poll_seconds * 2 ** min(self._failures, _MAX_DOUBLINGS)):
                return
