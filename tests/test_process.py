"""Heaps that the threads of a process share, and files that it may open."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys

import pytest

from recsys.process import FEW_HEAPS, MOST_FILES
from tests.support.servers.running import ROOT

HEAPS_OF_THREADS = """
import ctypes, threading

{begin}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.fdopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fflush.argtypes = [ctypes.c_void_p]
together = threading.Barrier(8)


def work():
    together.wait()
    for _ in range(100):
        libc.malloc(1000)
    together.wait()


threads = [threading.Thread(target=work) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
out = libc.fdopen(1, b"w")
libc.malloc_info(0, out)
libc.fflush(out)
"""
"""Eight threads take memory at the same time; then the C library says which heaps it has."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
@pytest.mark.parametrize(
    "begin", ["import recsys.web.gunicorn_conf", "from recsys.process import share_heaps; share_heaps()"]
)
def test_threads_share_few_heaps(begin: str) -> None:
    """However many threads a service or a training has, they have few heaps, each of which keeps what it once held."""
    code = HEAPS_OF_THREADS.replace("{begin}", begin)
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert 1 <= said.count("<heap nr=") <= FEW_HEAPS


def test_a_service_may_open_more_files_than_a_process_usually_may() -> None:
    """A thousand callers who keep their connections are more than the usual limit leaves room for."""
    code = "import resource, recsys.web.gunicorn_conf; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    limited = f"ulimit -Sn 512 && exec {shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    said = subprocess.run(["sh", "-c", limited], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    soft, hard = map(int, said.split())
    assert soft == (MOST_FILES if hard == -1 else min(hard, MOST_FILES))
