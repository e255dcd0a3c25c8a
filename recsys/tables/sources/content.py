"""Kind of a file: by the settings, else by its first bytes, else by its ending."""

from __future__ import annotations

import codecs
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from recsys.tables.sources.spool import Blob
from recsys.types import DataError

ENDINGS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".ndjson": "json",
    ".jsonl": "json",
    ".json": "json",
    ".xml": "xml",
    ".rss": "xml",
    ".atom": "xml",
    ".xlsx": "excel",
    ".xls": "excel",
}
"""Endings of files, and what they mean."""
PACKED: Mapping[str, str] = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
"""Endings of packed files; what is in them has its own ending before."""
_PACKED_MAGIC: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_MAGIC: Mapping[bytes, str] = {b"PAR1\x15": "parquet", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "excel"}
_FOREIGN: Mapping[bytes, str] = {
    b"SQLite format 3": 'an SQLite database; write it as `database = "sqlite:///…"`',
    b"%PDF-": "a PDF; export a table",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"BZh91AY": "packed with bzip2; pack it with gzip or zstd",
    b"\xfd7zXZ": "packed with xz; pack it with gzip or zstd",
    b"7z\xbc\xaf": "packed with 7z; pack it with zip, gzip or zstd",
    b"Rar!": "packed with rar; pack it with zip, gzip or zstd",
    b"Obj\x01": "an Avro file; export Parquet",
    b"ARROW1\x00": "an Arrow file; export Parquet",
}
_WORKBOOK = "xl/workbook.xml"
_HEAD = 4096


def packing_of(blob: Blob) -> str:
    """Return how a file is packed, by its first bytes: gzip, zstd, zip or not at all (empty)."""
    head = blob.head(4)
    packed = next((form for magic, form in _PACKED_MAGIC.items() if head.startswith(magic)), "")
    return "" if packed == "zip" and _is_workbook(blob) else packed


def form_of(blob: Blob, pinned: str) -> str:
    """The format of a file that is not packed: parquet, csv, json, xml or excel.

    Raises:
        DataError: if it is something else, empty, or its name and its first bytes tell nothing.
    """
    head = blob.head(_HEAD)
    for magic, words in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"is {words}")
    ending = Path(blob.name).suffix.lower()
    if not pinned and ending not in ENDINGS:
        raise DataError(f"has none of the known endings {', '.join((*ENDINGS, *PACKED))}; rename it, or write its `format`")
    named = "json" if pinned == "ndjson" else pinned or ENDINGS[ending]
    if not head and named != "json":
        raise DataError("is empty, without even a first line of column names")
    detected = _detected(blob, head)
    _check(named, detected, head)
    return (pinned and named) or detected or named


def _detected(blob: Blob, head: bytes) -> str:
    """Return what the first bytes say, if anything."""
    if head.startswith(b"PK") and _is_workbook(blob):
        return "excel"
    for magic, form in _MAGIC.items():
        if head.startswith(magic):
            return form
    text = start_of_text(head)
    if text.startswith(("<?xml", "<rss", "<feed", "<!DOCTYPE")):
        return "xml"
    return "json" if _is_object(text) else ""


def _check(named: str, detected: str, head: bytes) -> None:
    text = start_of_text(head)
    if named == "json" and detected not in ("json", "parquet", "excel", "xml") and not text.startswith(("{", "[")) and text:
        raise DataError("does not start with { or [, so it is not JSON; rename it to .csv, or export it again")
    if named == "xml" and not detected and not text.startswith("<"):
        raise DataError("does not start with <, so it is not XML; rename it to what it is, or export it again")
    if text[:15].lower().startswith(("<html", "<!doctype html")):
        raise DataError("is a web page, perhaps that of a login; export the table itself")


def start_of_text(head: bytes) -> str:
    """The first characters of what may be text in any encoding with a byte order mark."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return _begun(head.decode(encoding, "replace"))
    return _begun(head.decode("utf-8", "replace"))


def _begun(text: str) -> str:
    """A text without the blanks and byte order marks before it, in whatever order they stand."""
    bare = text.lstrip().lstrip("\ufeff")
    return bare if bare == text else _begun(bare)


BYTE_ORDER_MARKS: Mapping[bytes, str] = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, the longer ones first, and the encodings that they announce."""


def _is_object(text: str) -> bool:
    line = text.partition("\n")[0].strip()
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_workbook(blob: Blob) -> bool:
    try:
        with zipfile.ZipFile(blob.file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    finally:
        blob.file.seek(0)
    return _WORKBOOK in names
