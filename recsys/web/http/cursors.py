"""Cursors of lists: where a list goes on, as text that holds all of it, so that the service remembers nothing.

A cursor names a snapshot and the rows of the items that were shown, and carries a check over these and the question. The check
tells a cursor from other text and from those of other questions; it keeps no secret. Rows are written as gaps, compressed: about ten
bits an item in a large catalogue, and never more than two for each item of a small one.
"""

from __future__ import annotations

import binascii
import re
import struct
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np

from recsys.types import Query, Rows

START = "*"
"""Asks for a list that can be continued, from its beginning."""
MAX_LENGTH = 6000
"""Characters of the longest cursor, so that every one fits into an address; with the next one a list ends."""
MAX_ROWS = 10_000
"""Items of the longest cursor, and of all cursors of one page of lists: each is looked up, and a caller may make cursors."""
_CHECK_BYTES = 8
_HEAD = struct.Struct(f"<{_CHECK_BYTES}s29sI")
_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
_PLANES = 4
"""A gap's bytes; those of one weight stand together, which compresses well."""


class Cursor(NamedTuple):
    """Place at which a list goes on: the snapshot that `rows` int32[k], ascending and distinct, are of."""

    version: str
    rows: Rows

    def text(self, query: Query) -> str | None:
        """The cursor for a question; None where it would be too long, or of too many items."""
        if len(self.rows) > MAX_ROWS:
            return None
        gaps = np.diff(self.rows, prepend=-1).astype("<u4")
        packed = zlib.compress(gaps.view(np.uint8).reshape(-1, _PLANES).T.tobytes())
        version = self.version.encode()
        plain = _HEAD.pack(_check(query, version, packed), version, len(gaps)) + packed
        text = urlsafe_b64encode(plain).decode().rstrip("=")
        return text if len(text) <= MAX_LENGTH else None


def read_cursor(text: str, query: Query) -> Cursor | None:
    """Read a cursor; None where it is none, or belongs to another question."""
    if (found := _opened(text)) is None:
        return None
    check, version, count, packed = found
    if count > MAX_ROWS or check != _check(query, version, packed) or not _VERSION.fullmatch(version.decode("latin-1")):
        return None
    planes = _unpacked(packed, count * _PLANES)
    if planes is None:
        return None
    gaps = np.frombuffer(planes, np.uint8).reshape(_PLANES, -1).T.copy().view("<u4").ravel()
    rows = np.cumsum(gaps, dtype=np.int64) - 1
    if len(rows) and (rows[-1] > np.iinfo(np.int32).max or not gaps.all()):
        return None
    return Cursor(version.decode(), rows.astype(np.int32))


def items_of(text: str) -> int:
    """Tell how many items a cursor says were shown, without a look at them."""
    found = _opened(text)
    return found[2] if found else 0


def _opened(text: str) -> tuple[bytes, bytes, int, bytes] | None:
    """Check, version, count and packed rows of a cursor, none of them looked at; None where it is none."""
    try:
        plain = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return *_HEAD.unpack_from(plain), plain[_HEAD.size :]
    except (binascii.Error, ValueError, struct.error):
        return None


def _unpacked(packed: bytes, size: int) -> bytes | None:
    """Decompress to exactly so many bytes, never more; None where it cannot be."""
    try:
        opened = zlib.decompressobj()
        found = opened.decompress(packed, size + 1)
    except zlib.error:
        return None
    return found if len(found) == size and opened.eof and not opened.unused_data else None


def _check(query: Query, version: bytes, packed: bytes) -> bytes:
    """Hash the question, without what differs from page to page, with what the cursor holds."""
    asked = msgspec.json.encode(msgspec.structs.replace(query, now=0, limit=0, exclude=()))
    return blake2b(b"%b\0%b\0%b" % (asked, version, packed), digest_size=_CHECK_BYTES, person=b"recsys list").digest()
