"""A real S3 server for tests, versitygw over a folder, behind a door that can shut in the middle of an answer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.servers.ports import free_port

ROOT = Path(__file__).parents[3]
BUCKET = "shop"
_BLOCK = 1 << 16
_TRIES = 3
_USER, _SECRET = "somebody", "a-secret-of-the-test"


class Store:
    """A running server with one bucket, a folder on the disk; its `address` leads through the door."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        """Start the server behind a door at a host of this machine; skips the test where versitygw is not installed."""
        program = shutil.which("versitygw") or shutil.which("versitygw", path=str(ROOT / ".venv/bin"))
        if program is None:
            pytest.skip("the S3 server versitygw is not installed: `make setup-all`, which needs Go")
        self._home = tempfile.TemporaryDirectory(prefix="recsys-store-")
        self.bucket = Path(self._home.name) / BUCKET
        self.bucket.mkdir()
        self._left: int | None = None
        self._shut_for_now = False
        self._door = socket.create_server((host, 0))
        self.address = f"http://{host}:{self._door.getsockname()[1]}"
        self._process, self._port = self._started(program)
        threading.Thread(target=self._welcome, daemon=True).start()

    def put(self, name: str, content: bytes) -> None:
        """Write one object."""
        file = self.bucket / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def close_door(self) -> None:
        """Refuse everybody from now on; connections that are open end."""
        self._shut_for_now = True

    def open_door(self) -> None:
        """Let everybody in again."""
        self._left, self._shut_for_now = None, False

    def cut_after(self, answered: int) -> None:
        """Close the door when so many more bytes were answered."""
        self._left = answered

    def close(self) -> None:
        """End the server and shut the door for good."""
        self._process.kill()
        self._process.wait()
        _hang_up(self._door)
        self._door.close()
        self._home.cleanup()

    def _started(self, program: str) -> tuple[subprocess.Popen[bytes], int]:
        """Start the server on a free port; another process may take that port first, so it is tried again."""
        for _ in range(_TRIES):
            port = free_port()
            process = subprocess.Popen(
                [program, "--quiet", "--port", f"127.0.0.1:{port}", "posix", self._home.name],
                env={**os.environ, "ROOT_ACCESS_KEY": _USER, "ROOT_SECRET_KEY": _SECRET},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    return process, port
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
        raise RuntimeError("versitygw does not start")

    def _welcome(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            if self._shut_for_now:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._carry, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, answering: bool) -> None:
        with suppress(OSError):
            while (
                (block := source.recv(_BLOCK)) and not self._shut_for_now and not (answering and self._is_over(len(block)))
            ):
                target.sendall(block)
        for each in (source, target):
            _hang_up(each)
            each.close()

    def _is_over(self, size: int) -> bool:
        if self._left is None:
            return False
        self._left -= size
        if self._left <= 0:
            self.close_door()
        return self._left <= 0


def _hang_up(connection: socket.socket) -> None:
    """End a connection also for a thread that waits for it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def store_server(monkeypatch: pytest.MonkeyPatch, host: str = "127.0.0.1") -> Iterator[Store]:
    """A store that the environment leads to, as it leads the tools of Amazon's."""
    store = Store(host)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", _USER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.address)
    try:
        yield store
    finally:
        store.close()
