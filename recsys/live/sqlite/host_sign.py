"""Sign of the machine whose service uses SQLite's files: where a folder is shared in a way that the system does not tell, a second
machine is refused as long as the first one is there.

The sign is a file in the folder that names a start of a kernel, which is the same in all containers of a machine. A machine that was
started anew knows itself by its host name and id, and does not wait for itself to go.
"""

from __future__ import annotations

import os
import re
import socket
import tempfile
from pathlib import Path

from recsys.live.sqlite import local_disk
from recsys.types import StateError

NAME = "served-by"
SIGN_SECONDS = 5.0
"""Time between two signs of a service."""
STALE_SECONDS = 30.0
"""Age from which a sign is that of a machine that has gone."""
BOOT = Path("/proc/sys/kernel/random/boot_id")
MACHINE = Path("/etc/machine-id")
_ID = re.compile("[0-9a-f]{32}")


def check_host(folder: Path) -> None:
    """Check that no service of another machine uses the files of a folder.

    Raises:
        StateError: if one does, naming the machine.
    """
    sign = folder / NAME
    try:
        machine, _, boot = sign.read_text(errors="replace").strip().rpartition(" ")
        if boot in ("", BOOT.read_text().strip()) or machine == _this_machine():
            return
        host = machine.partition(" ")[0]
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
        (folder / NAME).write_text(f"{_this_machine() or socket.gethostname()} {BOOT.read_text()}")
    except OSError:
        return  # no folder yet, no room for a sign, or no kernel that names its start


def _this_machine() -> str | None:
    """Name this machine as none other is, also after it was started anew; None: it has no id of its own. That of a container, if any,
    is its image's, and a container of the same name may run on two machines."""
    try:
        found = MACHINE.read_text(errors="replace").strip()
        root = next(line for line in local_disk.MOUNTS.read_text(errors="replace").splitlines() if line.split(" ")[1] == "/")
    except (OSError, StopIteration):
        return None
    of_its_own = _ID.fullmatch(found) and root.split(" ")[2] != "overlay"
    return f"{socket.gethostname()} {found}" if of_its_own else None
