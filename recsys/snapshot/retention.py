"""Retention of published versions: lines of them beside CURRENT, rollback, deletion of old ones, and a search for those that hold a
user.

A snapshot line is a file `lines/<name>` that names versions, the newest last: those of trainings with other settings, which never
serve by themselves. An arm of an experiment may rank with the newest one. Versions of a line are neither rolled back to nor counted
among the versions that are kept of the shop.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from recsys.disk import named_in, write_whole
from recsys.snapshot.id_index import IdMap
from recsys.snapshot.manifest import VERSION
from recsys.snapshot.store import current_version, point_at, publishing, verify, versions
from recsys.types import SnapshotError

LINES = "lines"
"""Folder of the lines, beside the versions."""
LINE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def lines(artifacts: Path) -> dict[str, tuple[str, ...]]:
    """Read which versions every line names, oldest first."""
    found = {}
    for file in named_in(artifacts / LINES, "*"):
        if LINE_NAME.fullmatch(file.name) and file.is_file():
            with suppress(FileNotFoundError):  # it was ended meanwhile
                found[file.name] = line_of(file.read_bytes())
    return found


def line_of(text: bytes) -> tuple[str, ...]:
    """The versions in the text of a line; nothing else in it leads anywhere."""
    words = text.decode(errors="replace").split()
    return tuple(word for word in words if VERSION.fullmatch(word))


def text_of_line(named: Iterable[str]) -> bytes:
    """Write the versions of a line down."""
    return "".join(f"{version}\n" for version in named).encode()


def put_lines(artifacts: Path, wanted: Mapping[str, Sequence[str]]) -> None:
    """Make the lines of a folder these."""
    folder, standing = artifacts / LINES, lines(artifacts)
    if wanted:
        folder.mkdir(parents=True, exist_ok=True)
    for name, named in wanted.items():
        if standing.get(name) != tuple(named):
            with write_whole(folder / name) as aside:
                aside.write_bytes(text_of_line(named))
    for name in standing.keys() - wanted.keys():
        (folder / name).unlink(missing_ok=True)


def check_line(name: str) -> None:
    """Check that a line can have a name.

    Raises:
        SnapshotError: if it cannot.
    """
    if not LINE_NAME.fullmatch(name):
        raise SnapshotError(f"line {name!r} is not allowed; allowed: a lower-case letter, then up to 63 of a-z, 0-9 and _")


def point_line(artifacts: Path, version: str, name: str) -> None:
    """Make a version the newest of a line, within `publishing`.

    Raises:
        SnapshotError: if the line cannot have this name, or the version serves.
    """
    check_line(name)
    if version == current_version(artifacts):
        raise SnapshotError(f"{version} serves; a line is of versions that do not")
    standing = lines(artifacts)
    before = [each for each in standing.get(name, ()) if each != version]
    put_lines(artifacts, {**standing, name: (*before, version)})


def drop_line(artifacts: Path, name: str) -> list[str]:
    """End a line, and delete its versions but the one that serves; returns what was deleted.

    Raises:
        SnapshotError: if there is no such line.
    """
    with publishing(artifacts):
        standing = lines(artifacts)
        if name not in standing:
            raise SnapshotError(f"no line {name!r} in {artifacts}; there are: {', '.join(standing) or 'none'}")
        left = {other: named for other, named in standing.items() if other != name}
        return _leave(artifacts, left, standing[name])


def _leave(artifacts: Path, left: Mapping[str, Sequence[str]], surplus: Iterable[str]) -> list[str]:
    """Delete versions that neither serve nor are in the lines that are left; the lines are written last, so that a version of a line
    that could not be deleted is not taken for one of the shop's."""
    named = {current_version(artifacts), *(each for line in left.values() for each in line)}
    gone = [version for version in surplus if version not in named]
    for version in gone:
        shutil.rmtree(artifacts / version, ignore_errors=True)
    put_lines(artifacts, left)
    return gone


def roll_back(artifacts: Path, to: str | None = None, announce: Callable[[str], None] = lambda version: None) -> str:
    """Point CURRENT at `to`, else at the version before the current one; returns the version now current.

    `announce` is told the version before CURRENT moves; if it raises, CURRENT stays.

    Raises:
        SnapshotError: if there is no such version or it does not verify, and whatever `announce` raises.
    """
    known, current = versions(artifacts), current_version(artifacts)
    if to is None:
        of_lines = {version for named in lines(artifacts).values() for version in named}
        older = [version for version in known if version not in of_lines and (current is None or version < current)]
        if not older:
            raise SnapshotError(f"nothing to roll back to: {current or 'no snapshot'} is the oldest in {artifacts}")
        to = older[-1]
    if to not in known:
        raise SnapshotError(f"no snapshot {to} in {artifacts}; there are: {', '.join(known) or 'none'}")
    with publishing(artifacts):  # or else a training that ends meanwhile may delete it
        verify(artifacts, to)
        announce(to)
        point_at(artifacts, to)
    return to


def holding(artifacts: Path, user_id: str, anonymous_ids: Sequence[str]) -> list[str]:
    """The published versions that hold anything of a user, also under anonymous ids, oldest first.

    A link of an anonymous id is no trace of this user unless it leads there.
    """
    return [version for version in versions(artifacts) if _holds(artifacts / version, user_id, anonymous_ids)]


def _holds(folder: Path, user_id: str, anonymous_ids: Sequence[str]) -> bool:
    for group, kind, user_ids in (
        ("history", "user", (user_id, *anonymous_ids)),
        ("links", "known", (user_id,)),
        ("links", "anonymous", (user_id,)),
    ):
        files = (folder / group).glob(f"{kind}_*.npy")
        try:
            ids = IdMap({file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in files}, kind)
        except (KeyError, ValueError, OSError, SnapshotError):
            return True  # what cannot be read may hold them
        if any(ids.row(each) >= 0 for each in user_ids):
            return True
    return False


def without(standing: Mapping[str, Sequence[str]], gone: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what lines name beside versions that are gone; a line of no other is ended."""
    left = {name: tuple([version for version in named if version not in gone]) for name, named in standing.items()}
    return {name: named for name, named in left.items() if named}


def delete(artifacts: Path, version: str) -> None:
    """Delete a version, also from the lines that name it.

    Raises:
        SnapshotError: if it is the current one.
    """
    with publishing(artifacts):
        if version == current_version(artifacts):
            raise SnapshotError(f"{version} serves; it cannot be deleted")
        with suppress(FileNotFoundError):  # somebody else deleted it meanwhile
            shutil.rmtree(artifacts / version)
        put_lines(artifacts, without(lines(artifacts), {version}))


def prune(artifacts: Path, keep: int) -> list[str]:
    """Delete the oldest versions beyond `keep`, of the shop's and of every line's, never the current one; returns what was deleted."""
    with publishing(artifacts):
        standing = lines(artifacts)
        of_lines = {version for named in standing.values() for version in named}
        surplus = [version for version in versions(artifacts) if version not in of_lines][:-keep]
        surplus += [version for named in standing.values() for version in named[:-keep]]
        return _leave(artifacts, {name: named[-keep:] for name, named in standing.items()}, surplus)
