"""A real PostgreSQL server for tests: its own folder, a socket and no port, gone afterwards."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

OWNER = "shop"
PASSWORD = "a-secret-of-the-test"
_PLACES = "/usr/lib/postgresql/*/bin"


@dataclass(frozen=True)
class PostgresServer:
    """A running server. address: without a password, which a client needs (`PASSWORD`)."""

    folder: Path
    address: str

    @property
    def url(self) -> str:
        """The address with the password."""
        return self.address.replace(f"{OWNER}@", f"{OWNER}:{PASSWORD}@")

    def run(self, sql: str) -> None:
        """Send statements."""
        _psql(self.folder, sql)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server; skips the test where PostgreSQL is not installed."""
    initdb, control = _program("initdb"), _program("pg_ctl")
    with tempfile.TemporaryDirectory(prefix="pg-") as aside:
        folder = Path(aside)
        user = _give_away(folder)
        (folder / "password").write_text(PASSWORD)
        os.chmod(folder / "password", 0o644)
        data = folder / "data"
        secured = ["--auth=scram-sha-256", "--username", OWNER, f"--pwfile={folder}/password"]
        _run([initdb, "--pgdata", str(data), "--no-sync", *secured], user)
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        _run([control, "--pgdata", str(data), "--options", options, "--log", f"{folder}/log", "--wait", "start"], user)
        try:
            yield PostgresServer(folder, f"postgresql://{OWNER}@/postgres?host={folder}")
        finally:
            _run([control, "--pgdata", str(data), "--mode", "immediate", "--wait", "stop"], user)


def _program(name: str) -> str:
    found = shutil.which(name) or next((str(each) for each in sorted(Path("/").glob(f"{_PLACES[1:]}/{name}"))), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found


def _give_away(folder: Path) -> str | None:
    """The server does not run as root: the user that it runs as then, who owns the folder."""
    if getpass.getuser() != "root":
        return None
    shutil.chown(folder, "nobody")
    return "nobody"


def _run(command: list[str], user: str | None) -> None:
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _psql(folder: Path, sql: str) -> None:
    command = [_program("psql"), "--host", str(folder), "--username", OWNER, "--dbname", "postgres", "--quiet"]
    told = {"env": {**os.environ, "PGPASSWORD": PASSWORD}, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run([*command, "--set", "ON_ERROR_STOP=1", "--command", sql], **told)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
