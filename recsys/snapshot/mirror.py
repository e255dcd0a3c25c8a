"""The local folder of snapshots as a mirror of an object store: a version is fetched aside, checked and renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.disk import locked, name_folder, sha256, sync, try_lock, write_whole
from recsys.settings import Settings
from recsys.snapshot.manifest import FileEntry
from recsys.snapshot.remote import MAX_REPORTS, Moved, Pointer, RemoteSnapshots, StoredReport
from recsys.snapshot.retention import lines, put_lines
from recsys.snapshot.store import (
    MANIFEST,
    REPORTS,
    current_version,
    point_at,
    publishing,
    report_files,
    versions,
)
from recsys.types import SnapshotError

_FETCHING = ".fetching-"
"""Beginning of the names of folders that are being fetched; one that was cut off is gone on with."""
_LOCK = ".fetching.lock"
_MOST_FAILED = 10
"""Reports that cannot be fetched after which no others are tried: then it is the store."""
_ROOM = 64 << 20
"""Bytes that must stay free on the disk when a version was fetched."""


class AnotherFetchesError(Exception):
    """Another process of this machine is fetching, and knows better how that ends."""


class SnapshotMirror:
    """A folder of this machine, and the store whose snapshots it holds.

    Every method raises SnapshotError where the store does not answer or holds what was not published, or the folder cannot be written;
    those that fetch raise AnotherFetchesError, but for `fetch_all`, which waits.
    """

    def __init__(self, remote: RemoteSnapshots, artifacts: Path) -> None:
        self.remote = remote
        self._artifacts = artifacts
        self._reports: dict[str, str] = {}
        """Reports that were found to be here as the store has them: sha256 by version."""

    def fetch_current(self) -> Moved | None:
        """Mirror the version that serves and drop those that the store dropped; None if it is here already."""
        with self._in_words(), self._alone():
            if (version := self.remote.current().version) in (None, current_version(self._artifacts)):
                return None
            assert version is not None
            moved = self._fetch(version)
            self._point_here(version)
            self._drop_missing()
            return moved

    def fetch_lines(self) -> int:
        """Mirror the newest version of every snapshot line; returns how many came. A line whose version cannot be fetched stays as it
        is here."""
        failed: list[SnapshotError] = []
        came = 0
        with self._in_words(), self._alone():
            standing, wanted = lines(self._artifacts), self.remote.lines()
            for name, named in list(wanted.items()):
                try:
                    came += self._fetch(named[-1]).all_files > 0
                except SnapshotError as error:
                    failed.append(error)
                    wanted[name] = standing.get(name, ())
            if wanted != standing:
                with publishing(self._artifacts):
                    put_lines(self._artifacts, wanted)
                self._drop_missing()
        if failed:
            raise SnapshotError(
                f"{len(failed)} of {len(wanted)} snapshot lines were not fetched, the first since {failed[0]}"
            )
        return came

    def fetch_all(self) -> Pointer:
        """Mirror every version and line, so that the folder holds what the store holds; returns what CURRENT names."""
        with self._in_words(), locked(self._artifacts / _LOCK):
            pointer = self.remote.current()
            for version in self.remote.versions():
                self._fetch(version)
            if pointer.version is not None:
                self._fetch(pointer.version)
                self._point_here(pointer.version)
                with publishing(self._artifacts):
                    put_lines(self._artifacts, self.remote.lines())
                self._drop_missing()
        return pointer

    def drop_deleted(self) -> None:
        """Delete versions that the store has no more, also where no new one serves: a purge deletes those that hold the forgotten.

        A store whose serving version is not there, an emptied one, deletes nothing here.
        """
        with self._in_words(), self._alone():
            if self.remote.current().version in self.remote.versions():
                self._drop_missing()

    def end_line(self, name: str) -> list[str]:
        """End a line in the store, and delete its versions there but those that serve or that another line names; returns what was
        deleted."""
        remote = self.remote
        standing = remote.lines()
        named = standing.pop(name, ())
        kept = {remote.current().version, *(version for others in standing.values() for version in others)}
        gone = [version for version in named if version not in kept]
        remote.delete(gone)
        remote.change_line(name, drop=named)
        return gone

    def fetch_reports(self) -> int:
        """Mirror the store's reports, each by itself; returns how many were fetched. Where the store is full, those older than all
        of it are dropped here, too. One that was written here since then, and could not be uploaded, stays."""
        with self._in_words(), self._alone():
            stored = self.remote.reports()
            missing = [each for each in stored if not self._has_report(each)]
            failed: list[SnapshotError] = []
            for each in missing:
                if len(failed) < _MOST_FAILED and (error := self._fetch_report(each)):
                    failed.append(error)
            for file in report_files(self._artifacts) if len(stored) >= MAX_REPORTS else ():
                if file.stem < stored[-1].version:
                    file.unlink(missing_ok=True)
        if failed:
            raise SnapshotError(f"{len(failed)} of {len(missing)} reports were not fetched, the first since {failed[0]}")
        return len(missing)

    def _fetch_report(self, stored: StoredReport) -> SnapshotError | None:
        """Bring a report into the folder; returns what kept it."""
        file = self._report(stored.version)
        try:
            self._check_room(f"the report of {stored.version}", stored.entry.bytes)
            file.parent.mkdir(exist_ok=True)
            with write_whole(file) as aside:
                self.remote.download_report(stored, aside)
                os.utime(aside, ns=(_nanoseconds(stored), _nanoseconds(stored)))
        except SnapshotError as error:
            return error
        self._reports[stored.version] = stored.entry.sha256
        return None

    def _report(self, version: str) -> Path:
        return self._artifacts / REPORTS / f"{version}.html"

    def _has_report(self, stored: StoredReport) -> bool:
        file, entry = self._report(stored.version), stored.entry
        if self._reports.get(stored.version) != entry.sha256 and _is_there(file, entry):
            self._reports[stored.version] = entry.sha256
        if not file.exists():
            return False
        return self._reports.get(stored.version) == entry.sha256 or file.stat().st_mtime_ns > _nanoseconds(stored)

    def _fetch(self, version: str) -> Moved:
        """Bring a version into the folder; one that was cut off goes on where it ended."""
        if (self._artifacts / version / MANIFEST).is_file():
            return Moved(0, 0, 0, 0)
        content = self.remote.manifest(version)
        files = self.remote.listing(version, content).files
        here, aside = self._here(), self._artifacts / f"{_FETCHING}{version}"
        self._remove_leftovers(aside)
        wanted = {
            name: entry for name, entry in files.items() if not _is_there(aside / name, entry) and entry.sha256 not in here
        }
        size = sum(entry.bytes for entry in wanted.values())
        self._check_room(f"snapshot {version}", size)
        for name, entry in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            if name in wanted:
                self.remote.download(version, name, entry, aside / name)
            elif not (aside / name).exists():
                _adopt(here[entry.sha256], aside / name)
        (aside / MANIFEST).write_bytes(content)
        for path in (aside / MANIFEST, *(path for path in aside.rglob("*") if path.is_dir()), aside):
            sync(path)
        with publishing(self._artifacts):
            name_folder(aside, self._artifacts / version)
        return Moved(len(wanted), size, len(files), sum(entry.bytes for entry in files.values()))

    def _here(self) -> dict[str, Path]:
        """Contents that the folder has, by their sha256; a version that cannot be read gives none."""
        found: dict[str, Path] = {}
        for version in versions(self._artifacts):
            folder = self._artifacts / version
            try:
                files = self.remote.listing(version, (folder / MANIFEST).read_bytes()).files
            except (OSError, SnapshotError):
                continue
            found |= {entry.sha256: folder / name for name, entry in files.items()}
        return found

    def _drop_missing(self) -> None:
        """Delete local versions that the store has no more, and what was fetched of such, so that what was purged there stays
        nowhere."""
        with publishing(self._artifacts):
            stored = {*self.remote.versions()}
            for version in {*versions(self._artifacts)} - stored - {current_version(self._artifacts)}:
                shutil.rmtree(self._artifacts / version, ignore_errors=True)
            for leftover in self._artifacts.glob(f"{_FETCHING}*"):
                if leftover.is_dir() and leftover.name.removeprefix(_FETCHING) not in stored:
                    shutil.rmtree(leftover, ignore_errors=True)

    def _remove_leftovers(self, kept: Path) -> None:
        for leftover in self._artifacts.glob(f"{_FETCHING}*"):
            if leftover != kept and leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)

    def _point_here(self, version: str) -> None:
        with publishing(self._artifacts):
            point_at(self._artifacts, version)

    def _check_room(self, what: str, size: int) -> None:
        free = shutil.disk_usage(self._artifacts).free
        if size + _ROOM > free:
            raise SnapshotError(
                f"{what} needs {size / 1e6:,.0f} MB in {self._artifacts}, where {free / 1e6:,.0f} MB are free"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with try_lock(self._artifacts / _LOCK) as held:
            if not held:
                raise AnotherFetchesError
            yield

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            self._artifacts.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise SnapshotError(f"{self._artifacts} cannot be written: {error}") from error


def mirror_of(settings: Settings) -> SnapshotMirror | None:
    """Return the mirror of the store that the settings name; None where snapshots live in a folder only."""
    return SnapshotMirror(RemoteSnapshots(settings.snapshot.store), settings.artifacts) if settings.snapshot.store else None


def _nanoseconds(stored: StoredReport) -> int:
    return int(stored.written_at.timestamp()) * 1_000_000_000


def _is_there(file: Path, entry: FileEntry) -> bool:
    """Tell whether a file of a fetch that was cut off is whole."""
    return file.is_file() and file.stat().st_size == entry.bytes and sha256(file) == entry.sha256


def _adopt(source: Path, target: Path) -> None:
    """Give a file of another version a second name; files of versions never change."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
