"""Backup and restore: whole or not at all, while others write, and without bringing anybody back."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from recsys import clock
from recsys.clock import DAY
from recsys.live.databases import log_in
from recsys.live.erasure import Erased, ErasureKeys
from recsys.live.log import EventLog
from recsys.tables.live_rows import EVENTS_FOLDER, compacted_files
from recsys.types import DataError, Event, Link, SettingsError, SnapshotError, StateError
from tests.conftest import NOW, Shop, ago, busy_events, micros
from training.batch.backup import NOTE, back_up, read_backup, restore
from training.batch.compact import purge

ERASURE_KEYS = ErasureKeys(["forget-secret-of-at-least-32-characters"])


def viewed(number: int, user: str = "ana") -> Event:
    """A view with a number for an id."""
    return Event(event_id=f"e{number}", user_id=user, event_type="view", timestamp=micros(NOW), item_id="sofa-1")


def ids(log: EventLog) -> set[str]:
    """The ids of all events of a log."""
    return {each.event_id for batch in log.events_between(0, log.last()) for _, _, each in batch}


@pytest.fixture
def logged(shop: Shop) -> Shop:
    """A shop whose log holds three events and a link."""
    with closing(log_in(shop.folder / "state")) as log:
        log.add_events([viewed(number) for number in range(3)], micros(NOW))
        log.add_links([Link("anon", "ana", micros(NOW))], micros(NOW))
    return shop


def test_a_backup_holds_what_cp_would_not(logged: Shop) -> None:
    """Rows that are still in the write-ahead file are in a backup, which the service does not notice."""
    folder, target = logged.folder / "state", logged.folder / "backup"
    with closing(log_in(folder)) as log:
        log.add_events([viewed(3)], micros(NOW))
        backup = back_up(logged.settings, target, NOW)
        log.add_events([viewed(4)], micros(NOW))
        assert len(ids(log)) == 5
    assert backup == read_backup(target)
    with closing(log_in(target)) as copied:
        assert ids(copied) == {"e0", "e1", "e2", "e3"}
        assert copied.last() == backup.sequence


def test_writers_go_on_and_none_of_what_they_were_promised_is_lost(logged: Shop) -> None:
    """What was accepted before a backup began is in it, also while another thread writes all the time."""
    stop, accepted = threading.Event(), []

    def write() -> None:
        with closing(log_in(logged.folder / "state")) as log:
            number = 100
            while not stop.is_set():
                log.add_events([viewed(number)], micros(NOW))
                accepted.append(f"e{number}")
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            before = set(accepted)
            back_up(logged.settings, logged.folder / f"backup-{number}", NOW)
            with closing(log_in(logged.folder / f"backup-{number}")) as copied:
                assert before <= ids(copied)
    finally:
        stop.set()
        writer.join()


def test_a_state_is_put_back_and_what_was_there_is_kept(logged: Shop) -> None:
    """After the loss of the log, or over another one, which is a backup of its own then."""
    state = logged.folder / "state"
    back_up(logged.settings, logged.folder / "backup", NOW)
    with closing(log_in(state)) as log:
        log.add_events([viewed(7)], micros(NOW))
        last = log.last()
    with pytest.raises(DataError, match="--replace"):
        restore(logged.settings, logged.folder / "backup", False, NOW)
    _, kept = restore(logged.settings, logged.folder / "backup", True, NOW)
    with closing(log_in(state)) as log:
        assert ids(log) == {"e0", "e1", "e2"}
        log.add_events([viewed(8)], micros(NOW))
        assert log.last() > last
    assert kept is not None
    restore(logged.settings, kept, True, NOW.replace(year=2027))
    with closing(log_in(state)) as log:
        assert ids(log) == {"e0", "e1", "e2", "e7"}


def test_the_erased_stay_erased(logged: Shop) -> None:
    """A tombstone that was written after the backup holds for the log that is put back."""
    back_up(logged.settings, logged.folder / "backup", NOW)
    with closing(log_in(logged.folder / "state")) as log:
        log.forget([Erased("hash-of-ana", "ana", -(2**63), micros(NOW) + 1)], micros(NOW))
        tombstones = log.tombstones()
    restore(logged.settings, logged.folder / "backup", True, NOW)
    with closing(log_in(logged.folder / "state")) as log:
        assert log.tombstones() == tombstones != []


def test_what_the_erased_had_in_a_backup_is_not_served_again(logged: Shop) -> None:
    """Their rows are gone before the service starts; without their secret nothing is put back."""
    back_up(logged.settings, logged.folder / "backup", NOW)
    with closing(log_in(logged.folder / "state")) as log:
        log.forget([Erased(ERASURE_KEYS.sign("ana"), "ana")], micros(NOW))
    with pytest.raises(SettingsError, match="lacks the secrets"):
        restore(logged.settings, logged.folder / "backup", True, NOW, ErasureKeys(["another-secret-of-32-characters-x"]))
    restore(logged.settings, logged.folder / "backup", True, NOW, ERASURE_KEYS)
    with closing(log_in(logged.folder / "state")) as log:
        assert (ids(log), log.links(99)) == (set(), [])


def test_an_erasure_that_is_dated_ahead_stays_as_long(logged: Shop) -> None:
    """One that was written by a clock that went ahead of this one ends when it did."""
    ahead = clock.now() + DAY
    back_up(logged.settings, logged.folder / "backup", NOW)
    with closing(log_in(logged.folder / "state")) as log:
        log.forget([Erased("hash-of-ana", "ana")], ahead)
    restore(logged.settings, logged.folder / "backup", True, NOW)
    with closing(log_in(logged.folder / "state")) as log:
        assert [each.until for each in log.tombstones()] == [ahead]


def test_an_empty_machine_gets_all_of_it(logged: Shop) -> None:
    """Compacted events too: the log comes last, whatever was put before it."""
    compacted = logged.folder / "state" / EVENTS_FOLDER / "events-1-2.parquet"
    compacted.parent.mkdir()
    compacted.write_bytes(b"events")
    assert [each.path for each in compacted_files(compacted.parent)] == [compacted]
    back_up(logged.settings, logged.folder / "backup", NOW)
    shutil.rmtree(logged.folder / "state")
    restore(logged.settings, logged.folder / "backup", False, NOW)
    assert compacted.read_bytes() == b"events"
    with closing(log_in(logged.folder / "state")) as log:
        assert ids(log) == {"e0", "e1", "e2"}


@pytest.fixture
def trained_since(tmp_path: Path) -> Shop:
    """A shop with a backup, and a snapshot that holds a shopper who came after it."""
    shop = Shop(tmp_path, busy_events())
    with closing(log_in(tmp_path / "state")) as log:
        log.add_events([viewed(1)], micros(ago(minutes=5)))
    back_up(shop.settings, tmp_path / "backup", NOW)
    with closing(log_in(tmp_path / "state")) as log:
        log.add_events([viewed(number, "zoe") for number in range(2, 9)], micros(ago(minutes=4)))
    shop.publish()
    return shop


@pytest.fixture
def erased_since(trained_since: Shop) -> Shop:
    """The same, where the erasure of that shopper is the log's last row."""
    with closing(log_in(trained_since.folder / "state")) as log:
        log.forget([Erased(ERASURE_KEYS.sign("zoe"), "zoe", -(2**63), micros(NOW) + 1)], micros(NOW))
    return trained_since


def test_a_restore_that_failed_half_way_is_run_again(erased_since: Shop) -> None:
    """Whatever stopped the first one, the state knows of every erasure after the second."""
    shop = erased_since
    (manifest,) = (shop.folder / "artifacts").glob("*/manifest.json")
    said = manifest.read_bytes()
    manifest.write_bytes(b"{")
    with closing(log_in(shop.folder / "state")) as log:
        tombstones = log.tombstones()
    with pytest.raises(SnapshotError):
        restore(shop.settings, shop.folder / "backup", True, NOW)
    manifest.write_bytes(said)
    restore(shop.settings, shop.folder / "backup", True, NOW.replace(year=2027))
    with closing(log_in(shop.folder / "state")) as log:
        assert log.tombstones() == tombstones != []
    assert not [each for each in shop.folder.iterdir() if each.name.endswith(".tmp")]


def test_a_snapshot_that_holds_the_erased_is_known_after_a_restore(erased_since: Shop) -> None:
    """It was made before they were erased, so that its numbers are below that of their tombstone, wherever that was put."""
    shop = erased_since
    restore(shop.settings, shop.folder / "backup", True, NOW)
    assert list(purge(shop.settings, ERASURE_KEYS).remaining.values()) == [1]


def test_numbers_that_a_snapshot_knows_are_not_given_again(trained_since: Shop) -> None:
    """What comes after a restore is newer than every kept snapshot, so that answers see it."""
    shop = trained_since
    for file in (shop.folder / "state").glob("log.sqlite3*"):
        file.unlink()
    restore(shop.settings, shop.folder / "backup", False, NOW)
    with closing(log_in(shop.folder / "state")) as log:
        log.add_events([viewed(20)], micros(NOW))
        assert log.last() == 9


def test_a_log_in_use_is_not_replaced(logged: Shop) -> None:
    """While a process has it open, a restore changes nothing and says what to do."""
    back_up(logged.settings, logged.folder / "backup", NOW)
    with closing(log_in(logged.folder / "state")) as log:
        log.add_events([viewed(5)], micros(NOW))
        with pytest.raises(StateError, match="stop the service"):
            restore(logged.settings, logged.folder / "backup", True, NOW)
        log.add_events([viewed(6)], micros(NOW))
        assert {"e5", "e6"} <= ids(log)


def test_a_backup_that_is_not_whole_is_refused(logged: Shop) -> None:
    """A file that is cut, changed, gone, or not a database any more is named, and the state stays."""
    back_up(logged.settings, logged.folder / "backup", NOW)
    file, note = logged.folder / "backup" / "log.sqlite3", logged.folder / "backup" / NOTE
    whole, said = file.read_bytes(), note.read_text()
    for broken in (whole[:-4096], whole[:100] + bytes(8) + whole[108:]):
        file.write_bytes(broken)
        with pytest.raises(DataError, match=r"log\.sqlite3 was changed"):
            restore(logged.settings, logged.folder / "backup", True, NOW)
    file.unlink()
    with pytest.raises(DataError, match="no whole backup"):
        read_backup(logged.folder / "backup")
    file.write_bytes(whole)
    for text in ("", "{", json.dumps({"files": 1})):
        note.write_text(text)
        with pytest.raises(DataError, match="no whole backup"):
            read_backup(logged.folder / "backup")
    note.write_text(said)
    read_backup(logged.folder / "backup")
    with closing(log_in(logged.folder / "state")) as log:
        assert len(ids(log)) == 3


@pytest.mark.long
def test_a_killed_backup_leaves_no_folder_of_that_name(logged: Shop) -> None:
    """A backup has its name only once it is whole; the next one is not kept from it by what a killed one left."""
    script = (
        "import os, sys; from pathlib import Path; from training.batch import backup; from tests.conftest import NOW, Shop\n"
        "backup._sequence = lambda folder: os._exit(9)\n"
        f"backup.back_up(Shop(Path({str(logged.folder)!r})).settings, Path({str(logged.folder / 'backup')!r}), NOW)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert not (logged.folder / "backup").exists()
    back_up(logged.settings, logged.folder / "backup", NOW)
    with closing(sqlite3.connect(logged.folder / "backup" / "log.sqlite3")) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with pytest.raises(DataError, match="exists"):
        back_up(logged.settings, logged.folder / "backup", NOW)
