"""Files that are derived appear whole, or not at all, whoever writes beside whom."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from recsys.disk import let_go, named_in, write_whole
from tests.support.vanishing import vanishing

WRITER = """
import os, sys
from pathlib import Path
from recsys.disk import write_whole

log = []
def hook(event, arguments):
    if event in ("os.rename",):
        log.append(f"rename {Path(arguments[1]).name}")
sys.addaudithook(hook)
sync = os.fsync
os.fsync = lambda number: (log.append("sync " + Path(os.readlink(f"/proc/self/fd/{number}")).name.split(".")[-1]), sync(number))
with write_whole(Path(sys.argv[1])) as aside:
    aside.write_text("new")
print(log)
"""


def fail(file: Path, text: str | None) -> None:
    """Begin to write a file, and fail."""
    with write_whole(file) as aside:
        if text:
            aside.write_text(text)
        raise ZeroDivisionError


def test_the_file_takes_its_place_when_it_is_written(tmp_path: Path) -> None:
    """Until the block ends the old file stands; after it the new one, and nothing beside it."""
    file = tmp_path / "report.html"
    file.write_text("old")
    with write_whole(file) as aside:
        aside.write_text("new")
        assert (file.read_text(), aside.parent, aside.name.startswith(".")) == ("old", tmp_path, True)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("new", [file])


def test_of_a_block_that_fails_nothing_stays(tmp_path: Path) -> None:
    """The old file stands, also where nothing was written yet."""
    file = tmp_path / "report.html"
    file.write_text("old")
    for text in ("half", None):
        with pytest.raises(ZeroDivisionError):
            fail(file, text)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


def test_it_reaches_the_disk_before_it_has_its_name(tmp_path: Path) -> None:
    """The file is synced, then renamed, then the folder is synced."""
    folder = tmp_path / "folder"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WRITER, folder / "x.json"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(["sync tmp", "rename x.json", "sync folder"]), done.stderr


def test_threads_that_write_the_same_file_do_not_mix(tmp_path: Path) -> None:
    """Each writes a file of its own; the last one stands, whole."""
    start = threading.Barrier(4)

    def write(text: str) -> None:
        start.wait()
        for _ in range(25):
            with write_whole(tmp_path / "x") as aside:
                aside.write_text(text)

    threads = [threading.Thread(target=write, args=(name * 50_000,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set((tmp_path / "x").read_text())) == 1
    assert os.listdir(tmp_path) == ["x"]


def test_what_was_changed_in_a_mapped_array_is_not_let_go(tmp_path: Path) -> None:
    """An array that is mapped for reading comes back from its file; a private copy of pages that somebody wrote to stays."""
    np.arange(5000).tofile(tmp_path / "numbers")
    read, own = (np.memmap(tmp_path / "numbers", np.int64, mode=mode) for mode in ("r", "c"))
    own[7] = -1
    let_go([read, own, read[10:].view(np.ndarray), np.arange(3)])
    assert (read[7], own[7]) == (7, -1)


def test_a_folder_that_goes_while_it_is_read_lists_nothing(tmp_path: Path) -> None:
    """As one that was not there, and as a file of its name."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b.json", "a.json", "c.txt"):
        (folder / name).touch()
    assert [each.name for each in named_in(folder, "*.json")] == ["a.json", "b.json"]
    with vanishing(folder):
        assert named_in(folder, "*") == []
    assert named_in(folder, "*") == named_in(Path(__file__), "*") == []
