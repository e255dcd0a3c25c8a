"""Delta and Iceberg tables in the version that is the newest when they are opened."""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import polars as pl
from polars.exceptions import PanicException, PolarsError

from recsys.optional import needed
from recsys.tables.sources.bounds import FILE
from recsys.tables.sources.names import shortened
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.tables.sources.remote import list_store
from recsys.tables.sources.words import reason_of
from recsys.types import DataError

LAKES = ("delta", "iceberg")
"""Formats whose tables are folders."""
_VERSION = re.compile(r"v?(\d+)[.-]")
_COPY_WHOLE = "copy the whole folder again, or wait until its writer is done"


def open_lake(place: str, pinned: str) -> Piece:
    """Open a table in its newest version: lazily, or as a copy where it stands in a cloud store.

    Raises:
        DataError: if a package for it is missing, its metadata cannot be read, or it has too many columns.
    """
    form = pinned if pinned in LAKES else lake_of(place)
    frame = _SCANS[form](place)
    schema = dict(frame.collect_schema())
    check_schema(schema)
    notes = (f"a table of {form}",)
    if "://" in place:
        return copied_piece(place, frame, schema, _written(place), notes)
    return Piece(place, frame.with_columns(pl.lit(place).alias(FILE)), schema, False, _written(place), notes)


def lake_of(folder: str) -> str:
    """Return which format a folder of this machine has, by what stands in it; empty: none."""
    if os.path.isdir(os.path.join(folder, "_delta_log")):
        return "delta"
    return "iceberg" if _newest_metadata(folder) else ""


def reader_errors() -> tuple[type[Exception], ...]:
    """Errors with which readers of files stop, also in the midst of rows: Polars', the system's, and Delta's where it is loaded."""
    delta = sys.modules.get("deltalake.exceptions")
    return (PolarsError, OSError, PanicException, *((delta.DeltaError,) if delta else ()))


def _scan_delta(place: str) -> pl.LazyFrame:
    if "%" in place and "://" not in place:
        raise DataError("has a % in its path, which the reader of Delta tables takes for another sign; rename the folder")
    with needed("deltalake", "lake", f"{place} is a Delta table"):
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    try:
        return pl.scan_delta(DeltaTable(place, storage_options={"aws_allow_http": "true"} if "://" in place else None))
    except DeltaError as error:
        raise DataError(f"is no whole Delta table: {reason_of(error)}; {_COPY_WHOLE}") from error


def _scan_iceberg(place: str) -> pl.LazyFrame:
    with needed("pyiceberg", "lake", f"{place} is an Iceberg table"):
        import polars_iceberg  # noqa: F401
        import pyiceberg  # noqa: F401
        from pyiceberg.exceptions import ValidationError
    metadata = place if place.endswith(".json") else _newest_metadata(place)
    if metadata is None:
        raise DataError("has no metadata/*.metadata.json; name the table's folder")
    frame = pl.scan_iceberg(metadata)
    try:
        frame.collect_schema()
    except (ValueError, ValidationError) as error:  # they quote the file
        file = metadata.rpartition("/")[2]
        raise DataError(f"has metadata that is damaged, or of a format that is not known ({file}); {_COPY_WHOLE}") from error
    if "://" not in place:
        _check_place(metadata)
    return frame


def _check_place(metadata: str) -> None:
    """Look whether a table of this machine stands where its metadata says, for all its files are named by their whole path.

    Raises:
        DataError: if it was moved away from there.
    """
    content = Path(metadata).read_bytes()
    content = gzip.decompress(content) if metadata.endswith(".gz.metadata.json") else content
    location = msgspec.json.decode(content, type=_Located).location
    if location and not os.path.isdir(re.sub("^file:/*(?=/)", "", location)):
        raise DataError(
            f"is an Iceberg table that was moved or copied from {shortened(location)}: its metadata names every file by its place"
            " there; put it back there, read it through its catalogue's store, or write it as Parquet"
        )


class _Located(msgspec.Struct):
    """Metadata of an Iceberg table, as far as it says where the table is."""

    location: str = ""


_SCANS: Mapping[str, Callable[[str], pl.LazyFrame]] = {"delta": _scan_delta, "iceberg": _scan_iceberg}


def _newest_metadata(folder: str) -> str | None:
    """Return the file of the highest version: copies of a table were written in any order."""
    written = _files(folder, "metadata", "*.metadata.json")
    return max(written, key=lambda file: (_version_of(file), written[file], file), default=None)


def _version_of(file: str) -> int:
    """Number at the start of a name such as `00012-….metadata.json` or `v12.metadata.json`; without one -1."""
    found = _VERSION.match(file.rpartition("/")[2])
    return int(found[1]) if found else -1


def _written(place: str) -> int:
    """Return when the newest file of the table's log was written, µs since 1970."""
    logs = [_files(place, folder, "*.json") for folder in ("_delta_log", "metadata")]
    return max((written for log in logs for written in log.values()), default=0)


def _files(place: str, folder: str, pattern: str) -> dict[str, int]:
    """Files of a table, and when each was written, µs since 1970."""
    if "://" in place:
        return list_store(f"{place}/{folder}/{pattern}")
    return {str(file): file.stat().st_mtime_ns // 1000 for file in Path(place, folder).glob(pattern)}
