"""An earlier snapshot beside the one that serves: opened when a page asks for it, one at a time."""

from __future__ import annotations

import threading

from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.snapshot.store import open_snapshot, versions
from recsys.web.http.problems import Problem
from recsys.web.serving.service import Service


class OlderSnapshot:
    """The one that was asked for last; asking for another one lets it go."""

    def __init__(self, service: Service) -> None:
        self._service, self._lock = service, threading.Lock()
        self._opened: ServingState | None = None

    def versions(self) -> list[str]:
        """The published versions but for the one that serves, the newest first."""
        live = self._service.live
        serves = live.loaded.snapshot.version if live.loaded else None
        return [version for version in reversed(self._published()) if version != serves]

    def serving(self, version: str) -> ServingState:
        """Return what would answer from a version, with all that the live log has since.

        Raises:
            Problem: 404 if there is no such version.
            SnapshotError: if it is not as it was published.
        """
        if version not in self._published():
            raise Problem(404, f"there is no snapshot {version!r}", parameter="version", value=version)
        live, settings = self._service.live, self._service.settings
        with self._lock:
            if self._opened is None or self._opened.engine.snapshot.version != version:
                self._opened = None
                snapshot = open_snapshot(settings.artifacts, version)
                self._opened = ServingState(Engine(snapshot, settings), live.state, live.erasure_keys)
            self._opened.catch_up()
            return self._opened

    def _published(self) -> list[str]:
        """Return what a version is looked up in; it is never made into a path unseen."""
        settings = self._service.settings
        return versions(settings.artifacts)
