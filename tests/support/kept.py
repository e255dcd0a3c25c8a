"""Files made of a shop's files, kept for the next test whose shop has the same files: most tests start from the same few shops."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Generic, TypeVar

Made = TypeVar("Made")
ARTIFACTS, STATE = "artifacts", "state"
_MAX_KEPT = 64


class Kept(Generic[Made]):
    """What was made last, by the bytes of a shop's files and by what else it was made with."""

    def __init__(self) -> None:
        self._made: dict[bytes, Made] = {}

    def get(self, folder: Path, recipe: str, make: Callable[[], Made]) -> Made:
        """Make it, unless it was; a shop with snapshots or live state is like no other."""
        if (folder / ARTIFACTS).exists() or (folder / STATE).exists():
            return make()
        key = _fingerprint(folder, recipe)
        if key not in self._made:
            self._made[key] = make()
            if len(self._made) > _MAX_KEPT:
                del self._made[next(iter(self._made))]
        return self._made[key]


def files_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    """The bytes and the mode of each file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode) for path in files}


def write_files(folder: Path, files: dict[str, tuple[bytes, int]]) -> None:
    """Write them where there are none yet."""
    for parent in {(folder / name).parent for name in files if not (folder / name).exists()}:
        parent.mkdir(parents=True, exist_ok=True)
    for name, (content, mode) in files.items():
        if not (folder / name).exists():
            (folder / name).write_bytes(content)
            (folder / name).chmod(mode)


def _fingerprint(folder: Path, recipe: str) -> bytes:
    """Tell shops apart by all that training reads."""
    stated = blake2b(recipe.encode())
    for name, (content, _) in files_in(folder).items():
        stated.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return stated.digest()
