"""A real PostgreSQL server for tests: its own folder, a socket and no port, gone afterwards."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    options: str

    @property
    def url(self) -> str:
        """The address with the password."""
        return self.address.replace(f"{OWNER}@", f"{OWNER}:{PASSWORD}@")

    def run(self, sql: str) -> None:
        """Send statements."""
        _psql(self.folder, sql)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        stated = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' {self.options}"
        control(self.folder, "--options", stated, "--log", f"{self.folder}/log", "start")

    def runs(self) -> bool:
        """Tell whether its first process is there."""
        lock = self.folder / "data" / "postmaster.pid"
        return lock.exists() and _runs(int(lock.read_text().split()[0]))

    def stop(self) -> None:
        """Stop it at once, if it runs."""
        if self.runs():
            control(self.folder, "--mode", "immediate", "stop")

    def processes(self) -> list[int]:
        """The ids of its processes, the first of all of them at the front."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *map(int, children.split())]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each of its processes."""
        for each in self.processes():
            with suppress(ProcessLookupError):
                os.kill(each, number)

    def freeze(self) -> None:
        """Have it say nothing at all, as behind a cut network."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it with everything that it started, as a machine does that loses its power."""
        gone = self.processes()
        self.signal(signal.SIGKILL)
        for each in gone:
            while _runs(each):
                time.sleep(0.01)
        for lock in ((self.folder / "data" / "postmaster.pid"), *self.folder.glob(".s.PGSQL.*")):
            lock.unlink(missing_ok=True)  # its process id may stay taken until somebody notices that it ended


@contextmanager
def postgres_server(options: str = "-c fsync=off", inside: Path | None = None) -> Iterator[PostgresServer]:
    """Start a server, its folder inside one that is given; skips the test where PostgreSQL is not installed."""
    initdb = program("initdb")
    with tempfile.TemporaryDirectory(prefix="pg-", dir=inside) as aside:
        folder = Path(aside)
        user = give_away(folder)
        (folder / "password").write_text(PASSWORD)
        os.chmod(folder / "password", 0o644)
        secured = ["--auth=scram-sha-256", "--username", OWNER, f"--pwfile={folder}/password"]
        run([initdb, "--pgdata", str(folder / "data"), "--no-sync", *secured], user)
        server = PostgresServer(folder, f"postgresql://{OWNER}@/postgres?host={folder}", options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def control(folder: Path, *arguments: str) -> None:
    """Run pg_ctl on the server of a folder, and wait."""
    run([program("pg_ctl"), "--pgdata", str(folder / "data"), "--wait", *arguments], owner())


def _runs(process: int) -> bool:
    """Whether a process is there, one that only waits to be noticed aside."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def program(name: str) -> str:
    """Where a program of PostgreSQL is; skips the test where it is not installed."""
    found = shutil.which(name) or next((str(each) for each in sorted(Path("/").glob(f"{_PLACES[1:]}/{name}"))), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found


def give_away(folder: Path) -> str | None:
    """The server does not run as root: the user that it runs as then, who owns the folder."""
    if user := owner():
        shutil.chown(folder, user)
    return user


def owner() -> str | None:
    """Who runs servers, where it is not the user of the tests."""
    return "nobody" if getpass.getuser() == "root" else None


def run(command: list[str], user: str | None) -> None:
    """Run a program as a user, to its end."""
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _psql(folder: Path, sql: str) -> None:
    command = [program("psql"), "--host", str(folder), "--username", OWNER, "--dbname", "postgres", "--quiet"]
    stated = {"env": {**os.environ, "PGPASSWORD": PASSWORD}, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run([*command, "--set", "ON_ERROR_STOP=1", "--command", sql], **stated)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
