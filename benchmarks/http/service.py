"""The service while it is measured: a snapshot for it, gunicorn on a free port, a client that sees who answered, wrk."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from recsys.settings import Settings
from recsys.snapshot.store import publish
from training import console
from training.job.job import fit

WORKERS = 2
PATIENCE_SECONDS = 60
_WRK = """
local users = {}
for line in io.lines(os.getenv("BENCH_USERS")) do users[#users + 1] = line end
math.randomseed(20)
request = function()
  return wrk.format("GET", "/v1/users/" .. users[math.random(#users)] .. "/recommendations?limit=12")
end
"""


class Reply(NamedTuple):
    """One answer: its status, the process id of the worker that gave it ("" unless in development), and its body."""

    status: int
    worker: str
    body: Any


@dataclass(frozen=True, eq=False)
class Service:
    """A running service: its process, its port on this machine, and the headers that go with every request."""

    pid: int
    port: int
    headers: Mapping[str, str]

    def ask(self, method: str, address: str, body: object = None) -> Reply:
        """Send one request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, address, text, {**self.headers, "Content-Type": "application/json"})
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers.get("X-Recsys-Worker", ""), json.loads(answer.read() or b"null"))
        finally:
            connection.close()

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        return [int(child) for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def cpu_seconds(self) -> float:
        """Processor time that the workers have used, which a busy machine does not change as it changes the clock's."""
        return cpu_seconds(self.workers())

    def wrk(self, users: Path, seconds: int, headers: Mapping[str, str] = {}) -> tuple[float, float]:
        """Ask for the users of a file, 16 at a time, with further headers; returns requests per second and the 99th percentile in
        milliseconds.

        Raises:
            RuntimeError: on any answer other than 2xx.
        """
        script = users.with_suffix(".lua")
        script.write_text(_WRK)
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", "-s", str(script)]
        for name, value in {**self.headers, **headers}.items():
            command += ["-H", f"{name}: {value}"]
        environment = {**os.environ, "BENCH_USERS": str(users)}
        done = subprocess.run([*command, f"http://127.0.0.1:{self.port}"], env=environment, capture_output=True, text=True)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
        if done.returncode or "Non-2xx" in done.stdout or rate is None or slowest is None:
            raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
        return float(rate[1]), float(slowest[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[slowest[2]]


def cpu_seconds(processes: Iterable[int]) -> float:
    """Processor time that processes have used until now."""
    ticks = 0
    for each in processes:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime: proc(5) counts from 1, the name being 2
    return ticks / os.sysconf("SC_CLK_TCK")


def publish_fit(settings: Settings, before: datetime | None = None) -> None:
    """Fit the shop of these settings, on events before a moment if one is given, and publish it; no gate stands in between."""
    with console.steps("Training") as watch:
        fitted = fit(settings, now=datetime.now(UTC), before=before, watch=watch)
        watch("publish")
        publish(settings.artifacts, fitted.manifest, fitted.groups)


@contextmanager
def running(
    settings: Path,
    key: str | None = None,
    secrets: Mapping[str, str] = {},
    app: str = "serve:app",
    port: int | None = None,
    workers: int = WORKERS,
) -> Iterator[Service]:
    """Run gunicorn over a settings file, its output in a .log beside that; `key` opens everything but where auth is off, `secrets` are
    further variables of its environment, `port` one that is free where none is given.

    Raises:
        RuntimeError: if its workers are not ready within a minute.
    """
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
    environment = {
        **os.environ,
        "RECSYS_SETTINGS": str(settings.resolve()),
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        **({"RECSYS_KEYS_ADMIN": key} if key else {}),
        **secrets,
    }
    log = settings.with_suffix(".log")
    with log.open("wb") as out:
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", app]
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        try:
            service = Service(process.pid, port, {"Authorization": f"Bearer {key}"} if key else {})
            if not _ready(service, process, workers):
                raise RuntimeError(f"the service was not ready within {PATIENCE_SECONDS} s; {log} says why")
            yield service
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _ready(service: Service, process: subprocess.Popen[bytes], workers: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if len(service.workers()) == workers and all(service.ask("GET", "/readyz").status == 200 for _ in range(10)):
                return True
        except (OSError, HTTPException):
            pass
        time.sleep(0.1)
    return False
