"""Delta and Iceberg tables in the version that is the newest when they are opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from recsys.optional import needed
from recsys.tables.sources.bounds import FILE
from recsys.tables.sources.piece import Piece, check_schema, copied_piece
from recsys.tables.sources.remote import list_store
from recsys.tables.sources.words import reason_of
from recsys.types import DataError

LAKES = ("delta", "iceberg")
"""Formats whose tables are folders."""


def open_lake(place: str, pinned: str) -> Piece:
    """Open a table in its newest version: lazily, or as a copy where it stands in a cloud store.

    Raises:
        DataError: if a package for it is missing, or it has too many columns.
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


def _scan_delta(place: str) -> pl.LazyFrame:
    with needed("deltalake", "lake", f"{place} is a Delta table"):
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    try:
        return pl.scan_delta(DeltaTable(place, storage_options={"aws_allow_http": "true"} if "://" in place else None))
    except DeltaError as error:
        raise DataError(f"is no whole Delta table: {reason_of(error)}") from error


def _scan_iceberg(place: str) -> pl.LazyFrame:
    with needed("pyiceberg", "lake", f"{place} is an Iceberg table"):
        import polars_iceberg  # noqa: F401
        import pyiceberg  # noqa: F401
    metadata = place if place.endswith(".json") else _newest_metadata(place)
    if metadata is None:
        raise DataError("has no metadata/*.metadata.json; name the table's folder")
    return pl.scan_iceberg(metadata)


_SCANS: Mapping[str, Callable[[str], pl.LazyFrame]] = {"delta": _scan_delta, "iceberg": _scan_iceberg}


def _newest_metadata(folder: str) -> str | None:
    written = _files(folder, "metadata", "*.metadata.json")
    return max(written, key=lambda file: (written[file], file), default=None)


def _written(place: str) -> int:
    """Return when the newest file of the table's log was written, µs since 1970."""
    logs = [_files(place, folder, "*.json") for folder in ("_delta_log", "metadata")]
    return max((written for log in logs for written in log.values()), default=0)


def _files(place: str, folder: str, pattern: str) -> dict[str, int]:
    """Files of a table, and when each was written, µs since 1970."""
    if "://" in place:
        return list_store(f"{place}/{folder}/{pattern}")
    return {str(file): file.stat().st_mtime_ns // 1000 for file in Path(place, folder).glob(pattern)}
