"""Retention of published versions: rollback, deletion of old ones, and a search for those that hold a user."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from recsys.snapshot.id_index import IdMap
from recsys.snapshot.store import current_version, point_at, publishing, verify, versions
from recsys.types import SnapshotError


def roll_back(artifacts: Path, to: str | None = None, announce: Callable[[str], None] = lambda version: None) -> str:
    """Point CURRENT at `to`, else at the version before the current one; returns the version now current.

    `announce` is told the version before CURRENT moves; if it raises, CURRENT stays.

    Raises:
        SnapshotError: if there is no such version or it does not verify, and whatever `announce` raises.
    """
    known, current = versions(artifacts), current_version(artifacts)
    if to is None:
        older = [version for version in known if current is None or version < current]
        if not older:
            raise SnapshotError(f"nothing to roll back to: {current or 'no snapshot'} is the oldest in {artifacts}")
        to = older[-1]
    if to not in known:
        raise SnapshotError(f"no snapshot {to} in {artifacts}; there are: {', '.join(known) or 'none'}")
    verify(artifacts, to)
    with publishing(artifacts):
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


def delete(artifacts: Path, version: str) -> None:
    """Delete a version.

    Raises:
        SnapshotError: if it is the current one.
    """
    with publishing(artifacts):
        if version == current_version(artifacts):
            raise SnapshotError(f"{version} serves; it cannot be deleted")
        shutil.rmtree(artifacts / version)


def prune(artifacts: Path, keep: int) -> list[str]:
    """Delete the oldest versions beyond `keep`, never the current one; returns what was deleted."""
    with publishing(artifacts):
        current = current_version(artifacts)
        surplus = [version for version in versions(artifacts)[:-keep] if version != current]
        for version in surplus:
            shutil.rmtree(artifacts / version, ignore_errors=True)
    return surplus
