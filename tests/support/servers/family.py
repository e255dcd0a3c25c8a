"""A command with children, for the tests of how they end: `python -m tests.support.servers.family FOLDER child|pool`.

Each process leaves a file named by its number once it is at work.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from training.processes import child, end_in_order, map_in_order


def work(folder: str) -> None:
    """Say that this process is at work, and go on for ever."""
    (Path(folder) / f"at-work-{os.getpid()}").touch()
    threading.Event().wait()


def no_preparation() -> None:
    """Prepare nothing."""


def main(folder: str, kind: str) -> None:
    """Start children of a kind and wait for them; leaves a file when it ends in order."""
    end_in_order()
    try:
        if kind == "pool":
            for _ in map_in_order(work, [folder] * 2, no_preparation):
                pass
        else:
            program = f"from tests.support.servers.family import work; work({folder!r})"
            with child([sys.executable, "-c", program], os.environ, Path(folder) / "log") as process:
                process.wait()
    finally:
        (Path(folder) / "in-order").touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
