"""The installation of deploy/compose/ without containers: its commands, keys and settings, with folders and hosts of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from simulator import make_shop
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.ports import free_port
from tests.support.servers.postgres import PASSWORD, PostgresServer, postgres_server
from tests.support.servers.running import ROOT

COMPOSE = ROOT / "deploy" / "compose"
SECRET = "s" * 40
GRACE_SECONDS = 35
"""What `stop_grace_period` gives a node."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the file."""
    return dict(yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"])


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    """The database, as its image leaves it: a user with a password, and no tables."""
    with postgres_server("-c fsync=off") as server:
        yield server


def keys(database: PostgresServer) -> dict[str, str]:
    """The keys of the example, each filled with one of its kind."""
    names = re.findall(r"^(\w+)=$", (COMPOSE / "keys.env.example").read_text(), re.M)
    found = {name: f"{name.lower()}-{SECRET}" for name in names}
    found["RECSYS_TOKEN_SECRETS"] = f"2026-11:{SECRET}"
    found["ROOT_ACCESS_KEY"] = found["AWS_ACCESS_KEY_ID"] = "somebody"
    found["ROOT_SECRET_KEY"] = found["AWS_SECRET_ACCESS_KEY"] = SECRET
    found["POSTGRES_PASSWORD"] = found["PGPASSWORD"] = PASSWORD
    return found


@contextmanager
def ran(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a service in the project's folder, as in that of the image."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answered(address: str, process: subprocess.Popen[bytes], log: Path, key: str = "") -> Any:
    """Wait until an address answers; returns its JSON."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(Request(address, headers={"Authorization": f"Bearer {key}"}), timeout=5) as answer:
                return json.load(answer)
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"{address} does not answer: {log.read_text()[-2000:]}")


@pytest.mark.long
def test_its_processes_train_and_serve(services: dict[str, Any], database: PostgresServer, tmp_path: Path) -> None:
    """The store, the migration, one round of the trainer, then a node: it serves what was trained, keeps its state in the database,
    and ends in order within its time."""
    versitygw = shutil.which("versitygw") or shutil.which("versitygw", path=str(Path(sys.executable).parent))
    if versitygw is None:
        pytest.skip("versitygw is not installed: `make setup-all`, which needs Go")
    make_shop(tmp_path / "data", users=300, end=datetime.now(UTC))
    port, store_port, log = free_port(), free_port(), tmp_path / "log"
    settings = (COMPOSE / "settings.toml").read_text()
    (tmp_path / "settings.toml").write_text(
        settings.replace("/var/lib/recsys", str(tmp_path / "own")).replace('"/data/', f'"{tmp_path}/data/')
    )
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), **keys(database)}
    environment |= services["node1"]["environment"]
    environment["RECSYS_STATE_DATABASE"] = database.address
    environment["AWS_ENDPOINT_URL"] = environment["AWS_ENDPOINT_URL"].replace("store:7070", f"127.0.0.1:{store_port}")
    environment |= {"RECSYS_SETTINGS": str(tmp_path / "settings.toml"), "HOST": "127.0.0.1", "PORT": str(port)}
    here = {"/data": str(tmp_path / "store"), "/data/shop": str(tmp_path / "store/shop"), ":7070": f"127.0.0.1:{store_port}"}
    subprocess.run([here.get(each, each) for each in services["bucket"]["command"]], check=True)
    store = [versitygw, *(here.get(each, each) for each in services["store"]["command"])]
    shell, option, rounds = services["trainer"]["command"]
    once = rounds.replace("sleep 86400", "exit")
    assert once != rounds
    serve = json.loads(re.findall(r"^CMD (\[.*\])$", (ROOT / "deploy" / "Dockerfile").read_text(), re.M)[0])
    with ran(store, environment, log):
        for command in (services["migrate"]["command"], [shell, option, once]):
            with ran(command, environment, log) as job:
                assert job.wait(10 * PATIENCE_SECONDS) == 0, log.read_text()[-2000:]
        with ran(serve, environment, log) as node:
            address = f"http://127.0.0.1:{port}"
            assert answered(f"{address}/readyz", node, log)["error"] is None
            popular = answered(f"{address}/v1/popular", node, log, environment["RECSYS_KEYS_READ"])
            assert popular["items"]
            node.send_signal(signal.SIGTERM)
            assert node.wait(GRACE_SECONDS) == 0
    assert services["node1"]["stop_grace_period"] == f"{GRACE_SECONDS}s"
    assert not list((tmp_path / "own").rglob("log.sqlite3"))
    assert list((tmp_path / "store" / "shop").rglob("CURRENT"))
