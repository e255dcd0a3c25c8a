"""Accidents that the SQLite log survives: kill -9, forks, full disks, damaged files, several processes at once."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from recsys.item_updates import ItemUpdate
from recsys.live.erasure import Erased
from recsys.live.log import EventLog
from recsys.live.sqlite import database
from recsys.live.sqlite.log import FILE, SqliteLog
from recsys.live.sqlite.log_format import LOG_FORMAT
from recsys.types import Event, Link, StateError
from tests.live.test_log import ALL, RECEIVED, event, stored, times
from tests.support.servers.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
NEWEST = LOG_FORMAT.number
BEGIN = """
import os, signal, sys, threading
from pathlib import Path
from recsys.live.sqlite.log import SqliteLog
from recsys.types import Event, Link, StateError

signal.alarm(60)
folder, *rest = sys.argv[1:]
state = SqliteLog(Path(folder))

def event(event_id, at=10):
    return Event(event_id=event_id, user_id="ann", event_type="view", timestamp=at, item_id="sofa-1")

def say(*words):
    print(*words, flush=True)
"""
WRITER = """
name, number = rest[0], 0
while True:
    ids = [f"{name}-{number}-{place}" for place in range(number % 4 + 1)]
    if number % 5 == 0:
        state.add_links([Link(ids[0], "ann", 1)], 5)
    new = state.add_events([event(each) for each in [*ids, ids[0]]], 5)
    assert new == [True] * len(ids) + [False], new
    say(*ids)
    number += 1
"""
DROPPER = """
say("begin")
state.drop_events(30_000)
"""
FORKER = """
state.add_events([event("parent")], 5)
state.version(), state.events_of("ann", 0, 5)
ready, told = os.pipe()
child = os.fork()
if child == 0:
    state.add_events([event("child-1")], 5)
    assert [each.seq for each in state.events_of("ann", 0, 5)] == [1, 2]
    say("forked")
    os.close(told)
    os.read(ready, 1)
    state.add_events([event("child-2")], 5)
    os.kill(os.getpid(), signal.SIGKILL)
state.close()
sys.stdin.readline()
os.close(told)
os.waitpid(child, 0)
say("ended")
"""
IN_CHILD = """
def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
            say("worked")
        except StateError as error:
            say(error)
        os._exit(0)
    os.waitpid(child, 0)
"""
FORKER_WHILE_READING = (
    IN_CHILD
    + """
state.add_events([event("a")], 5)
with state.reading():
    in_child(lambda: state.last())
    in_child(lambda: state.version())
    say(state.last())
in_child(lambda: state.add_events([event("b")], 5))
say(state.last())
"""
)
FORKER_BESIDE_A_THREAD = (
    IN_CHILD
    + """
opened, done = threading.Event(), threading.Event()
thread = threading.Thread(target=lambda: (state.add_events([event("a")], 5), opened.set(), done.wait()))
thread.start()
opened.wait()
in_child(lambda: state.add_events([event("b")], 5))
done.set()
thread.join()
in_child(lambda: state.add_events([event("b")], 5))
say(state.last())
"""
)
FILLER = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (int(rest[0]), resource.RLIM_INFINITY))
number = 0
try:
    while True:
        ids = [f"{number}-{place}" for place in range(20)]
        state.add_events([event(each) for each in ids], 5)
        say(number)
        number += 1
except StateError as error:
    print(error, file=sys.stderr)
"""
STRANGER = """
if os.geteuid() == 0:
    os.seteuid(65534)
for call in (lambda: state.last(), lambda: state.version(), lambda: state.add_events([event("b")], 5)):
    try:
        say("answered", call())
    except StateError as error:
        say(error)
"""


@contextmanager
def running(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A real process; it does not outlive the test."""
    command = [sys.executable, "-c", BEGIN + script, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A real process, run to its end."""
    command = [sys.executable, "-c", BEGIN + script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def said(process: subprocess.Popen[str], lines: int) -> list[str]:
    """What it says in that many lines."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(lines)]


def killed(process: subprocess.Popen[str]) -> list[str]:
    """Kill it with -9; the lines that it still said."""
    process.kill()
    assert process.stdout is not None
    rest = process.stdout.read().splitlines()
    assert process.wait() == -signal.SIGKILL
    return rest


def check_integrity(folder: Path) -> None:
    """SQLite itself finds nothing wrong with the file."""
    with closing(sqlite3.connect(folder / FILE)) as log:
        assert log.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the log will be."""
    return tmp_path / "state"


@pytest.fixture
def state(folder: Path) -> Iterator[EventLog]:
    """A log that nobody wrote to."""
    made = SqliteLog(folder)
    yield made
    made.close()


@pytest.mark.long
def test_nothing_accepted_is_lost_or_doubled_by_kill_9(folder: Path) -> None:
    """Ten rounds of two writers killed while they write: what was accepted is there once, calls are whole, writing goes on."""
    random.seed(9)
    accepted: list[str] = []
    for number in range(10):
        with running(WRITER, folder, f"a{number}") as one, running(WRITER, folder, f"b{number}") as two:
            lines = said(one, random.randrange(1, 40)) + said(two, random.randrange(1, 40))
            lines += killed(one) + said(two, 3) + killed(two)
        accepted += " ".join(lines).split()
        with closing(SqliteLog(folder)) as state:
            assert state.add_events([event(f"own-{number}")], RECEIVED) == [True]
            assert state.add_events([event(accepted[-1])], RECEIVED) == [False]
        accepted.append(f"own-{number}")
    check_integrity(folder)
    with closing(SqliteLog(folder)) as state:
        found = [each.event_id for each in stored(state).values()]
    assert len(accepted) > 200
    assert len(found) == len(set(found))
    assert set(found) >= set(accepted)
    calls: dict[str, int] = {}
    for key in found:
        if not key.startswith("own"):
            call = key.rpartition("-")[0]
            calls[call] = calls.get(call, 0) + 1
    assert {call: int(call.rpartition("-")[2]) % 4 + 1 for call in calls} == calls
    # What was accepted but not yet said when the kill came: one call of each writer at most.
    unsaid = {key.rpartition("-")[0] for key in set(found) - set(accepted)}
    assert len(unsaid) == len({call.partition("-")[0] for call in unsaid}) <= 20


@pytest.mark.long
def test_killed_while_it_begins(folder: Path) -> None:
    """Wherever in its beginning a process is killed, there is no log or a whole one, and the next process writes."""
    for number in range(8):
        place = folder / str(number)
        with running("say('begin')\n" + WRITER, place, "a") as process:
            assert said(process, 1 + number // 6) != [""]
            lines = [line for line in killed(process) if line != "begin"]
        with closing(SqliteLog(place)) as state:
            assert set(" ".join(lines).split()) <= {each.event_id for each in stored(state).values()}
            assert state.add_events([event("own")], RECEIVED) == [True]
        check_integrity(place)


def test_killed_while_it_drops_events(state: EventLog, folder: Path) -> None:
    """Deleting goes from the oldest on, so that what is left after a kill is all that is newer; the next one finishes."""
    state.add_events([event(str(number)) for number in range(30_003)], RECEIVED)
    state.close()
    with running(DROPPER, folder) as process:
        before = state.version()
        assert said(process, 1) == ["begin"]
        while state.version() == before and process.poll() is None:
            pass
        process.kill()
        process.wait()
    left = len(stored(state))
    assert left < 30_003
    assert list(stored(state)) == list(range(30_004 - left, 30_004))
    assert state.drop_events(30_000) == left - 3
    assert list(stored(state)) == [30_001, 30_002, 30_003]
    check_integrity(folder)


def test_a_call_that_fails_is_not_there_at_all(state: EventLog) -> None:
    """An error in the middle of a call takes back what came before it, and the next call is not hindered."""
    state.add_events([event("a")], RECEIVED)
    broken: list[Event] = [event("b"), event("c", user="\ud800")]
    with pytest.raises(UnicodeEncodeError):
        state.add_events(broken, RECEIVED)
    with pytest.raises(UnicodeEncodeError):
        state.add_links([Link("anon", "ann", 1), Link("\ud800", "ann", 1)], RECEIVED)
    assert (list(stored(state)), state.links(ALL), state.last()) == ([1], [], 1)
    assert state.add_events([event("b")], RECEIVED) == [True]


def test_a_forked_process_writes_for_itself(folder: Path) -> None:
    """What a child accepts stays, though the parent that forked it closed the log and a third process came and went."""
    with running(FORKER, folder) as parent:
        assert said(parent, 1) == ["forked"]
        assert run("say(state.last())", folder).stdout == "2\n"
        assert parent.stdin is not None
        parent.stdin.write("go on\n")
        parent.stdin.flush()
        assert said(parent, 1) == ["ended"]
    with closing(SqliteLog(folder)) as state:
        assert [each.event_id for each in stored(state).values()] == ["parent", "child-1", "child-2"]
    check_integrity(folder)


def test_a_process_forked_while_the_log_is_read_refuses_it(folder: Path) -> None:
    """A child that inherits a busy connection says so and leaves the log alone; the parent goes on, and later forks work."""
    done = run(FORKER_WHILE_READING, folder)
    assert done.stderr == ""
    refused = rf"{re.escape(str(folder / FILE))}: was in use when process \d+ forked this one, which cannot use it safely\n"
    assert re.fullmatch(rf"({refused}){{2}}1\nworked\n2\n", done.stdout), done.stdout


def test_a_process_forked_beside_a_thread_at_the_log_refuses_it(folder: Path) -> None:
    """The same holds while another thread has the log open; once that thread has ended, a fork works."""
    done = run(FORKER_BESIDE_A_THREAD, folder)
    assert done.stderr == ""
    assert re.fullmatch(r".* was in use when process \d+ forked this one.*\nworked\n2\n", done.stdout), done.stdout


def test_threads_that_end_leave_nothing_open(folder: Path, state: EventLog) -> None:
    """However many threads read and end, the files that are open stay few."""
    state.add_events([event("a")], RECEIVED)
    for _ in range(20):
        thread = threading.Thread(target=lambda: times(state))
        thread.start()
        thread.join()
    opened = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.exists()]
    assert 0 < sum(name.startswith(str(folder / FILE)) for name in opened) <= 6


def test_other_threads_open_again_after_close(state: EventLog) -> None:
    """`close` closes the connections of all threads; each that comes back opens its own again."""
    state.add_events([event("a")], RECEIVED)
    seen: list[list[int]] = []
    waiting, go = threading.Event(), threading.Event()

    def look_twice() -> None:
        seen.append(times(state))
        waiting.set()
        go.wait()
        seen.append(times(state))

    thread = threading.Thread(target=look_twice)
    thread.start()
    waiting.wait()
    state.close()
    go.set()
    thread.join()
    assert seen == [[10], [10]]


def test_nobody_else_can_read_the_log(state: EventLog, folder: Path) -> None:
    """The folder and every file in it belong to one user alone; a folder that was there keeps its mode."""
    state.add_events([event("a")], RECEIVED)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {
        FILE: 0o600,
        f"{FILE}-wal": 0o600,
        f"{FILE}-shm": 0o600,
        f"{FILE}.lock": 0o600,
    }
    shared = folder.parent / "shared"
    shared.mkdir(mode=0o755)
    with closing(SqliteLog(shared)) as other:
        other.add_items([ItemUpdate("sofa-1", price=1.0)], RECEIVED)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


def test_the_disk_forgets_too(state: EventLog, folder: Path) -> None:
    """After `forget` the ids stand in no file of the folder, not even in space that is free again."""
    state.add_events([event(f"e{number}", "forget-me", query="forget-me") for number in range(50)], RECEIVED)
    state.add_events([event("a", "remember-me")], RECEIVED)
    state.add_links([Link("anon", "forget-me", 1)], RECEIVED)
    search = ["grep", "-rlF", "--binary-files=text"]
    assert subprocess.run([*search, "forget-me", folder], stdout=subprocess.DEVNULL).returncode == 0
    assert state.forget([Erased("hash", "forget-me")], 20) == {
        "events": 50,
        "identities": 1,
        "joins": 0,
        "dislikes": 0,
        "pins": 0,
        "moments": 0,
        "exposures": 0,
    }
    assert subprocess.run([*search, "forget-me", folder], stdout=subprocess.DEVNULL).returncode == 1
    assert subprocess.run([*search, "remember-me", folder], stdout=subprocess.DEVNULL).returncode == 0


def test_forgetting_does_not_wait_for_readers(state: EventLog, folder: Path) -> None:
    """While an offline job reads one moment, `forget` is done at once for everybody else."""
    state.add_events([event("a")], RECEIVED)
    with closing(SqliteLog(folder)) as reader, reader.reading():
        began = time.monotonic()
        assert state.forget([Erased("hash", "ann")], 20) == {
            "events": 1,
            "identities": 0,
            "joins": 0,
            "dislikes": 0,
            "pins": 0,
            "moments": 0,
            "exposures": 0,
        }
        assert time.monotonic() - began < database.BUSY_SECONDS
        assert (times(state), times(reader)) == ([], [10])
    assert state.add_events([event("b")], RECEIVED) == [True]


def test_a_full_disk_is_named_and_leaves_whole_calls(folder: Path) -> None:
    """Where the file may not grow, the error names it; calls before are there, that call is not, and later ones work."""
    done = run(FILLER, folder, 200_000)
    assert done.stderr.startswith(f"{folder / FILE}: disk I/O error; look at its disk"), done.stderr
    calls = len(done.stdout.splitlines())
    assert calls > 3
    with closing(SqliteLog(folder)) as state:
        assert len(stored(state)) == 20 * calls
        assert state.add_events([event("own")], RECEIVED) == [True]
    check_integrity(folder)


def test_a_disk_too_small_to_begin_leaves_no_log(folder: Path) -> None:
    """If not even an empty log fits, the error names it and no half-made file is left in its place."""
    done = run(FILLER, folder, 5_000)
    assert done.stderr.startswith(f"{folder / FILE}: "), done.stderr
    assert done.stdout == ""
    assert list(folder.iterdir()) == []
    with closing(SqliteLog(folder)) as state:
        assert state.add_events([event("own")], RECEIVED) == [True]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (0, f"has format 0; this program reads formats 2 to {NEWEST}: it is another file"),
        (
            NEWEST + 1,
            f"has format {NEWEST + 1}, and this program knows formats up to {NEWEST}: a newer version of the program wrote it",
        ),
    ],
)
def test_another_format_is_refused(state: EventLog, folder: Path, version: int, expected: str) -> None:
    """A log of an unknown format is neither read nor written nor changed; the error names both formats and what to do."""
    state.add_events([event("a")], RECEIVED)
    state.close()
    with closing(sqlite3.connect(folder / FILE)) as log:
        log.execute(f"PRAGMA user_version = {version}")
    for call in (state.last, state.version, lambda: state.add_events([event("b")], RECEIVED)):
        with pytest.raises(StateError, match=re.escape(f"{folder / FILE}: {expected}")):
            call()
    with closing(sqlite3.connect(folder / FILE)) as log:
        assert log.execute("PRAGMA user_version").fetchone() == (version,)
        assert log.execute("SELECT event_id FROM events").fetchall() == [("a",)]


@pytest.mark.parametrize("content", [b"", b"PAR1 this is no database" * 100], ids=["empty", "another"])
def test_a_file_that_is_no_log_is_refused(state: EventLog, folder: Path, content: bytes) -> None:
    """What is not a log is named, not overwritten."""
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    for call in (state.last, state.version, lambda: state.add_events([event("b")], RECEIVED)):
        with pytest.raises(StateError, match=re.escape(f"{folder / FILE}: ")):
            call()
    assert (folder / FILE).read_bytes() == content


def test_a_damaged_log_is_named(state: EventLog, folder: Path) -> None:
    """Where pages are damaged, reads and writes that meet them fail with the file's name and what to do."""
    state.add_events([event(str(number)) for number in range(3000)], RECEIVED)
    state.close()
    with (folder / FILE).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (folder / FILE).stat().st_size)
    for call in (lambda: times(state), lambda: stored(state), lambda: state.add_events([event("b")], RECEIVED)):
        with pytest.raises(
            StateError, match=re.escape(f"{folder / FILE}: database disk image is malformed; stop the service")
        ):
            call()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Where the folder cannot be, or the log is a folder itself, every call says which file it wanted."""
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder" / FILE).mkdir(parents=True)
    for folder in (tmp_path / "file", tmp_path / "folder", Path("/proc/no-such")):
        state = SqliteLog(folder)
        with pytest.raises(StateError, match=re.escape(f"{folder / FILE}: ")):
            state.add_events([event("a")], RECEIVED)


def test_a_log_that_may_not_be_read_is_not_taken_for_an_empty_one() -> None:
    """A process without the rights fails and names the file; it never answers as if nothing had happened."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "state")
        with closing(SqliteLog(folder)) as state:
            state.add_events([event("a")], RECEIVED)
        os.chmod(name, 0o755)
        os.chmod(folder / FILE, 0o000)
        for mode in (0o755, 0o000):
            os.chmod(folder, mode)
            done = run(STRANGER, folder)
            os.chmod(folder, 0o755)
            assert done.stderr == ""
            lines = done.stdout.splitlines()
            assert len(lines) == 3
            assert all(line.startswith(f"{folder / FILE}: ") for line in lines), lines


def test_who_waits_too_long_for_another_writer_is_told(
    state: EventLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that another process blocks gives up after a set time and says why; nothing of it is there."""
    state.add_events([event("a")], RECEIVED)
    state.close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            StateError, match=re.escape(f"{folder / FILE}: database is locked; something else has been writing")
        ):
            state.add_events([event("b")], RECEIVED)
        assert times(state) == [10]
        other.execute("ROLLBACK")
    assert state.add_events([event("b")], RECEIVED) == [True]


@pytest.mark.parametrize("begun", [False, True], ids=["no log", "a log"])
def test_writing_while_reading_one_moment_is_refused(state: EventLog, begun: bool) -> None:
    """A thread that reads one moment cannot write; it is told so, and the moment goes on."""
    if begun:
        state.add_events([event("a")], RECEIVED)
    with state.reading():
        with pytest.raises(StateError, match="cannot write while it reads one moment"):
            state.add_events([event("b")], RECEIVED)
        assert times(state) == [10] * begun
    assert state.add_events([event("b")], RECEIVED) == [True]
