"""The demo as people run it: it starts clean each time, and leaves no process behind however it is ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from recsys.types import RecsysError
from tests.conftest import NOW
from tests.support.running import PATIENCE_SECONDS, ROOT
from training.cli.demo import KEYS_FILE, demo

READY = "READY http"


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start_demo(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Run a small demo until it is ready; returns it with its words."""
    command = [
        sys.executable,
        "-m",
        "training",
        "demo",
        "--users",
        "200",
        "--port",
        str(free_port()),
        "--folder",
        str(folder),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Ctrl-C ends it" in line:
            return process, said
    raise AssertionError(said)


def running_in(folder: Path) -> list[int]:
    """Numbers of the processes that serve this folder."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                environment = (path / "environ").read_bytes()
            except OSError:
                continue
            if f"RECSYS_SETTINGS={folder / 'settings.toml'}".encode() in environment:
                found.append(int(path.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_it_starts_clean_again_and_again_and_leaves_no_process(tmp_path: Path) -> None:
    """Twice and more in one folder; ended by Ctrl-C, TERM, HUP and even KILL, the service ends too."""
    folder = tmp_path / "demo"
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9), (signal.SIGHUP, 129), (signal.SIGINT, 0)):
        process, said = start_demo(folder)
        assert READY in said
        assert running_in(folder)
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == code
        deadline = time.monotonic() + PATIENCE_SECONDS
        while running_in(folder):
            assert time.monotonic() < deadline, f"still running after {number.name}"
        assert process.stdout is not None
        process.stdout.close()


def test_its_keys_open_its_calls(tmp_path: Path) -> None:
    """Calls need the keys of the folder, which only their owner may read; the printed lines name them."""
    folder = tmp_path / "demo"
    process, said = start_demo(folder)
    try:
        keys = dict(line.split("=", 1) for line in (folder / KEYS_FILE).read_text().splitlines())
        assert os.stat(folder / KEYS_FILE).st_mode & 0o777 == 0o600
        address = re.findall(r"READY (\S+)", said)[0]
        lines = re.findall(r"Bearer \$(\w+)\" '([^']+)'", said.replace("\n", ""))
        assert len(lines) >= 6
        for name, url in lines:
            if url.endswith("/v1/events"):  # takes a body
                continue
            asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {keys[name]}"})
            with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
                assert answer.status == 200
        with pytest.raises(urllib.request.HTTPError, match="401"):
            urllib.request.urlopen(f"{address}/v1/popular", timeout=PATIENCE_SECONDS)
        forget = urllib.request.Request(
            f"{address}/v1/users/nobody", headers={"Authorization": f"Bearer {keys['RECSYS_KEYS_ADMIN']}"}, method="DELETE"
        )
        with urllib.request.urlopen(forget, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 200
        again = subprocess.run(
            [sys.executable, "-m", "training", "demo", "--folder", str(folder)], cwd=ROOT, capture_output=True, text=True
        )
        assert again.returncode == 1
        assert "another demo runs in" in again.stderr
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def test_it_touches_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    """Files that no demo made stay, and the error says what to do."""
    mine = tmp_path / "thesis.txt"
    mine.write_text("years of work")
    with pytest.raises(RecsysError, match="holds files that no demo made"):
        demo(tmp_path, free_port(), 1, 200, NOW)
    assert mine.read_text() == "years of work"


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    """The error names the port and how to take another; no shop is made for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(RecsysError, match=f"port {port} cannot be used"):
            demo(tmp_path / "demo", port, 1, 200, NOW)
    assert not (tmp_path / "demo" / "data").exists()
