"""Commits that are looked for ahead: it spares lists the wait, and whatever happens hides a row for a tenth of a second at most."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from uuid import uuid4

import pytest

from recsys.engine.serving_state import ServingState
from recsys.item_updates import ItemUpdate
from recsys.live.dislikes import Dislike
from recsys.live.erasure import Erased
from recsys.live.joins import Join
from recsys.live.log import EventLog
from recsys.live.postgres.address import Address
from recsys.live.postgres.commits import Commits, SharedCounter
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.live.postgres.poller import NAME
from recsys.types import StateError
from tests.conftest import NOW, Shop, micros
from tests.live.test_campaigns import campaign
from tests.live.test_experiments import TRIAL
from tests.live.test_log import event
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.postgres import PostgresServer, postgres_server
from tests.support.servers.postgres_pair import postgres_pair
from tests.support.servers.round_trips import CountedDatabase

POLLING = f"FROM pg_stat_activity WHERE application_name = '{NAME}'"


@pytest.fixture
def address(postgres: PostgresServer, request: pytest.FixtureRequest) -> Address:
    """A schema of its own."""
    made = Address(postgres.url, request.node.name[:60])
    migrate(made)
    return made


@contextmanager
def polling(address: Address) -> Iterator[EventLog]:
    """A log whose process looks ahead."""
    with closing(PostgresLog(address)) as log:
        log.poll()
        until(lambda: is_recent(log))
        yield log


def is_recent(log: EventLog) -> bool:
    """Tell whether a log may be believed without asking the server."""
    poller = log.driver._poller  # type: ignore[attr-defined]
    return bool(poller.is_recent())


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)  # lets the poller have the processor


def until_changed(log: EventLog, before: tuple[int, int]) -> None:
    """Wait until a reader knows that something was written."""
    until(lambda: looked_at(log) != before)


def written(log: EventLog, event_id: str) -> None:
    """Write an event, again and again while the database is away."""
    while True:
        try:
            log.add_events([event(event_id)], 1)
            return
        except StateError:
            continue


def test_nobody_is_asked_while_nothing_happens(busy_shop: Shop, address: Address) -> None:
    """A list whose shopper is at hand asks nothing; one after another process wrote reads what is new, and looks the shopper up."""
    with tempfile.TemporaryFile() as trace, closing(PostgresLog(address)) as other:
        database = CountedDatabase(address, trace)
        with closing(EventLog(database)) as log:
            log.poll()
            until(lambda: is_recent(log))
            other.add_events([event("first", user="user-1")], micros(NOW))
            serving = ServingState(busy_shop.published_engine(), log, None)
            ids = map(str, count())

            def trips_of(looks: int) -> int:
                database.trips()
                for _ in range(looks):
                    serving.catch_up(recent=True)
                    serving.history("user-1")
                return database.trips()

            def trips_after_a_write() -> int:
                before, known = log.recent_version(), len(serving.history("user-1"))
                other.add_events([event(next(ids), user="user-1")], micros(NOW))
                until_changed(log, before)
                trips = trips_of(looks=1)
                assert len(serving.history("user-1")) == known + 1
                return trips

            serving.catch_up()
            until(lambda: trips_of(looks=50) == 0)  # not in a moment in which the poller did not get the processor
            until(lambda: trips_after_a_write() == 2)


def test_who_writes_by_what_it_reads_asks(address: Address) -> None:
    """`version` tells of every commit that was answered before it was called."""
    with polling(address) as log, closing(PostgresLog(address)) as other:
        for number in range(50):
            before = log.version()
            other.add_events([event(f"e{number}")], 1)
            assert log.version() != before


@pytest.mark.parametrize(
    "write",
    [
        lambda log: log.campaigns.put("autumn", campaign(1), 1),
        lambda log: log.experiments.declare("trial", TRIAL, 1),
        lambda log: log.add_items([ItemUpdate("sofa-1", price=1.0)], 1),
        lambda log: log.joins.add(Join("ada", "bob", 5), 1),
        lambda log: log.dislikes.say([Dislike("ada", "item", "sofa-1", 1, 100)], 1),
        lambda log: log.forget([Erased("hash", "ann")], 5),
    ],
    ids=["campaigns", "experiments", "items", "joins", "dislikes", "erasures"],
)
def test_whatever_lists_mind_is_heard_of(address: Address, write: Callable[[EventLog], object]) -> None:
    """Each kind of row that another node writes counts among the commits that are looked for; only logged slates do not."""
    with polling(address) as log, closing(PostgresLog(address)) as other:
        before = log.recent_version()
        write(other)
        until_changed(log, before)


def test_other_processes_of_the_machine_are_seen_at_once(address: Address) -> None:
    """What a worker wrote is known to those that were forked with it, before its caller is answered."""
    ready, asked = os.pipe(), os.pipe()
    with closing(PostgresLog(address)) as log:
        if (child := os.fork()) == 0:
            os.close(asked[1])
            try:
                while os.read(asked[0], 1):
                    log.add_events([event(uuid4().hex)], 1)
                    os.write(ready[1], b"x")
            finally:
                os._exit(0)
        log.poll()
        until(lambda: is_recent(log))
        for _ in range(20):
            before = log.recent_version()
            os.write(asked[1], b"x")
            assert os.read(ready[0], 1)
            assert log.recent_version() != before
        os.close(asked[1])
        os.waitpid(child, 0)


def test_a_row_that_commits_late_is_read_when_it_does(busy_shop: Shop, address: Address) -> None:
    """Rows of a transaction in flight are neither seen nor passed over: numbers follow commits, and each commit counts."""
    with polling(address) as log, closing(PostgresLog(address)) as other:
        other.add_events([event("first")], 1)
        serving = ServingState(busy_shop.published_engine(), log, None)
        serving.catch_up()
        before = log.recent_version()
        with other._log.writing() as slow:
            slow.add("INSERT INTO links VALUES (%s, %s, %s, %s, %s)", "cookie", "user-2", 5, 5)
            serving.catch_up(recent=True)
            assert not serving.is_anonymous("cookie")
        until_changed(log, before)
        serving.catch_up(recent=True)
        assert serving.is_anonymous("cookie")


def test_a_poller_whose_connection_is_ended_polls_again(postgres: PostgresServer, address: Address) -> None:
    """What was written meanwhile is known at once, because readers ask until it does."""
    with polling(address) as log, closing(PostgresLog(address)) as other:
        [(first,)] = other.driver.read(f"SELECT pid {POLLING}")
        for number in range(5):
            before = log.recent_version()
            postgres.run(f"SELECT pg_terminate_backend(pid) {POLLING}")
            other.add_events([event(f"e{number}")], 1)
            until_changed(log, before)
        until(lambda: is_recent(log))
        assert other.driver.read(f"SELECT pid {POLLING}") != [(first,)]


def test_a_poller_that_hears_nothing_is_not_believed(address: Address) -> None:
    """A connection that stands and says nothing, as behind a cut network, hides a row for a tenth of a second at most."""
    with polling(address) as log, closing(PostgresLog(address)) as other:
        [(pid,)] = other.driver.read(f"SELECT pid {POLLING}")
        os.kill(pid, signal.SIGSTOP)
        try:
            before = log.recent_version()
            other.add_events([event("meanwhile")], 1)
            until_changed(log, before)
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.long
def test_a_server_that_goes_away_is_noticed() -> None:
    """Killed or silent, it makes readers fail rather than believe that nothing was written; later all goes on as before."""
    with postgres_server("-c fsync=on") as server:
        address = Address(server.url, "shop", seconds=0.5)
        migrate(address)
        with polling(address) as log, closing(PostgresLog(address)) as other:
            for away, back in ((server.kill, server.start), (server.freeze, server.thaw)):
                away()
                until(lambda: not is_recent(log))
                with pytest.raises(StateError):
                    log.recent_version()
                back()
                until(lambda: is_recent(log))
                before = log.recent_version()
                written(other, away.__name__)
                until_changed(log, before)


def looked_at(log: EventLog) -> tuple[int, int]:
    """The version of a log, once it can be looked at again."""
    while True:
        with suppress(StateError):
            return log.recent_version()


@pytest.mark.long
def test_after_a_failover_the_new_server_is_asked() -> None:
    """The poller finds the server that writes now, and what was written there meanwhile is known."""
    with postgres_pair() as pair:
        address = Address(pair.url, "shop")
        migrate(address)
        with polling(address) as log, closing(PostgresLog(address)) as other:
            other.add_events([event("before")], 1)
            before = log.version()
            pair.fail_over()
            written(other, "after")
            until(lambda: changed(log, before))
            assert log.count_events() == 2
            until(lambda: is_recent(log))
            before = log.recent_version()
            other.add_events([event("later")], 1)
            until_changed(log, before)


def changed(log: EventLog, before: tuple[int, int]) -> bool:
    """Tell whether something is new; not while the server is away."""
    try:
        return log.recent_version() != before
    except StateError:
        return False


def test_threads_are_told_pairs_that_only_go_on() -> None:
    """However many threads learn and ask at once, nobody is told that nothing changed since another pair than the last."""
    commits, stated, lock = Commits(), [(0, 0)], threading.Lock()

    def learn(first: int) -> None:
        for number in range(first, 3_000, 4):
            commits.learn(number)
            with lock:
                stated.append(commits.tell())

    threads = [threading.Thread(target=learn, args=(first,)) for first in range(1, 5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert stated == sorted(stated)
    assert stated[-1] == (0, 2_999)
    assert not commits.is_new


def test_a_database_that_was_put_back_is_another_one() -> None:
    """A count that is lower than one known before it was asked for makes all be read again; one that comes late does not."""
    commits = Commits()
    early = commits.question()
    commits.learn(1_000)
    assert commits.tell() == (0, 1_000)
    commits.learn(990)
    commits.learn(995, early)
    assert not commits.is_new
    commits.learn(900, commits.question())
    assert commits.tell() == (1, 900)
    commits.learn(901)
    assert commits.tell() == (1, 901)


def test_a_commit_that_follows_the_last_one_known_is_a_step() -> None:
    """It need not be looked for, unless others committed between, or a connection was opened that may lead to another database."""
    commits = Commits()
    assert commits.wrote(5) is None
    assert commits.wrote(6) == ((0, 5), (0, 6))
    assert commits.wrote(8) is None
    assert commits.wrote(7) is None
    commits.opened()
    told = commits.tell()
    assert commits.wrote(9) is None
    step = commits.wrote(10)
    assert step is not None
    assert step.before > told
    commits.tell()
    step = commits.wrote(11)
    assert step is not None
    commits.took(step)
    assert not commits.is_new


def test_processes_count_together() -> None:
    """However many count at once, none is lost."""
    counter, times = SharedCounter(), 10_000
    children = []
    for _ in range(3):
        if (child := os.fork()) == 0:
            for _ in range(times):
                counter.add()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert counter.read() == 3 * times


def test_a_process_that_writes_hides_no_other() -> None:
    """A process that learned of its own commit before its write came back does not hide one that another process made since."""
    commits = Commits()
    commits.learn(10, commits.question())  # the poller was faster than the write
    told = commits.tell()
    if (child := os.fork()) == 0:
        commits.forget()
        commits.wrote(11)
        os._exit(0)
    os.waitpid(child, 0)
    commits.wrote(10)
    commits.look_around()
    assert commits.tell() > told
