"""Buffer of one request, which tells from the bytes alone when the request is whole, bounded in bytes."""

from __future__ import annotations

import re

HEAD_BYTES = 64 * 1024
"""Largest head that is gathered; gunicorn's own limits refuse a larger one."""
BODY_BYTES = 1024 * 1024
"""Largest body that is gathered; calls refuse a larger one without reading it."""
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:[^\r]*chunked", re.IGNORECASE | re.MULTILINE)
_BODY = re.compile(rb"^(content-length|transfer-encoding)", re.IGNORECASE | re.MULTILINE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)


class RequestBuffer:
    """The bytes of one request as they come in."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.received = 0
        self._head_end = -1
        self._length = 0
        self._chunked = False
        self.may_have_body = True

    def add(self, data: bytes) -> bool:
        """Add bytes; returns whether a thread can now read the request, or refuse it, without waiting."""
        self.data += data
        self.received += len(data)
        if self._head_end < 0 and not self._find_head(len(data)):
            return len(self.data) > HEAD_BYTES
        body = len(self.data) - self._head_end
        if self._chunked:
            return self.data.endswith(b"0" + _HEAD_END) or body > BODY_BYTES
        return body >= self._length

    @property
    def first_line(self) -> bytes:
        """The request line, without its end."""
        return bytes(self.data[: max(self.data.find(b"\r\n"), 0)])

    @property
    def expects_continue(self) -> bool:
        """Tell whether the client waits for a word before it sends the body; asked once, for the header is then taken out."""
        if self._head_end < 0:
            return False
        head = bytes(self.data[: self._head_end])
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
        self._chunked = bool(_CHUNKED.search(head))
        length = _LENGTH.search(head)
        self._length = int(length[1]) if length else 0
        if self._length > BODY_BYTES:
            self._length = 0  # refused by its length, without being read
        return True
