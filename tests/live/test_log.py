"""Promises of every store of live state, asked of each driver through its public methods only."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.item_updates import ItemUpdate
from recsys.live.driver import ForgottenSinceError
from recsys.live.erasure import Erased, ErasureKeys, Tombstone, Tombstones
from recsys.live.log import EventLog
from recsys.live.rows import SharedRow
from recsys.types import EVENT_TYPES, Event, Link
from tests.live.drivers import Driver
from tests.support.servers.patience import PATIENCE_SECONDS

RECEIVED = 1_000_000
ALL = 2**62


def event(event_id: str, user: str = "ann", at: int = 10, **more: Any) -> Event:
    """A view, unless `more` says otherwise."""
    view = Event(event_id=event_id, user_id=user, event_type="view", timestamp=at, item_id="sofa-1")
    return msgspec.structs.replace(view, **more)


def times(state: EventLog, user: str = "ann", after: int = 0, max_n: int = 100) -> list[int]:
    """When a shopper's live events happened, as an answer reads them."""
    return [each.timestamp for each in state.events_of(user, after, max_n)]


def stored(state: EventLog, after: int = 0, until: int = ALL) -> dict[int, Event]:
    """Whole events by their number."""
    return {seq: each for batch in state.events_between(after, until) for seq, _, each in batch}


def test_before_the_first_write_there_is_nothing(state: EventLog, tmp_path: Path) -> None:
    """Every read of a store that nobody wrote to is empty, and makes no file; writing nothing makes none either."""
    assert state.add_events([], RECEIVED) == []
    state.add_links([], RECEIVED)
    state.add_items([], RECEIVED)
    assert (state.version(), state.last(), state.news(0).newest) == ((0, 0), 0, None)
    assert (state.news(0).shared, state.events_of("ann", 0, 10), stored(state)) == ([], [], {})
    assert (state.links(ALL), state.item_updates(ALL), state.tombstones()) == ([], [], [])
    assert (state.drop_events(ALL), state.drop_superseded_items()) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_what_others_write_first(state: EventLog, other: EventLog) -> None:
    """Who looked before there was anything sees the first event of another as soon as it was accepted."""
    assert times(other) == []
    state.add_events([event("a")], RECEIVED)
    assert times(other) == [10]


def test_events_come_back_as_they_were_accepted(state: EventLog, other: EventLog) -> None:
    """Every column of an event survives, filled or absent, text of any language included."""
    full = event(
        "full",
        event_type="purchase",
        session_id="s",
        anonymous_id="a",
        order_id="o-1",
        quantity=2.5,
        price=19.99,
        currency="EUR",
        category="Möbel > Sofas",
        query="沙发 \"'\\",
        channel="email",
        recommendation_id="r",
        send_id="welcome",
        coupon="C5",
        discount=0.5,
        properties={"colour": "grün", "sizes": [1, {"eu": 38.5}], "nothing": None},
    )
    assert None not in [getattr(full, name) for name in Event.__struct_fields__]
    bare = Event(event_id="bare", user_id="bob 🛋", event_type="home_view", timestamp=-5)
    assert state.add_events([full, bare], RECEIVED) == [True, True]
    assert list(other.events_between(0, ALL)) == [[(1, RECEIVED, full), (2, RECEIVED, bare)]]


@pytest.mark.parametrize("word", EVENT_TYPES)
def test_every_event_type_has_its_code(state: EventLog, word: str) -> None:
    """An answer reads the code of an event's type, a table the word; what was only shown or clicked is no part of an answer."""
    state.add_events([event("a", event_type=word)], RECEIVED)
    stated = [EVENT_TYPES[each.event_type] for each in state.events_of("ann", 0, 1)]
    assert stated == ([] if word in ("impression", "click") else [word])
    assert stored(state)[1].event_type == word


def test_neither_lists_nor_looks_push_orders_out(state: EventLog) -> None:
    """Beyond the newest events an answer reads as many older purchases and refunds, each once."""
    kinds = ["purchase", "refund", "view", "purchase", *["view"] * 3, *["impression"] * 9]
    state.add_events([event(str(at), at=at, event_type=kind) for at, kind in enumerate(kinds)], RECEIVED)
    assert [each.timestamp for each in state.events_of("ann", 0, 4)] == [0, 1, 3, 4, 5, 6]
    assert [each.timestamp for each in state.events_of("ann", 0, 2)] == [1, 3, 5, 6]


def test_a_log_that_was_put_back_goes_on_above_what_is_folded_in(state: EventLog) -> None:
    """Numbers that a snapshot has taken in are not given again, whether the log ends below them or was lost."""
    state.reach(500)
    state.add_events([event("a")], RECEIVED)
    state.reach(20)
    state.add_events([event("b")], RECEIVED)
    assert [each.seq for each in state.events_of("ann", 0, 9)] == [501, 502]


def test_an_answer_reads_the_columns_it_needs(state: EventLog) -> None:
    """A live event has its number, time, type, item, order, quantity, price and currency."""
    state.add_events(
        [event("a", at=7, event_type="purchase", order_id="o", quantity=2.0, price=3.5, currency="EUR"), event("b")],
        RECEIVED,
    )
    assert [tuple(each) for each in state.events_of("ann", 0, 10)] == [
        (1, 7, EVENT_TYPES.index("purchase"), "sofa-1", "o", 2.0, 3.5, "EUR"),
        (2, 10, EVENT_TYPES.index("view"), "sofa-1", None, None, None, None),
    ]


def test_events_are_in_the_order_in_which_they_happened(state: EventLog) -> None:
    """A late arrival takes its place by event time; events of one moment keep the order of their arrival."""
    state.add_events([event("a", at=30), event("b", at=10)], RECEIVED)
    state.add_events([event("c", at=20), event("d", at=30)], RECEIVED)
    assert [(each.timestamp, each.seq) for each in state.events_of("ann", 0, 10)] == [(10, 2), (20, 3), (30, 1), (30, 4)]


def test_of_many_events_the_newest_are_read(state: EventLog) -> None:
    """`max_n` keeps the events that happened last, whenever they arrived."""
    state.add_events([event(f"{at}", at=at) for at in (50, 10, 40, 20, 30)], RECEIVED)
    assert times(state, max_n=2) == [40, 50]
    state.add_events([event("late", at=5)], RECEIVED)
    assert times(state, max_n=2) == [40, 50]


def test_only_newer_numbers_and_the_same_user_are_read(state: EventLog) -> None:
    """`after` leaves out what a snapshot has folded in, though it happened later; other users' events never come."""
    state.add_events([event("a", at=99), event("b", "bob", at=1)], RECEIVED)
    folded = state.last()
    state.add_events([event("c", at=5), event("d", "an", at=6), event("e", "ann ", at=7)], RECEIVED)
    assert times(state, after=folded) == [5]
    assert times(state, "bob", after=folded) == []
    assert times(state, "bob") == [1]


def test_an_event_id_is_accepted_once(state: EventLog, other: EventLog) -> None:
    """The same id within a call, in a later call or through another store is refused, and the first event stays."""
    assert state.add_events([event("a"), event("b"), event("a", at=11)], RECEIVED) == [True, True, False]
    assert other.add_events([event("b", at=12), event("c")], RECEIVED) == [False, True]
    assert [(each.event_id, each.timestamp) for each in stored(state).values()] == [("a", 10), ("b", 10), ("c", 10)]


def test_events_are_not_written_where_somebody_was_forgotten_since(state: EventLog, other: EventLog) -> None:
    """It is refused, and nothing is there, until it is asked with the number of the last tombstone or a later one."""
    assert state.add_events_unless_forgotten([event("first"), event("first")], 1, known=0).fresh == [True, False]
    known = state.last()
    other.forget([Erased("hash", "nobody")], 5)
    with pytest.raises(ForgottenSinceError):
        state.add_events_unless_forgotten([event("second")], 1, known)
    assert state.add_events_unless_forgotten([], 1, known).fresh == []
    assert other.count_events() == 1
    assert state.add_events_unless_forgotten([event("second")], 1, state.last()).fresh == [True]
    assert [row.seq for row in other.events_of("ann", 0, 5)][-1] == state.last()


def test_numbers_grow_and_are_never_given_twice(state: EventLog, other: EventLog) -> None:
    """`last` is the newest row's number, whoever wrote it, also when that row has been deleted."""
    state.add_events([event("a"), event("b")], RECEIVED)
    other.add_links([Link("anon", "ann", 5)], RECEIVED)
    assert state.last() == other.last() == 3
    state.forget([Erased("hash", "ann")], 20)
    assert state.drop_events(ALL) == 0
    assert state.last() == 4
    other.add_events([event("c")], RECEIVED)
    assert list(stored(state)) == [5]


def test_news_concern_everybody_in_the_order_of_their_arrival(state: EventLog) -> None:
    """Links, item updates and tombstones come by number, events not; what was not said of an item stays unsaid."""
    state.add_links([Link("anon", "ann", 5), Link("anon", "bob", 4)], 101)
    state.add_events([event("a")], 102)
    state.add_items([ItemUpdate("sofa-1", available=False), ItemUpdate("sofa-2", stock=0.0, price=9.5)], 103)
    state.forget([Erased("hash", "nobody")], 104)
    everything = [
        SharedRow(1, 101, Link("anon", "ann", 5)),
        SharedRow(2, 101, Link("anon", "bob", 4)),
        SharedRow(4, 103, ItemUpdate("sofa-1", available=False)),
        SharedRow(5, 103, ItemUpdate("sofa-2", stock=0.0, price=9.5)),
        SharedRow(6, 104, Tombstone("hash", 104)),
    ]
    assert state.news(0).shared == everything
    assert state.news(4).shared == everything[3:]
    assert state.news(6).shared == []
    assert state.links(1) == [(1, 101, Link("anon", "ann", 5))]
    assert [row for _, _, row in state.links(ALL)] == [Link("anon", "ann", 5), Link("anon", "bob", 4)]
    assert state.item_updates(4) == [(4, 103, ItemUpdate("sofa-1", available=False))]
    assert [seq for seq, _, _ in state.item_updates(ALL)] == [4, 5]


def test_newest_is_the_latest_moment_of_new_events(state: EventLog) -> None:
    """`newest` is by event time, over events with a higher number only."""
    state.add_events([event("a", at=50), event("b", at=20)], RECEIVED)
    state.add_links([Link("anon", "ann", 99)], RECEIVED)
    assert (state.news(0).newest, state.news(1).newest, state.news(2).newest) == (50, 20, None)


@pytest.mark.parametrize(
    "write",
    [
        lambda state: state.add_events([event("b")], RECEIVED),
        lambda state: state.add_links([Link("anon", "ann", 5)], RECEIVED),
        lambda state: state.add_items([ItemUpdate("sofa-1", price=1.0)], RECEIVED),
        lambda state: state.forget([Erased("hash", "ann")], 5),
        lambda state: state.drop_events(ALL),
    ],
    ids=["events", "links", "items", "forget", "drop"],
)
def test_the_version_is_another_after_every_commit(
    state: EventLog, other: EventLog, write: Callable[[EventLog], object]
) -> None:
    """Whoever commits, both stores see another version than before; without a commit it stays."""
    state.add_events([event("a")], RECEIVED)
    seen = [(state.version(), other.version())]
    assert (state.version(), other.version()) == seen[0]
    for number, writer in enumerate((state, other)):
        write(writer)
        writer.add_events([event(f"more-{number}")], RECEIVED)
        seen.append((state.version(), other.version()))
    assert len({mine for mine, _ in seen}) == len({theirs for _, theirs in seen}) == 3


def test_the_version_means_the_same_in_every_thread(state: EventLog) -> None:
    """Without a commit all threads of a process see one version, after one all see another: they can share what they read."""
    state.add_events([event("a")], RECEIVED)
    seen = [state.version()]

    def look() -> None:
        assert times(state)
        seen.append(state.version())

    for number in range(3):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        state.add_events([event(f"b{number}")], RECEIVED)
        seen.append(state.version())
    assert [earlier == later for earlier, later in pairwise(seen)] == [True, False] * 3
    assert len(set(seen)) == 4


def test_forgetting_deletes_a_person_and_leaves_a_tombstone(state: EventLog) -> None:
    """All events and links of the ids go, links also where the person is the known one; nobody else's do; both are counted."""
    state.add_events([event("a"), event("b", "anon-1"), event("c", "bob"), event("d")], RECEIVED)
    state.add_links([Link("anon-1", "ann", 5), Link("anon-2", "ann", 5), Link("anon-3", "bob", 5)], RECEIVED)
    state.add_items([ItemUpdate("ann", price=1.0)], RECEIVED)
    both = [Erased("hash-1", "ann"), Erased("hash-2", "anon-1")]
    assert state.forget([*both, both[0]], 77) == {
        "events": 3,
        "identities": 2,
        "joins": 0,
        "dislikes": 0,
        "pins": 0,
        "moments": 0,
        "exposures": 0,
    }
    assert [each.event_id for each in stored(state).values()] == ["c"]
    assert (times(state), times(state, "anon-1"), times(state, "bob")) == ([], [], [10])
    assert [row for _, _, row in state.links(ALL)] == [Link("anon-3", "bob", 5)]
    assert [row for _, _, row in state.item_updates(ALL)] == [ItemUpdate("ann", price=1.0)]
    assert sorted(each.subject for each in state.tombstones()) == ["hash-1", "hash-2"]
    assert [each.row for each in state.news(7).shared][1:] == [Tombstone("hash-1", 77), Tombstone("hash-2", 77)]
    assert state.forget(both, 78) == {
        "events": 0,
        "identities": 0,
        "joins": 0,
        "dislikes": 0,
        "pins": 0,
        "moments": 0,
        "exposures": 0,
    }
    assert state.add_events([event("e", at=80)], RECEIVED) == [True]
    assert times(state) == [80]


def test_forgetting_ends_where_an_id_was_somebody_elses(state: EventLog) -> None:
    """Of an id with a period only what lies in it goes, its end left out; the tombstone says the period, and ends at the moment."""
    state.add_events([event(str(at), "tablet", at) for at in (9, 10, 19, 20)], RECEIVED)
    state.add_links([Link("tablet", "ann", 10), Link("tablet", "bob", 20), Link("other", "ann", 15)], RECEIVED)
    ann, hers = Erased("hash-1", "ann"), Erased("hash-2", "tablet", 10, 20)
    assert state.forget([ann, hers], 50) == {
        "events": 2,
        "identities": 2,
        "joins": 0,
        "dislikes": 0,
        "pins": 0,
        "moments": 0,
        "exposures": 0,
    }
    assert times(state, "tablet") == [9, 20]
    assert [row for _, _, row in state.links(ALL)] == [Link("tablet", "bob", 20)]
    stated = [Tombstone("hash-1", 50), Tombstone("hash-2", 19, 10)]
    assert state.tombstones() == [each.row for each in state.news(7).shared] == stated
    state.forget([Erased("hash-2", "tablet", 30), Erased("hash-2", "tablet", 10, 25)], 60)
    assert sorted(state.tombstones(), key=lambda each: each.since)[1:] == [
        Tombstone("hash-2", 24, 10),
        Tombstone("hash-2", 60, 30),
    ]


def test_who_is_forgotten_again_has_the_newest_tombstone(state: EventLog) -> None:
    """Of several tombstones of one subject the latest counts, in whatever order they came."""
    for subject, at in (("x", 50), ("y", 10), ("x", 90), ("x", 70)):
        state.forget([Erased(subject, "nobody")], at)
    assert sorted((each.subject, each.until) for each in state.tombstones()) == [("x", 90), ("y", 10)]


def test_forgetting_knows_ids_as_they_are(state: EventLog) -> None:
    """Ids with quotes, wildcards or emoji are compared as they are, never as a pattern."""
    strange = ["a'b", 'a"b', "%", "_", "💡", "[1]"]
    state.add_events([event(user, user) for user in [*strange, "ab", "x"]], RECEIVED)
    state.add_links([Link(f"anon {user}", user, 1) for user in [*strange, "ab"]], RECEIVED)
    assert state.forget([Erased(f"hash of {user}", user) for user in strange], 5) == {
        "events": 6,
        "identities": 6,
        "joins": 0,
        "dislikes": 0,
        "pins": 0,
        "moments": 0,
        "exposures": 0,
    }
    assert [each.user_id for each in stored(state).values()] == ["ab", "x"]


def test_events_are_dropped_up_to_a_number(state: EventLog, other: EventLog) -> None:
    """`drop_events` deletes events up to a number and nothing else, tens of thousands as well; their ids are free again."""
    state.add_links([Link("anon", "ann", 5)], RECEIVED)
    state.add_events([event(str(number), f"user-{number % 7}", number) for number in range(25_000)], RECEIVED)
    state.add_items([ItemUpdate("sofa-1", price=2.0)], RECEIVED)
    assert state.drop_events(1) == 0
    assert state.drop_events(5) == 4
    assert state.drop_events(24_999) == 24_994
    assert list(stored(other)) == [25_000, 25_001]
    assert [each.seq for each in state.news(0).shared] == [1, 25_002]
    assert state.add_events([event("24999"), event("1")], RECEIVED) == [False, True]


@pytest.mark.long
def test_ranges_are_read_in_bounded_batches(state: EventLog) -> None:
    """`events_between` is open below and closed above, and no batch is longer than 50,000."""
    for first in range(0, 50_003, 5_000):
        state.add_events([event(str(number)) for number in range(first, min(first + 5_000, 50_003))], RECEIVED)
    batches = [[seq for seq, _, _ in batch] for batch in state.events_between(1, 50_002)]
    assert [len(batch) for batch in batches] == [50_000, 1]
    assert [seq for batch in batches for seq in batch] == list(range(2, 50_003))


def test_superseded_item_updates_go(state: EventLog) -> None:
    """An update goes once later ones set all that it set; what is known of every item stays the same."""
    updates = [
        ItemUpdate("sofa-1", price=1.0),
        ItemUpdate("sofa-1", price=2.0, stock=5.0),
        ItemUpdate("sofa-2", price=3.0),
        ItemUpdate("sofa-1", available=False),
        ItemUpdate("sofa-1", price=4.0),
        ItemUpdate("sofa-1", stock=6.0),
        ItemUpdate("sofa-1"),
    ]
    state.add_items(updates, RECEIVED)
    assert state.drop_superseded_items() == 3
    assert [seq for seq, _, _ in state.item_updates(ALL)] == [3, 4, 5, 6]
    assert state.drop_superseded_items() == 0


def test_reading_holds_one_moment(state: EventLog, other: EventLog) -> None:
    """Inside `reading` every read sees the log as it was at the beginning; afterwards as it is."""
    state.add_events([event("a")], RECEIVED)
    with state.reading():
        other.add_events([event("b", at=20)], RECEIVED)
        other.add_links([Link("anon", "ann", 5)], RECEIVED)
        with state.reading():
            assert (state.last(), times(state), len(stored(state)), state.links(ALL)) == (1, [10], 1, [])
        assert state.last() == 1
    assert (state.last(), times(state), len(stored(state)), len(state.links(ALL))) == (3, [10, 20], 2, 1)


def test_reading_before_there_is_anything_goes_on_seeing_nothing(state: EventLog, other: EventLog) -> None:
    """A moment without a log stays one, though another process begins it meanwhile."""
    with state.reading():
        other.add_events([event("a")], RECEIVED)
        with state.reading():
            pass
        assert (state.last(), times(state), stored(state)) == (0, [], {})
    assert (state.last(), times(state)) == (1, [10])


def test_reading_ends_with_an_error_too(state: EventLog, other: EventLog) -> None:
    """An error inside `reading` passes through and ends it."""
    state.add_events([event("a")], RECEIVED)
    with pytest.raises(ZeroDivisionError), state.reading():
        _ = 1 // 0
    other.add_events([event("b")], RECEIVED)
    assert state.last() == 2
    assert state.add_events([event("c")], RECEIVED) == [True]


def test_a_closed_store_opens_again(state: EventLog) -> None:
    """`close` may be called at any time and twice; what was written is still there."""
    state.close()
    state.add_events([event("a")], RECEIVED)
    version = state.version()
    state.close()
    state.close()
    assert times(state) == [10]
    assert state.version() != version


@pytest.mark.long
@given(
    calls=st.lists(
        st.lists(st.tuples(st.integers(0, 15), st.sampled_from("ab"), st.integers(0, 9)), max_size=6), max_size=8
    ),
    after=st.integers(0, 20),
    max_n=st.integers(1, 6),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_it_does_what_a_plain_list_does(
    driver: Driver,
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[list[tuple[int, str, int]]],
    after: int,
    max_n: int,
) -> None:
    """Whatever comes in whatever order, verdicts and answers are those of a list of the first events of each id."""
    state = driver.open_log(tmp_path_factory.mktemp("model"))
    model: dict[str, Event] = {}
    for call in calls:
        events = [event(str(key), user, at) for key, user, at in call]
        expected = [model.setdefault(each.event_id, each) is each for each in events]
        assert state.add_events(events, RECEIVED) == expected
    for user in "ab":
        by_seq = [(each.timestamp, seq) for seq, each in stored(state).items() if each.user_id == user and seq > after]
        assert [(each.timestamp, each.seq) for each in state.events_of(user, after, max_n)] == sorted(by_seq)[-max_n:]
    assert list(stored(state).values()) == list(model.values())
    state.close()


def add_overlapping(driver: Driver, folder: Path, start: Any, name: str, answers: Any) -> None:
    """In a process of its own: add the same ids as everybody else, and say which were accepted."""
    state = driver.open_log(folder)
    start.wait()
    accepted = []
    for first in range(0, 300, 3):
        events = [event(f"id-{number}", name, number) for number in range(first, first + 5)]
        verdicts = state.add_events(events, RECEIVED)
        accepted += [each.event_id for each, new in zip(events, verdicts, strict=True) if new]
    answers.put((name, accepted))
    state.close()


@pytest.mark.long
def test_of_concurrent_processes_exactly_one_is_the_first(driver: Driver, tmp_path: Path) -> None:
    """Processes that begin the store together and post the same ids: each id is accepted once, by whom the log says."""
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(3), spawn.Queue()
    names = ["one", "two", "three"]
    workers = [spawn.Process(target=add_overlapping, args=(driver, tmp_path, start, name, answers)) for name in names]
    for worker in workers:
        worker.start()
    accepted = dict(answers.get(timeout=PATIENCE_SECONDS) for _ in workers)
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    state = driver.open_log(tmp_path)
    owners = {each.event_id: each.user_id for each in stored(state).values()}
    assert sorted(key for keys in accepted.values() for key in keys) == sorted(owners)
    assert set(owners) == {f"id-{number}" for number in range(302)}
    assert owners == {key: name for name, keys in accepted.items() for key in keys}
    state.close()


def test_threads_share_a_store(state: EventLog) -> None:
    """Many threads may write and read at once; nothing is lost."""
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(20):
                assert state.add_events([event(f"{name}-{number}", name, number)], RECEIVED) == [True]
                assert times(state, name) == list(range(number + 1))
                state.version()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(stored(state)) == 120


def test_many_begin_at_once(driver: Driver, tmp_path: Path) -> None:
    """Of many who write the first event at the same time, nobody takes another's away."""
    stores = [driver.open_log(tmp_path / "state") for _ in range(8)]
    start = threading.Barrier(len(stores))
    verdicts: list[list[bool]] = []

    def begin(store: EventLog, name: str) -> None:
        start.wait()
        verdicts.append(store.add_events([event(name)], RECEIVED))

    threads = [threading.Thread(target=begin, args=(store, str(number))) for number, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [[True]] * len(stores)
    for store in stores:
        assert {each.event_id for each in stored(store).values()} == {str(number) for number in range(len(stores))}
        store.close()


def test_somebody_with_many_ids_is_ignored_at_once_and_deleted_in_steps(
    state: EventLog, other: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others write between two steps; what begins meanwhile is not touched, and what is cut off a later purge deletes."""
    keys = ErasureKeys(["o" * 32])
    people = [f"phone-{number}" for number in range(70)]
    state.add_events([event(each, user=each, at=50) for each in people], RECEIVED)
    erased = [Erased(keys.sign(each), each) for each in people]
    written: list[int] = []

    def write_between() -> None:
        forgotten = Tombstones(keys, other.tombstones())
        assert all(forgotten.cover(each, 50) for each in people)
        other.add_events([event(f"new-{len(written)}", user="phone-69", at=101 + len(written))], RECEIVED)
        written.append(other.count_events())

    monkeypatch.setattr(state.driver, "pause", write_between)
    assert state.forget(erased, 100)["events"] == 70
    assert written == [51, 32, 13]
    assert [each.timestamp for each in state.events_of("phone-69", 0, 9)] == [101, 102, 103]
