"""Places for SQLite's files: on a local disk, never where other machines write too."""

from __future__ import annotations

import os
import time
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from recsys.live.sqlite import host_sign, local_disk
from recsys.live.sqlite.host_sign import check_host, put_sign
from recsys.live.sqlite.log import SqliteLog
from recsys.types import StateError
from tests.live.test_log import RECEIVED, event, times


def test_a_folder_that_another_machine_serves_from_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a service nor a job uses it while that machine signs; its own processes do, and others once it has gone."""
    with closing(SqliteLog(tmp_path)) as state:
        state.add_events([event("a")], RECEIVED)
    put_sign(tmp_path)
    with closing(SqliteLog(tmp_path)) as state:
        assert times(state) == [10]
    with monkeypatch.context() as other:
        other.setattr(host_sign, "BOOT", tmp_path / "boot_id")
        other.setattr(host_sign, "MACHINE", tmp_path / "no-id")
        host_sign.BOOT.write_text("another-start\n")
        for use in (check_host, put_sign):
            with pytest.raises(StateError, match=r"the service of the machine .* uses it.*`state\.database`"):
                use(tmp_path)
        with closing(SqliteLog(tmp_path)) as state, pytest.raises(StateError, match="uses it"):
            times(state)
        gone = time.time() - host_sign.STALE_SECONDS - 1
        os.utime(tmp_path / host_sign.NAME, (gone, gone))
        put_sign(tmp_path)
    with pytest.raises(StateError, match="uses it"):
        check_host(tmp_path)


@pytest.mark.parametrize(
    ("root", "machine", "is_itself"),
    [
        ("/dev/sda1 / ext4", "0123456789abcdef" * 2, True),
        ("/dev/sda1 / ext4", "fedcba9876543210" * 2, False),
        ("/dev/sda1 / ext4", "", False),
        ("/dev/sda1 / ext4", "uninitialized", False),
        ("overlay / overlay", "0123456789abcdef" * 2, False),
    ],
)
def test_a_machine_that_was_started_anew_takes_its_folder_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, machine: str, is_itself: bool
) -> None:
    """Its own sign of the start before keeps it away for no moment; a machine whose id is another one's, or an image's, waits."""
    for module, name in ((host_sign, "BOOT"), (host_sign, "MACHINE"), (local_disk, "MOUNTS")):
        monkeypatch.setattr(module, name, tmp_path / name)
    host_sign.BOOT.write_text("one-start\n")
    host_sign.MACHINE.write_text("0123456789abcdef" * 2 + "\n")
    local_disk.MOUNTS.write_text("/dev/sda1 / ext4 rw 0 0\n")
    put_sign(tmp_path)
    host_sign.BOOT.write_text("next-start\n")
    host_sign.MACHINE.write_text(f"{machine}\n")
    local_disk.MOUNTS.write_text(f"{root} rw 0 0\n")
    with nullcontext() if is_itself else pytest.raises(StateError, match="uses it"):
        put_sign(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff\xfe \x80", b"no machine"])
def test_a_sign_that_cannot_be_read_keeps_nobody_away_for_long(tmp_path: Path, content: bytes) -> None:
    """As a disk may leave it that lost power."""
    sign = tmp_path / host_sign.NAME
    sign.write_bytes(content)
    gone = time.time() - host_sign.STALE_SECONDS - 1
    os.utime(sign, (gone, gone))
    put_sign(tmp_path)
    check_host(tmp_path)
    assert sign.read_bytes() != content


def test_no_sign_is_put_where_nothing_is(tmp_path: Path) -> None:
    """A service that has written nothing makes no folder for a sign."""
    put_sign(tmp_path / "state")
    check_host(tmp_path / "state")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written on a network file system, also under a name with spaces; the error says where it may be."""
    monkeypatch.setattr(local_disk, "MOUNTS", tmp_path / "mounts")
    folder = tmp_path / "a share" / "state"
    mounted = str(folder.parent).replace(" ", "\\040")
    (tmp_path / "mounts").write_text(f"/dev/sda1 / ext4 rw 0 0\nnas:/shop {mounted} {kind} rw 0 0\n")
    with closing(SqliteLog(folder)) as state:
        with pytest.raises(StateError, match=rf"network file system nas:/shop \({kind}\).*`state\.database`"):
            state.add_events([event("a")], RECEIVED)
        assert not folder.exists()


def test_a_log_that_came_to_a_network_file_system_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that was made on a local disk is refused once its folder is on a network."""
    with closing(SqliteLog(tmp_path)) as state:
        state.add_events([event("a")], RECEIVED)
    monkeypatch.setattr(local_disk, "MOUNTS", tmp_path / "mounts")
    (tmp_path / "mounts").write_text(f"nas:/shop {tmp_path} nfs4 rw 0 0\n")
    with closing(SqliteLog(tmp_path)) as state, pytest.raises(StateError, match="network file system"):
        times(state)


def test_the_nearest_mount_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local disk inside a network file system is local; so is what the system does not tell of."""
    monkeypatch.setattr(local_disk, "MOUNTS", tmp_path / "mounts")
    (tmp_path / "mounts").write_text(f"/dev/sdb1 {tmp_path} xfs rw 0 0\nnas:/root / nfs4 rw 0 0\n")
    local_disk.check_local(tmp_path / "state")
    (tmp_path / "mounts").unlink()
    local_disk.check_local(tmp_path / "state")
