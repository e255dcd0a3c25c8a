"""Backups of the live state: whole, checked, taken while the service runs, and put back without what was erased since.

A backup is a folder: the live log and the slate log as they were at one moment each, the compacted events, and `backup.json`, which
names every file with its size and sha256. The snapshots are not in it; they are files that never change, and any copy will do.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from recsys import clock
from recsys.disk import name_folder, sync, write_whole
from recsys.live.databases import log_in
from recsys.live.erasure import Erased, ErasureKeys, Tombstone, Tombstones
from recsys.live.sqlite import copies
from recsys.live.sqlite.log import FILE as LOG
from recsys.live.sqlite.slate_log import FILE as SLATES
from recsys.settings import Settings
from recsys.snapshot.store import read_manifest, versions
from recsys.tables.live_rows import EVENTS_FOLDER, compacted_files
from recsys.types import DataError, SettingsError, SnapshotError
from training import console

NOTE = "backup.json"
_READ_BYTES = 1 << 20


class File(msgspec.Struct, frozen=True):
    """One file of a backup."""

    bytes: int
    sha256: str


class Backup(msgspec.Struct, frozen=True):
    """A backup's own account: when it was taken, the last number of its log, and its files by name."""

    taken_at: datetime
    sequence: int
    files: Mapping[str, File]


def back_up(settings: Settings, target: Path, now: datetime) -> Backup:
    """Copy the live state into a new folder, which has its name only once all of it is on the disk.

    The log is copied before the compacted files: an event on its way between the two is in both, and counts once.

    Raises:
        DataError: if the folder exists, or cannot be written.
        StateError: if the log cannot be read.
        SettingsError: if the live state is in a database, which has tools of its own.
    """
    _check_in_files(settings)
    if target.exists():
        raise DataError(f"--to {target}: exists; name a folder that does not, such as backups/{now:%Y-%m-%d}")
    state, aside = settings.path(settings.state.folder), target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    try:
        (aside / EVENTS_FOLDER).mkdir(parents=True, mode=0o700)
        for name in (LOG, SLATES):
            if (state / name).exists():
                copies.copy(state / name, aside / name)
                copies.check(aside / name)
        for file in compacted_files(state / EVENTS_FOLDER):
            shutil.copyfile(file.path, aside / EVENTS_FOLDER / file.path.name)
            sync(aside / EVENTS_FOLDER / file.path.name)
        backup = Backup(now, _sequence(aside), {name: _file(aside / name) for name in _names(aside)})
        with write_whole(aside / NOTE) as note:
            note.write_bytes(msgspec.json.format(msgspec.json.encode(backup), indent=1))
        sync(aside / EVENTS_FOLDER)
        name_folder(aside, target)
    except OSError as error:
        raise DataError(f"--to {target}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return backup


def read_backup(source: Path) -> Backup:
    """Read a backup's account, and all its files against it.

    Raises:
        DataError: if it is none, or a file is missing or was changed.
        StateError: if a database in it has damage.
    """
    try:
        backup = msgspec.json.decode((source / NOTE).read_bytes(), type=Backup)
        for name, expected in backup.files.items():
            if (found := _file(source / name)) != expected:
                size = f"{found.bytes:,} of {expected.bytes:,} bytes"
                raise DataError(f"--from {source}: {name} was changed since ({size}); take another backup")
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"--from {source}: is no whole backup ({error})") from error
    for name in (LOG, SLATES):
        if name in backup.files:
            copies.check(source / name)
    return backup


def restore(
    settings: Settings, source: Path, replace: bool, now: datetime, erasure_keys: ErasureKeys | None = None
) -> tuple[Backup, Path | None]:
    """Put a backup in the place of the live state; the service must not run.

    A state that is there is kept beside, in a folder of its own. Erasures since the backup hold: their tombstones are taken over, and
    what the log of the backup has of the erased is deleted where their secret is there. Numbers that a snapshot has folded in are not
    given again.

    Returns:
        The backup, and the folder of what was there.

    Raises:
        DataError: if there is a state and `replace` is not set, or the backup is not whole.
        StateError: if a process has the log open.
        SnapshotError: if a kept snapshot cannot be read, so that its numbers are not known; nothing is changed.
        SettingsError: if the live state is in a database, which has tools of its own, or a secret of the erased is not among
            those that there are; nothing is changed.
    """
    _check_in_files(settings)
    state, backup = settings.path(settings.state.folder), read_backup(source)
    kept = None
    if (state / LOG).exists():
        if not replace:
            raise DataError(f"{state / LOG}: is there; add --replace to keep it beside and put the backup in its place")
        kept = state.with_name(f"{state.name}-before-{now:%Y%m%dT%H%M%SZ}")
        back_up(settings, kept, now)
    aside = state.with_name(f".{state.name}.{uuid4().hex}.tmp")
    try:
        aside.mkdir(parents=True, mode=0o700)
        if LOG in backup.files:
            copies.copy(source / LOG, aside / LOG)
            _carry_over(settings, aside, kept, erasure_keys)
        _put(backup, source, aside, state)
    except (SettingsError, SnapshotError):  # before anything was put: a copy of what is still there is of no use
        if kept is not None:
            shutil.rmtree(kept, ignore_errors=True)
        raise
    except OSError as error:
        raise DataError(f"{state}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return backup, kept


def _put(backup: Backup, source: Path, aside: Path, state: Path) -> None:
    """Put the files of a backup into their places, last the log, which was made ready aside: up to then the one that is there knows
    who was erased."""
    (state / EVENTS_FOLDER).mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in backup.files:  # compacted files that are there may have lost erased rows since, and stay
        if name not in (LOG, SLATES) and not (state / name).exists():
            with write_whole(state / name) as written:
                shutil.copyfile(source / name, written)
    for folder, name in ((source, SLATES), (aside, LOG)):
        if name in backup.files:
            copies.put(folder / name, state / name)


def _carry_over(settings: Settings, state: Path, kept: Path | None, erasure_keys: ErasureKeys | None) -> None:
    """Go on above all numbers that were given, and take over the tombstones of what was there, with what they delete: of snapshots
    that hold the erased, all have lower numbers than their tombstones."""
    artifacts = settings.artifacts
    folded = max((read_manifest(artifacts, version).state_sequence for version in versions(artifacts)), default=0)
    tombstones: list[Tombstone] = []
    if kept is not None:
        with closing(log_in(kept)) as before:
            folded, tombstones = max(folded, before.last()), before.tombstones()
    with closing(log_in(state)) as log:
        log.reach(folded)
        at = max([clock.now(), *(each.until for each in tombstones)])  # one may be dated ahead of this clock
        log.ignore([Erased(each.subject, "", each.since, each.until + 1) for each in tombstones], at)
        if erasure_keys is not None:
            log.forget_again(Tombstones(erasure_keys, log.tombstones()))


def backup_to(settings: Settings, target: Path, now: datetime) -> int:
    """Take a backup and say what is in it; returns the exit code."""
    with console.steps("Backing up") as watch:
        watch("copying and checking")
        backup = back_up(settings, target, now)
    console.say(
        f"✓ {target}: {len(backup.files)} files, {sum(each.bytes for each in backup.files.values()):,} bytes, checked"
    )
    return 0


def restore_from(
    settings: Settings, source: Path, replace: bool, now: datetime, erasure_keys: ErasureKeys | None = None
) -> int:
    """Put a backup back and say what to do next; returns the exit code."""
    with console.steps("Restoring") as watch:
        watch("reading the backup through")
        backup, kept = restore(settings, source, replace, now, erasure_keys)
    console.say(
        f"✓ the state is that of {backup.taken_at:%Y-%m-%d %H:%M} UTC" + (f"; what was there is in {kept}" if kept else "")
    )
    console.say(
        "Next: `make train`, then `make purge` whatever came of it (erased rows come with an older state), then start the service"
    )
    return 0


def _names(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def _sequence(folder: Path) -> int:
    with closing(log_in(folder)) as log:
        return log.last()


def _file(path: Path) -> File:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_READ_BYTES):
            digest.update(block)
    return File(path.stat().st_size, digest.hexdigest())


def _check_in_files(settings: Settings) -> None:
    if settings.state.database:
        raise SettingsError(
            f"state.database: the live state is in PostgreSQL, schema {settings.state.schema}; back it up and restore it with pg_dump "
            "and pg_restore, and copy the folder of compacted events"
        )
