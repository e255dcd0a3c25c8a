"""A threaded gunicorn worker whose threads only ever see whole requests.

gunicorn's own threaded worker hands a connection to a thread at its first byte, and the thread waits for the rest: as many
slow clients as there are threads stop the service. Here the event loop gathers head and body of each request, bounded in
bytes and seconds, and a thread takes it when nothing is left to wait for. A client that reads its answer slowly is cut off
after `SEND_SECONDS` without progress.

What the application answers at once (`answers_at_once`: from memory and local files, in a millisecond or so) is answered in the
event loop itself, without a change of threads (docs/decisions/0013-pages-are-answered-in-the-loop.md).
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from itertools import takewhile
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from recsys.web.http.worker.request_buffer import HEAD_BYTES, RequestBuffer

REQUEST_SECONDS = 10.0
"""Seconds that a client has for one request, from its first byte (of a new connection: from its opening) to its last."""
STOP_SECONDS = 2.0
"""The same in a worker that is to end."""
SEND_SECONDS = 10
"""Seconds without any progress after which a client that does not read is cut off."""
GATHERED_BYTES = 64 * 1024 * 1024
"""Largest sum of what all unfinished requests of a worker may hold; beyond it the oldest are dropped."""
SEND_BUFFER_BYTES = 256 * 1024
LINGER_SECONDS = 2.0
"""Seconds that a client has to close a connection that we have ended (RFC 9112, section 9.6)."""
_HEARTBEAT_SECONDS = 1.0
_CHUNK = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BufferingWorker(ThreadWorker):  # type: ignore[misc]
    """Gathers requests in the event loop; answers them there, or in a bounded pool of threads where an answer may wait."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathering: dict[TConn, RequestBuffer] = {}
        self._gathered = 0
        self._lingering: dict[TConn, float] = {}
        """Connections that we have ended and their clients have not, with the moment at which they are closed anyway."""
        self._beat = 0.0

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Begin to end, and let long answers know."""
        super().handle_exit(sig, frame)
        if service := getattr(self.wsgi, "service", None):
            service.lanes.stop()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """End at once, without a lock of the pool: a terminal's Ctrl-C reaches a worker twice, by itself and from the master, and the
        first may hold that lock when the second interrupts it. Leaving the interpreter ends the pool."""
        Worker.handle_quit(self, sig, frame)

    def notify(self) -> None:
        """Tell the master that the worker lives, once a second rather than at every turn of the loop."""
        now = time.monotonic()
        if now - self._beat >= _HEARTBEAT_SECONDS:
            self._beat = now
            super().notify()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Take one turn of the loop; heavy calls give way until it is through, to what it sends and logs as well."""
        try:
            events = self.poller.select(timeout)
        except InterruptedError:
            return
        service = getattr(self.wsgi, "service", None)
        with service.lanes.turn() if service and events else nullcontext():
            for key, _ in events:
                key.data(key.fileobj)

    def accept(self, listener: Any) -> None:
        """Accept a connection and wait for its first request."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        _bound_sending(client)
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        conn = TConn(self.cfg, client, address, listener.getsockname())
        self._watch(conn)
        self._begin(conn)

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        """Receive what a connection has sent; the first bytes after an answer begin the next request."""
        if conn in self._lingering:
            self._drain(conn)
            return
        if conn not in self._gathering:
            try:
                self.keepalived_conns.remove(conn)
            except ValueError:
                return  # closed for another connection's sake in this very turn
            self._begin(conn)
        buffer, began = self._gathering[conn], time.monotonic()
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
        if buffer.received > _CHUNK and (service := getattr(self.wsgi, "service", None)):
            service.lanes.worked(time.monotonic() - began)  # to receive a large body is half of the work on it

    def murder_pending(self) -> None:
        """Close connections whose request did not come in time, and those whose clients do not close them."""
        now = time.monotonic()
        for conn in _until(self._lingering.items(), now):
            self._close(conn)
        if not self.alive:
            now += REQUEST_SECONDS - STOP_SECONDS  # a stopping worker waits less
        for conn in _until(((conn, conn.timeout) for conn in self._gathering), now):
            self._drop(conn)

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
        """Keep or end a connection whose request a thread has answered."""
        try:
            conn.sock.setblocking(False)
            self._watch(conn)
        except (OSError, ValueError):  # closed, for the answer broke off
            self.nr_conns -= 1
            conn.close()
            return
        self._go_on(conn, not fs.cancelled() and fs.exception() is None and fs.result() is True)

    def _watch(self, conn: TConn) -> None:
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _begin(self, conn: TConn) -> None:
        conn.timeout = time.monotonic() + REQUEST_SECONDS
        self._gathering[conn] = RequestBuffer()

    def _take(self, conn: TConn, data: bytes, ahead: bool = False) -> None:
        """Take in bytes; a request that was sent `ahead` of the last answer goes to a thread, so that a row of them does not keep the
        loop."""
        buffer = self._gathering[conn]
        self._gathered += len(data)
        if buffer.add(data):
            self._hand_over(conn, ahead)
        elif buffer.expects_continue:
            self._say_continue(conn)
        while self._gathered > GATHERED_BYTES:
            self._drop(next(iter(self._gathering)))

    def _hand_over(self, conn: TConn, ahead: bool) -> None:
        buffer = self._release(conn)
        if not conn.initialized:
            conn.init()
            conn.sock.setblocking(False)
        conn.parser.unreader.unread(bytes(buffer.data))
        conn.parser.unreader.chunk = partial(_no_more, buffer.has_head)
        at_once = getattr(self.wsgi, "answers_at_once", None)
        if at_once and not ahead and not buffer.may_have_body and at_once(buffer.first_line):
            self._answer(conn)
        else:
            self.poller.unregister(conn.sock)
            self.enqueue_req(conn)

    def _answer(self, conn: TConn) -> None:
        """Answer in the event loop; what a client does not read at once is sent by a thread."""
        client, outbox = conn.sock, _Outbox(conn.sock)
        conn.sock = outbox
        try:
            kept = self.handle(conn) is True
        finally:
            conn.sock = client
        try:
            left = outbox.send_now()
        except OSError:
            kept, left = False, b""
        if not left:
            self._go_on(conn, kept)
            return
        self.poller.unregister(client)
        sending = self.tpool.submit(_send_rest, client, left, kept)
        sending.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _go_on(self, conn: TConn, kept: bool) -> None:
        """Wait for the next request of a connection that is kept, or for its client to close one that has ended."""
        if not kept:
            self._end(conn)
        elif ahead := conn.parser.unreader.take_buffered():
            self._begin(conn)
            self._take(conn, ahead, ahead=True)
        else:
            conn.set_timeout()
            if not self.alive:
                conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
            self.keepalived_conns.append(conn)

    def _end(self, conn: TConn) -> None:
        """End our side of a connection; closing it at once might take back what the client has not read yet."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
        else:
            self._lingering[conn] = time.monotonic() + LINGER_SECONDS

    def _drain(self, conn: TConn) -> None:
        """Read and forget what comes after the end."""
        try:
            gone = not conn.sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            gone = True
        if gone:
            self._close(conn)

    def _make_room(self) -> None:
        """Close the connection that has ended, or else waited longest, so that there is room for another that is to be accepted."""
        kept = self.keepalived_conns[0] if self.keepalived_conns else None
        gathering = next(iter(self._gathering), None)
        if self._lingering:
            self._close(next(iter(self._lingering)))
        elif kept and (not gathering or kept.timeout - self.cfg.keepalive <= gathering.timeout - REQUEST_SECONDS):
            self._close(self.keepalived_conns.popleft())
        elif gathering:
            self._drop(gathering)

    def _say_continue(self, conn: TConn) -> None:
        try:
            conn.sock.send(_CONTINUE)
        except OSError:
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self._release(conn)
        self._close(conn)

    def _close(self, conn: TConn) -> None:
        self._lingering.pop(conn, None)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _release(self, conn: TConn) -> RequestBuffer:
        buffer = self._gathering.pop(conn)
        self._gathered -= buffer.received
        return buffer


class _Outbox:
    """Outbox in a socket's place while the event loop answers: bytes are collected, and sent together."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._data = bytearray()

    def sendall(self, data: bytes) -> None:
        """Collect bytes."""
        self._data += data

    def setblocking(self, flag: bool) -> None:
        """Leave the socket as the event loop needs it."""

    def send_now(self) -> bytes:
        """Send what the kernel takes without waiting; returns the rest."""
        if not self._data:
            return b""
        try:
            sent = self._client.send(self._data)
        except BlockingIOError:
            sent = 0
        return bytes(self._data[sent:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class _Wordless:
    """An error that tells its kind only."""

    def __str__(self) -> str:
        return type(self).__name__


def _no_more(has_head: bool, size_hint: int | None = None) -> bytes:
    """Stand where a thread would read on from the connection: what is gathered is all that there is, and no thread waits for a client.

    Raises:
        LimitRequestHeaders: if the head has not come to its end.
        TimeoutError: if the body has not.
    """
    if not has_head:
        raise LimitRequestHeaders(f"more than {HEAD_BYTES} bytes")
    raise TimeoutError(errno.EPIPE, "the body has more bytes than are gathered")


def _bound_sending(client: socket.socket) -> None:
    """Give an answer room in the kernel, and a thread that sends it an end; no part of an answer waits for the client's word on the
    part before, which takes 40 ms (a listener that was handed down as `fd://` does not see to that)."""
    if client.family != socket.AF_UNIX:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SEND_SECONDS, 0))


def _send_rest(client: socket.socket, data: bytes, kept: bool) -> bool:
    """Send what is left of an answer to a client that reads slowly; raises OSError for one that does not read."""
    client.setblocking(True)
    client.sendall(data)
    return kept


def _until(moments: Iterable[tuple[TConn, float]], now: float) -> list[TConn]:
    """The connections whose moment has come, of those in the order of their moments."""
    return [conn for conn, _ in takewhile(lambda each: each[1] <= now, moments)]
