"""Local disk or network: SQLite's files must be where locks and syncs of all processes are those of one kernel."""

from __future__ import annotations

from pathlib import Path

from recsys.types import StateError

MOUNTS = Path("/proc/self/mounts")
NETWORK = frozenset(
    [
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "lustre",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb3",
        "smbfs",
    ]
)
"""Names that the kernel gives file systems which other machines may mount too."""


def check_local(folder: Path) -> None:
    """Check that a folder is on a disk of this machine; where the system does not tell, it is taken for one.

    Raises:
        StateError: if it is on a network file system.
    """
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    place, kind, source = folder.resolve(), "", ""
    depth = 0
    for line in lines:
        device, mounted, name = line.split(" ")[:3]
        point = Path(mounted.replace("\\040", " "))
        if len(point.parts) >= depth and place.is_relative_to(point):
            kind, source, depth = name, device, len(point.parts)
    if kind in NETWORK:
        raise StateError(
            f"{folder}: is on the network file system {source} ({kind}), which may lose accepted events; name a folder on a local "
            "disk in `state.folder`, or for several machines a PostgreSQL in `state.database`"
        )
