"""An installation on one machine: nodes that share PostgreSQL with its standby and an object store, behind deploy/'s nginx."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from recsys.live.postgres.address import Address
from recsys.live.postgres.migrations import migrate
from tests.support.ports import free_port
from tests.support.postgres_pair import PostgresPair, postgres_pair
from tests.support.running import ROOT
from tests.support.store import BUCKET, Store, store_server

PATIENCE_SECONDS = 120


class Node:
    """One machine: a folder of its own, a port that stays, and gunicorn while it is up."""

    def __init__(self, folder: Path, settings: str, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder, self.port, self._environment = folder, free_port(), environment
        (folder / "settings.toml").write_text(settings)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        mine = {"RECSYS_SETTINGS": str(self.folder / "settings.toml"), "PORT": str(self.port), "WEB_CONCURRENCY": "1"}
        with (self.folder / "log").open("ab") as out:
            command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "serve:app"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**self._environment, **mine}, stdout=out, stderr=out, start_new_session=True
            )
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.is_ready():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{self.folder.name} does not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)

    def is_ready(self) -> bool:
        """Tell whether it answers lists."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def stop(self) -> None:
        """End it as an operator does: calls in flight are answered."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE_SECONDS)

    def lose_its_disk(self) -> None:
        """Have nothing but the settings left."""
        for name in ("artifacts", "state"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def kill(self) -> None:
        """End it with all its workers, as a machine that loses its power."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Cluster:
    """All of it."""

    def __init__(self, database: PostgresPair, store: Store, nodes: list[Node], port: int) -> None:
        self.database, self.store, self.nodes, self.port = database, store, nodes, port

    @property
    def address(self) -> Address:
        """Where the live state is."""
        return Address(self.database.url)


@contextmanager
def cluster(folder: Path, shop: str, keys: Mapping[str, str], nodes: int) -> Iterator[Cluster]:
    """Start an installation for the settings of a shop; the environment leads to its database and store meanwhile.

    The nodes are not started: first something has to be published.
    """
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        database = stack.enter_context(postgres_pair())
        store = stack.enter_context(store_server(patch))
        patch.setenv("RECSYS_STATE_DATABASE", database.url)
        migrate(Address(database.url))
        text = f'{shop}\n[snapshot]\nartifacts = "s3://{BUCKET}/snapshots"\nmirror = "artifacts"\npoll_seconds = 1\n'
        (folder / "settings.toml").write_text(text)
        environment = {**os.environ, **keys, "AWS_ALLOW_HTTP": "true"}
        made = [Node(folder / f"node{number}", text, environment) for number in range(1, nodes + 1)]
        for node in made:
            stack.callback(node.kill)
        port = free_port()
        stack.enter_context(_nginx(folder / "nginx", made, port))
        yield Cluster(database, store, made, port)


@contextmanager
def _nginx(folder: Path, nodes: list[Node], port: int) -> Iterator[None]:
    folder.mkdir()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    servers = "".join(f"    server 127.0.0.1:{node.port} max_fails=0;\n" for node in nodes)
    kept = [line for line in text.splitlines(keepends=True) if ":8000" not in line]
    kept.insert(kept.index("    keepalive 64;\n"), servers)
    text = "".join(kept).replace("listen 8080", f"listen 127.0.0.1:{port}")
    text = text.replace("/dev/stdout", str(folder / "log")).replace("/dev/stderr", str(folder / "errors"))
    places = "".join(f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(text.replace("http {", f"pid {folder}/pid;\nhttp {{{places}", 1))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", f"daemon off; user {getpass.getuser()};"]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
