"""Packed files and archives: read as what is in them, whole or not at all, and never endlessly."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from backports import zstd

from recsys.tables.sources import FILE, spool, unpack
from recsys.types import DataError
from tests.support.files import CSV, ROWS, columns_of, open_files, rows_of, written


def zipped(**members: str | bytes) -> bytes:
    """A zip archive; `__` in a name stands for a point."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("events.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("events.csv.gz", gzip.compress(CSV[:80].encode(), mtime=0) + gzip.compress(CSV[80:].encode(), mtime=0)),
        ("events.csv.zst", zstd.compress(CSV.encode())),
        ("events.csv.zst", zstd.compress(CSV[:80].encode()) + zstd.compress(CSV[80:].encode())),
        ("events.csv.zip", zipped(events__csv=CSV)),
        ("events.zip", zipped(events__csv=CSV.encode("utf-16"))),
        ("events.csv.gz", gzip.compress(CSV.encode("utf-16"), mtime=0)),
        ("events.zip", zipped(events__csv__gz=gzip.compress(CSV.encode(), mtime=0))),
        ("events.csv", gzip.compress(CSV.encode(), mtime=0)),
    ],
)
def test_packed_files_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    """What is packed is told by its first bytes, in several parts and in two layers."""
    sources = open_files(tmp_path, written(tmp_path, name, content))
    assert rows_of(sources) == ROWS
    assert "unpacked from" in sources[0].read_as[0]


def test_all_members_of_an_archive_are_one_table(tmp_path: Path) -> None:
    """Members with the same columns follow one another, each named; litter of file managers is passed over."""
    with zipfile.ZipFile(tmp_path / "june.zip", "w") as archive:
        for name in ("june/1.csv", "june/2.csv"):
            archive.writestr(name, CSV)
        archive.writestr("__MACOSX/june/._1.csv", b"\x00\x05\x16\x07")
        archive.writestr("june/.DS_Store", b"\x00")
    sources = open_files(tmp_path, "june.zip")
    assert rows_of(sources) == ROWS * 2
    names = [name for source in sources for name in columns_of(source)[FILE].unique(maintain_order=True)]
    assert names == [f"{tmp_path}/june.zip/june/{at}.csv" for at in (1, 2)]


def test_many_packed_files_are_one_table(tmp_path: Path) -> None:
    """Hundreds of daily files need no open file each, and their rows keep order and names."""
    for at in range(205):
        (tmp_path / f"day-{at:03}.csv.gz").write_bytes(gzip.compress(f"user_id,event_type\nu{at},view\n".encode()))
    opened = len(list(Path("/proc/self/fd").iterdir()))
    [source] = open_files(tmp_path, "day-*.csv.gz")
    assert len(list(Path("/proc/self/fd").iterdir())) < opened + 20
    frame = columns_of(source)
    assert frame["user_id"].to_list() == [f"u{at}" for at in range(205)]
    assert frame["__row"].to_list() == list(range(205))
    assert frame[FILE][204] == f"{tmp_path}/day-204.csv"
    assert source.read_as[0].startswith(f"{tmp_path}/day-000.csv and 204 more: unpacked from gzip")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("events.csv.gz", gzip.compress(CSV.encode() * 50, mtime=0)[:-60], "cut off"),
        ("events.csv.zst", zstd.compress(CSV.encode() * 50)[:-20], "cut off"),
        ("events.csv.zip", zipped(events__csv=CSV * 50)[:-30], "damaged or cut off"),
        ("events.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:12] + b"\x07" * 40, "damaged or cut off"),
        ("events.csv.gz", b"\x1f\x8b", "cut off"),
        (
            "events.csv.zip",
            (whole := zipped(events__csv=CSV))[:10] + whole[13:],
            "damaged or cut off",
        ),
        ("both.zip", zipped(orders__csv=CSV, people__csv="user_id,locale\nu,de\n"), "files with different columns"),
        ("none.zip", zipped(), "no file in it"),
        ("deep.zip", zipped(a__zip=zipped(b__zip=zipped(events__csv=CSV))), "packed more than twice"),
        ("events.csv.bz2", b"BZh91AY", "packed with bzip2"),
        ("events.csv", b"BZh91AY", "packed with bzip2"),
    ],
)
def test_broken_archives_are_a_sentence(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """One sentence names the archive and what is wrong with it; nothing of it is read."""
    with pytest.raises(DataError, match=words) as caught:
        open_files(tmp_path, written(tmp_path, name, content))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_archive_with_a_password_is_a_sentence(tmp_path: Path) -> None:
    """An encrypted member cannot be read, and is not tried."""
    content = bytearray(zipped(events__csv=CSV))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match="with a password"):
        open_files(tmp_path, written(tmp_path, "events.zip", bytes(content)))


@pytest.mark.parametrize("packing", ["gz", "zst", "zip"])
def test_a_bomb_is_put_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str) -> None:
    """A small file that unpacks to far more than a table does is left at its bound."""
    monkeypatch.setattr(spool, "MAX_UNPACKED", 1 << 20)
    monkeypatch.setattr(unpack, "MAX_UNPACKED", 1 << 20)
    bomb = CSV.encode() + b"a,b,2026-06-01,view,1\n" * 2_000_000
    packed = (
        gzip.compress(bomb, mtime=0)
        if packing == "gz"
        else zstd.compress(bomb)
        if packing == "zst"
        else zipped(events__csv=bomb)
    )
    with pytest.raises(DataError, match=r"unpacks to .*MB, too much for its [\d,]+ bytes"):
        open_files(tmp_path, written(tmp_path, f"events.csv.{packing}", packed))


def test_a_copy_leaves_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the disk is full, one sentence says where more room is needed."""
    monkeypatch.setattr(spool, "LEAST_FREE", 1 << 60)
    with pytest.raises(DataError, match=r"needs more room for its copy than .*; set TMPDIR"):
        open_files(tmp_path, written(tmp_path, "events.csv.gz", gzip.compress(CSV.encode(), mtime=0)))
