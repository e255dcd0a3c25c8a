"""Publishing of what was fitted: in the folder, and in the object store where there is one; as what serves, or to a snapshot line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from recsys.settings import Settings
from recsys.snapshot.mirror import mirror_of
from recsys.snapshot.retention import check_line, point_line, prune
from recsys.snapshot.store import Inspect, Manifest, point_at, publish
from recsys.types import Arrays, SnapshotError


class Publisher:
    """Publishes one snapshot. `line`: the line whose newest version it becomes; empty: it serves."""

    def __init__(self, settings: Settings, line: str = "") -> None:
        """Mirror the store first, so that of two who publish at once one is told.

        Raises:
            SnapshotError: if the store does not answer, or a line cannot have this name.
        """
        if line:
            check_line(line)
        self._settings, self._line, self._version = settings, line, ""
        self._mirror = mirror_of(settings)
        self._base = self._mirror.fetch_all() if self._mirror else None

    def publish(
        self,
        manifest: Manifest,
        groups: Mapping[str, Arrays],
        write_for_people: Callable[[Path], None],
        inspect: Inspect,
    ) -> Manifest:
        """Write a snapshot whole, here and in the store, and let it serve or be its line's newest; raises as `store.publish`."""
        self._version = manifest.version
        point = partial(point_line, name=self._line) if self._line else point_at
        artifacts = self._settings.artifacts
        return publish(artifacts, manifest, groups, write_for_people, inspect, self._announce, point)

    def prune(self) -> None:
        """Delete the oldest versions beyond `snapshot.keep`, here and in the store.

        Raises:
            SnapshotError: if the store does not answer; what was published stays.
        """
        gone = prune(self._settings.artifacts, self._settings.snapshot.keep)
        if self._mirror is None:
            return
        try:
            self._mirror.remote.delete(gone)
        except SnapshotError as error:
            raise SnapshotError(
                f"{self._version} is published; old versions stay in the store until the next training ({error})"
            ) from error

    def _announce(self, version: str) -> None:
        if self._mirror is None or self._base is None:
            return
        remote = self._mirror.remote
        if self._line:
            remote.upload(self._settings.artifacts, version, partial(remote.change_line, self._line, (version,)))
        else:
            remote.upload(self._settings.artifacts, version)
            remote.announce(version, self._base)
