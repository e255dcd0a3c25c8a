"""A table's files, opened lazily: Parquet, CSV and NDJSON, by path or glob, the same whatever their format."""

from __future__ import annotations

import glob
import gzip
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import msgspec
import polars as pl
from polars.exceptions import NoDataError, PolarsError

from recsys.settings import Settings
from recsys.settings.tables import Table
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
"""Endings and what they mean; `.gz` may follow those of text."""
MORE = "__more"
"""What a CSV line has beyond the columns of the first line; null where it is sound."""
_FIELD_SEPARATORS = ",;\t|"
_ROWS_PER_SOURCE = 1 << 40


@dataclass(frozen=True, slots=True)
class Source:
    """Files with one format and one set of columns, as one lazy frame with `ROW` and `FILE` beside the shop's columns.

    CSV and NDJSON columns are all text, so that ids such as 00123 stay what they are; a CSV also has `MORE`.
    """

    files: tuple[Path, ...]
    frame: pl.LazyFrame
    schema: Mapping[str, pl.DataType]
    first_row: int

    @property
    def has_more(self) -> bool:
        """Whether lines can have more fields than there are columns, as in CSV; they stand in `MORE`."""
        return _form(self.files[0]) == "csv"

    def height(self) -> int:
        """Count the rows."""
        return int(self.frame.select(pl.len()).collect(engine="streaming").item())


@dataclass(frozen=True, slots=True)
class _Opened:
    file: Path
    form: str
    separator: str
    schema: dict[str, pl.DataType]


def open_table(settings: Settings, name: str, table: Table) -> tuple[Source, ...]:
    """Find a table's files and open them lazily, in the order of the settings and of the file names.

    Raises:
        DataError: naming the path, if there is no such file, or it cannot be read as what its name says.
    """
    files = dict.fromkeys(file for text in table.paths for file in _files(settings, name, text))
    opened = [_open(name, file) for file in files]
    alike = groupby(opened, key=lambda each: (each.form, each.separator, list(each.schema.items())))
    return tuple(_source(list(group), at * _ROWS_PER_SOURCE) for at, (_, group) in enumerate(alike))


def unreadable(name: str, files: Sequence[Path], error: Exception) -> DataError:
    """Say in words why files cannot be read; for NDJSON, which line it is."""
    for file in files:
        if _form(file) == "ndjson" and (line := _broken_line(file)):
            return DataError(f"{name}: {file} {line}; export the file again")
    reason = str(error).strip().partition("\n")[0]
    if "utf-8" in reason.lower():
        reason = "its text is not UTF-8; export it as UTF-8"
    more = f" (or one of {len(files) - 1:,} more files)" if len(files) > 1 else ""
    return DataError(f"{name}: {files[0]}{more} cannot be read: {reason}")


def _files(settings: Settings, name: str, text: str) -> list[Path]:
    path = str(settings.path(text))
    if "$" in path:
        variable = path.partition("$")[2].partition("/")[0].strip("{}")
        raise DataError(f"{name}: the path {text!r} needs the environment variable {variable}, which is not set")
    if os.path.isdir(path):
        raise DataError(f"{name}: {path} is a folder; name its files, for instance {text.rstrip('/')}/*.parquet")
    if os.path.exists(path) or not glob.has_magic(path):
        return [Path(path)]
    found = [Path(file) for file in sorted(glob.glob(path, recursive=True)) if not os.path.isdir(file)]
    if not found:
        raise DataError(f"{name}: no file matches {path}; check `data.{name}.paths` in the settings")
    return found


def _open(name: str, file: Path) -> _Opened:
    form = _form(file)
    if form is None:
        endings = ", ".join(FORMATS)
        raise DataError(f"{name}: {file} has none of the known endings {endings} (and .gz after those of text)")
    try:
        separator = _field_separator(file) if form == "csv" else ""
        schema = _schema(file, form, separator)
    except FileNotFoundError as error:
        raise DataError(f"{name}: there is no file {file}; check `data.{name}.paths` in the settings") from error
    except NoDataError as error:
        raise DataError(f"{name}: {file} is empty, without even a first line of column names") from error
    except (PolarsError, OSError) as error:
        raise unreadable(name, [file], error) from error
    return _Opened(file, form, separator, schema)


def _form(file: Path) -> str | None:
    name = file.name.lower()
    form = FORMATS.get(Path(name.removesuffix(".gz")).suffix)
    return None if form == "parquet" and name.endswith(".gz") else form


def _schema(file: Path, form: str, separator: str) -> dict[str, pl.DataType]:
    if form == "parquet":
        return dict(pl.scan_parquet(file, glob=False).collect_schema())
    if form == "csv":
        return dict(pl.scan_csv(file, separator=separator, infer_schema=False, glob=False).collect_schema())
    if not file.stat().st_size:
        return {}
    return dict.fromkeys(pl.scan_ndjson(file, infer_schema_length=None).collect_schema(), pl.String())


def _source(opened: Sequence[_Opened], first_row: int) -> Source:
    files, schema = [each.file for each in opened], opened[0].schema
    frame = _scan(files, opened[0]).with_columns(pl.col(ROW).cast(pl.UInt64) + first_row)
    return Source(tuple(files), frame, schema, first_row)


def _scan(files: list[Path], like: _Opened) -> pl.LazyFrame:
    if like.form == "parquet":
        return pl.scan_parquet(files, glob=False, row_index_name=ROW, include_file_paths=FILE)
    if like.form == "ndjson":
        if not like.schema:
            return pl.LazyFrame(schema={ROW: pl.UInt32, FILE: pl.String})
        return pl.scan_ndjson(files, schema=like.schema, row_index_name=ROW, include_file_paths=FILE)
    return pl.scan_csv(
        files,
        separator=like.separator,
        schema={**like.schema, MORE: pl.String()},
        missing_columns="insert",
        truncate_ragged_lines=True,
        glob=False,
        row_index_name=ROW,
        include_file_paths=FILE,
    )


def _field_separator(file: Path) -> str:
    opener = gzip.open if file.suffix.lower() == ".gz" else open
    with opener(file, "rb") as stream:
        header = stream.readline().decode("utf-8", "replace")
    return max(_FIELD_SEPARATORS, key=header.count)


def _broken_line(file: Path) -> str | None:
    opener = gzip.open if file.suffix.lower() == ".gz" else open
    with opener(file, "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            except msgspec.MsgspecError as error:
                return f"line {number:,} is not a JSON object: {line[:60].decode('utf-8', 'replace').strip()!r} ({error})"
    return None
