"""Child processes of the offline job: each ends with the process that started it, however that one ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from recsys.process import end_with_parent, is_ending, make_process

PATIENCE_SECONDS = 40
"""Longest time that a child has to end by itself; gunicorn takes up to 30 seconds for the answers in flight."""
DEAF_SECONDS = 2
"""Time that work has to end by itself once it is told to."""
_AHEAD = 4
_LOOK_SECONDS = 0.2

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def end_in_order() -> None:
    """Turn SIGTERM, SIGHUP and the end of the `make` that runs us into an exit, so that children are ended and unfinished files
    removed. The first of them, or of SIGINT, is heard alone; what is ignored (`nohup`) stays ignored. Call it once, first."""
    for number, handler in ((signal.SIGTERM, _exit), (signal.SIGHUP, _exit), (signal.SIGINT, _interrupt)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    if (make := make_process()) is not None:
        threading.Thread(target=_end_with_make, args=(make,), daemon=True).start()


@contextmanager
def ended_while_deaf(last_words: str) -> Iterator[None]:
    """End within a second or two although work is in compiled code, which hears no signal before it is done: it can be minutes.

    Such an end is that of a kill: nothing is cleaned up, so that whatever runs inside must be safe to be killed. `last_words` go to
    standard error. Nothing is done where `end_in_order` was not called: a notebook's process is not ours to end.
    """
    if signal.getsignal(signal.SIGTERM) is not _exit:
        yield
        return
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    before, done = signal.set_wakeup_fd(tell, warn_on_full_buffer=False), threading.Event()
    threading.Thread(target=_end_while_deaf, args=(told, done, last_words), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        os.close(tell)


@contextmanager
def child(
    command: Sequence[str], environment: Mapping[str, str], log: Path, files: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside, its output in a file; at the end of the `with` it is asked to end, and waited for.

    Args:
        command: program and arguments.
        environment: all variables that it sees.
        log: file for its output and its errors.
        files: numbers of open files that it may use under the same numbers.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env={**environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=files,
            preexec_fn=partial(end_with_parent, os.getpid()),
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
    """Apply a function to chunk after chunk on all cores, in order, never more than a few chunks ahead; to a single one, here.

    Args:
        function: runs in the worker processes; must be importable, as must what it takes and returns be picklable.
        chunks: read as they are needed.
        open_worker: called once in each worker, with `arguments`.
    """
    left = iter(chunks)
    first = list(islice(left, 2))
    if len(first) == 1:  # a process takes longer to start than a chunk does
        open_worker(*arguments)
        yield first[0], function(first[0])
        return
    context, cores = multiprocessing.get_context("spawn"), os.cpu_count() or 1
    with _terminal_unheard():
        pool = ProcessPoolExecutor(cores, context, initializer=_open_worker, initargs=(open_worker, arguments))
    with pool:
        try:
            submitted = ((chunk, _submit(pool, function, chunk)) for chunk in chain(first, left))
            waiting = deque(islice(submitted, cores * _AHEAD))
            while waiting:
                chunk, future = waiting.popleft()
                yield chunk, future.result()
                waiting.extend(islice(submitted, 1))
        except BaseException:
            _end_workers(pool)
            raise


def _submit(pool: ProcessPoolExecutor, function: Callable[[Chunk], Result], chunk: Chunk) -> Future[Result]:
    with _terminal_unheard():
        return pool.submit(function, chunk)


@contextmanager
def _terminal_unheard() -> Iterator[None]:
    """Let processes that are started here hear nothing of what a terminal sends to all: the one that started them decides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_workers(pool: ProcessPoolExecutor) -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in multiprocessing.active_children():
        worker.terminate()


def _open_worker(open_worker: Callable[..., None], arguments: Sequence[Any]) -> None:
    threading.Thread(target=_end_with_main, daemon=True).start()
    open_worker(*arguments)


def _end_with_main() -> None:
    """Wait for the end of the process that started this worker. The kernel's own signal would come with the end of the thread that
    did, which need not be the main one."""
    if (main := multiprocessing.parent_process()) is not None:
        main.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _end_while_deaf(told: int, done: threading.Event, last_words: str) -> None:
    """Wait for the number of a signal that ends, until nobody can tell one any more."""
    with open(told, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            if number[0] in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) and not done.wait(DEAF_SECONDS):
                os.write(sys.stderr.fileno(), f"{last_words}\n".encode())
                os._exit(128 + number[0])


def _end_with_make(make: int) -> None:
    while not is_ending(make):
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _exit(number: int, frame: Any) -> None:
    _end_undisturbed()
    raise SystemExit(128 + number)


def _interrupt(number: int, frame: Any) -> None:
    _end_undisturbed()
    raise KeyboardInterrupt


def _end_undisturbed() -> None:
    """Hear no further endings, of which `make` passes a second one on; another Ctrl-C still breaks off. Not by SIG_IGN: children would
    ignore them too, and Python prints an error where one that is ignored had already come."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _unheard)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _unheard(number: int, frame: Any) -> None:
    """Do nothing."""
