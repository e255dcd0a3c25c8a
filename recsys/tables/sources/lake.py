"""Delta and Iceberg tables, read lazily in the version that is the newest when they are opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from recsys.tables.sources.bounds import FILE
from recsys.tables.sources.optional import needed
from recsys.tables.sources.piece import Piece, check_schema
from recsys.types import DataError

LAKES = ("delta", "iceberg")
"""Formats whose tables are folders."""


def open_lake(place: str, pinned: str) -> Piece:
    """Open a table in its newest version, lazily.

    Raises:
        DataError: if a package for it is missing, or it has too many columns.
    """
    form = pinned or lake_of(place)
    frame = _SCANS[form](place)
    schema = dict(frame.collect_schema())
    check_schema(schema)
    return Piece(
        place, frame.with_columns(pl.lit(place).alias(FILE)), schema, False, _written(place), (f"a table of {form}",)
    )


def lake_of(folder: str) -> str:
    """Which format a folder of this machine has, by what stands in it; empty: none."""
    if os.path.isdir(os.path.join(folder, "_delta_log")):
        return "delta"
    return "iceberg" if _newest_metadata(folder) else ""


def _scan_delta(place: str) -> pl.LazyFrame:
    with needed("deltalake", "lake", f"{place} is a Delta table"):
        import deltalake
    return pl.scan_delta(deltalake.DeltaTable(place))


def _scan_iceberg(place: str) -> pl.LazyFrame:
    with needed("pyiceberg", "lake", f"{place} is an Iceberg table"):
        import pyiceberg  # noqa: F401
    metadata = place if place.endswith(".json") or "://" in place else _newest_metadata(place)
    if metadata is None:
        raise DataError(f"{place} has no metadata/*.metadata.json; name the table's folder")
    return pl.scan_iceberg(metadata)


_SCANS: Mapping[str, Callable[[str], pl.LazyFrame]] = {"delta": _scan_delta, "iceberg": _scan_iceberg}


def _newest_metadata(folder: str) -> str | None:
    files = list(Path(folder, "metadata").glob("*.metadata.json"))
    return str(max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))) if files else None


def _written(place: str) -> int:
    """When the newest file of the table's log was written, µs since 1970; 0 in a cloud store."""
    logs = [file for folder in ("_delta_log", "metadata") for file in Path(place, folder).glob("*.json")]
    return max((file.stat().st_mtime_ns // 1000 for file in logs), default=0)
