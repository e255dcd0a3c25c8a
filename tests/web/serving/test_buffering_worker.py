"""The worker that gathers requests before a thread takes them, by its buffer and over real connections."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from selectors import DefaultSelector

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn
from hypothesis import given
from hypothesis import strategies as st

from recsys.web.http.worker.buffering_worker import BufferingWorker, _bound_sending
from recsys.web.http.worker.request_buffer import BODY_BYTES, CHUNK_LINE_BYTES, HEAD_BYTES, MAX_CHUNKS, RequestBuffer
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import READ, READ_KEY

GET = b"GET /v1/popular HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/slates HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
CHUNKED_CALL = (
    b"POST /v1/slates HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n" % READ_KEY.encode()
)
CHUNKS = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
HOME = "/v1/users/user-0/recommendations"
CROWD = 100
"""More slow clients than both workers have threads."""


@given(st.sampled_from([GET, POST, CHUNKED]), st.lists(st.integers(1, 70), max_size=12))
def test_a_request_is_whole_at_its_last_byte_however_it_is_cut(request_bytes: bytes, cuts: list[int]) -> None:
    """Pieces of any size make the same request, whole with the last of them and not before."""
    buffer, left = RequestBuffer(), request_bytes
    for cut in cuts:
        piece, left = left[:cut], left[cut:]
        if not left:
            left = piece
            break
        assert not buffer.add(piece)
    assert buffer.add(left)
    assert bytes(buffer.data).endswith(request_bytes[-4:])


@pytest.mark.parametrize(
    "given_bytes",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES,
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES + 1),
        b"POST / HTTP/1.1\r\nContent-Length: no number\r\n\r\n",
        CHUNKS + b"x\r\n",
        CHUNKS + b"9" * CHUNK_LINE_BYTES,
        CHUNKS + b"0\r\nX: " + b"x" * HEAD_BYTES,
        CHUNKS + b"%x\r\n" % (BODY_BYTES + 1) + b"x" * (BODY_BYTES + 1),
        CHUNKS + b"1\r\nx\r\n" * MAX_CHUNKS + b"1\r\n",
    ],
)
def test_what_will_be_refused_is_not_gathered(given_bytes: bytes) -> None:
    """A head or body beyond its bound, or a length that is none, goes to the parser at once."""
    assert RequestBuffer().add(given_bytes)


@pytest.mark.parametrize(
    "given_bytes",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 0000000000000000000060000\r\n\r\n{}",
        CHUNKS + b"64\r\n0\r\n\r\n",
        CHUNKS + b"5\r\nhello\r\n0\r\n",
        CHUNKS + b"000000000005 ; name=value\r\nhello\r\n",
        CHUNKS + b"1\r\nx\r\n" * MAX_CHUNKS,
        CHUNKS + b"1\r\nx\r\n" * MAX_CHUNKS + b"0\r\n",
    ],
)
def test_what_has_more_to_come_is_gathered(given_bytes: bytes) -> None:
    """However its length is written, and whatever the bytes look like that came so far."""
    assert not RequestBuffer().add(given_bytes)


def test_a_client_that_waits_for_a_word_gets_it_once() -> None:
    """`Expect: 100-continue` is answered by the event loop, and the thread does not see it any more."""
    buffer = RequestBuffer()
    assert not buffer.add(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert [buffer.expects_continue for _ in range(2)] == [True, False]
    assert buffer.add(b"ok")
    assert bytes(buffer.data) == b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    """A worker ends at once also where the signal interrupts it while its pool is locked, by the same signal before."""
    worker = BufferingWorker(0, 0, [], None, 1, Config(), None)
    worker.tpool = ThreadPoolExecutor(1)

    def end() -> None:
        with suppress(SystemExit):
            worker.handle_quit(signal.SIGQUIT, None)

    ending = threading.Thread(target=end, daemon=True)
    with worker.tpool._shutdown_lock:
        ending.start()
        ending.join(PATIENCE_SECONDS)
        assert not ending.is_alive()
    assert not worker.alive
    worker.tmp.close()


@pytest.fixture(scope="module")
def server(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with two workers."""
    running = start(tmp_path_factory.mktemp("slow"), artifacts, "--workers", "2")
    yield running
    assert stop(running) == 0


def _slow_client(stack: ExitStack, server: Server, sent: bytes) -> socket.socket:
    client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS))
    client.sendall(sent)
    return client


@pytest.mark.long
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/popular HTT",
        b"POST /v1/slates HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
        b"POST /v1/slates HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    ],
    ids=["silent", "half a head", "half a body", "waits for a word"],
)
def test_slow_clients_hold_no_thread(server: Server, sent: bytes) -> None:
    """With more of them than there are threads, a page is answered by both workers while all of them are still connected."""
    with ExitStack() as stack:
        clients = [_slow_client(stack, server, sent) for _ in range(CROWD)]
        assert all(server.get(HOME)[0].status == 200 for _ in range(20))
        for client in clients:
            client.settimeout(0)
            with suppress(BlockingIOError):
                assert client.recv(100).startswith(b"HTTP/1.1 100")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" % (b"x" * 8000) * 9, b"HTTP/1.1 431"),
        (b"%b%b" % (CHUNKED_CALL, b"1\r\n \r\n" * (MAX_CHUNKS + 1)), b"HTTP/1.1 413"),
        (b"%b%x\r\n%b" % (CHUNKED_CALL, BODY_BYTES + 9, b" " * (BODY_BYTES + 1)), b"HTTP/1.1 413"),
    ],
    ids=["a head", "chunks", "a chunk"],
)
def test_no_thread_waits_for_the_rest_of_what_is_refused(server: Server, sent: bytes, answer: bytes) -> None:
    """A request that is not whole and too large is answered from what came."""
    with ExitStack() as stack:
        assert _slow_client(stack, server, sent).recv(65536).startswith(answer)


def test_an_answer_that_broke_off_ends_its_connection_alone() -> None:
    """The socket that was closed in the middle of a streamed answer stops no other call of the worker."""
    worker = BufferingWorker(0, 0, [], None, 1, Config(), None)
    worker.poller, worker.nr_conns = DefaultSelector(), 1
    mine, theirs = socket.socketpair()
    broken = Future[bool]()
    broken.set_result(False)
    with theirs:
        conn = TConn(Config(), mine, None, None)
        mine.close()
        worker.finish_request(conn, broken)
    assert worker.nr_conns == 0
    worker.tmp.close()


def test_without_descriptors_the_connection_that_waited_longest_makes_room() -> None:
    """A worker that cannot accept one more goes on, and can after that."""
    worker = BufferingWorker(0, 0, [], None, 1, Config(), None)
    worker.poller = DefaultSelector()
    address = socket.create_server(("127.0.0.1", 0))
    with worker.poller, address as listener, ExitStack() as stack:
        listener.setblocking(False)
        first, second = (
            stack.enter_context(socket.create_connection(listener.getsockname(), PATIENCE_SECONDS)) for _ in range(2)
        )
        worker.accept(listener)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with open(os.devnull) as free:
            lowest = free.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            worker.accept(listener)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert first.recv(1) == b""
        worker.accept(listener)
        second.sendall(b"x")
        assert worker.nr_conns == 1
        worker._make_room()
        assert worker.nr_conns == 0
    worker.tmp.close()


def test_connections_beyond_the_bound_make_room() -> None:
    """At its bound gunicorn accepts nobody: silent connections must not bring a worker there."""
    worker = BufferingWorker(0, 0, [], None, 1, Config(), None)
    worker.poller, worker.worker_connections = DefaultSelector(), 3
    with worker.poller, socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(listener.getsockname(), PATIENCE_SECONDS)) for _ in range(5)]
        for _ in silent:
            worker.accept(listener)
            assert worker.nr_conns < worker.worker_connections
        assert [client.recv(1) for client in silent[:3]] == [b""] * 3, "those that waited longest"
        while worker.nr_conns:
            worker._make_room()
    worker.tmp.close()


def test_requests_sent_ahead_are_all_answered(server: Server) -> None:
    """Two requests in one packet, and the rest of a third one later, are three answers on one connection."""
    one = f"GET {HOME} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READ_KEY}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as client:
        client.sendall(one + one + one[:20])
        got = b""
        while got.count(b'"recommendation_id"') < 2:
            got += client.recv(65536)
        client.sendall(one[20:])
        while got.count(b'"recommendation_id"') < 3:
            got += client.recv(65536)
    assert got.count(b"HTTP/1.1 200 OK") == 3


def test_no_part_of_an_answer_waits_for_the_part_before() -> None:
    """Connections send at once what there is, whoever made the listener; one over a file of this machine needs nothing for that."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted = listener.accept()[0]
        _bound_sending(accepted)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()
    for each in socket.socketpair():
        _bound_sending(each)
        each.close()


def test_a_connection_is_kept(server: Server) -> None:
    """Several calls, with and without a body, go over one connection."""
    connection = server.connect()
    for _ in range(3):
        connection.request("GET", HOME, headers=READ)
        assert connection.getresponse().read().startswith(b"{")
        connection.request("POST", "/v1/slates", '{"placements": ["home"]}', READ | {"Content-Type": "application/json"})
        assert connection.getresponse().read().startswith(b'{"slates"')
    connection.close()
