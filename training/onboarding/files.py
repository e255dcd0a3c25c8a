"""Files of a shop as they are looked at: found, opened on a sample of their rows, put together where columns are the same."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from recsys.settings.load import parse_settings
from recsys.settings.tables import Table
from recsys.tables.reader import reading
from recsys.tables.sources import FILE, MORE, ROW, Source, open_table
from recsys.tables.sources.lake import lake_of
from recsys.types import DataError
from training.onboarding.shapes.counted_lines import without_counts
from training.onboarding.values import usable_for

ROWS = 20_000
"""Most rows of a file that are looked at."""
_BYTES = 16 << 20
"""Most of a text file that is looked at."""
MAX_FILES = 500
_TEXT = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl")
_DATA = (*_TEXT, ".json", ".xml", ".rss", ".atom", ".xlsx", ".xls", ".parquet", ".pq", ".gz", ".zst", ".zip")


@dataclass(frozen=True, slots=True)
class Seen:
    """Files with the same columns: where they are, what was opened of the first of them with its first rows, and how each was read."""

    paths: tuple[Path, ...]
    source: Source
    rows: pl.DataFrame
    sample: Path
    read_as: tuple[str, ...]
    _usable: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def usable(self) -> Mapping[str, list[str]]:
        """By canonical column, the columns whose values could be its own: told once."""
        if not self._usable:
            self._usable.update(without_counts(self.rows, usable_for(self.rows)))
        return self._usable

    @property
    def name(self) -> str:
        """The files' name for people."""
        more = f" and {len(self.paths) - 1:,} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0].name}{more}"


def find_files(given: Iterable[str]) -> list[Path]:
    """The files that folders, globs and paths name, each once, sorted within each of them.

    Raises:
        DataError: if one names nothing, or there are too many.
    """
    found: list[Path] = []
    for text in given:
        path = Path(text)
        if lake_of(text):
            raise DataError(_is_lake(text))
        names = [str(path)] if path.is_file() else sorted(glob.glob(f"{glob.escape(text)}/*" if path.is_dir() else text))
        mine = [Path(name) for name in names if Path(name).is_file() and (name == text or _is_data(name))]
        if not mine and (lakes := lakes_among([text])):
            raise DataError("\n".join(lakes))
        if not mine:
            raise DataError(
                f"{text}: there is no file that holds a table; allowed: files, folders and globs of {' '.join(_DATA)}"
            )
        found += mine
    if len(found) > MAX_FILES:
        raise DataError(
            f"there are {len(found):,} files; allowed: at most {MAX_FILES} (name one of each kind, and a glob in the settings)"
        )
    return list(dict.fromkeys(found))


def lakes_among(given: Iterable[str]) -> list[str]:
    """A sentence on each folder that a folder or glob names and that is a table of its own."""
    folders = [f"{glob.escape(text)}/*" if Path(text).is_dir() else text for text in given]
    found = sorted({name for folder in folders for name in glob.glob(folder) if lake_of(name)})
    return [_is_lake(name) for name in found]


def _is_lake(folder: str) -> str:
    return (
        f"{folder} is a table of {lake_of(folder)}, which init does not look at; write "
        f'`paths = ["{folder}"]` under its table in the settings'
    )


def look_at(paths: Sequence[Path], folder: Path) -> tuple[list[Seen], list[str]]:
    """Open a sample of each file, and say of each that cannot be read why; samples of large text files are put into `folder`."""
    alike: dict[tuple[object, ...], list[Seen]] = {}
    unread: list[str] = []
    for at, path in enumerate(paths):
        try:
            one = _opened(path, folder / str(at))
        except DataError as error:
            unread.append(str(error).removeprefix("events: ").replace("data.events", "data.TABLE"))
            continue
        columns = (path.parent, *one.source.schema)
        alike.setdefault(columns, []).append(one)
    return [_as_one(same) for same in alike.values()], unread


def _as_one(same: Sequence[Seen]) -> Seen:
    paths = tuple(path for each in same for path in each.paths)
    return replace(same[0], paths=paths, read_as=tuple(said for each in same for said in each.read_as))


def _is_data(name: str) -> bool:
    return name.lower().endswith(_DATA) and not os.path.basename(name).startswith((".", "README"))


def _opened(path: Path, folder: Path) -> Seen:
    sample = _sample_of(path, folder)
    sources = open_table(parse_settings("", sample.parent), "events", Table(paths=(glob.escape(str(sample)),)))
    with reading("events", sources[:1]):
        rows = sources[0].frame.head(ROWS).drop(ROW, FILE, MORE, strict=False).collect(engine="streaming")
    return Seen((path,), sources[0], rows, sample, sources[0].read_as)


def _sample_of(path: Path, folder: Path) -> Path:
    """The file itself, or whole lines from the start of a large text file under its own name."""
    if path.stat().st_size <= _BYTES or path.suffix.lower() not in _TEXT:
        return path.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / path.name
    with path.open("rb") as whole:
        start = whole.read(_BYTES)
    copy.write_bytes(start[: start.rfind(b"\n") + 1])
    return copy
