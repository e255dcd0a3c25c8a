"""A nightly run on a machine whose disk is full: nothing is half there, one sentence says why, and the next night is well."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.live.databases import log_in
from recsys.snapshot.store import current_version, open_snapshot, versions
from tests.conftest import NOW, Shop, busy_events, event, micros
from tests.live.test_log import event as live_event
from tests.support.small_disk import disk, fill
from training.__main__ import main

ARTIFACTS = "artifacts"
BAD_ROWS = 2
"""Rows that stand in no file but that of the rejects."""


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Path]:
    """A folder with settings, snapshots and live state on a disk of its own; the tables are elsewhere."""
    tables = Shop(tmp_path, busy_events() + [event("user-1", "sofa-1", "no such kind") for _ in range(BAD_ROWS)])
    tables.publish(force="the first one")
    with disk(8) as folder:
        text = "".join(
            line.replace('["', f'["{tmp_path}/') if line.startswith("paths") else line
            for line in tables.toml.splitlines(keepends=True)
        )
        (folder / "settings.toml").write_text(text)
        shutil.copytree(tmp_path / ARTIFACTS, folder / ARTIFACTS)
        yield folder


def ran(folder: Path, *command: str) -> int:
    """Run a command of the job there."""
    return main(["--settings", str(folder / "settings.toml"), *command])


def names(folder: Path) -> set[str]:
    """All files and folders of the snapshots, but what only locks."""
    return {str(path.relative_to(folder)) for path in (folder / ARTIFACTS).rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 0.9])
def test_a_full_disk_publishes_nothing(trainer: Path, share: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever the room ends: an exit code, a sentence with folder and reason, the files and CURRENT of before; with room again
    the same command publishes."""
    artifacts = trainer / ARTIFACTS
    before = current_version(artifacts) or ""
    whole = sum(path.stat().st_size for path in artifacts.rglob("*") if path.is_file())
    filler = fill(trainer, round(share * whole))
    there = names(trainer)
    assert ran(trainer, "train", "--force", "a drill") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "disk is full" in said
    assert str(trainer) in said
    assert "Traceback" not in said
    assert names(trainer) == there
    assert (current_version(artifacts), versions(artifacts)) == (before, [before])
    open_snapshot(artifacts, before)
    filler.unlink()
    assert ran(trainer, "train", "--force", "a drill") == 0
    assert len(versions(artifacts)) == 2
    assert current_version(artifacts) != before


def test_a_full_disk_compacts_nothing(trainer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events leave the log only when the file that holds them is on the disk."""
    log = log_in(trainer / "state")
    log.add_events([live_event(f"{number}", at=micros(NOW) - number) for number in range(2_000)], micros(NOW))
    log.close()
    filler = fill(trainer)
    assert ran(trainer, "compact") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "full" in said
    assert "Traceback" not in said
    assert not list((trainer / "state").rglob("*.parquet"))
    filler.unlink()
    assert log.count_events() == 2_000
    log.close()
    assert ran(trainer, "compact") == 0


def test_whatever_finds_no_room_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An export onto a full disk says so, and leaves no part of a file."""
    shop = Shop(tmp_path, busy_events())
    shop.publish(force="the first one")
    (tmp_path / "settings.toml").write_text(shop.toml)
    with disk(1) as folder:
        filler = fill(folder)
        assert ran(tmp_path, "export", "--out", str(folder / "lists.parquet")) == 1
        assert list(folder.iterdir()) == [filler]
    said = " ".join(capsys.readouterr().err.split())
    assert "disk is full" in said
    assert "Traceback" not in said
