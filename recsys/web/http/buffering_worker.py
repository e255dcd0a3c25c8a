"""A threaded gunicorn worker whose threads only ever see whole requests.

gunicorn's own threaded worker hands a connection to a thread at its first byte, and the thread waits for the rest: as many
slow clients as there are threads stop the service. Here the event loop gathers head and body of each request, bounded in
bytes and seconds, and a thread takes it when nothing is left to wait for. A client that reads its answer slowly is cut off
after `SEND_SECONDS` without progress.
"""

from __future__ import annotations

import errno
import re
import socket
import struct
import time
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import LimitRequestLine, ParseException
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import TConn, ThreadWorker

REQUEST_SECONDS = 10.0
"""Seconds that a client has for one request, from its first byte (of a new connection: from its opening) to its last."""
STOP_SECONDS = 2.0
"""The same in a worker that is to end."""
SEND_SECONDS = 10
"""Seconds without any progress after which a client that does not read is cut off."""
HEAD_BYTES = 64 * 1024
"""Largest head that is gathered; gunicorn's own limits refuse a larger one."""
BODY_BYTES = 1024 * 1024
"""Largest body that is gathered; calls refuse a larger one without reading it."""
GATHERED_BYTES = 64 * 1024 * 1024
"""Largest sum of what all unfinished requests of a worker may hold; beyond it the oldest are dropped."""
SEND_BUFFER_BYTES = 256 * 1024
_CHUNK = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding:[^\r]*chunked", re.IGNORECASE | re.MULTILINE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestBuffer:
    """The bytes of one request as they come in."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.received = 0
        self._head_end = -1
        self._length = 0
        self._chunked = False

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
        self._chunked = bool(_CHUNKED.search(head))
        length = _LENGTH.search(head)
        self._length = int(length[1]) if length else 0
        if self._length > BODY_BYTES:
            self._length = 0  # refused by its length, without being read
        return True


class BufferingWorker(ThreadWorker):  # type: ignore[misc]
    """Gathers requests in the event loop and answers them in a bounded pool of threads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathering: dict[TConn, RequestBuffer] = {}
        self._gathered = 0

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Begin to end, and let long answers know."""
        super().handle_exit(sig, frame)
        if service := getattr(self.wsgi, "service", None):
            service.lanes.stop()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """End at once, without a lock of the pool: a terminal's Ctrl-C reaches a worker twice, by itself and from the master, and the
        first may hold that lock when the second interrupts it. Leaving the interpreter ends the pool."""
        Worker.handle_quit(self, sig, frame)

    def accept(self, listener: Any) -> None:
        """Accept a connection and wait for its first request."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        _bound_sending(client)
        self.nr_conns += 1
        self._gather(TConn(self.cfg, client, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        """Gather the next request of a kept-alive connection."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._gather(conn)

    def murder_pending(self) -> None:
        """Close connections whose request did not come in time."""
        now = time.monotonic()
        if not self.alive:
            now += REQUEST_SECONDS - STOP_SECONDS  # a stopping worker waits less
        for conn in [conn for conn in self._gathering if conn.timeout <= now]:
            self._drop(conn)
        super().murder_pending()

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer one request; a client that does not read counts as one that has gone."""
        try:
            return super().handle_request(req, conn)
        except BlockingIOError as error:
            raise BrokenPipeError(errno.EPIPE, "the client does not read") from error

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be parsed, without repeating it: a header without its colon may be a key."""
        if isinstance(exc, ParseException) and not isinstance(exc, LimitRequestLine):
            exc.__class__ = type(type(exc).__name__, (_Wordless, type(exc)), {})
        super().handle_error(req, client, addr, exc)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Keep or close a connection; a request that was sent ahead is gathered like any other."""
        ahead = b""
        if not fs.cancelled() and fs.exception() is None and fs.result() is True:
            ahead = conn.parser.unreader.take_buffered()
        super().finish_request(conn, fs)
        if ahead and self.keepalived_conns and self.keepalived_conns[-1] is conn:
            self.keepalived_conns.pop()
            self.poller.unregister(conn.sock)
            self._gather(conn, ahead)

    def _gather(self, conn: TConn, ahead: bytes = b"") -> None:
        conn.timeout = time.monotonic() + REQUEST_SECONDS
        conn.sock.setblocking(False)
        self._gathering[conn] = RequestBuffer()
        self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))
        if ahead:
            self._take(conn, ahead)

    def _receive(self, conn: TConn, client: Any) -> None:
        try:
            data = client.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._take(conn, data)
        else:
            self._drop(conn)

    def _take(self, conn: TConn, data: bytes) -> None:
        buffer = self._gathering[conn]
        self._gathered += len(data)
        if buffer.add(data):
            self._hand_over(conn)
        elif buffer.expects_continue:
            self._say_continue(conn)
        while self._gathered > GATHERED_BYTES:
            self._drop(next(iter(self._gathering)))

    def _hand_over(self, conn: TConn) -> None:
        buffer = self._release(conn)
        conn.init()
        conn.parser.unreader.unread(bytes(buffer.data))
        self.enqueue_req(conn)

    def _say_continue(self, conn: TConn) -> None:
        try:
            conn.sock.send(_CONTINUE)
        except OSError:
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self._release(conn)
        self.nr_conns -= 1
        conn.close()

    def _release(self, conn: TConn) -> RequestBuffer:
        buffer = self._gathering.pop(conn)
        self._gathered -= buffer.received
        self.poller.unregister(conn.sock)
        return buffer


class _Wordless:
    """An error that tells its kind only."""

    def __str__(self) -> str:
        return type(self).__name__


def _bound_sending(client: socket.socket) -> None:
    """Give an answer room in the kernel, and a thread that sends it an end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SEND_SECONDS, 0))
