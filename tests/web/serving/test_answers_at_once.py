"""Pages that a worker's event loop answers, which nobody can keep: no disk, and no client that does not read or close."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from recsys.disk import locked
from recsys.settings.load import load_settings
from recsys.web.app import RESOURCES, create_app
from recsys.web.http.worker import buffering_worker
from recsys.web.http.worker.buffering_worker import BufferingWorker
from recsys.web.serving.lanes import Lanes
from tests.support.servers.intake import EVENTS_KEY
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import start, stop
from tests.support.servers.serving import ENVIRONMENT

HOME = "/v1/users/user-0/recommendations"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
TURN_SECONDS = 0.05
LARGE = 8 << 20
"""Bytes of an answer beyond what the kernel takes for a client that does not read."""


class Large:
    """An application that answers at once, with more than a client that does not read can be sent."""

    def __init__(self) -> None:
        self.service = SimpleNamespace(lanes=Lanes())
        self.light: list[int] = []
        """Light calls in flight, by each call."""

    def answers_at_once(self, first_line: bytes) -> bool:
        """Answer everything at once."""
        return first_line == b"GET / HTTP/1.1"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer two bytes, or a large answer."""
        self.light.append(self.service.lanes._light)
        size = LARGE if environ.get("HTTP_X_LARGE") else 2
        start_response("200 OK", [("Content-Length", str(size))])
        return [b"x" * size]


class Loop:
    """A worker whose turns of the event loop a test takes itself."""

    def __init__(self, stack: ExitStack) -> None:
        self.listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.listener.setblocking(False)
        config = Config()
        self.worker = BufferingWorker(0, 0, [self.listener], None, 1, config, Logger(config))
        stack.callback(self.worker.tmp.close)
        self.worker.wsgi = self.app = Large()
        self.worker.poller = stack.enter_context(DefaultSelector())
        self.worker.tpool = stack.enter_context(ThreadPoolExecutor(1))
        self.worker.method_queue.init()
        stack.callback(self.worker.method_queue.close)
        self.worker.poller.register(self.worker.method_queue.fileno(), EVENT_READ, self.worker.method_queue.run_callbacks)
        self.worker.set_accept_enabled(True)
        self.stack = stack

    def client(self, sent: bytes) -> socket.socket:
        """Connect, and send a request."""
        made = self.stack.enter_context(socket.create_connection(self.listener.getsockname(), PATIENCE_SECONDS))
        made.sendall(sent)
        return made

    def turn_until(self, met: Callable[[], object]) -> None:
        """Take turns until something holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not met():
            assert time.monotonic() < deadline, "it never came to hold"
            self.worker.wait_for_and_dispatch_events(TURN_SECONDS)

    def received(self, client: socket.socket) -> bytes:
        """What a client can read after some turns."""
        client.setblocking(False)
        found = b""

        def read() -> bytes:
            nonlocal found
            try:
                found = client.recv(65536)
            except BlockingIOError:
                found = b""
            return found

        self.turn_until(read)
        return found


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A worker without a process of its own."""
    with ExitStack() as stack:
        made = Loop(stack)
        yield made
        made.worker.murder_keepalived(force=True)
        for conn in list(made.worker._lingering):
            conn.close()


def test_a_client_that_does_not_read_keeps_a_thread_and_not_the_loop(loop: Loop) -> None:
    """What the kernel does not take at once of an answer is sent by a thread: meanwhile others are answered, and it arrives whole."""
    slow = loop.client(GET[:-2] + b"X-Large: 1\r\n\r\n")
    loop.turn_until(lambda: loop.worker.tpool._threads)
    assert loop.received(loop.client(GET)).startswith(b"HTTP/1.1 200 OK")
    got = 0
    while got < LARGE:
        got += len(slow.recv(1 << 20))
    assert got > LARGE
    loop.turn_until(lambda: loop.worker.keepalived_conns)
    slow.sendall(GET)
    assert loop.received(slow).startswith(b"HTTP/1.1 200 OK"), "the connection is kept"


def test_heavy_calls_give_way_to_a_turn_of_the_loop(loop: Loop) -> None:
    """From the first event of a turn to its last, what it sends and logs included, the way is held."""
    loop.received(loop.client(GET))
    assert loop.app.light == [1]
    assert loop.app.service.lanes._light == 0


def test_a_connection_closed_in_the_same_turn_is_passed_over(loop: Loop) -> None:
    """What the poller said of a connection before another one's request closed it has no effect."""
    loop.client(b"GET")
    loop.turn_until(lambda: loop.worker._gathering)
    (conn,) = loop.worker._gathering
    sock = conn.sock
    loop.worker._drop(conn)
    loop.worker.on_client_socket_readable(conn, sock)
    assert loop.worker.nr_conns == 0


def test_a_client_that_does_not_close_keeps_nothing(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that has ended waits for its client in the event loop, others being answered, until it closes or its time is up."""
    monkeypatch.setattr(buffering_worker, "LINGER_SECONDS", PATIENCE_SECONDS)
    clients = [loop.client(CLOSING) for _ in range(3)]
    for client in clients:
        assert loop.received(client).startswith(b"HTTP/1.1 200 OK")
    assert loop.received(loop.client(GET)).startswith(b"HTTP/1.1 200 OK")
    assert loop.worker.nr_conns == 4
    clients[0].sendall(b"more")
    clients[0].close()
    loop.turn_until(lambda: loop.worker.nr_conns == 3)
    for client in clients[1:]:
        client.close()
    loop.turn_until(lambda: loop.worker.nr_conns == 1)


def test_a_client_that_never_closes_is_closed(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that has ended waits for a moment only."""
    monkeypatch.setattr(buffering_worker, "LINGER_SECONDS", -PATIENCE_SECONDS)
    assert loop.received(loop.client(CLOSING)).startswith(b"HTTP/1.1 200 OK")
    assert loop.worker.nr_conns == 1
    loop.worker.murder_pending()
    assert loop.worker.nr_conns == 0


@pytest.mark.long
def test_a_page_needs_no_thread(artifacts: Path, tmp_path: Path) -> None:
    """With its only thread waiting for its turn to write, a worker answers pages; what waited is answered after that."""
    server = start(tmp_path, artifacts, "--workers", "1", "--threads", "1", secrets={"RECSYS_KEYS_EVENTS": EVENTS_KEY})
    settings = load_settings(tmp_path / "settings.toml")
    state = settings.path(settings.state.folder)
    state.mkdir(exist_ok=True)
    body = '{"items": [{"item_id": "lamp-1", "available": true}]}'
    head = f"PATCH /v1/items HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {EVENTS_KEY}\r\nContent-Type: application/json\r\n"
    with ExitStack() as stack:
        stack.callback(stop, server)
        assert server.get(HOME)[0].status == 200
        writer = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS))
        with locked(state / "log.sqlite3.lock"):
            writer.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            assert {server.get(HOME)[0].status for _ in range(3)} == {200}
            writer.setblocking(False)
            with pytest.raises(BlockingIOError):
                writer.recv(1000)
        writer.settimeout(PATIENCE_SECONDS)
        assert writer.recv(1000).startswith(b"HTTP/1.1 202 ")


def test_what_waits_is_left_to_threads(artifacts: Path, tmp_path: Path) -> None:
    """Only calls that read are answered at once, without a parameter that makes them write, and while no experiment runs."""
    (tmp_path / "settings.toml").write_text(f'[snapshot]\nartifacts = "{artifacts}"\n')
    app = create_app(load_settings(tmp_path / "settings.toml"), ENVIRONMENT)

    def at_once(target: str, method: str = "GET") -> bool:
        return app.answers_at_once(f"{method} {target} HTTP/1.1".encode())

    assert at_once(HOME)
    assert at_once(f"{HOME}?limit=3")
    assert at_once("/v1/items/a%20b/similar?limit=3")
    assert not at_once(f"{HOME}?limit=3&send_id=a")
    assert not at_once(f"{HOME}?send%5Fid=a")
    assert not at_once("/v1/popular?cursor=start")
    assert not at_once("/v1/users/u/profile")
    assert not at_once(HOME, "HEAD")
    assert not at_once("nonsense")
    app.service.live.experiments = {"a": app.service.live.experiments}  # type: ignore[dict-item]
    assert not at_once(HOME)


def test_no_call_that_writes_is_answered_at_once() -> None:
    """Calls that are answered at once are light ones, and read: none has a body or a lane."""
    at_once = [call for resource in RESOURCES.values() for call in resource.OPERATIONS if call.at_once]
    assert {(call.method, call.lane) for call in at_once} == {("get", None)}
