"""Files in a cloud store: found, fetched and read as those of this machine, and in words when the store goes away."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from recsys.tables.sources import FILE
from recsys.types import DataError
from tests.support.files import CSV, ROWS, columns_of, open_files, rows_of
from tests.support.servers.store import Store, store_server
from tests.support.shops.shop_tables import an_event
from training.__main__ import main


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An S3 server."""
    with store_server(monkeypatch) as running:
        yield running


def parquet(folder: Path) -> bytes:
    """One event as Parquet."""
    pl.DataFrame([an_event(items=[{"id": "1"}])]).write_parquet(folder / "one.parquet")
    return (folder / "one.parquet").read_bytes()


def test_every_format_is_read_from_a_store(store: Store, tmp_path: Path) -> None:
    """Globs find files in folders, each is read as what it is, and rows name their address."""
    store.put("2026/06/events-1.csv", CSV.encode())
    store.put("2026/06/events-2.csv.gz", gzip.compress(CSV.encode("utf-16")))
    store.put("2026/07/deep/events%203.ndjson", b'{"user_id": "a"}\n')
    store.put("2026/other.csv", b"x")
    store.put("2026/06/one.parquet", parquet(tmp_path))
    sources = open_files(tmp_path, "s3://shop/2026/06/events-*")
    assert rows_of(sources) == ROWS * 2
    assert columns_of(sources[0])[FILE].unique(maintain_order=True).to_list() == [
        "s3://shop/2026/06/events-1.csv",
        "s3://shop/2026/06/events-2.csv",
    ]
    assert rows_of(open_files(tmp_path, "s3://shop/**/events*.ndjson")) == [("a",)]
    [nested] = open_files(tmp_path, "s3://shop/2026/06/one.parquet")
    assert columns_of(nested)["items"].to_list() == [[{"id": "1"}]]
    assert nested.written > 0
    assert "fetched from s3://shop" in nested.read_as[0]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("s3://shop/none.csv", r"there is no file s3://shop/none\.csv in its store"),
        ("s3://shop/none-*.csv", r"there is no file s3://shop/none-\*\.csv"),
        ("s3://nowhere/none-*.csv", r"s3://nowhere/none-\*\.csv cannot be fetched: .*look at the address"),
        ("s3://shop", "names no file; write s3://bucket/folder"),
        ("ftp://shop/a.csv", "ftp:// is no place that is read from; .* takes paths and s3://, gs://, az://"),
        ("https://shop.invalid/a.csv", "https:// is no place"),
        ("postgresql://shop/a", "names a database; write it as `database`"),
    ],
)
def test_addresses_that_lead_nowhere(store: Store, tmp_path: Path, path: str, words: str) -> None:
    """One sentence names the address and what to look at, or the schemes that are known."""
    with pytest.raises(DataError, match=words) as caught:
        open_files(tmp_path, path)
    assert "\n" not in str(caught.value)
    assert "a-secret-of-the-test" not in str(caught.value)


@pytest.mark.long
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_store_that_dies_in_the_middle(
    store: Store, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that came halfway is not a shorter file: the job ends with one sentence, and publishes nothing."""
    lots = random.Random(1).randbytes(12 << 20).hex()
    rows = [an_event(query=lots[at : at + 100]) for at in range(0, len(lots), 100)]
    frame = pl.DataFrame(rows)
    getattr(frame, f"write_{form}")(tmp_path / f"events.{form}")
    store.put(f"events.{form}", (tmp_path / f"events.{form}").read_bytes())
    (tmp_path / "settings.toml").write_text(f'data.events.paths = ["s3://shop/events.{form}"]')
    store.cut_after(4 << 20)
    assert main(["--settings", str(tmp_path / "settings.toml"), "train"]) == 1
    stated = " ".join(capsys.readouterr().err.split())
    assert f"events: s3://shop/events.{form} cannot be fetched: " in stated
    assert not (tmp_path / "artifacts").exists()
