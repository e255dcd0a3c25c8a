"""Finished parts of a training that has not ended: named arrays on disk, taken up by the next run where one is killed.

What is kept has the hash of all that it was made of as its name (rows, catalogue, settings, the program itself), and its own beside
it. It is therefore never taken for something else, nor taken up half-written. A run that ends deletes all of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import msgspec
import numpy as np

import recsys
import training
from recsys.disk import try_lock
from recsys.settings import Settings
from recsys.settings.training import TrainingSettings
from recsys.snapshot.store import content_hash
from recsys.tables.sources.spool import LEAST_FREE
from recsys.types import Arrays, RecsysError

FOLDER = ".unfinished"
"""Folder of finished parts, beside the snapshots."""
_LOCK, _HASH, _ASIDE = ".unfinished.lock", "hash", "."
_LIBRARIES = ("numpy", "scipy", "polars", "implicit")
"""Libraries that arrays come out of; others of the same version may say other bytes."""


class Finished(Protocol):
    """Finished parts, by the hash of all that they were made of."""

    keeps: bool
    """Whether anything is kept, so that it is worth a hash."""

    def begin(self, *parts: object) -> None:
        """Say what tables the run is of, the first time: what was kept of others is deleted."""
        ...

    def has(self, key: str) -> bool:
        """Tell whether something is kept under this hash."""
        ...

    def taken(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays that are kept under this hash, mapped, or those that are made now."""
        ...

    def drop(self, key: str) -> None:
        """Delete what is needed no more."""
        ...


class NothingKept:
    """Finished parts of a run that keeps none: of a single partition, of another command, or beside another run."""

    keeps = False

    def begin(self, *parts: object) -> None:
        """Keep nothing."""

    def has(self, key: str) -> bool:
        """Tell that nothing is kept."""
        return False

    def taken(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """Make them."""
        return make()

    def drop(self, key: str) -> None:
        """Delete nothing."""


NOTHING_KEPT: Finished = NothingKept()


class FinishedParts:
    """Finished parts beside the snapshots, in a folder that no other run looks at meanwhile."""

    def __init__(self, artifacts: Path, settings: Settings, held: ExitStack) -> None:
        """Stand ready: nothing is looked at or written before `begin`. `held`: holds the folder for this run."""
        self._artifacts, self._held = artifacts, held
        self._settings = msgspec.structs.replace(settings, training=TrainingSettings())
        self._folder: Path | None = None
        self.keeps = True

    def begin(self, *parts: object) -> None:
        """Delete what was kept of other tables, settings or programs; see `Finished`. Where another run is at it, or nothing can be
        written, nothing is kept."""
        if self._folder is not None or not self.keeps:
            return
        root = self._artifacts / FOLDER
        try:
            self._artifacts.mkdir(parents=True, exist_ok=True)
            if self._held.enter_context(try_lock(self._artifacts / _LOCK)):
                root.mkdir(mode=0o700, exist_ok=True)
                self._folder = _emptied(root, root / hash_of(self._settings, *parts))
        except OSError:
            self._folder = None
        self.keeps = self._folder is not None

    def has(self, key: str) -> bool:
        """Tell whether something is kept; see `Finished`."""
        return self._folder is not None and (self._folder / key).is_dir()

    def taken(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """Read arrays if they are what was written, else make and keep them, as far as there is room; see `Finished`."""
        if self._folder is None:
            return make()
        found = _read(self._folder / key)
        return found if found is not None else _written(self._folder / key, make())

    def drop(self, key: str) -> None:
        """Delete what stands under this hash; arrays that are mapped from it stay readable."""
        if self._folder is not None:
            shutil.rmtree(self._folder / key, ignore_errors=True)

    def end(self) -> None:
        """Delete everything, also what a killed run left to one that keeps nothing."""
        if self._folder is not None:
            shutil.rmtree(self._folder.parent, ignore_errors=True)
            return
        with suppress(OSError):
            forget_finished(self._artifacts)


@contextmanager
def finished_parts(artifacts: Path, settings: Settings) -> Iterator[Finished]:
    """Take up what a killed run left, and delete it when this one ends, with or without a snapshot. Where it is killed, or fails as
    nobody foresaw, finished parts stay for the next. Two runs at once do not share: the second one keeps nothing."""
    with ExitStack() as held:
        finished = FinishedParts(artifacts, settings, held)
        try:
            yield finished
        except RecsysError:
            finished.end()
            raise
        except KeyboardInterrupt as stop:
            if finished.keeps and (artifacts / FOLDER).exists():
                stop.add_note("finished parts are kept for the next training, or until `make purge`")
            raise
        finished.end()


def forget_finished(artifacts: Path) -> bool:
    """Delete what a killed run left, unless a run is at it; tells whether there was anything."""
    if not (artifacts / FOLDER).exists():
        return False
    with try_lock(artifacts / _LOCK) as alone:
        if alone:
            shutil.rmtree(artifacts / FOLDER)
        return alone


def hash_of(*parts: object, **groups: Arrays) -> str:
    """Hash plain values, arrays, and the program that makes something of them."""
    return content_hash(groups, *parts, _program())[:32]


@cache
def _program() -> str:
    """Hash everything that decides what training makes of its tables: our own code, and the versions of libraries."""
    digest = sha256(repr([(name, version(name)) for name in _LIBRARIES]).encode())
    for package in (recsys, training):
        root = Path(package.__path__[0])
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _emptied(root: Path, folder: Path) -> Path:
    """The folder, made if need be, without what was half-written; everything beside it is deleted."""
    folder.mkdir(exist_ok=True)
    for other in (*root.iterdir(), *folder.glob(f"{_ASIDE}*")):
        if other.is_dir() and not other.is_symlink():
            if other != folder:
                shutil.rmtree(other)
        else:
            other.unlink()
    return folder


def _written(folder: Path, arrays: Arrays) -> Arrays:
    """The same arrays, mapped from a folder that is written aside; as they are where there is no room."""
    aside = folder.with_name(f"{_ASIDE}{uuid4().hex}")
    try:
        if shutil.disk_usage(folder.parent).free - sum(each.nbytes for each in arrays.values()) < LEAST_FREE:
            return arrays
        aside.mkdir()
        with ThreadPoolExecutor(1) as beside:
            hashed = beside.submit(content_hash, {"": arrays})  # on the other core
            for name, array in arrays.items():
                np.save(aside / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        (aside / _HASH).write_text(hashed.result())
        aside.rename(folder)
        return _mapped(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        return arrays


def _read(folder: Path) -> Arrays | None:
    """The arrays of a folder; None where it is absent, or not as it was written."""
    if not folder.is_dir():
        return None
    try:
        arrays = _mapped(folder)
        if content_hash({"": arrays}) == (folder / _HASH).read_text():
            return arrays
    except (OSError, EOFError, ValueError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _mapped(folder: Path) -> Arrays:
    found = {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in sorted(folder.glob("*.npy"))}
    return {name: array.view(np.ndarray) for name, array in found.items()}
