"""A real S3 server for tests: moto's, in a process of its own, behind a door that can shut in the middle of an answer."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from queue import Queue

import pytest

ROOT = Path(__file__).parents[2]
BUCKET = "shop"
_BLOCK = 1 << 16
_PATIENCE_SECONDS = 60
_LISTENING = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")


class Store:
    """A running server with one bucket; its `address` leads through the door."""

    def __init__(self) -> None:
        """Start the server; skips the test where moto is not installed."""
        program = shutil.which("moto_server") or shutil.which("moto_server", path=str(ROOT / ".venv-stores/bin"))
        if program is None:
            pytest.skip("moto's S3 server is not installed: pip install 'moto[s3,server]' into .venv-stores")
        self._process = subprocess.Popen([program, "-p", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._left: int | None = None
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        ports: Queue[int] = Queue()
        threading.Thread(target=self._listen, args=(ports,), daemon=True).start()
        self._port = ports.get(timeout=_PATIENCE_SECONDS)
        threading.Thread(target=self._welcome, daemon=True).start()
        self._request("PUT", f"/{BUCKET}", b"")

    def put(self, name: str, content: bytes) -> None:
        """Write one object."""
        self._request("PUT", f"/{BUCKET}/{name}", content)

    def die_after(self, answered: int) -> None:
        """Kill the server and shut the door when so many more bytes were answered."""
        self._left = answered

    def close(self) -> None:
        """End the server and shut the door."""
        self._process.kill()
        self._process.communicate()
        self._shut()
        self._door.close()

    def _shut(self) -> None:
        _hang_up(self._door)

    def _request(self, method: str, path: str, content: bytes) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_SECONDS)
        connection.request(
            method, path, content, {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/us-east-1/s3/aws4_request"}
        )
        assert connection.getresponse().status == 200
        connection.close()

    def _listen(self, ports: Queue[int]) -> None:
        assert self._process.stdout is not None
        with suppress(ValueError):
            for line in self._process.stdout:
                if found := _LISTENING.search(line):
                    ports.put(int(found[1]))

    def _welcome(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._carry, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, answering: bool) -> None:
        with suppress(OSError):
            while (block := source.recv(_BLOCK)) and not (answering and self._is_over(len(block))):
                target.sendall(block)
        for each in (source, target):
            _hang_up(each)
            each.close()

    def _is_over(self, size: int) -> bool:
        if self._left is None:
            return False
        self._left -= size
        if self._left <= 0:
            self._process.kill()
            self._shut()
        return self._left <= 0


def _hang_up(connection: socket.socket) -> None:
    """End a connection also for a thread that waits for it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def store_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that the environment leads to, as it leads the tools of Amazon's."""
    store = Store()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.address)
    try:
        yield store
    finally:
        store.close()
