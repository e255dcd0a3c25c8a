"""A log file that is taken away under a running process: refused, not read as empty and not written to where nobody looks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.live.sqlite.log import FILE, SqliteLog
from recsys.types import Event, StateError


def view(name: str) -> Event:
    """A view by ann."""
    return Event(event_id=name, user_id="ann", event_type="view", timestamp=1, item_id="x")


def deleted(file: Path) -> None:
    """Delete it, with what lies beside it."""
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()


def replaced(file: Path) -> None:
    """Put a copy in its place, as who puts a backup back."""
    shutil.copy(file, aside := file.with_name("backup"))
    aside.replace(file)


ASKED: tuple[Callable[[SqliteLog], object], ...] = (
    lambda log: log.version(),
    lambda log: log.last(),
    lambda log: log.events_of("ann", 0, 9),
    lambda log: log.add_events([view("b")], 5),
    lambda log: log.pins.send("weekly"),
)


@pytest.mark.parametrize("taken", [deleted, replaced])
def test_a_file_taken_away_is_refused(tmp_path: Path, taken: Callable[[Path], None]) -> None:
    """Reads and writes fail and say what to do, in threads that had it open and in those that had not; nothing is made anew."""
    log, stated = SqliteLog(tmp_path), list[str]()
    log.add_events([view("a")], 5)
    taken(tmp_path / FILE)

    def ask() -> None:
        for each in ASKED:
            with pytest.raises(StateError) as raised:
                each(log)
            stated.append(str(raised.value))

    ask()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(stated) == 2 * len(ASKED)
    assert all(f"was {taken.__name__} while" in each and "put it back" in each for each in stated)
    assert (tmp_path / FILE).exists() == (taken is replaced)
    log.close()


def test_a_file_put_back_is_read_again(tmp_path: Path) -> None:
    """The very same file in its place again ends it; so does a restart on another one."""
    log = SqliteLog(tmp_path)
    log.add_events([view("a")], 5)
    (tmp_path / FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="deleted"):
        log.last()
    (tmp_path / "elsewhere").rename(tmp_path / FILE)
    assert log.last() == 1
    replaced(tmp_path / FILE)
    log.close()
    assert log.last() == 1
    log.close()
