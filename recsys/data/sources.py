"""A table's files, opened lazily: Parquet, CSV and NDJSON, by path or glob, the same whatever their format."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from recsys.settings import Settings, Table
from recsys.types import DataError

ROW = "__row"
"""Number of a source row, unique in its table."""
FILE = "__file"
"""Path of the file that a source row stands in."""
FORMATS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_FIELD_SEPARATORS = ",;\t|"
_ROWS_PER_SOURCE = 1 << 40
_INFERRED_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """Files with one format and one set of columns, as one lazy frame with `ROW` and `FILE` beside the shop's columns."""

    files: tuple[Path, ...]
    frame: pl.LazyFrame
    schema: Mapping[str, pl.DataType]
    first_row: int

    def height(self) -> int:
        """Count the rows."""
        return int(self.frame.select(pl.len()).collect(engine="streaming").item())


def open_table(settings: Settings, name: str, table: Table) -> tuple[Source, ...]:
    """Find a table's files and open them lazily, in the order of the settings and of the file names.

    Raises:
        DataError: naming the path, if there is no such file, or it cannot be read as what its name says.
    """
    files = [file for text in table.paths for file in _files(settings, name, text)]
    opened = [(file, *_open(name, file)) for file in dict.fromkeys(files)]
    groups = groupby(opened, key=lambda each: (_format(name, each[0]), list(each[2].items())))
    return tuple(_together([*same], at) for at, (_, same) in enumerate(groups))


def _files(settings: Settings, name: str, text: str) -> list[Path]:
    path = str(settings.path(text))
    if "$" in path:
        variable = path.partition("$")[2].partition("/")[0].strip("{}")
        raise DataError(f"{name}: the path {text!r} needs the environment variable {variable}, which is not set")
    if os.path.isdir(path):
        raise DataError(f"{name}: {path} is a folder; name its files, for instance {text.rstrip('/')}/*.parquet")
    found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) and not os.path.exists(path) else [path]
    if not found:
        raise DataError(f"{name}: no file matches {path}; check `data.{name}.paths` in the settings")
    return [Path(file) for file in found if not os.path.isdir(file)]


def _format(name: str, file: Path) -> str:
    try:
        return FORMATS[file.suffix.lower()]
    except KeyError:
        raise DataError(f"{name}: {file} has none of the known endings {', '.join(FORMATS)}") from None


def _open(name: str, file: Path) -> tuple[Callable[[list[Path], int], pl.LazyFrame], dict[str, pl.DataType]]:
    scan = {"parquet": _scan_parquet, "csv": _scan_csv, "ndjson": _scan_ndjson}[_format(name, file)]
    try:
        columns = dict(scan([file], 0).collect_schema())
    except FileNotFoundError as error:
        raise DataError(f"{name}: there is no file {file}; check `data.{name}.paths` in the settings") from error
    except (PolarsError, OSError) as error:
        raise DataError(f"{name}: {file} cannot be read: {_first_line(error)}") from error
    return scan, {column: dtype for column, dtype in columns.items() if column not in (ROW, FILE)}


def _together(opened: list[tuple[Path, Callable[[list[Path], int], pl.LazyFrame], dict[str, pl.DataType]]], at: int) -> Source:
    files = [file for file, _, _ in opened]
    _, scan, columns = opened[0]
    row = pl.col(ROW).cast(pl.UInt64) + at * _ROWS_PER_SOURCE
    return Source(tuple(files), scan(files, 0).with_columns(row), columns, at * _ROWS_PER_SOURCE)


def _scan_parquet(files: list[Path], start: int) -> pl.LazyFrame:
    return pl.scan_parquet(files, glob=False, row_index_name=ROW, row_index_offset=start, include_file_paths=FILE)


def _scan_csv(files: list[Path], start: int) -> pl.LazyFrame:
    return pl.scan_csv(
        files,
        separator=_field_separator(files[0]),
        infer_schema=False,
        glob=False,
        row_index_name=ROW,
        row_index_offset=start,
        include_file_paths=FILE,
    )


def _scan_ndjson(files: list[Path], start: int) -> pl.LazyFrame:
    def scan(types: dict[str, pl.DataType]) -> pl.LazyFrame:
        return pl.scan_ndjson(
            files,
            schema_overrides=types,
            infer_schema_length=_INFERRED_LINES,
            row_index_name=ROW,
            row_index_offset=start,
            include_file_paths=FILE,
        )

    inferred = scan({}).collect_schema()
    plain = {name: pl.String() for name, dtype in inferred.items() if not dtype.is_nested() and name not in (ROW, FILE)}
    return scan(dict(plain))


def _field_separator(file: Path) -> str:
    with file.open("rb") as stream:
        header = stream.readline().decode("utf-8", "replace")
    return max(_FIELD_SEPARATORS, key=header.count)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
