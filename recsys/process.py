"""Wishes of a process to the system: to end with the `make` that started it, few heaps for its threads, and many open files."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
HEAPS = "MALLOC_ARENA_MAX"
_M_ARENA_MAX, FEW_HEAPS = -8, 2
"""The option of mallopt(3) for the number of heaps, and how many there are. With one for each thread, which keeps what it once held,
a training in partitions takes a sixth more memory, and a worker grows for an hour."""
MOST_FILES = 65_536
"""Files, and so connections, that a process asks for: more than a worker ever has open, few enough to be looked through."""
_SET_PARENT_DEATH_SIGNAL = 1
_MAKES = ("make", "gmake")
_ENDINGS = 1 << signal.SIGHUP - 1 | 1 << signal.SIGINT - 1


def end_with_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM once the parent has ended (Linux; elsewhere nothing), or take it now if it has ended meanwhile."""
    if _LIBC is not None:
        _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


def make_process() -> int | None:
    """The number of the `make` that runs us; None where something else does, or where there is no /proc to ask."""
    parent = os.getppid()
    try:
        return parent if Path(f"/proc/{parent}/comm").read_text().strip() in _MAKES else None
    except OSError:
        return None


def is_ending(make: int) -> bool:
    """Tell whether the `make` that runs us has ended or is about to.

    On SIGINT and SIGHUP it waits for its recipe without passing the signal on, the signal being blocked meanwhile: only then are
    these two blocked.
    """
    if os.getppid() != make:
        return True
    try:
        status = Path(f"/proc/{make}/status").read_text()
    except OSError:
        return True
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked.split()[1], 16) & _ENDINGS)


def share_heaps() -> None:
    """Let threads share a few heaps, where the C library is glibc and nobody said how many there are."""
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None and HEAPS not in os.environ and "arena_max" not in os.environ.get("GLIBC_TUNABLES", ""):
        mallopt(_M_ARENA_MAX, FEW_HEAPS)


def open_more_files() -> None:
    """Raise the number of files that may be open, which is often 1,024, to what the system allows."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(ValueError):  # macOS says that there is no limit, and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
