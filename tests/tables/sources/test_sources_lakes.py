"""Delta and Iceberg tables that are damaged, changed or copied: right rows, or a sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

from recsys.tables.reader import reading
from recsys.types import DataError
from tests.support.files import columns_of, open_files, rows_of
from training.onboarding.files import find_files, lakes_among

ROWS = pl.DataFrame({"user_id": ["a", "b"], "quantity": [1, 2]})
FIRST_ROW = {
    "storageType": "i",
    "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000005c8Xg00000",
    "sizeInBytes": 34,
    "cardinality": 1,
}
"""A deletion vector of row 0, written out within the log (Delta protocol, "Deletion Vector Format")."""
_DAMAGED = r"events is no whole Delta table: files of its log are missing or damaged; copy the whole folder again"


def delta(folder: Path, commits: int = 1) -> Path:
    """Write a Delta table of two rows a commit."""
    for _ in range(commits):
        ROWS.write_delta(folder / "events", mode="append")
    return folder / "events"


def iceberg(folder: Path, commits: int = 1) -> Path:
    """Write an Iceberg table of two rows a commit."""
    catalog = InMemoryCatalog("shop", warehouse=f"file://{folder}")
    catalog.create_namespace("lake")
    schema = Schema(NestedField(1, "user_id", StringType()), NestedField(2, "quantity", LongType()))
    table = catalog.create_table("lake.events", schema)
    for _ in range(commits):
        ROWS.write_iceberg(table, mode="append")
    return folder / "lake" / "events"


def logs(table: Path) -> list[Path]:
    """The files of a table's log, the oldest first."""
    return sorted([*table.glob("_delta_log/*.json"), *table.glob("metadata/*.metadata.json")])


def read(table: Path) -> list[tuple[object, ...]]:
    """All rows of a table, sorted."""
    sources = open_files(table.parent, table.name)
    with reading("events", sources):
        return sorted(rows_of(sources))


def edited(table: Path, edit: Callable[[dict[str, dict[str, object]]], None]) -> None:
    """Change the entries of a table's first log."""
    entries = [json.loads(line) for line in logs(table)[0].read_text().splitlines()]
    for entry in entries:
        edit(entry)
    logs(table)[0].write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))


@pytest.mark.parametrize("at", [0, 1])
def test_a_log_with_a_gap_is_a_sentence(tmp_path: Path, at: int) -> None:
    """A folder that was copied in part holds rows, but nobody knows which of them count."""
    table = delta(tmp_path, 3)
    logs(table)[at].unlink()
    with pytest.raises(DataError, match=_DAMAGED):
        read(table)


@pytest.mark.parametrize("content", ["", '{"add": {"path": "part'])
def test_a_damaged_log_is_a_sentence(tmp_path: Path, content: str) -> None:
    """A writer that was stopped half-way leaves such files."""
    table = delta(tmp_path)
    logs(table)[0].write_text(content)
    with pytest.raises(DataError, match=_DAMAGED):
        read(table)


@pytest.mark.parametrize("make", [delta, iceberg])
@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:100])])
def test_damaged_files_of_rows_are_a_sentence(
    tmp_path: Path, make: Callable[[Path], Path], damage: Callable[[Path], object]
) -> None:
    """Files of rows that were vacuumed away, or cut."""
    table = make(tmp_path)
    for file in table.rglob("*.parquet"):
        damage(file)
    with pytest.raises(DataError, match="events cannot be read: "):
        read(table)


def _with_vector(vector: dict[str, object]) -> Callable[[dict[str, dict[str, object]]], None]:
    def edit(entry: dict[str, dict[str, object]]) -> None:
        if "protocol" in entry:
            features = ["deletionVectors"]
            entry["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": features,
                "writerFeatures": features,
            }
        if "add" in entry:
            entry["add"]["deletionVector"] = vector

    return edit


def test_rows_that_a_deletion_vector_names_are_gone(tmp_path: Path) -> None:
    """The first row is marked as deleted beside the file, which still holds it."""
    table = delta(tmp_path)
    edited(table, _with_vector(FIRST_ROW))
    assert read(table) == [("b", 2)]


def test_a_missing_deletion_vector_is_a_sentence(tmp_path: Path) -> None:
    """Without it deleted rows would come back."""
    table = delta(tmp_path)
    missing = {
        "storageType": "u",
        "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^",
        "offset": 4,
        "sizeInBytes": 40,
        "cardinality": 1,
    }
    edited(table, _with_vector(missing))
    with pytest.raises(DataError, match=r"events cannot be read: .*not found"):
        read(table)


def test_columns_that_were_renamed_only_in_the_log_are_a_sentence(tmp_path: Path) -> None:
    """Polars does not read Delta's column mapping."""

    def edit(entry: dict[str, dict[str, object]]) -> None:
        if "protocol" in entry:
            entry["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in entry:
            entry["metaData"]["configuration"] = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2"}
            schema = json.loads(str(entry["metaData"]["schemaString"]))
            for at, field in enumerate(schema["fields"], 1):
                field["metadata"] = {"delta.columnMapping.id": at, "delta.columnMapping.physicalName": field["name"]}
            entry["metaData"]["schemaString"] = json.dumps(schema)

    table = delta(tmp_path)
    edited(table, edit)
    with pytest.raises(DataError, match="its columns were renamed without being written anew"):
        read(table)


def test_a_column_that_came_late_is_empty_before(tmp_path: Path) -> None:
    """A schema that grew, with partitions of which one has no value."""
    table = tmp_path / "events"
    ROWS.write_delta(table, delta_write_options={"partition_by": ["user_id"]})
    late = pl.DataFrame({"user_id": [None], "quantity": [3], "price": [9.5]}, schema_overrides={"user_id": pl.String})
    late.write_delta(table, mode="append", delta_write_options={"schema_mode": "merge"})
    [source] = open_files(tmp_path, "events")
    rows = columns_of(source).select("user_id", "quantity", "price").rows()
    assert set(rows) == {("a", 1, None), ("b", 2, None), (None, 3, 9.5)}


def test_a_path_with_a_percent_sign_is_a_sentence(tmp_path: Path) -> None:
    """Delta's reader would look for another folder."""
    folder = tmp_path / "50%20off"
    shutil.copytree(delta(tmp_path), folder / "events")
    with pytest.raises(DataError, match="has a % in its path"):
        read(folder / "events")


def test_the_newest_version_of_a_copied_iceberg_table_is_read(tmp_path: Path) -> None:
    """Copies are written in any order, so the number in a name tells which version is the newest, not the time of the file."""
    table = iceberg(tmp_path, 2)
    for at, file in enumerate(reversed(logs(table))):
        os.utime(file, (at, at))
    assert read(table) == [("a", 1), ("a", 1), ("b", 2), ("b", 2)]


@pytest.mark.parametrize("content", ["", "{}", '{"location": "file://', '{"format-version": 9}'])
def test_damaged_metadata_is_a_sentence(tmp_path: Path, content: str) -> None:
    """Metadata that was cut, or of a version that is not known."""
    table = iceberg(tmp_path)
    logs(table)[-1].write_text(content)
    with pytest.raises(DataError, match="has metadata that is damaged, or of a format that is not known"):
        read(table)


@pytest.mark.parametrize("files", ["snap-*", "*-m0.avro"])
def test_missing_manifests_are_a_sentence(tmp_path: Path, files: str) -> None:
    """The lists of a table's files."""
    table = iceberg(tmp_path)
    for file in table.glob(f"metadata/{files}"):
        file.unlink()
    with pytest.raises(DataError, match="events cannot be read: "):
        read(table)


def test_an_iceberg_table_that_was_moved_is_a_sentence(tmp_path: Path) -> None:
    """Its metadata names every file by its whole path, so that none is found, or another table's."""
    iceberg(tmp_path)
    (tmp_path / "lake").rename(tmp_path / "moved")
    with pytest.raises(
        DataError, match=r"moved/events is an Iceberg table that was moved or copied from file://.*/lake/events"
    ):
        read(tmp_path / "moved" / "events")


@pytest.mark.parametrize(("make", "form"), [(delta, "delta"), (iceberg, "iceberg")])
def test_init_takes_no_files_out_of_a_lake(tmp_path: Path, make: Callable[[Path], Path], form: str) -> None:
    """Its folder also holds files of rows that were deleted."""
    with pytest.raises(DataError, match=f"events is a table of {form}, which init does not look at"):
        find_files([str(make(tmp_path))])


@pytest.mark.parametrize(("make", "form"), [(delta, "delta"), (iceberg, "iceberg")])
def test_init_names_the_lakes_that_it_passes_by(tmp_path: Path, make: Callable[[Path], Path], form: str) -> None:
    """`exports/*` with a table of a lake among its files: nothing of it was said."""
    lake = make(tmp_path)
    (lake.parent / "items.csv").write_text("sku,title\nA,Tea\n")
    for given in (str(lake.parent), f"{lake.parent}/*"):
        assert [file.name for file in find_files([given])] == ["items.csv"]
        assert [each.startswith(f"{lake} is a table of {form}, which init does not") for each in lakes_among([given])] == [
            True
        ]
    (lake.parent / "items.csv").unlink()
    with pytest.raises(DataError, match=f"is a table of {form}, which init does not look at"):
        find_files([f"{lake.parent}/*"])
