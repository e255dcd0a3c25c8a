"""Snapshots: one immutable, checksummed folder for everything learned; publish, verify, open, follow, roll back.

`artifacts/<version>/` holds `.npy` arrays in a folder per owner (catalog, history, one per recommender), Parquet for people and
`manifest.json` with the sha256 of every file. A snapshot is written aside, synced and renamed, and only then does the one-line
file CURRENT name it; a reader therefore sees all of it or nothing. Nothing in it can run code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Literal, TypeAlias, TypeVar
from uuid import uuid4

import msgspec
import numpy as np

from recsys.disk import let_go, locked, name_folder, named_in, sha256, sync, why_unwritten, write_whole
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.contents import Contents
from recsys.snapshot.customer_value import CustomerValues
from recsys.snapshot.histories import Histories
from recsys.snapshot.id_index import IdMap
from recsys.snapshot.identity_links import Links
from recsys.snapshot.manifest import FORMAT as FORMAT
from recsys.snapshot.manifest import FileEntry
from recsys.snapshot.manifest import Manifest as Manifest
from recsys.snapshot.people import People
from recsys.types import Arrays, OlderSnapshotError, RecsysError, SnapshotError

CURRENT = "CURRENT"
MANIFEST = "manifest.json"
REPORTS = "reports"
"""Folder of the snapshots' reports, beside them."""
INCOMING = ".incoming-"
"""Beginning of the names of folders that are being written."""

Opened = TypeVar("Opened")


Inspect: TypeAlias = Callable[[Path, Manifest], Manifest]
"""Looks at a folder whose files are written and synced, and its manifest, before anybody else can; returns the manifest to keep."""


class Snapshot:
    """One opened version: its manifest, catalogue, histories, people, contents and each recommender's arrays, all memory-mapped."""

    def __init__(self, manifest: Manifest, groups: Mapping[str, Arrays]) -> None:
        self.manifest = manifest
        self.catalog = Catalog(groups["catalog"])
        self.histories = Histories(groups["history"])
        self.links = Links(groups["links"])
        self.people = People(groups["users"])
        self.contents = Contents(groups["contents"])
        self.values = CustomerValues(groups.get("value", {}))
        self.groups = groups

    @property
    def version(self) -> str:
        """Name of the version: time of publishing and content hash."""
        return self.manifest.version

    @property
    def as_of(self) -> int:
        """The moment up to which events were fitted, in microseconds."""
        return self.manifest.as_of


def content_hash(groups: Mapping[str, Arrays], *parts: object) -> str:
    """Hash arrays (name, type, shape and bytes) and plain settings; independent of time, place and order of writing."""
    digest = hashlib.sha256(msgspec.json.encode(parts, order="deterministic"))
    for group in sorted(groups):
        for name in sorted(groups[group]):
            array = np.ascontiguousarray(groups[group][name])
            digest.update(f"{group}/{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.data if array.size else b"")
            let_go([array])
    return digest.hexdigest()


def publish(
    artifacts: Path,
    manifest: Manifest,
    groups: Mapping[str, Arrays],
    write_for_people: Callable[[Path], None] | None = None,
    inspect: Inspect | None = None,
    announce: Callable[[str], None] = lambda version: None,
    point: Callable[[Path, str], None] | None = None,
) -> Manifest:
    """Write a snapshot whole and point CURRENT at it; returns the manifest with its files. If `inspect` raises, nothing stays.

    `announce` is told the version when its folder is complete; if it raises, CURRENT stays, and the version too. `point` makes
    something else than CURRENT lead to it.

    Raises:
        SnapshotError: if the folder cannot be written, and whatever `announce` raises.
    """
    incoming = artifacts / f"{INCOMING}{os.getpid()}-{uuid4().hex}"
    try:
        artifacts.mkdir(parents=True, exist_ok=True)
        with publishing(artifacts):
            remove_leftovers(artifacts)
            complete = _write(incoming, manifest, groups, write_for_people, inspect)
            target = artifacts / manifest.version
            if not target.exists():
                name_folder(incoming, target)
            announce(manifest.version)
            (point or point_at)(artifacts, manifest.version)
    except OSError as error:
        raise SnapshotError(f"cannot publish to {artifacts}: {why_unwritten(error, artifacts)}") from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return complete


def point_at(artifacts: Path, version: str) -> None:
    """Make CURRENT name a version, atomically."""
    with write_whole(artifacts / CURRENT) as aside:
        aside.write_text(version + "\n")


def current_version(artifacts: Path) -> str | None:
    """Read which version CURRENT names; None if nothing is published."""
    try:
        return (artifacts / CURRENT).read_text().strip() or None
    except FileNotFoundError:
        return None


def versions(artifacts: Path) -> list[str]:
    """All published versions, oldest first."""
    return sorted(path.parent.name for path in named_in(artifacts, f"[0-9]*/{MANIFEST}"))


def report_files(artifacts: Path) -> list[Path]:
    """All reports, those of the newest versions first."""
    return named_in(artifacts / REPORTS, "[0-9]*.html")[::-1]


def read_manifest(artifacts: Path, version: str) -> Manifest:
    """Read one version's manifest.

    Raises:
        SnapshotError: if it is absent, unreadable, or of another format.
    """
    file = artifacts / version / MANIFEST
    try:
        text = file.read_bytes()
        _check_not_older(version, msgspec.json.decode(text, type=_Stated).format)
        manifest = msgspec.json.decode(text, type=Manifest)
    except OSError as error:
        raise SnapshotError(f"snapshot {version}: {file.name} cannot be read ({error.strerror})") from error
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"snapshot {version}: {file.name} is not a manifest of format {FORMAT} ({error})") from error
    if manifest.format != FORMAT or manifest.version != version:
        raise SnapshotError(
            f"snapshot {version}: its manifest says version {manifest.version}, format {manifest.format}; "
            f"this program reads format {FORMAT}"
        )
    return manifest


class _Stated(msgspec.Struct):
    """The member of a manifest that all formats have."""

    format: int


def _check_not_older(version: str, found: int) -> None:
    if found < FORMAT:
        raise OlderSnapshotError(
            f"snapshot {version}: its format is {found}, this program reads {FORMAT}; run `make train`, which makes a new one"
        )


def verify(artifacts: Path, version: str) -> Manifest:
    """Check every file of a version against its manifest.

    Raises:
        SnapshotError: naming the first file that is absent, of another size or changed.
    """
    return _verified(artifacts / version, read_manifest(artifacts, version))


def open_snapshot(artifacts: Path, version: str) -> Snapshot:
    """Verify a version and map its arrays, read-only and shared.

    Raises:
        SnapshotError: if anything of it is not as it was published.
    """
    return open_files(artifacts / version, read_manifest(artifacts, version))


def open_files(folder: Path, manifest: Manifest) -> Snapshot:
    """Open a folder, published or not, that should hold what this manifest says; raises as `open_snapshot`."""
    groups: dict[str, Arrays] = {}
    for name in _verified(folder, manifest).files:
        group, _, rest = name.partition("/")
        if rest.endswith(".npy"):
            mode: Literal["c", "r"] = "c" if group == "catalog" else "r"  # item updates write to their own copy of a page
            mapped = np.load(folder / name, mmap_mode=mode, allow_pickle=False)
            groups.setdefault(group, {})[rest.removesuffix(".npy")] = array = mapped.view(np.ndarray)
            array.flags.writeable = False
    for group in ("catalog", "history", "links", "users", "contents", *manifest.recommenders):
        groups.setdefault(group, {})
    try:
        return Snapshot(manifest, groups)
    except KeyError as error:
        raise SnapshotError(f"snapshot {manifest.version}: the array {error} is missing") from error


def item_ids(artifacts: Path, version: str) -> IdMap:
    """Map the item ids of a version that was published, and nothing else of it.

    Raises:
        SnapshotError: if it is not there any more.
    """
    catalog = artifacts / version / "catalog"
    try:
        arrays = {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in catalog.glob("item_*.npy")}
        return IdMap(arrays, "item")
    except (OSError, KeyError, ValueError) as error:
        raise SnapshotError(f"snapshot {version}: its item ids cannot be read ({error})") from error


def _verified(folder: Path, manifest: Manifest) -> Manifest:
    for name, entry in manifest.files.items():
        file = folder / name
        size = file.stat().st_size if file.is_file() else None
        if size != entry.bytes:
            found = "is missing" if size is None else f"has {size} bytes"
            raise SnapshotError(f"snapshot {manifest.version}: {name} {found}, the manifest says {entry.bytes}")
        if sha256(file) != entry.sha256:
            raise SnapshotError(f"snapshot {manifest.version}: {name} was changed after it was written (its sha256 differs)")
    return manifest


class SnapshotStore(Generic[Opened]):
    """Follows CURRENT: opens a new version whole, swaps one reference, and keeps the old one on any failure.

    `build` turns the opened snapshot into what serves (so that a version which does not fit never goes live either).
    Reading `current` costs one attribute; `refresh` is called from a background thread or before a request in tests.
    """

    def __init__(self, artifacts: Path, build: Callable[[Snapshot], Opened]) -> None:
        self._artifacts = artifacts
        self._build = build
        self._version: str | None = None
        self._refused: str | None = None
        self._lock = threading.Lock()
        self.current: Opened | None = None
        self.error: str | None = None
        self.reloads = 0
        self.failures = 0

    def refresh(self) -> bool:
        """Open what CURRENT names if it has moved; returns whether it went live. Never raises for a bad snapshot."""
        with self._lock:
            try:
                return self._follow()
            except (RecsysError, OSError, ValueError, TypeError, IndexError) as error:
                self.error = str(error)
                self.failures += 1
                return False

    def _follow(self) -> bool:
        version = current_version(self._artifacts)
        if version is None:
            self.error = f"no snapshot is published in {self._artifacts}" if self.current is None else None
            return False
        if version == self._refused:
            return False
        if version != self._version:
            self._open(version)
        live_again = version != self._version
        self._version, self._refused, self.error = version, None, None
        self.reloads += live_again
        return live_again

    def _open(self, version: str) -> None:
        """Open a version whole and swap it in; one that is wrong in itself is not tried again."""
        try:
            self.current = self._build(open_snapshot(self._artifacts, version))
        except (RecsysError, ValueError, TypeError, IndexError):
            self._refused = version
            raise


@contextmanager
def publishing(artifacts: Path) -> Iterator[None]:
    """Wait until nobody else publishes, points CURRENT elsewhere or deletes a version."""
    with locked(artifacts / ".lock"):
        yield


def remove_leftovers(artifacts: Path) -> None:
    """Delete what publishes that were killed left half-made; only while `publishing`."""
    for leftover in artifacts.glob(f"{INCOMING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in artifacts.glob(f".{CURRENT}.*.tmp"):
        leftover.unlink(missing_ok=True)


def _write(
    folder: Path,
    manifest: Manifest,
    groups: Mapping[str, Arrays],
    write_for_people: Callable[[Path], None] | None,
    inspect: Inspect | None,
) -> Manifest:
    folder.mkdir()
    beside = ThreadPoolExecutor(1)  # each file is synced and hashed while the next is written
    try:
        entries = {file: beside.submit(_entry, file) for file in _written(folder, groups, write_for_people)}
        files = {file.relative_to(folder).as_posix(): entries[file].result() for file in sorted(entries)}
    finally:
        beside.shutdown(cancel_futures=True)  # of what is given up nothing more is waited for
    complete = msgspec.structs.replace(manifest, files=files)
    if inspect:
        complete = inspect(folder, complete)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(complete), indent=1))
    for path in (folder / MANIFEST, *(each for each in folder.iterdir() if each.is_dir()), folder):
        sync(path)
    return complete


def _written(folder: Path, groups: Mapping[str, Arrays], write_for_people: Callable[[Path], None] | None) -> Iterator[Path]:
    """Write all files but the manifest, and give each once it is written."""
    for group, arrays in groups.items():
        (folder / group).mkdir()
        for name, array in arrays.items():
            np.save(file := folder / group / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
            let_go([array])
            yield file
    if write_for_people:
        (folder / "people").mkdir()
        write_for_people(folder / "people")
        yield from (path for path in (folder / "people").rglob("*") if path.is_file())


def _entry(file: Path) -> FileEntry:
    """Wait until a file is on the disk, and hash it."""
    sync(file)
    return FileEntry(file.stat().st_size, sha256(file))
