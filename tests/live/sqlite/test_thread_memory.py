"""Memory that each thread takes which reads the log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recsys.live.sqlite.log import SqliteLog
from recsys.types import Event
from tests.support.servers.running import ROOT

SMAPS = Path("/proc/self/smaps_rollup")
THREADS = 8
READING = """
import sys, threading
from pathlib import Path
from recsys.live.sqlite.log import SqliteLog

SCAN = "SELECT sum(length(user_id)) + sum(length(item_id)) FROM events NOT INDEXED"
log, threads = SqliteLog(Path(sys.argv[1])), int(sys.argv[2])
have_read, may_end = threading.Barrier(threads + 1), threading.Event()


def private():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private"))


def work():
    log.driver.read(SCAN)
    have_read.wait()
    may_end.wait()


log.driver.read(SCAN)
before = private()
for _ in range(threads):
    threading.Thread(target=work).start()
have_read.wait()
print((private() - before) / threads)
may_end.set()
"""
"""Each thread reads the whole log and goes on living; then the kilobytes are counted that each of them added."""


@pytest.mark.skipif(not SMAPS.exists(), reason="needs Linux")
def test_a_thread_that_reads_keeps_little(tmp_path: Path) -> None:
    """However large the log is, what was read is not kept once more by each thread of a service."""
    log = SqliteLog(tmp_path)
    moment = 1_790_000_000_000_000
    views = [
        Event(event_id=f"e-{n}", user_id=f"shopper-{n}", event_type="view", timestamp=moment + n, item_id=f"item-{n}")
        for n in range(50_000)
    ]
    log.add_events(views, moment)
    log.close()
    command = [sys.executable, "-c", READING, str(tmp_path), str(THREADS)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert 0 < float(said) < 1024
