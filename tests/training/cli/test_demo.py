"""The demo as people run it: it starts clean each time, and leaves no process behind however it is ended."""

from __future__ import annotations

import os
import re
import shutil
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
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.ports import free_port
from tests.support.servers.running import ROOT, ended
from training.cli.demo import KEYS_FILE, demo

READY = "READY http"


def start_demo(folder: Path) -> subprocess.Popen[str]:
    """Run a small demo, in a group of its own as in a terminal."""
    arguments = ["--users", "200", "--port", str(free_port()), "--folder", str(folder)]
    command = [sys.executable, "-m", "training", "demo", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    return process


def start_make_demo(folder: Path) -> subprocess.Popen[str]:
    """The same with `make demo`, called from elsewhere, in an environment that is set up."""
    (folder.parent / "venv").mkdir(exist_ok=True)
    (folder.parent / "venv" / ".ready").touch()
    settings = [f"VENV={folder.parent / 'venv'}", f"RUN={sys.executable}", f"PORT={free_port()}"]
    process = subprocess.Popen(
        ["make", "--no-print-directory", "-C", str(ROOT), "demo", *settings, f"ARGS=--users 200 --folder {folder}"],
        cwd=folder.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    return process


def said_until_ready(process: subprocess.Popen[str]) -> str:
    """What a demo says until it tells how to end it."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Ctrl-C ends it" in line:
            return said
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


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_it_starts_clean_again_and_again_and_leaves_no_process(tmp_path: Path) -> None:
    """Several times in one folder, by `make` and without; when it is killed, hung up on or interrupted, the service ends too."""
    folder = tmp_path / "demo"
    for start, stated, number in (
        (start_make_demo, os.kill, signal.SIGHUP),
        (start_demo, os.kill, signal.SIGKILL),
        (start_demo, os.killpg, signal.SIGINT),
    ):
        process = start(folder)
        with ended(process):
            assert READY in said_until_ready(process)
            assert running_in(folder)
            stated(process.pid, number)
            process.communicate(timeout=PATIENCE_SECONDS)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while running_in(folder):
                assert time.monotonic() < deadline, f"still running after {number.name}"
    assert process.returncode == 0


@pytest.mark.long
def test_its_keys_open_its_calls(tmp_path: Path) -> None:
    """Calls need the keys of the folder, which only their owner may read; the printed lines name them. The shop's front may call."""
    folder = tmp_path / "demo"
    process = start_demo(folder)
    with ended(process):
        said = said_until_ready(process)
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
        [front] = re.findall(r"(\S+) is the shop to click", said)
        with urllib.request.urlopen(front, timeout=PATIENCE_SECONDS) as answer:
            assert f'data-service="{address}"' in answer.read().decode()
        kit = urllib.request.Request(f"{address}/static/recsys.js", headers={"Origin": front})
        with urllib.request.urlopen(kit, timeout=PATIENCE_SECONDS) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == front
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
