"""Places of files: paths, pipes, folders, Delta and Iceberg tables, and packages that are not installed."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import ListType, NestedField, StringType, StructType

from recsys.tables.sources import FILE, ROW
from recsys.types import DataError
from tests.support.files import CSV, ROWS, columns_of, open_files, rows_of, written
from tests.support.servers.store import Store, store_server

NESTED = pl.DataFrame({"user_id": ["a", "b"], "items": [[{"id": "007"}], []]})


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An S3 server."""
    with store_server(monkeypatch) as running:
        yield running


def test_what_can_be_read_only_once_is_refused(tmp_path: Path) -> None:
    """A table is read several times, so a pipe, a socket or a device is a sentence, and nothing waits for it."""
    os.mkfifo(tmp_path / "events.csv")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door.csv"))
    for path, words in (
        ("events.csv", "is a pipe, which can be read only once"),
        ("e*.csv", "is a pipe"),
        ("door.csv", "is a socket"),
        ("/dev/zero", "/dev/zero is a device"),
    ):
        with pytest.raises(DataError, match=words):
            open_files(tmp_path, path)


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    """A path and a glob that meet do not double rows."""
    written(tmp_path, "events.csv", CSV)
    assert rows_of(open_files(tmp_path, ["events.csv", "*.csv", "./events.csv"])) == ROWS


def test_a_delta_table_is_read_in_its_newest_version(tmp_path: Path) -> None:
    """Its folder is its path; nested columns stay, removed rows do not; the version is the one of the opening."""
    NESTED.write_delta(tmp_path / "events")
    NESTED.head(1).write_delta(tmp_path / "events", mode="overwrite")
    [source] = open_files(tmp_path, "events")
    NESTED.write_delta(tmp_path / "events", mode="append")
    assert columns_of(source).rows() == [(0, "a", [{"id": "007"}], str(tmp_path / "events"))]
    assert source.schema == dict(NESTED.schema)
    assert source.read_as == (f"{tmp_path}/events: a table of delta",)
    assert source.written > 0


def test_an_iceberg_table_is_read_in_its_newest_version(tmp_path: Path) -> None:
    """As a Delta table, by its folder."""
    catalog = InMemoryCatalog("shop", warehouse=f"file://{tmp_path}/lake")
    catalog.create_namespace("shop")
    items = ListType(3, StructType(NestedField(4, "id", StringType())), element_required=False)
    table = catalog.create_table(
        "shop.events", Schema(NestedField(1, "user_id", StringType()), NestedField(2, "items", items))
    )
    NESTED.write_iceberg(table, mode="append")
    [source] = open_files(tmp_path, "lake/shop/events")
    assert columns_of(source).drop(ROW, FILE).rows() == NESTED.rows()
    assert source.read_as[0].endswith("a table of iceberg")


def test_a_delta_table_in_a_store(store: Store, tmp_path: Path) -> None:
    """A folder in a store does not tell what it is: `format` does."""
    NESTED.write_delta(tmp_path / "events")
    for file in (each for each in (tmp_path / "events").rglob("*") if each.is_file()):
        store.put(f"lake/{file.relative_to(tmp_path)}", file.read_bytes())
    [source] = open_files(tmp_path, "s3://shop/lake/events", 'format = "delta"')
    assert columns_of(source).drop(ROW, FILE).rows() == NESTED.rows()
    assert source.written > 0


@pytest.mark.parametrize(
    ("module", "paths", "more", "words"),
    [
        (
            "deltalake",
            "lake",
            "",
            r"is a Delta table, which needs the package deltalake: install it with `\.venv/bin/pip install '\.\[lake\]'`",
        ),
        ("pyiceberg", "lake", 'format = "iceberg"', r"is an Iceberg table, which needs the package pyiceberg"),
        (
            "obstore.store",
            "s3://shop/a-*.csv",
            "",
            r"stands in a cloud store, which needs the package obstore.*'\.\[cloud\]'",
        ),
    ],
)
def test_a_missing_package_is_asked_for_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, paths: str, more: str, words: str
) -> None:
    """Packages that not every shop needs are named when they are needed, with how to install them."""
    (tmp_path / "lake" / "_delta_log").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=words):
        open_files(tmp_path, paths, more)


def test_a_broken_delta_table_is_a_sentence(tmp_path: Path) -> None:
    """A folder that only looks like a table is named."""
    (tmp_path / "lake" / "_delta_log").mkdir(parents=True)
    with pytest.raises(DataError, match="is no whole Delta table"):
        open_files(tmp_path, "lake")
