"""Child processes of the offline job: each ends with the process that started it, however that one ends."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

ENDINGS = (signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 40
"""Longest time that a child has to end by itself; gunicorn takes up to 30 seconds for the answers in flight."""
_AHEAD = 4
_SET_PARENT_DEATH_SIGNAL = 1

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def end_in_order() -> None:
    """Turn SIGTERM and SIGHUP into an exit, so that children are ended and unfinished files removed. Call it once, first."""
    for number in ENDINGS:
        signal.signal(number, _exit)


@contextmanager
def child(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside, its output in a file; at the end of the `with` it is asked to end, and waited for."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env={**environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=end_with_parent
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def map_in_order(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], open_worker: Callable[..., None], *arguments: Any
) -> Iterator[tuple[Chunk, Result]]:
    """Apply a function to chunk after chunk on all cores, in order, never more than a few chunks ahead.

    Args:
        function: runs in the worker processes; must be importable, as must what it takes and returns be picklable.
        chunks: read as they are needed.
        open_worker: called once in each worker, with `arguments`.
    """
    context, cores = multiprocessing.get_context("spawn"), os.cpu_count() or 1
    with ProcessPoolExecutor(cores, context, initializer=_open_worker, initargs=(open_worker, arguments)) as pool:
        try:
            submitted = ((chunk, pool.submit(function, chunk)) for chunk in chunks)
            waiting = deque(islice(submitted, cores * _AHEAD))
            while waiting:
                chunk, future = waiting.popleft()
                yield chunk, future.result()
                waiting.extend(islice(submitted, 1))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM once the parent is gone (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _open_worker(open_worker: Callable[..., None], arguments: Sequence[Any]) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of them; the parent decides
    open_worker(*arguments)


def _exit(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)
