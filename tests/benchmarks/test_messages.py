"""Watches of the benchmark of messages: how far memory had grown by when, and whose memory it is."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.moments.messages import SHARES, Sample, descendants, peaks


def test_a_peak_is_the_largest_up_to_then() -> None:
    """Each peak covers all before it, its end included, and the process and its workers have one each."""
    samples = [Sample(0, 5, 9), Sample(0.1, 7, 1), Sample(0.4, 6, 2), Sample(0.5, 4, 12), Sample(0.6, 8, 3), Sample(1, 1, 1)]
    assert SHARES == (0.1, 0.5, 1.0)
    assert peaks(samples) == [(7, 9), (7, 12), (8, 12)]


def test_the_processes_of_a_process_are_found() -> None:
    """Children of any thread, and their children, as long as they run."""
    inner = "import sys; print(flush=True); sys.stdin.read()"
    outer = f"""
import subprocess, sys, threading
start = lambda: subprocess.Popen([sys.executable, "-c", {inner!r}]).wait()
thread = threading.Thread(target=start)
thread.start()
thread.join()
"""
    command = [sys.executable, "-c", outer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (child,) = descendants(process.pid)
        assert {process.pid, child} <= set(descendants(os.getpid()))
        process.communicate()
    assert descendants(process.pid) == []
