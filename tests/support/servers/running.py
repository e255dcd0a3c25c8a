"""The service as it runs, for tests: gunicorn with real workers over real connections."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.serving import ENVIRONMENT, READ

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Server:
    """A running service: its process, port, and the folder of its files."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def connect(self) -> HTTPConnection:
        """Open a connection; it waits until the service has started."""
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def get(self, address: str, headers: dict[str, str] = READ) -> tuple[HTTPResponse, bytes]:
        """GET an address as it is written, on a connection of its own."""
        connection = self.connect()
        try:
            connection.request("GET", address, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def send(self, method: str, address: str, body: Any, headers: dict[str, str]) -> tuple[HTTPResponse, Any]:
        """Send JSON, on a connection of its own; returns the answer with its JSON."""
        connection = self.connect()
        try:
            connection.request(method, address, json.dumps(body), {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer, json.loads(answer.read())
        finally:
            connection.close()

    def from_every_worker(self, address: str, headers: dict[str, str] = READ) -> dict[str, bytes]:
        """GET an address until two workers have answered; the first body of each."""
        bodies: dict[str, bytes] = {}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(bodies) < 2:
            assert time.monotonic() < deadline, "only one worker answers"
            answer, body = self.get(address, headers)
            bodies.setdefault(answer.headers["X-Recsys-Worker"], body)
        return bodies


def start(
    folder: Path,
    artifacts: Path,
    *arguments: str,
    web: str = "development = true",
    bind: str = "",
    reload_seconds: float = 0.05,
    secrets: Mapping[str, str] = {},
) -> Server:
    """Start gunicorn as docs/http.md says, on a free port that is open before it runs."""
    (folder / "tmp").mkdir(exist_ok=True)
    text = f'[snapshot]\nartifacts = "{artifacts}"\nreload_seconds = {reload_seconds}\n[web]\n{web}\n'
    (folder / "settings.toml").write_text(text)
    environment = {
        **os.environ,
        **ENVIRONMENT,
        **secrets,
        "RECSYS_SETTINGS": str(folder / "settings.toml"),
        "TMPDIR": str(folder / "tmp"),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener, open(folder / "out", "wb") as out:
        address = bind or f"fd://{listener.fileno()}"
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", address, *arguments, "serve:app"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, pass_fds=[listener.fileno()])
        return Server(process, listener.getsockname()[1], folder)


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Leave nothing of a process that was started as the first of a session, whatever a test found."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def stop(server: Server) -> int:
    """End the service as an operator does; returns its exit code."""
    server.process.send_signal(signal.SIGTERM)
    return server.process.wait(PATIENCE_SECONDS)
