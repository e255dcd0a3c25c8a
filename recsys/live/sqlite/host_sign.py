"""Sign of the machine whose service uses SQLite's files: where a folder is shared in a way that the system does not tell, a second
machine is refused as long as the first one is there.

The sign is a file in the folder that names a start of a kernel, which is the same in all containers of a machine.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from recsys.types import StateError

NAME = "served-by"
SIGN_SECONDS = 5.0
"""Time between two signs of a service."""
STALE_SECONDS = 30.0
"""Age from which a sign is that of a machine that has gone."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


def check_host(folder: Path) -> None:
    """Check that no service of another machine uses the files of a folder.

    Raises:
        StateError: if one does, naming the machine.
    """
    sign = folder / NAME
    try:
        host, _, boot = sign.read_text(errors="replace").strip().rpartition(" ")
        if boot in ("", BOOT.read_text().strip()):
            return
        with tempfile.TemporaryFile(dir=folder) as now:  # its time is by the clock of the disk, as the sign's is
            age = os.fstat(now.fileno()).st_mtime - sign.stat().st_mtime
    except OSError:  # there is none, or nothing can be written here at all
        return
    if age < STALE_SECONDS:
        raise StateError(
            f"{folder}: the service of the machine {host} uses it, and SQLite's files are for one machine; several need a "
            f"PostgreSQL in `state.database`. If {host} has gone, start again in {STALE_SECONDS:.0f} seconds"
        )


def put_sign(folder: Path) -> None:
    """Say that a service of this machine uses the files of a folder, if that is there.

    Raises:
        StateError: if a service of another machine does, too.
    """
    check_host(folder)
    try:
        (folder / NAME).write_text(f"{socket.gethostname()} {BOOT.read_text()}")
    except OSError:
        return  # no folder yet, no room for a sign, or no kernel that names its start
