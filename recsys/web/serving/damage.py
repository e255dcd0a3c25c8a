"""Damage of the snapshot that serves: files that were cut short under a worker that has them mapped."""

from __future__ import annotations

from pathlib import Path

from recsys.snapshot.store import Snapshot


def damage_of(snapshot: Snapshot, artifacts: Path) -> str | None:
    """Say which file of a snapshot is shorter than it was: the kernel would end the process that reads past its end."""
    manifest = snapshot.manifest
    folder = artifacts / manifest.version
    found = next((name for name, entry in manifest.files.items() if _is_cut(folder / name, entry.bytes)), None)
    return found and f"the file {found} of the snapshot was changed in place; publish again, and never write into a version"


def _is_cut(file: Path, size: int) -> bool:
    """Tell whether a mapped file has become shorter; one that was deleted stays readable as long as it is mapped."""
    try:
        return file.stat().st_size < size
    except OSError:
        return False
