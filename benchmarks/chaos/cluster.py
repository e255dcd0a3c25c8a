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

from benchmarks.chaos.network import DATABASES, STORE, SUBNET, Place, network
from recsys.live.postgres.address import Address
from tests.support.servers.ports import free_port
from tests.support.servers.postgres_pair import PostgresPair, postgres_pair
from tests.support.servers.running import ROOT
from tests.support.servers.store import BUCKET, Store, store_server

PATIENCE_SECONDS = 120


class Node:
    """One machine: a folder of its own, an address that stays, and gunicorn while it is up.

    code: the folder of the program, of this version or another one · place: its namespace; None: it shares the network of all.
    """

    def __init__(self, folder: Path, settings: str, environment: Mapping[str, str], code: Path, place: Place | None) -> None:
        folder.mkdir(parents=True)
        self.folder, self.port, self._environment = folder, free_port(), environment
        self.code, self.place = code, place
        self.address = f"{place.address if place else '127.0.0.1'}:{self.port}"
        (folder / "settings.toml").write_text(settings)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        host, _, port = self.address.partition(":")
        mine = {"RECSYS_SETTINGS": str(self.folder / "settings.toml"), "HOST": host, "PORT": port, "WEB_CONCURRENCY": "1"}
        with (self.folder / "log").open("ab") as out:
            command = [
                *(self.place.command if self.place else ()),
                sys.executable,
                "-m",
                "gunicorn",
                "-c",
                "gunicorn.conf.py",
            ]
            self.process = subprocess.Popen(
                [*command, "serve:app"],
                cwd=self.code,
                env={**self._environment, **mine},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.is_ready():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{self.folder.name} does not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)

    def is_ready(self) -> bool:
        """Tell whether it answers lists."""
        try:
            with urlopen(f"http://{self.address}/readyz", timeout=2) as answer:
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
def cluster(
    folder: Path, shop: str, keys: Mapping[str, str], nodes: int, code: Path = ROOT, namespaces: bool = False
) -> Iterator[Cluster]:
    """Start an installation for the settings of a shop; the environment leads to its database and store meanwhile.

    The nodes, which run the program of a folder, are not started: first the tables have to be made, and something published.
    """
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        places = stack.enter_context(network(nodes)) if namespaces else [None] * nodes
        database = stack.enter_context(postgres_pair(DATABASES, SUBNET) if namespaces else postgres_pair())
        store = stack.enter_context(store_server(patch, STORE) if namespaces else store_server(patch))
        patch.setenv("RECSYS_STATE_DATABASE", database.url)
        text = f'{shop}\n[snapshot]\nartifacts = "s3://{BUCKET}/snapshots"\nmirror = "artifacts"\npoll_seconds = 1\n'
        (folder / "settings.toml").write_text(text)
        environment = {**os.environ, **keys, "AWS_ALLOW_HTTP": "true"}
        made = [Node(folder / f"node{number}", text, environment, code, place) for number, place in enumerate(places, 1)]
        for node in made:
            stack.callback(node.kill)
        port = free_port()
        stack.enter_context(_nginx(folder / "nginx", made, port))
        yield Cluster(database, store, made, port)


@contextmanager
def _nginx(folder: Path, nodes: list[Node], port: int) -> Iterator[None]:
    folder.mkdir()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    servers = "".join(f"    server {node.address} max_fails=0;\n" for node in nodes)
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
