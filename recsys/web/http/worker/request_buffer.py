"""Buffer of one request, which tells from the bytes alone when the request is whole, bounded in bytes."""

from __future__ import annotations

import re

HEAD_BYTES = 64 * 1024
"""Largest head that is gathered, and trailers; a larger one is refused."""
BODY_BYTES = 1024 * 1024
"""Largest body that is gathered; calls refuse a larger one without reading it."""
MAX_CHUNKS, CHUNK_LINE_BYTES = 10_000, 4096
"""Most chunks of one body, and the longest line that begins one."""
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:[ \t]*0*(\d{1,18})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"0*([0-9a-f]{1,8})(?:[ \t]*;|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"^transfer-encoding:[^\r\n]*chunked", re.IGNORECASE | re.MULTILINE)
_BODY = re.compile(rb"^(content-length|transfer-encoding)", re.IGNORECASE | re.MULTILINE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)


class RequestBuffer:
    """The bytes of one request as they come in."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.received = 0
        self._head_end = -1
        self._length = 0
        self._chunks: _Chunks | None = None
        self.may_have_body = True
        self._asked = False

    def add(self, data: bytes) -> bool:
        """Add bytes; returns whether a thread can now read the request, or refuse it, without waiting."""
        self.data += data
        self.received += len(data)
        if self._head_end < 0 and not self._find_head(len(data)):
            return len(self.data) > HEAD_BYTES
        if self._chunks:
            return self._chunks.are_whole(self.data, self._head_end)
        return len(self.data) - self._head_end >= self._length

    @property
    def has_head(self) -> bool:
        """Tell whether the head came to its end."""
        return self._head_end >= 0

    @property
    def first_line(self) -> bytes:
        """The request line, without its end."""
        return bytes(self.data[: max(self.data.find(b"\r\n"), 0)])

    @property
    def expects_continue(self) -> bool:
        """Tell whether the client waits for a word before it sends the body; asked once, for the header is then taken out."""
        if self._head_end < 0 or self._asked:
            return False
        self._asked, head = True, bytes(self.data[: self._head_end])
        without = _EXPECT.sub(b"", head, count=1)
        if len(without) == len(head):
            return False
        self.data[: self._head_end] = without
        self._head_end = len(without)
        return True

    def _find_head(self, added: int) -> bool:
        found = self.data.find(_HEAD_END, max(len(self.data) - added - len(_HEAD_END), 0))
        if found < 0:
            return False
        self._head_end = found + len(_HEAD_END)
        head = bytes(self.data[: self._head_end])
        self.may_have_body = bool(_BODY.search(head))
        self._chunks = _Chunks() if _CHUNKED.search(head) else None
        length = _LENGTH.search(head)
        self._length = int(length[1]) if length else 0
        if self._length > BODY_BYTES:
            self._length = 0  # refused by its length, without being read
        return True


class _Chunks:
    """The chunks of a body as they come in (RFC 9112, section 7.1)."""

    def __init__(self) -> None:
        self._next, self._n, self._held = 0, 0, 0
        """Where the next one begins, counted from the head's end; how many came before, and the bytes that they hold."""
        self._looked = 0
        """Where the end of the trailers may begin, from the head's end: it was looked for before."""

    def are_whole(self, data: bytearray, head_end: int) -> bool:
        """Tell whether the last one came, or what came will be refused: it is too much, too many chunks, or none."""
        while (begin := head_end + self._next) < len(data):
            end = data.find(b"\r\n", begin, begin + CHUNK_LINE_BYTES)
            if end < 0:
                return len(data) - begin >= CHUNK_LINE_BYTES
            line = _CHUNK.match(bytes(data[begin:end]))
            if line is None:
                return True
            size, came = int(line[1], 16), len(data) - end - 2
            if size == 0:
                looked, self._looked = max(self._looked + head_end, end), len(data) - len(_HEAD_END) - head_end
                return data.find(_HEAD_END, looked) >= 0 or came > HEAD_BYTES
            if self._n == MAX_CHUNKS or self._held + min(size, came) > BODY_BYTES:
                return True
            if came < size + 2:
                return False
            self._n, self._held, self._next = self._n + 1, self._held + size, end + 4 + size - head_end
        return False
