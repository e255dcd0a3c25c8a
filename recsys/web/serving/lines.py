"""Snapshot lines of one worker: the versions that arms of running experiments rank with, opened beside what serves.

They are looked at in the background, checked as what serves is, and let go of when no experiment names them any more. A version that
is missing or broken ends nothing: the line's former version goes on where there is one, else its experiments wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from recsys.engine.pipeline import Engine
from recsys.engine.snapshot_line import Lines, SnapshotLine
from recsys.settings.experiments import Experiment
from recsys.snapshot.retention import lines
from recsys.snapshot.store import Snapshot, open_snapshot, read_manifest
from recsys.types import RecsysError, SnapshotError
from recsys.web.http.metrics import Metrics
from recsys.web.serving.damage import damage_of

_log = logging.getLogger(__name__)
_NOT_THERE = 'no training has published to it; run `make train ARGS="--line {name}"`'


class SnapshotLines:
    """The lines that running experiments name."""

    def __init__(self, artifacts: Path, metrics: Metrics) -> None:
        self._artifacts, self._metrics = artifacts, metrics
        self._opened: dict[str, Snapshot] = {}
        self._why: dict[str, str] = {}
        """Line = why its newest version cannot be used."""
        self._refused: dict[str, str] = {}
        """Version that is wrong in itself = why: it is not opened again."""
        self._over: dict[str, SnapshotLine] = {}
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def error(self) -> str | None:
        """Return why a line's newest version cannot be used; None: all can."""
        for name, why in sorted(self._why.items()):
            return f"the snapshot line {name!r} cannot be used: {why}" + (
                "; its version before goes on" if name in self._opened else ""
            )
        return None

    def look(self, experiments: Iterable[Experiment], engine: Engine) -> bool:
        """Open what running experiments name beside the engine that serves, and let go of the rest; tells whether anything changed.
        Call it in one thread."""
        named = frozenset[str]().union(*(each.lines for each in experiments if not each.stopped))
        if not named and not self._opened and not self._why:
            return False
        before = self._opened, self._why
        standing = self._there() if named else {}
        opened: dict[str, Snapshot] = {}
        found: dict[str, str] = {}
        for name in sorted(named):
            snapshot, why = self._newest(name, standing.get(name, ()), engine)
            if snapshot is not None:
                opened[name] = snapshot
            if why is not None:
                found[name] = why
        for name, why in found.items() - self._why.items():
            self._metrics.line_failed()
            _log.error("the snapshot line %s cannot be used: %s", name, why)
        known = {version for name in named for version in standing.get(name, ())}
        self._refused = {version: why for version, why in self._refused.items() if version in known}
        self._opened, self._why = opened, found
        if (opened, found) == before:
            return False
        for name in opened.keys() - before[0].keys():
            _log.info("snapshot %s of the line %s is open", opened[name].version, name)
        return True

    def over(self, engine: Engine) -> Lines:
        """The lines over what serves, made once for each; or why one cannot be used."""
        with self._lock:
            if self._engine is not engine:
                self._engine, self._over = engine, {}
            opened = self._opened
            self._over = {
                name: kept
                if (kept := self._over.get(name)) and kept.version == snapshot.version
                else SnapshotLine(engine, snapshot)
                for name, snapshot in opened.items()
            }
            return {**self._why, **self._over}

    def check(self, name: str) -> None:
        """Check that a line has a version that may be whole, before an experiment names it; the background looks at its contents.

        Raises:
            SnapshotError: if it has none, with what is wrong with the newest.
        """
        named = self._there().get(name)
        if not named:
            raise SnapshotError(_NOT_THERE.format(name=name))
        wrong = []
        for version in reversed(named):
            try:
                self._look_at(version)
            except SnapshotError as error:
                wrong.append(str(error))
            else:
                return
        raise SnapshotError(f"none of its {len(wrong)} versions can be used; {wrong[0]}")

    def _look_at(self, version: str) -> None:
        """Check that the files of a version are there as long as they were; reads none of them.

        Raises:
            SnapshotError: if one is not, or the version was refused before.
        """
        if version in self._refused:
            raise SnapshotError(self._refused[version])
        for file, entry in read_manifest(self._artifacts, version).files.items():
            try:
                size = (self._artifacts / version / file).stat().st_size
            except OSError as error:
                raise SnapshotError(f"snapshot {version}: {file} cannot be read ({error.strerror})") from error
            if size != entry.bytes:
                raise SnapshotError(f"snapshot {version}: {file} has {size} bytes, the manifest says {entry.bytes}")

    def _there(self) -> dict[str, tuple[str, ...]]:
        """The versions of lines that are in the folder."""
        standing = lines(self._artifacts)
        return {
            name: tuple([each for each in named if (self._artifacts / each).exists()]) for name, named in standing.items()
        }

    def _newest(self, name: str, named: tuple[str, ...], engine: Engine) -> tuple[Snapshot | None, str | None]:
        """Return the newest version of a line that can be used, the same on every worker, and why it is not the newest of all."""
        if not named:
            return None, _NOT_THERE.format(name=name)
        opened, why = self._opened.get(name), None
        for version in reversed(named):
            try:
                return self._usable(version, opened, engine), why
            except (RecsysError, OSError, ValueError, TypeError, IndexError) as error:
                why = why or str(error)
        return None, why

    def _usable(self, version: str, opened: Snapshot | None, engine: Engine) -> Snapshot:
        """Open a version, unless it is open; one that is wrong in itself is not tried again."""
        if opened is not None and opened.version == version:
            if damage := damage_of(opened, self._artifacts):
                raise SnapshotError(damage)
            return opened
        if version in self._refused:
            raise SnapshotError(self._refused[version])
        try:
            snapshot = open_snapshot(self._artifacts, version)
            SnapshotLine(engine, snapshot)  # one that lacks what an engine needs is told here
        except (RecsysError, ValueError, TypeError, IndexError) as error:
            if (self._artifacts / version).exists():
                self._refused[version] = str(error)
            raise
        return snapshot
