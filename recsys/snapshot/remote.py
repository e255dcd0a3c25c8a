"""Snapshots in an object store, for several machines: what was published once is uploaded once.

Under the store's address lie `files/<sha256>`, one for each content, `snapshots/<version>.json`, the manifests, and CURRENT. Uploads
go in this order, so that a reader of CURRENT finds all that it leads to; CURRENT moves by a conditional write, so that of two who
publish at once one is told. Beside them lie `reports/<version>/<sha256>.html`, which nothing leads to, and `lines/<name>`, the
versions of the snapshot lines.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from recsys.disk import sync
from recsys.optional import needed
from recsys.snapshot.manifest import VERSION, FileEntry
from recsys.snapshot.retention import LINE_NAME, LINES, line_of, text_of_line
from recsys.snapshot.store import CURRENT, MANIFEST, REPORTS
from recsys.types import DataError, RecsysError, SnapshotError

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode, UpdateVersion
    from obstore.store import ObjectStore

_FILES, _SNAPSHOTS = "files", "snapshots"
MAX_REPORTS = 100
"""Most reports of one store, those of the newest snapshots."""
_MAX_REPORT = 32 << 20
"""Bytes of a report."""
_MAX_MANIFEST = 64 << 20
"""Bytes of a manifest."""
_MAX_LISTED = 200_000
"""Objects of one store that are looked at."""
_LEFT_BEHIND = timedelta(days=7)
"""Age from which a file that no version names is one that an upload or a delete left."""
_MAX_LINE = 1 << 20
"""Bytes of a line."""
_CHUNK = 1 << 20
_LINE_TRIES = 10
_TRIES = 3
_PATIENCE = timedelta(seconds=20)
"""How long a store may take to be reached, with all tries."""
_PATIENCE_FOR_A_FILE = timedelta(minutes=10)
_NAME = re.compile(r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REPORT = re.compile(rf"{REPORTS}/({VERSION.pattern})/({_SHA256.pattern})\.html")


@dataclass(frozen=True, slots=True)
class Pointer:
    """Content of the store's CURRENT as one reader saw it. mode: the condition under which it may be replaced."""

    version: str | None
    mode: PutMode


@dataclass(frozen=True, slots=True)
class Moved:
    """Files and bytes of a version that went over the wire, of those that it has."""

    files: int
    bytes: int
    all_files: int
    all_bytes: int


@dataclass(frozen=True, slots=True)
class StoredReport:
    """The newest report of a version in the store, and its object's name; the store says when it was written."""

    version: str
    name: str
    entry: FileEntry
    written_at: datetime


class Listing(msgspec.Struct, frozen=True):
    """The part of a manifest that is the same in every format."""

    version: str
    files: dict[str, FileEntry]


class RemoteSnapshots:
    """The store of one shop's snapshots.

    Every method raises SnapshotError where the store does not answer, or holds what was not published.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._opened: ObjectStore | None = None

    def current(self) -> Pointer:
        """Read what CURRENT names."""
        with self._in_words(CURRENT):
            try:
                found = self._store.get(CURRENT)
            except FileNotFoundError:
                return Pointer(None, "create")
            text = bytes(found.bytes())[:200].decode(errors="replace").strip()
            if not VERSION.fullmatch(text):
                raise SnapshotError(f"{self.address}/{CURRENT} names no version")
            return Pointer(text, _seen(found.meta))

    def versions(self) -> list[str]:
        """All versions in the store, oldest first."""
        return sorted(Path(name).stem for name in self._listed(_SNAPSHOTS) if VERSION.fullmatch(Path(name).stem))

    def manifest(self, version: str) -> bytes:
        """Read the manifest of a version, unread."""
        with self._in_words(version):
            found = self._store.get(f"{_SNAPSHOTS}/{version}.json")
            if found.meta["size"] > _MAX_MANIFEST:
                raise SnapshotError(f"{self.address}: the manifest of {version} has more than {_MAX_MANIFEST:,} bytes")
            return bytes(found.bytes())

    def listing(self, version: str, manifest: bytes) -> Listing:
        """Read the files of a manifest; their names lead nowhere but into the version's folder."""
        try:
            files = msgspec.json.decode(manifest, type=Listing)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"snapshot {version}: its manifest in {self.address} cannot be read ({error})") from error
        if files.version != version or not VERSION.fullmatch(version):
            raise SnapshotError(f"{self.address}: the manifest of {version} says it is of another version")
        for name, entry in files.files.items():
            if not _NAME.fullmatch(name) or not _SHA256.fullmatch(entry.sha256) or entry.bytes < 0:
                raise SnapshotError(
                    f"snapshot {version}: its manifest in {self.address} names a file that cannot be of a snapshot"
                )
        return files

    def upload(self, artifacts: Path, version: str, before: Callable[[], None] = lambda: None) -> Moved:
        """Upload a version of a folder, its manifest last, just after `before`; what the store has already stays."""
        folder = artifacts / version
        content = (folder / MANIFEST).read_bytes()
        entries = self.listing(version, content).files
        there = self._listed(_FILES)
        missing = {entry.sha256: (name, entry) for name, entry in entries.items() if f"{_FILES}/{entry.sha256}" not in there}
        with self._in_words(version):
            for digest, (name, _) in missing.items():
                self._store.put(f"{_FILES}/{digest}", folder / name)
            before()
            self._store.put(f"{_SNAPSHOTS}/{version}.json", content)
        self._check_whole(version, entries)
        sent, every = sum(each.bytes for _, each in missing.values()), sum(each.bytes for each in entries.values())
        return Moved(len(missing), sent, len(entries), every)

    def announce(self, version: str, base: Pointer) -> None:
        """Make CURRENT name an uploaded version, unless somebody else moved it since `base` was read.

        Raises:
            SnapshotError: if CURRENT has moved, naming what it names now.
        """
        with needed("obstore", "cloud", f"{self.address} is an object store", SnapshotError):
            from obstore.exceptions import AlreadyExistsError, PreconditionError
        try:
            with self._in_words(CURRENT, PreconditionError, AlreadyExistsError):
                self._store.put(CURRENT, f"{version}\n".encode(), mode=base.mode)
        except (PreconditionError, AlreadyExistsError) as error:
            raise SnapshotError(
                f"somebody else published {self.current().version} to {self.address} meanwhile, which serves now; {version} is in "
                f'the store, and `make rollback ARGS="--to {version}"` makes it serve'
            ) from error

    def delete(self, gone: Sequence[str]) -> None:
        """Delete versions, from the lines that name them too, and files that no other version names: theirs, and those a week
        old that an upload or a delete which was cut off left. Never the one that serves."""
        current = self.current().version
        for name, versions in self.lines().items():
            if dropped := {*versions} & {*gone} - {current}:
                self.change_line(name, drop=dropped)
        gone = [version for version in gone if version != current and version in self.versions()]
        named = {entry.sha256 for version in gone for entry in self._read(version).files.values()}
        with self._in_words(_SNAPSHOTS):
            for version in gone:
                self._store.delete(f"{_SNAPSHOTS}/{version}.json")
        kept = {entry.sha256 for version in self.versions() for entry in self._read(version).files.values()}
        left = {path.removeprefix(f"{_FILES}/") for path in self._listed(_FILES, _LEFT_BEHIND)}
        with self._in_words(_FILES):
            for digest in (named | {*filter(_SHA256.fullmatch, left)}) - kept:
                self._store.delete(f"{_FILES}/{digest}")

    def lines(self) -> dict[str, tuple[str, ...]]:
        """Read the versions in the store of every snapshot line that names any, oldest first; one may be on its way."""
        found = {}
        for path, size in self._listed(LINES).items():
            name = path.removeprefix(f"{LINES}/")
            if LINE_NAME.fullmatch(name) and size <= _MAX_LINE:
                with self._in_words(path):
                    found[name] = self._read_line(path)[0]
        stored = {*self.versions()} if any(found.values()) else set()
        there = {name: tuple([each for each in named if each in stored]) for name, named in found.items()}
        return {name: named for name, named in there.items() if named}

    def change_line(self, name: str, add: Sequence[str] = (), drop: Container[str] = ()) -> None:
        """Let a line name versions as its newest, and others no more. Who changes it at the same time loses nothing: a line is written
        as long as nobody wrote it since it was read, else read again.

        A version that is in the store and in no line is one of the shop's, which a rollback lets serve. So a line names a version
        before it is uploaded, and no more before it is deleted. A line that names none is ended: deleting it knows no condition.
        """
        with needed("obstore", "cloud", f"{self.address} is an object store", SnapshotError):
            from obstore.exceptions import AlreadyExistsError, PreconditionError
        path = f"{LINES}/{name}"
        for _ in range(_LINE_TRIES):
            with self._in_words(path):
                standing, mode = self._read_line(path)
                named = (*(each for each in standing if each not in drop and each not in add), *add)
                if named == standing:
                    return
                with suppress(PreconditionError, AlreadyExistsError):
                    self._store.put(path, text_of_line(named), mode=mode)
                    return
        raise SnapshotError(f"{self.address}/{path} was changed by others {_LINE_TRIES} times meanwhile; run it again")

    def _read_line(self, path: str) -> tuple[tuple[str, ...], PutMode]:
        """The versions of a line, and the condition under which it may be replaced."""
        try:
            found = self._store.get(path)
        except FileNotFoundError:
            return (), "create"
        return line_of(bytes(found.bytes())), _seen(found.meta)

    def reports(self) -> list[StoredReport]:
        """Find the reports of the `MAX_REPORTS` newest versions, the newest first; of a version the one that was written last."""
        newest = {each.version: each for each in self._found_reports()}
        return [newest[version] for version in sorted(newest, reverse=True)[:MAX_REPORTS]]

    def upload_report(self, version: str, file: Path) -> None:
        """Upload a version's report, and drop the ones before it and those of the oldest versions beyond `MAX_REPORTS`."""
        content = file.read_bytes()
        if len(content) > _MAX_REPORT:
            raise SnapshotError(f"{file} has {len(content):,} bytes, and a report in {self.address} at most {_MAX_REPORT:,}")
        name = f"{REPORTS}/{version}/{hashlib.sha256(content).hexdigest()}.html"
        with self._in_words(file.name):
            self._store.put(name, content)
        found = self._found_reports()
        written = next((each.written_at for each in found if each.name == name), None)
        kept = {each.version for each in self.reports()}
        with self._in_words(REPORTS):
            for each in found:
                if each.version not in kept or (each.version == version and written and each.written_at < written):
                    self._store.delete(each.name)

    def download_report(self, report: StoredReport, target: Path) -> None:
        """Fetch one report, checked against the sha256 in its name."""
        self._fetch(report.name, report.version, "its report", report.entry, target)

    def _found_reports(self) -> list[StoredReport]:
        """Objects that are reports, the one written last at the end; others are passed over."""
        found = []
        with self._in_words(REPORTS):
            for batch in self._store.list(prefix=REPORTS):
                for each in batch:
                    match = _REPORT.fullmatch(each["path"])
                    if match and each["size"] <= _MAX_REPORT:
                        entry = FileEntry(bytes=each["size"], sha256=match[2])
                        found.append(StoredReport(match[1], each["path"], entry, each["last_modified"]))
                if len(found) > _MAX_LISTED:
                    raise SnapshotError(f"{self.address}/{REPORTS} holds more than {_MAX_LISTED:,} objects")
        return sorted(found, key=lambda each: (each.written_at, each.name))

    def download(self, version: str, name: str, entry: FileEntry, target: Path) -> None:
        """Fetch one file of a version, checked against its manifest; one that is not as published goes again."""
        self._fetch(f"{_FILES}/{entry.sha256}", version, name, entry, target)

    def _fetch(self, source: str, version: str, name: str, entry: FileEntry, target: Path) -> None:
        digest = hashlib.sha256()
        with self._in_words(f"{version}: {name}"), open(target, "wb") as file:
            for block in self._store.get(source).stream(min_chunk_size=_CHUNK):
                digest.update(block)
                if file.write(block) and file.tell() > entry.bytes:
                    break
            size = file.tell()
        if size != entry.bytes or digest.hexdigest() != entry.sha256:
            target.unlink()
            raise SnapshotError(
                f"snapshot {version}: {name} in {self.address} is not what was published; nothing of it goes live"
            )
        sync(target)

    def _check_whole(self, version: str, entries: Mapping[str, FileEntry]) -> None:
        there = self._listed(_FILES)
        for name, entry in entries.items():
            if there.get(f"{_FILES}/{entry.sha256}") != entry.bytes:
                raise SnapshotError(f"snapshot {version}: {name} did not arrive whole in {self.address}; publish again")

    def _read(self, version: str) -> Listing:
        return self.listing(version, self.manifest(version))

    def _listed(self, folder: str, age: timedelta = timedelta()) -> dict[str, int]:
        """Names under a folder of the store that have been there for so long, and their sizes in bytes."""
        found, before = dict[str, int](), datetime.now(UTC) - age
        with self._in_words(folder):
            for batch in self._store.list(prefix=folder):
                found |= {each["path"]: each["size"] for each in batch if not age or each["last_modified"] < before}
                if len(found) > _MAX_LISTED:
                    raise SnapshotError(f"{self.address}/{folder} holds more than {_MAX_LISTED:,} objects")
        return found

    @property
    def _store(self) -> ObjectStore:
        """The store, opened at first use: after a worker was forked."""
        if self._opened is None:
            self._opened = open_store(self.address, SnapshotError)
        return self._opened

    @contextmanager
    def _in_words(self, what: str, *passed: type[Exception]) -> Iterator[None]:
        with needed("obstore", "cloud", f"{self.address} is an object store", SnapshotError):
            from obstore.exceptions import BaseError
        try:
            yield
        except passed:
            raise
        except FileNotFoundError as error:
            raise SnapshotError(f"{self.address} has no {what}") from error
        except (BaseError, OSError) as error:
            reason = str(error).partition("\n")[0][:300]
            raise SnapshotError(f"{self.address} does not answer for {what}: {reason}") from error


def _seen(meta: ObjectMeta) -> UpdateVersion:
    """The condition that nobody wrote an object since it was read."""
    stated = {name: meta[name] for name in ("e_tag", "version")}  # a store tells one of the two, or both
    return cast("UpdateVersion", {name: value for name, value in stated.items() if value is not None})


def open_store(address: str, error: type[RecsysError] = DataError) -> ObjectStore:
    """Open a cloud store with the credentials that the stores' own tools take; nothing is asked of it yet.

    Raises:
        RecsysError: of the type `error`, if obstore is not installed.
    """
    with needed("obstore", "cloud", f"{address} stands in a cloud store", error):
        from obstore.store import from_url
    return from_url(
        address,
        client_options={"allow_http": True, "connect_timeout": _PATIENCE, "timeout": _PATIENCE_FOR_A_FILE},
        retry_config={"max_retries": _TRIES, "retry_timeout": _PATIENCE},
    )
