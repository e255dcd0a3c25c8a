"""Logs of older formats: every row of theirs is found again, and one that is stopped half-way is still the old log."""

from __future__ import annotations

import json
import multiprocessing
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.item_updates import ItemUpdate
from recsys.live.erasure import Tombstone
from recsys.live.item_changes import Change
from recsys.live.log import EventLog
from recsys.live.moments import Notified
from recsys.live.pinned_slates import PinnedItem, PinnedSlate, Replacement
from recsys.live.rows import SharedRow
from recsys.live.sqlite.formats import Format
from recsys.live.sqlite.log import FILE, SqliteLog
from recsys.live.sqlite.log_format import LOG_FORMAT
from recsys.live.sqlite.slate_log import FILE as SLATES_FILE
from recsys.live.sqlite.slate_log import SqliteSlateLog
from recsys.settings.campaigns import Campaign
from recsys.types import Event, Link, Reason, Send, StateError
from tests.live.sqlite import old_log
from tests.live.sqlite.old_log import ONE_OF_EACH, SLATE_ITEM, an_event, write
from tests.live.sqlite.test_crash import check_integrity
from tests.live.test_slate_log import note

RECEIVED = 1_000_000
ALL = 2**62
MANY = 60_000
OPENER = """
import resource, sys
from pathlib import Path
from recsys.live.sqlite.log import FILE, SqliteLog
from recsys.types import StateError
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
print("begin", flush=True)
try:
    print(SqliteLog(folder).count_events(), flush=True)
except StateError as error:
    print(error, flush=True)
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[EventLog]:
    """A log that was written in the old format, with a row of each kind."""
    write(tmp_path, ONE_OF_EACH)
    made = SqliteLog(tmp_path)
    yield made
    made.close()


def schema(file: Path | sqlite3.Connection) -> list[Any]:
    """What tables and indexes there are."""
    with closing(sqlite3.connect(file) if isinstance(file, Path) else file) as log:
        return log.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()


def version(folder: Path) -> int:
    """The format that the file says it has."""
    with closing(sqlite3.connect(folder / FILE)) as log:
        return int(log.execute("PRAGMA user_version").fetchone()[0])


def size(file: Path) -> int:
    """Bytes of a file; 0: there is none."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def test_events_are_found_again(state: EventLog) -> None:
    """Every column, number and moment; an event that comes again is a duplicate."""
    first = Event(event_id="e1", user_id="ann", event_type="view", timestamp=11, item_id="sofa-1")
    second = msgspec.structs.replace(
        first, event_id="e2", event_type="purchase", timestamp=12, order_id="o", quantity=2.5, price=19.99, currency="EUR",
        query="ü", discount=0.1,
    )  # fmt: skip
    assert list(state.events_between(0, ALL)) == [[(1, RECEIVED, first), (2, RECEIVED, second)]]
    assert [each.price for each in state.events_of("ann", 0, 9)] == [None, 19.99]
    assert (state.news(0).newest, state.count_events()) == (12, 2)
    assert state.add_events([first, msgspec.structs.replace(first, event_id="new")], RECEIVED) == [False, True]


def test_what_concerns_everybody_is_found_again(state: EventLog) -> None:
    """Links, item updates and tombstones, by number; a tombstone reaches back for ever, as it did."""
    assert state.news(0).shared == [
        SharedRow(3, RECEIVED, Link("guest", "ann", 5)),
        SharedRow(4, RECEIVED, ItemUpdate("sofa-1", available=False, price=0.1)),
        SharedRow(5, RECEIVED, ItemUpdate("lamp-1", stock=3.0)),
        SharedRow(6, RECEIVED, Tombstone("0123abcd:00", 7)),
    ]
    assert state.tombstones() == [Tombstone("0123abcd:00", 7)]


def test_sends_are_found_again(state: EventLog) -> None:
    """What was declared and pinned stands, with what was replaced and whose image went out since."""
    weekly = Send(send_id="weekly", placement="home", limit=4, expires_at=2_000_000, template="plain")
    bare = Send(send_id="bare", placement="home", limit=1, expires_at=3_000_000)
    assert (state.pins.send("weekly"), state.pins.send("bare")) == (weekly, bare)
    assert state.pins.declare(msgspec.structs.replace(bare, limit=9), RECEIVED) == bare
    first = msgspec.convert(old_log.SLATE, PinnedSlate)
    bag = PinnedItem("bag-1", 0.1, Reason("c", "t"), "ease")
    standing = Replacement(0, "sofa-1", bag).applied(first)
    assert state.pins.pin(first, RECEIVED) == state.pins.pin_of("weekly", "ann") == standing
    assert state.pins.pins_of("ann", 9) == [standing]
    assert [state.pins.image_served("weekly", "ann", place) for place in (0, 1)] == ["bag-1", "lamp-1"]
    assert (SLATE_ITEM[0], first.items[0].score) == ("sofa-1", 1 / 3)
    back = Replacement(0, "bag-1", msgspec.structs.replace(bag, item_id="sofa-1"))
    assert state.pins.replace_items(standing, [back], RECEIVED) == standing


def test_moments_and_changes_are_found_again(state: EventLog) -> None:
    """Those with a line and those that lost it: no moment is told twice."""
    assert state.moments.lines("cart", 0, 9) == [(12, b'{"line":1}')]
    assert (state.moments.lines("browse", 0, 9), state.moments.last_until("browse", 99)) == ([], 13)
    assert state.moments.notified(["m1", "m2", "m3"]) == {"m1", "m2"}
    assert state.moments.notified_to(["bob"], 0) == [Notified("bob", "browse", 90)]
    drop, back = Change("sofa-1", 50, "price_drop", 900.0, 0.1), Change("lamp-1", 60, "back_in_stock")
    assert state.item_changes.since(0) == [back, drop]


def test_numbers_go_on_where_they_were(state: EventLog) -> None:
    """Numbers of rows that are gone are not given again, and the next row follows on them."""
    highest = len(ONE_OF_EACH) + 2
    assert state.last() == highest
    state.add_links([Link("other", "ann", 9)], RECEIVED)
    assert state.news(6).shared == [SharedRow(highest + 1, RECEIVED, Link("other", "ann", 9))]


@pytest.mark.parametrize("rows", [(), ONE_OF_EACH], ids=["empty", "one of each"])
def test_a_migrated_log_is_as_a_new_one(tmp_path: Path, rows: tuple[old_log.Row, ...]) -> None:
    """The same tables and indexes, and nothing of the old ones."""
    file = write(tmp_path, rows)
    with closing(SqliteLog(tmp_path)) as state:
        assert state.last() == len(rows) + 2
    new = sqlite3.connect(":memory:", isolation_level=None)
    LOG_FORMAT.create(new)
    assert [each for each in schema(file) if each[1] != "sqlite_sequence"] == schema(new)
    check_integrity(tmp_path)


@pytest.mark.long
def test_killed_half_way_it_is_still_the_old_log(tmp_path: Path) -> None:
    """Wherever the process is killed, the file is the old one whole or the new one whole; the next start ends the work."""
    write(tmp_path, [an_event(number) for number in range(MANY)])
    wal, half_way = tmp_path / f"{FILE}-wal", 0
    for megabytes in (1, 5, 10, 20):
        with subprocess.Popen([sys.executable, "-c", OPENER, tmp_path, "0"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begin\n"
            deadline = time.monotonic() + 60
            while process.poll() is None and size(wal) <= megabytes << 20:
                assert time.monotonic() < deadline
            process.kill()
        with closing(sqlite3.connect(tmp_path / FILE)) as log:
            if log.execute("PRAGMA user_version").fetchone() == (2,):
                half_way += 1
                assert log.execute("SELECT count(*), max(seq) FROM log").fetchone() == (MANY, MANY)
        check_integrity(tmp_path)
    assert half_way >= 2
    with closing(SqliteLog(tmp_path)) as state:
        assert (state.count_events(), state.last()) == (MANY, MANY + 2)
        assert [len(state.events_of("ann", 0, n)) for n in (10, MANY)] == [10, MANY]
    check_integrity(tmp_path)


@pytest.mark.long
def test_without_room_on_the_disk_it_is_still_the_old_log(tmp_path: Path) -> None:
    """The error names the file and what to do; once there is room, the next start does it."""
    write(tmp_path, [an_event(number) for number in range(MANY)])
    room = size(tmp_path / FILE)
    done = subprocess.run([sys.executable, "-c", OPENER, tmp_path, str(room)], capture_output=True, text=True, timeout=60)
    assert re.match(rf"begin\n{re.escape(str(tmp_path / FILE))}: .*; (look at its disk|free some space)", done.stdout)
    assert version(tmp_path) == 2
    with closing(SqliteLog(tmp_path)) as state:
        assert state.count_events() == MANY


def _count(folder: Path, start: Any, answers: Any) -> None:
    start.wait()
    with closing(SqliteLog(folder)) as state:
        answers.put((state.count_events(), state.last()))


@pytest.mark.long
def test_of_several_that_start_at_once_one_migrates(tmp_path: Path) -> None:
    """The others wait for it; all see the same rows."""
    write(tmp_path, [an_event(number) for number in range(5_000)])
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(3), spawn.Queue()
    workers = [spawn.Process(target=_count, args=(tmp_path, start, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert found == [(5_000, 5_002)] * 3
    check_integrity(tmp_path)


def test_a_row_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    """Nothing is left out in silence: the error names the file, and the log stays as it was."""
    write(tmp_path, [*ONE_OF_EACH, old_log.row(old_log.LINK, "guest", 5, b"no JSON")])
    with pytest.raises(StateError, match=rf"{re.escape(str(tmp_path / FILE))}: row 16 of the kind links cannot be read"):
        SqliteLog(tmp_path).last()
    assert version(tmp_path) == 2


def test_logged_slates_of_the_format_before_are_found_again(tmp_path: Path) -> None:
    """A file of the time when slates were logged without a number of their format; an empty one is taken as new."""
    with closing(sqlite3.connect(tmp_path / SLATES_FILE)) as file, file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute(
            "CREATE TABLE slates (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, user_id TEXT, at INTEGER, body BLOB)"
        )
        file.execute("CREATE INDEX slates_user ON slates (user_id)")
        for each in (note(1), note(2, None)):
            row = each.recommendation_id, each.user_id, each.answered_at, json.dumps(msgspec.to_builtins(each)).encode()
            file.execute("INSERT INTO slates (id, user_id, at, body) VALUES (?, ?, ?, ?)", row)
    log = SqliteSlateLog(tmp_path, 9)
    assert log.newest(9) == [note(2, None), note(1)]
    log.write([note(3), note(1)])
    assert [each.answered_at for each in log.newest(9)] == [3, 2, 1]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / SLATES_FILE).touch()
    assert SqliteSlateLog(tmp_path / "empty", 9).newest(9) == []


def test_a_log_of_before_campaigns_keeps_its_sends(tmp_path: Path) -> None:
    """One of format 3: its sends have no filter, and campaigns can be put."""
    file = tmp_path / FILE
    with closing(sqlite3.connect(file, isolation_level=None)) as log:
        Format(LOG_FORMAT.steps[0]).create(log)
        log.execute("INSERT INTO sends VALUES (7, 'weekly', 'home', 3, NULL, 99, 5)")
        log.execute("UPDATE sequence SET last = 7")
    with closing(SqliteLog(tmp_path)) as state:
        assert state.pins.send("weekly") == Send(send_id="weekly", placement="home", limit=3, expires_at=99)
        pin = {"placements": ["home"], "actions": [{"pin": {"item_id": "a", "place": 1}}]}
        state.campaigns.put("autumn", msgspec.convert(pin, Campaign), 5)
        assert [each.seq for each in state.campaigns.changes(0)] == [8]
    assert version(tmp_path) == LOG_FORMAT.number
