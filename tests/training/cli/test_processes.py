"""Children of the offline job end with it, whoever is told to end: the command, the `make` that runs it, or all of a terminal."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import ROOT, ended
from training.processes import map_in_order

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
NAPS = 0.05
TOLD_TWICE = """
import os, signal
from training.processes import end_in_order

end_in_order()
both = (signal.SIGINT, signal.SIGTERM)
try:
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    for number in both:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGTERM)
    print("in order")
"""


def wait_for(what: Callable[[], bool], why: str) -> None:
    """Look again and again, as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(NAPS)


def is_running(number: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def at_work(folder: Path) -> list[int]:
    """Numbers of the children that have come to work."""
    return [int(path.name.rpartition("-")[2]) for path in folder.glob("at-work-*")]


def parent_of(number: int) -> int:
    """The parent of a process."""
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def start(folder: Path, kind: str) -> subprocess.Popen[bytes]:
    """Run the family under `make`, in a group of its own as in a terminal."""
    (folder / "Makefile").write_text(
        f"family:\n\t@cd {ROOT} && exec {sys.executable} -m tests.support.servers.family {folder} {kind}\n"
    )
    return subprocess.Popen(
        ["make", "-C", str(folder), "family"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def wait_for_children(folder: Path, kind: str) -> tuple[int, list[int]]:
    """The number of the command whose children have all come to work, and theirs."""
    wanted = min(2, os.cpu_count() or 1) if kind == "pool" else 1
    wait_for(lambda: len(at_work(folder)) == wanted, "the children never came to work")
    children = at_work(folder)
    return parent_of(children[0]), children


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda one: one.name)
@pytest.mark.parametrize("stated", ["command", "make", "all"])
@pytest.mark.parametrize("kind", ["child", "pool"])
def test_no_process_is_left(tmp_path: Path, kind: str, stated: str, number: signal.Signals) -> None:
    """After each ending of the command, of `make`, or of both and the children at once, none of them runs."""
    make = start(tmp_path, kind)
    with ended(make):
        command, children = wait_for_children(tmp_path, kind)
        if stated == "command":
            os.kill(command, number)
        elif stated == "make":
            make.send_signal(number)
        else:
            os.killpg(make.pid, number)
        _, errors = make.communicate(timeout=PATIENCE_SECONDS)
        wait_for(lambda: not any(map(is_running, [command, *children])), f"left behind; {errors.decode()}")
    if number != signal.SIGKILL or stated == "make":
        assert (tmp_path / "in-order").exists()
        assert b"Exception in thread" not in errors


def test_two_endings_at_once_are_one() -> None:
    """Of two that come before either is heard, as `make` sends them, one counts, and nothing is said of the other."""
    done = subprocess.run([sys.executable, "-c", TOLD_TWICE], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("in order\n", "", 0)


@pytest.mark.parametrize("n", [0, 1, 9])
def test_chunks_are_answered_in_order(n: int) -> None:
    """None, a single one in this process, or many on all cores: each comes with its answer."""
    assert list(map_in_order(abs, range(-n, 0), random.seed)) == [(each, -each) for each in range(-n, 0)]
