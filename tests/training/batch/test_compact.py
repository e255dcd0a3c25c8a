"""Compacting the log and purging what is forgotten: whatever interrupts it, nothing is lost and nothing counts twice."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from recsys.engine.pipeline import Engine
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.erasure import FORGET_SECRETS, Erased, ErasureKeys
from recsys.live.item_changes import Standing
from recsys.live.log import EventLog
from recsys.live.pinned_slates import PinnedSlate
from recsys.live.rows import BATCH
from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.snapshot.remote import RemoteSnapshots
from recsys.snapshot.store import FORMAT, INCOMING, MANIFEST, current_version, open_snapshot, read_manifest, versions
from recsys.tables.live_rows import EVENTS_FOLDER, compacted_files
from recsys.tables.shop import read_shop
from recsys.types import DataError, Event, Link, Send
from tests.conftest import NOW, SETTINGS, Shop, ago, event, micros
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.store import store_server
from tests.support.training import train
from training.__main__ import main
from training.batch import compact
from training.cli import commands
from training.runners.finished import FOLDER

SECRET = "s" * 32
ERASURE_KEYS = ErasureKeys([SECRET])
OLD = ago(days=40)


@dataclass
class Logged:
    """A shop with a log of events, numbered from 0 by their ids."""

    shop: Shop
    count: int = 0

    @property
    def state(self) -> EventLog:
        """The log."""
        return log_in(self.shop.folder / "state")

    @property
    def settings(self) -> Settings:
        """The shop's settings."""
        return self.shop.settings

    @property
    def folder(self) -> Path:
        """Where compacted events go."""
        return self.shop.folder / "state" / EVENTS_FOLDER

    def log(self, count: int, received: datetime = OLD, user: str = "anna") -> None:
        """Accept more events, all received at one moment; checkouts, for so many views were a machine's."""
        rows = [
            Event(event_id=str(at), user_id=user, event_type="checkout", timestamp=micros(received), item_id="sofa-1")
            for at in range(self.count, self.count + count)
        ]
        assert all(self.state.add_events(rows, micros(received)))
        self.count += count

    def publish(self, now: datetime = NOW) -> str:
        """Publish a snapshot that knows everything so far."""
        self.shop.write()
        return train(self.settings, now=now, erasure_keys=ERASURE_KEYS, force="a tiny shop").manifest.version

    def only_newest(self) -> None:
        """Have the shop keep one snapshot."""
        artifacts = self.shop.folder / "artifacts"
        for version in versions(artifacts)[:-1]:
            (artifacts / version / MANIFEST).unlink()

    def read(self) -> list[str]:
        """Ids of the live events that training reads, in order."""
        ids = read_shop(self.settings, erasure_keys=ERASURE_KEYS).events.collect()["event_id"]
        return [each for each in ids if len(each) < 32]

    def in_log(self) -> list[str]:
        """Ids of the events in the log."""
        return [event.event_id for batch in self.state.events_between(0, self.state.last()) for _, _, event in batch]

    def in_files(self) -> list[str]:
        """Ids of the events in the files."""
        return [each for file in compacted_files(self.folder) for each in pl.read_parquet(file.path)["event_id"]]

    def all(self) -> list[str]:
        """Every id that was accepted."""
        return [str(at) for at in range(self.count)]


@pytest.fixture
def logged(shop: Shop) -> Logged:
    """Ten old events that a published snapshot knows."""
    shop.add(event("bea", "sofa-1"))
    found = Logged(shop)
    found.log(10)
    found.publish()
    return found


@pytest.mark.long
def test_old_events_move_and_the_rest_stays(logged: Logged) -> None:
    """What came more than keep_days ago moves; the first younger one and all that follow stay, whatever their age."""
    logged.log(1, ago(days=30))
    logged.log(1, ago(days=30, seconds=1))
    logged.publish(NOW + timedelta(seconds=1))
    logged.only_newest()
    moved = compact.compact(logged.settings, NOW)
    assert (moved.events, moved.left, moved.may_move) == (10, 2, 12)
    assert [file.name for file in moved.files] == ["events-1-10.parquet"]
    assert (logged.in_files(), logged.in_log()) == (logged.all()[:10], ["10", "11"])
    assert logged.read() == logged.all()
    assert compact.compact(logged.settings, NOW + timedelta(microseconds=1)).events == 2
    assert (logged.in_log(), logged.read()) == ([], logged.all())


@pytest.mark.long
def test_nothing_overtakes_an_event_that_stays(shop: Shop) -> None:
    """Of a log of several batches nothing after the first young event moves: its number would be below the file's last."""
    logged = Logged(shop)
    logged.log(1, NOW)
    logged.log(BATCH)
    assert compact.due(logged.state, logged.folder, logged.state.last(), NOW - timedelta(days=30)).height == 0
    assert compact.due(logged.state, logged.folder, logged.state.last(), NOW + timedelta(days=1)).height == BATCH + 1


def test_no_snapshot_that_is_kept_may_miss_an_event(logged: Logged) -> None:
    """Only what the oldest kept snapshot has folded in moves: serving reads the rest from the log."""
    logged.log(5)
    logged.publish(NOW + timedelta(seconds=1))
    assert compact.compact(logged.settings, NOW).events == 10
    assert logged.in_log() == logged.all()[10:]
    logged.only_newest()
    assert compact.compact(logged.settings, NOW).events == 5
    assert [(each.first, each.last) for each in compacted_files(logged.folder)] == [(1, 10), (11, 15)]
    assert logged.read() == logged.all()


def test_without_a_snapshot_or_a_log_nothing_moves(shop: Shop) -> None:
    """Nor is anything made."""
    assert compact.compact(shop.settings, NOW) == compact.Moved((), 0, 0, 0)
    assert list(shop.folder.iterdir()) == []
    logged = Logged(shop)
    logged.log(3)
    assert compact.compact(shop.settings, NOW) == compact.Moved((), 0, 3, 0)


def test_a_file_holds_so_many_events(logged: Logged) -> None:
    """A large log becomes several files, each whole before the next is begun."""
    moved = compact.compact(logged.settings, NOW, max_n=3)
    assert [file.name for file in moved.files] == [f"events-{span}.parquet" for span in ("1-3", "4-6", "7-9", "10-10")]
    assert (moved.events, logged.in_log(), logged.read()) == (10, [], logged.all())


def test_other_rows_stay_in_the_log(logged: Logged) -> None:
    """Links and item updates are small and stay; a replaced update goes once every kept snapshot knows all of them."""
    logged.state.add_links([Link("passer", "anna", micros(OLD))], micros(OLD))
    logged.state.add_items([ItemUpdate("sofa-1", stock=1.0), ItemUpdate("sofa-1", stock=0.0)], micros(OLD))
    compact.compact(logged.settings, NOW)
    assert len(logged.state.news(0).shared) == 3
    logged.publish(NOW + timedelta(seconds=1))
    logged.only_newest()
    compact.compact(logged.settings, NOW)
    assert [each.row for each in logged.state.news(0).shared] == [
        Link("passer", "anna", micros(OLD)),
        ItemUpdate("sofa-1", stock=0.0),
    ]


def test_sends_that_expired_long_ago_are_dropped(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """What is pinned goes keep_days after its send expired, also where nothing else is logged; what expired since stays."""
    pins = log_in(shop.folder / "state").pins
    for send_id, expired in (("old", ago(days=30, seconds=1)), ("new", ago(days=30))):
        pins.declare(Send(send_id=send_id, placement="home", limit=1, expires_at=micros(expired)), 1)
        pinned = PinnedSlate(
            send_id=send_id, user_id="anna", recommendation_id="r", snapshot="v", strategy="s", personalized=False
        )
        pins.pin_all([pinned, msgspec.structs.replace(pinned, user_id="bea")], 1)
    moved = compact.compact(shop.settings, NOW)
    assert (moved.events, moved.sends, moved.pins) == (0, 1, 2)
    assert [each.send_id for each in pins.pins_of("anna", 9)] == ["new"]
    assert (pins.send("old"), pins.send("new") is None) == (None, False)
    commands.compact(shop.settings, NOW + timedelta(seconds=1))
    assert "✓ 1 expired sends dropped, with 2 rows of what was pinned to them" in capsys.readouterr().out
    assert pins.pins_of("anna", 9) == []


def test_killed_before_the_log_lost_its_rows(logged: Logged) -> None:
    """With the file whole and the log untouched every event counts once, and the next run ends what was begun."""
    rows = compact.due(logged.state, _made(logged.folder), logged.state.last(), NOW - timedelta(days=30))
    compact.write(logged.folder, rows)
    assert logged.in_files() == logged.in_log() == logged.all()
    assert logged.read() == logged.all()
    logged.log(2)
    assert compact.compact(logged.settings, NOW).events == 0
    assert (logged.in_log(), logged.read()) == (logged.all()[10:], logged.all())


def test_killed_while_a_file_was_written(logged: Logged) -> None:
    """Half a file under its passing name is nothing, and the next run takes it away."""
    half = _made(logged.folder) / "events-1-10.17.tmp"
    half.write_bytes(b"PAR1")
    assert logged.read() == logged.all()
    assert compact.compact(logged.settings, NOW).events == 10
    assert (half.exists(), logged.read()) == (False, logged.all())


def test_killed_with_half_of_the_rows_deleted(logged: Logged) -> None:
    """Each event counts once, wherever it is."""
    compact.write(_made(logged.folder), compact.due(logged.state, logged.folder, 10, NOW))
    logged.state.drop_events(4)
    assert logged.read() == logged.all()
    compact.compact(logged.settings, NOW)
    assert (logged.in_log(), logged.read()) == ([], logged.all())


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


POINTS: dict[str, Callable[[Logged], bool]] = {
    "lock": lambda logged: (logged.folder / ".lock").exists(),
    "half a file": lambda logged: any(logged.folder.glob("*.tmp")),
    "a file": lambda logged: any(logged.folder.glob("events-*-*.parquet")),
    "fewer rows": lambda logged: len(next(logged.state.events_between(0, 2**62), [])) < logged.count,
}


@pytest.mark.long
def test_kill_9_at_any_point(shop: Shop) -> None:
    """The command itself, killed as soon as it has got so far: all events are there once, and the last run ends the work."""
    logged = Logged(shop.add(event("bea", "sofa-1")))
    logged.log(15_000)
    logged.publish()
    (shop.folder / "settings.toml").write_text(shop.toml)
    command = [sys.executable, "-m", "training", "--settings", str(shop.folder / "settings.toml"), "compact"]
    for reached in POINTS.values():
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not reached(logged) and running.poll() is None and time.monotonic() < deadline:
            pass
        running.kill()
        running.wait()
        assert logged.read() == logged.all()
        assert sorted({*logged.in_files(), *logged.in_log()}, key=int) == logged.all()
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert (logged.in_log(), logged.in_files()) == ([], logged.all())
    assert logged.read() == logged.all()


@pytest.mark.long
def test_two_at_once_take_turns(shop: Shop) -> None:
    """Two runs at the same moment move every event once."""
    logged = Logged(shop.add(event("bea", "sofa-1")))
    logged.log(5_000)
    logged.publish()
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(2) as pool:
        moved = pool.starmap(compact.compact, [(logged.settings, NOW)] * 2, chunksize=1)
    assert sum(each.events for each in moved) == logged.count
    assert (logged.in_files(), logged.in_log(), logged.read()) == (logged.all(), [], logged.all())


def test_another_logs_files_are_not_mistaken(logged: Logged) -> None:
    """Where the log was replaced by a younger one nothing is deleted from it."""
    compact.compact(logged.settings, NOW)
    for file in (logged.shop.folder / "state").glob("log.sqlite3*"):
        file.unlink()
    logged.log(3)
    with pytest.raises(DataError, match="it is another log"):
        compact.compact(logged.settings, NOW)
    assert len(logged.in_log()) == 3


def test_the_command_says_what_it_moved(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """One line: events, file, and what stays."""
    file = logged.shop.folder / "settings.toml"
    file.write_text(logged.shop.toml)
    logged.log(2, datetime.now(NOW.tzinfo))
    assert main(["--settings", str(file), "compact"]) == 0
    target = logged.folder / "events-1-10.parquet"
    assert capsys.readouterr().out == f"✓ 10 events moved to {target}; 2 stay in the log\n"
    assert main(["--settings", str(file), "compact"]) == 0
    assert capsys.readouterr().out == (
        "✓ nothing to move (older than 30 days and in every kept snapshot: none); 2 stay in the log\n"
    )


def forget(logged: Logged, *ids: str, at: datetime = NOW) -> None:
    """Forget as the service does."""
    logged.state.forget([Erased(ERASURE_KEYS.sign(each), each) for each in ids], micros(at))


@pytest.mark.long
def test_purge_deletes_the_snapshots_that_hold_them(logged: Logged) -> None:
    """Never the current one: what it still holds is told, and gone after the next training. What was left half-made goes too."""
    first, second = logged.publish(NOW + timedelta(seconds=1)), logged.publish(NOW + timedelta(seconds=2))
    forget(logged, "anna")
    artifacts = logged.shop.folder / "artifacts"
    half_made = artifacts / f"{INCOMING}1-killed"
    for left in (artifacts / FOLDER / "run", half_made):
        left.mkdir(parents=True)
    purged = compact.purge(logged.settings, ERASURE_KEYS)
    assert not (artifacts / FOLDER).exists()
    assert not half_made.exists()
    assert len(purged.snapshots) == 2
    assert first in purged.snapshots
    assert (purged.remaining, versions(artifacts), current_version(artifacts)) == ({second: 1}, [second], second)
    third = logged.publish(NOW + timedelta(seconds=3))
    purged = compact.purge(logged.settings, ERASURE_KEYS)
    assert (purged.snapshots, purged.remaining, versions(artifacts)) == ((second,), {}, [third])
    assert compact.purge(logged.settings, ERASURE_KEYS).snapshots == ()


@pytest.mark.long
def test_purge_deletes_them_from_the_store_too(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their files, but for what serves there: also where another machine rolled back to it after it was looked into."""
    with store_server(monkeypatch) as server:
        artifacts, remote = logged.shop.folder / "artifacts", RemoteSnapshots("s3://shop/purged")
        stored = f'[snapshot]\nartifacts = "s3://shop/purged"\nmirror = "{artifacts}"'
        settings = parse_settings(f"{logged.shop.toml}{stored}", logged.shop.folder)
        first, second, third = versions(artifacts)[0], *(logged.publish(NOW + timedelta(seconds=more)) for more in (1, 2))
        for version in (first, second, third):
            remote.upload(artifacts, version)
        remote.announce(third, remote.current())
        forget(logged, "anna")

        def rolled_back_meanwhile(*given: Any) -> int:
            remote.announce(second, remote.current())
            return holds(*given)

        holds = compact._holds
        monkeypatch.setattr(compact, "_holds", rolled_back_meanwhile)
        purged = compact.purge(settings, ERASURE_KEYS)
        assert (purged.snapshots, purged.remaining) == ((first,), {second: 1, third: 1})
        assert remote.versions() == versions(artifacts) == [second, third]
        named = {entry.sha256 for version in (second, third) for entry in read_manifest(artifacts, version).files.values()}
        assert {file.name for file in (server.bucket / "purged" / "files").iterdir()} == named


@pytest.mark.long
def test_purge_leaves_snapshots_without_them(logged: Logged) -> None:
    """Whoever is not in a snapshot, or only with what they did later, is no reason to delete it."""
    forget(logged, "nobody")
    logged.publish(NOW + timedelta(seconds=1))
    assert len(versions(logged.shop.folder / "artifacts")) == 2
    forget(logged, "anna", at=OLD)
    logged.log(1, NOW)
    logged.state.add_links([Link("passer", "anna", micros(NOW))], micros(NOW))
    logged.publish(NOW + timedelta(seconds=2))
    purged = compact.purge(logged.settings, ERASURE_KEYS)
    assert (len(purged.snapshots), purged.remaining) == (2, {})
    assert compact.purge(logged.settings, ERASURE_KEYS).snapshots == ()


def test_purge_leaves_what_came_after_the_moment(logged: Logged) -> None:
    """A snapshot as of a past day may know less of the log than the forgetting, and yet nothing from before it."""
    logged.shop.add(event("anna", "sofa-1", at=ago(days=10))).write()
    logged.log(1, ago(days=1), user="bea")
    forget(logged, "anna", at=ago(days=35))
    published = train(logged.settings, now=NOW, before=ago(days=2), erasure_keys=ERASURE_KEYS, force="a tiny shop").manifest
    assert published.state_sequence == 10
    assert compact.purge(logged.settings, ERASURE_KEYS).remaining == {}


def test_purge_finds_them_in_links(logged: Logged) -> None:
    """A snapshot also holds the ids that were linked, and those of the user table."""
    logged.state.add_links([Link("passer", "carl", micros(OLD))], micros(OLD))
    version = logged.publish(NOW + timedelta(seconds=1))
    forget(logged, "carl", "passer")
    assert compact.purge(logged.settings, ERASURE_KEYS).remaining == {version: 2}


def test_purge_leaves_snapshots_that_hold_a_shared_device_for_another(logged: Logged) -> None:
    """A snapshot with a device's link and events holds nobody who had the device at another time; one with theirs does."""
    hers, his = micros(OLD), micros(ago(days=20))
    logged.log(1, ago(days=10), user="tablet")
    logged.state.add_links([Link("tablet", "ben", his)], micros(NOW))
    version = logged.publish(NOW + timedelta(seconds=1))
    key = ERASURE_KEYS.sign("tablet")
    logged.state.forget([Erased(key, "tablet", hers, his)], micros(NOW))
    assert compact.purge(logged.settings, ERASURE_KEYS).remaining == {}
    logged.state.forget([Erased(key, "tablet", hers, his + 1)], micros(NOW))
    assert compact.purge(logged.settings, ERASURE_KEYS).remaining == {version: 1}


def test_purge_says_which_snapshot_it_cannot_look_into(logged: Logged) -> None:
    """A damaged snapshot is named, and not deleted."""
    first = versions(logged.shop.folder / "artifacts")[0]
    logged.publish(NOW + timedelta(seconds=1))
    manifest = logged.shop.folder / "artifacts" / first / MANIFEST
    manifest.write_bytes(msgspec.json.encode({"format": FORMAT}))
    forget(logged, "anna")
    purged = compact.purge(logged.settings, ERASURE_KEYS)
    assert "not a manifest" in str(purged.remaining[first])
    assert (manifest.exists(), purged.snapshots) == (True, ())


@pytest.mark.long
def test_purge_rewrites_compacted_files(logged: Logged) -> None:
    """Without their rows, under the same name, so that the log's numbers mean what they meant; other files are not touched."""
    logged.log(3, user="bea")
    logged.log(2, user="anna")
    logged.publish(NOW + timedelta(seconds=1))
    logged.only_newest()
    [file] = compact.compact(logged.settings, NOW).files
    logged.log(1, OLD, user="carl")
    compact.compact(logged.settings, NOW)
    forget(logged, "anna")
    purged = compact.purge(logged.settings, ERASURE_KEYS)
    assert (purged.files, purged.events, purged.forgotten) == ((file,), 12, 1)
    assert pl.read_parquet(file)["user_id"].unique().to_list() == ["bea"]
    assert not list(logged.folder.glob("*.tmp"))
    inode = file.stat().st_ino
    assert compact.purge(logged.settings, ERASURE_KEYS).files == ()
    assert file.stat().st_ino == inode
    assert logged.read() == ["10", "11", "12", "15"]


def test_purge_keeps_an_empty_file(logged: Logged) -> None:
    """Its name goes on telling how far the log was moved; rows accepted later are read on."""
    compact.compact(logged.settings, NOW)
    forget(logged, "anna")
    [file] = compact.purge(logged.settings, ERASURE_KEYS).files
    assert pl.read_parquet(file).height == 0
    logged.log(1, user="bea")
    assert logged.read() == ["10"]


def test_purge_takes_away_rejects_from_before(logged: Logged) -> None:
    """Rejects that were written before somebody was forgotten go; those of items, and those written since, stay."""
    logged.shop.add({**event("anna", "sofa-1"), "event_type": "?"}, {**event("bea", "sofa-1"), "event_type": "?"})
    logged.shop.items = [*logged.shop.items, {"item_id": None}]
    logged.shop.toml = "[data]\nmax_rejected_share = 1.0\n" + SETTINGS
    logged.shop.write()
    logged.read()
    events, items = (logged.shop.folder / "rejects" / f"rejected_{name}.parquet" for name in ("events", "items"))
    assert (pl.read_parquet(events).height, items.exists()) == (2, True)
    assert compact.purge(logged.settings, ERASURE_KEYS).rejects == ()
    forget(logged, "anna")
    assert compact.purge(logged.settings, ERASURE_KEYS).rejects == (events,)
    assert (events.exists(), items.exists()) == (False, True)
    logged.read()
    assert pl.read_parquet(events)["user_id"].to_list() == ["bea"]
    assert compact.purge(logged.settings, ERASURE_KEYS).rejects == ()
    forget(logged, "anna", at=NOW + timedelta(seconds=1))
    assert compact.purge(logged.settings, ERASURE_KEYS).rejects == (events,)


def test_the_command_says_what_remains(
    logged: Logged, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the current snapshot holds somebody it ends with code 1 and says what to do; nobody is named."""
    file = logged.shop.folder / "settings.toml"
    file.write_text(logged.shop.toml)
    assert main(["--settings", str(file), "purge"]) == 0
    assert capsys.readouterr().out == "✓ nobody is forgotten: nothing to purge\n"
    (logged.settings.artifacts / ".unfinished" / "part").mkdir(parents=True)
    assert main(["--settings", str(file), "purge"]) == 0
    assert capsys.readouterr().out == (
        "✓ the parts that a training that was stopped had finished are deleted\n✓ nobody is forgotten: nothing to purge\n"
    )
    assert not (logged.settings.artifacts / ".unfinished").exists()
    forget(logged, "anna")
    monkeypatch.setenv(FORGET_SECRETS, SECRET)
    assert main(["--settings", str(file), "purge"]) == 1
    said = capsys.readouterr().out
    version = current_version(logged.shop.folder / "artifacts")
    assert f"✗ the current snapshot {version} still holds 1 forgotten ids: run `make train`, then this again" in said
    assert "anna" not in said
    assert "The shop's own tables, backups, and files that were exported before are not touched" in said
    logged.publish(NOW + timedelta(seconds=1))
    assert main(["--settings", str(file), "purge"]) == 0
    assert f"✓ snapshot {version} is deleted" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_said(logged: Logged) -> None:
    """The error names the file, and the log keeps its rows."""
    rows = compact.due(logged.state, logged.folder, 10, NOW)
    with pytest.raises(DataError, match=r"events-1-10\.parquet cannot be written"):
        compact.write(logged.shop.folder / "nowhere", rows)
    assert logged.in_log() == logged.all()
    assert os.listdir(logged.shop.folder / "state") != []


def test_old_changes_of_items_are_dropped(logged: Logged) -> None:
    """What was noted more than keep_days ago goes; exactly as old stays."""
    catalog = Engine(open_snapshot(logged.shop.folder / "artifacts", logged.publish()), logged.settings).catalog
    for at, price in ((ago(days=30, seconds=1), 800.0), (ago(days=30), 700.0)):
        logged.state.add_items([ItemUpdate("sofa-1", price=price)], micros(at), Standing(catalog, 0, micros(at)))
    compact.compact(logged.settings, NOW)
    assert [(each.at, each.after) for each in logged.state.item_changes.since(0)] == [(micros(ago(days=30)), 700.0)]
