"""Promises of every store about sends and their pinned slates, asked of each driver through its public methods only."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.item_updates import ItemUpdate
from recsys.live.erasure import Erased
from recsys.live.log import EventLog
from recsys.live.pinned_slates import PinnedItem, PinnedSlate, Replacement
from recsys.types import Event, Link, Reason, Send
from tests.live.drivers import Driver
from tests.support.servers.patience import PATIENCE_SECONDS

RECEIVED = 1_000_000
WEEKLY = Send(send_id="weekly", placement="email_weekly", limit=4, expires_at=2_000_000, template="plain")


def item(item_id: str) -> PinnedItem:
    """One place, with a score that is no round number and evidence."""
    return PinnedItem(item_id, 1 / 3, Reason("bought", "Because of 沙发", 30, 7, "sofa-9"), "item_item")


def pin(send: str, user: str, *items: str, **more: Any) -> PinnedSlate:
    """A pinned slate of these items."""
    made = PinnedSlate(
        send_id=send,
        user_id=user,
        recommendation_id=f"id of {items}",
        snapshot="v1",
        strategy="blend",
        personalized=True,
        fallback="trending",
        items=tuple(map(item, items)),
    )
    return msgspec.structs.replace(made, **more)


def shown(found: PinnedSlate | None) -> list[str] | None:
    """The items of a pin, best first."""
    return None if found is None else [each.item_id for each in found.items]


def test_before_the_first_write_there_is_nothing(state: EventLog, tmp_path: Path) -> None:
    """Every read of a store that nobody wrote to is empty, and makes no file; pinning nothing makes none either."""
    assert state.pins.send("weekly") is None
    assert state.pins.pin_of("weekly", "ann") is None
    assert state.pins.pins_of("ann", 3) == []
    assert state.pins.pin_all([], RECEIVED) == []
    assert state.pins.drop_expired(RECEIVED) == {"sends": 0, "pins": 0}
    assert list(tmp_path.iterdir()) == []


def test_the_first_declaration_stands(state: EventLog, other: EventLog) -> None:
    """Whoever declares a send again, with other words or the same, gets what stands; every field comes back."""
    assert state.pins.declare(WEEKLY, RECEIVED) == WEEKLY
    assert other.pins.declare(msgspec.structs.replace(WEEKLY, limit=9, template=None), RECEIVED) == WEEKLY
    assert state.pins.declare(WEEKLY, RECEIVED) == other.pins.send("weekly") == WEEKLY
    assert other.pins.send("weekl") is None
    bare = Send(send_id="bare", placement="home", limit=1, expires_at=5)
    assert (state.pins.declare(bare, RECEIVED), other.pins.send("bare")) == (bare, bare)


def test_the_newest_sends_come_first(state: EventLog, other: EventLog) -> None:
    """As many as are asked for, whoever declared them; a second declaration makes a send no newer."""
    assert state.pins.newest_sends(3) == []
    sends = [msgspec.structs.replace(WEEKLY, send_id=f"send-{number}") for number in range(4)]
    for number, send in enumerate((*sends, sends[0])):
        (state, other)[number % 2].pins.declare(send, RECEIVED)
    assert other.pins.newest_sends(3) == [sends[3], sends[2], sends[1]]


def test_the_first_pin_stands(state: EventLog, other: EventLog) -> None:
    """A pin comes back whole, and a later one of the same send and user changes nothing."""
    first = pin("weekly", "ann", "a", "b")
    assert state.pins.pin(first, RECEIVED) == first
    assert other.pins.pin(pin("weekly", "ann", "x"), RECEIVED) == first
    assert other.pins.pin_of("weekly", "ann") == state.pins.pin_of("weekly", "ann") == first
    assert other.pins.pin(pin("weekly", "bob", "x"), RECEIVED) == pin("weekly", "bob", "x")
    assert other.pins.pin(pin("daily", "ann"), RECEIVED) == pin("daily", "ann")
    assert shown(state.pins.pin_of("daily", "ann")) == []


def test_several_are_pinned_in_one_step(state: EventLog, other: EventLog) -> None:
    """Each of several is judged by itself, also against those before it in the call."""
    state.pins.pin(pin("weekly", "bob", "b"), RECEIVED)
    asked = [pin("weekly", "ann", "a"), pin("weekly", "bob", "x"), pin("weekly", "ann", "y")]
    assert [shown(each) for each in other.pins.pin_all(asked, RECEIVED)] == [["a"], ["b"], ["a"]]


def test_names_that_begin_alike_are_told_apart(state: EventLog) -> None:
    """No id reaches into another's rows, whatever printable characters it holds, and no event's id meets a pin."""
    names = ["a", "a ", "a!", "ab", "a/0/b", "a\u00a0", "a'", "%", "a%", "💡", "a💡"]
    pairs = [(send, user) for send in names for user in names]
    for send, user in pairs:
        state.pins.pin(pin(send, user, f"{send}|{user}"), RECEIVED)
    for name in names:
        state.pins.declare(Send(send_id=name, placement=name, limit=1, expires_at=1), RECEIVED)
        event = Event(event_id=name, user_id=name, event_type="view", timestamp=1)
        assert state.add_events([event], RECEIVED) == [True]
    assert [shown(state.pins.pin_of(*pair)) for pair in pairs] == [[f"{send}|{user}"] for send, user in pairs]
    for name in names:
        assert [each.send_id for each in state.pins.pins_of(name, 99)] == names[::-1]
        sent = state.pins.send(name)
        assert sent is not None
        assert sent.placement == name


def test_a_swap_holds_for_good(state: EventLog, other: EventLog) -> None:
    """An item gives its place to another; that one may give way again; order, evidence and all else stay."""
    first = pin("weekly", "ann", "a", "b", "c")
    state.pins.pin(first, RECEIVED)
    swapped = state.pins.replace_items(first, [Replacement(1, "b", item("x")), Replacement(2, "c", item("y"))], RECEIVED)
    assert (shown(swapped), swapped.replaced) == (["a", "x", "y"], ("b", "c"))
    again = other.pins.replace_items(swapped, [Replacement(1, "x", item("z"))], RECEIVED)
    assert (shown(again), again.replaced) == (["a", "z", "y"], ("b", "c", "x"))
    assert state.pins.pin_of("weekly", "ann") == state.pins.pins_of("ann", 1)[0] == again
    assert msgspec.structs.replace(again, items=first.items, replaced=()) == first
    assert sorted(again.shown) == ["a", "b", "c", "x", "y", "z"]


@pytest.mark.parametrize(
    "late",
    [
        Replacement(1, "b", item("y")),
        Replacement(0, "a", item("x")),
        Replacement(0, "a", item("c")),
        Replacement(0, "a", item("b")),
    ],
)
def test_the_first_swap_stands(state: EventLog, other: EventLog, late: Replacement) -> None:
    """What was swapped is not swapped again by one who saw it before, and no item comes twice or comes back."""
    first = pin("weekly", "ann", "a", "b", "c")
    state.pins.pin(first, RECEIVED)
    stands = state.pins.replace_items(first, [Replacement(1, "b", item("x"))], RECEIVED)
    assert other.pins.replace_items(first, [late], RECEIVED) == stands
    assert other.pins.pin_of("weekly", "ann") == stands


def test_nothing_is_swapped_where_nothing_is_pinned(state: EventLog) -> None:
    """A pin that is gone by now (its user was forgotten) stays gone."""
    first = pin("weekly", "ann", "a")
    state.pins.declare(WEEKLY, RECEIVED)
    assert state.pins.replace_items(first, [Replacement(0, "a", item("x"))], RECEIVED) == first
    assert state.pins.pin_of("weekly", "ann") is None
    assert state.pins.pins_of("ann", 3) == []


def test_the_newest_sends_of_a_user_come_first(state: EventLog) -> None:
    """`pins_of` gives what was pinned last, of that user only, swaps applied."""
    for name in ("one", "two", "three"):
        state.pins.pin_all([pin(name, "ann", name), pin(name, "an", "other")], RECEIVED)
    state.pins.replace_items(pin("two", "ann", "two"), [Replacement(0, "two", item("new"))], RECEIVED)
    assert [shown(each) for each in state.pins.pins_of("ann", 2)] == [["three"], ["new"]]
    assert [each.send_id for each in state.pins.pins_of("ann", 9)] == ["three", "two", "one"]
    assert state.pins.pins_of("ann", 0) == []


def test_sends_and_pins_are_no_news(state: EventLog) -> None:
    """Whatever is pinned, nobody reads it among what concerns everybody, among events or among a moment's newest."""
    state.add_events([Event(event_id="e", user_id="ann", event_type="view", timestamp=7)], RECEIVED)
    state.add_links([Link("anon", "ann", 5)], RECEIVED)
    before = (state.news(0).shared, state.news(0).newest, state.count_events(), list(state.events_between(0, 99)))
    state.pins.declare(WEEKLY, RECEIVED)
    state.pins.pin(first := pin("weekly", "ann", "a"), RECEIVED)
    state.pins.replace_items(first, [Replacement(0, "a", item("x"))], RECEIVED)
    assert (state.news(0).shared, state.news(0).newest, state.count_events(), list(state.events_between(0, 99))) == before
    assert (state.news(2).newest, state.news(2).shared) == (None, [])
    state.add_items([ItemUpdate("a", price=1.0)], RECEIVED)
    assert [each.seq for each in state.news(2).shared] == [6]
    assert state.events_of("ann", 0, 9)[0].timestamp == 7


def test_forgetting_deletes_what_is_pinned(state: EventLog) -> None:
    """Pins and swaps of the ids go and are counted; sends stay, and what is pinned to others."""
    state.pins.declare(msgspec.structs.replace(WEEKLY, send_id="ann"), RECEIVED)
    state.pins.pin_all([pin("weekly", user, "a") for user in ("ann", "anon", "ann ", "bob")], RECEIVED)
    state.pins.pin(pin("daily", "ann", "a"), RECEIVED)
    state.pins.replace_items(pin("weekly", "ann", "a"), [Replacement(0, "a", item("x"))], RECEIVED)
    assert state.forget([Erased("hash-1", "ann"), Erased("hash-2", "anon")], 9) == {
        "events": 0,
        "identities": 0,
        "joins": 0,
        "dislikes": 0,
        "pins": 4,
        "moments": 0,
        "exposures": 0,
    }
    assert [state.pins.pin_of("weekly", user) is None for user in ("ann", "anon", "ann ", "bob")] == [
        True,
        True,
        False,
        False,
    ]
    assert state.pins.pins_of("ann", 9) == []
    assert state.pins.send("ann") is not None
    anew = pin("weekly", "ann", "z")
    assert state.pins.pin(anew, RECEIVED) == state.pins.pin_of("weekly", "ann") == anew


def test_forgetting_leaves_what_was_pinned_at_other_times(state: EventLog) -> None:
    """Of an id with a period only what was pinned in it goes, with its replacements."""
    for at in (9, 10, 19, 20):
        state.pins.pin(first := pin(f"at {at}", "tablet", "a"), at)
        state.pins.replace_items(first, [Replacement(0, "a", item("x"))], 99)
    assert state.forget([Erased("hash", "tablet", 10, 20)], 50)["pins"] == 4
    assert [(each.send_id, shown(each)) for each in state.pins.pins_of("tablet", 9)] == [("at 20", ["x"]), ("at 9", ["x"])]


def test_what_expired_is_dropped(state: EventLog) -> None:
    """Sends that expired before a moment go with all that is pinned to them; nothing else does."""
    for name, expires_at in (("old", 10), ("old 2", 11), ("new", 12)):
        state.pins.declare(msgspec.structs.replace(WEEKLY, send_id=name, expires_at=expires_at), RECEIVED)
        state.pins.pin_all([pin(name, f"user-{number}", "a") for number in range(7)], RECEIVED)
    state.pins.replace_items(pin("old", "user-1", "a"), [Replacement(0, "a", item("x"))], RECEIVED)
    state.pins.pin(pin("undeclared", "user-1", "a"), RECEIVED)
    assert state.pins.drop_expired(10) == {"sends": 0, "pins": 0}
    assert state.pins.drop_expired(11) == {"sends": 1, "pins": 8}
    assert [each.send_id for each in state.pins.pins_of("user-1", 9)] == ["undeclared", "new", "old 2"]
    assert (state.pins.send("old"), state.pins.send("old 2") is None, state.pins.send("new") is None) == (None, False, False)
    assert state.pins.drop_expired(11) == {"sends": 0, "pins": 0}


def test_thousands_are_dropped(state: EventLog) -> None:
    """More pins than one step deletes go too."""
    state.pins.declare(WEEKLY, RECEIVED)
    state.pins.pin_all([pin("weekly", f"user-{number}") for number in range(3_001)], RECEIVED)
    assert state.pins.drop_expired(WEEKLY.expires_at + 1) == {"sends": 1, "pins": 3_001}
    assert state.pins.pin_of("weekly", "user-7") is None


def pin_overlapping(driver: Driver, folder: Path, start: Any, name: str, answers: Any) -> None:
    """In a process of its own: declare, pin and swap the same as everybody else, and say what stood each time."""
    state = driver.open_log(folder)
    start.wait()
    sent = state.pins.declare(Send(send_id="weekly", placement=name, limit=1, expires_at=9), RECEIVED)
    stood: dict[str, list[str] | None] = {"send": [sent.placement]}
    for number in range(100):
        found = state.pins.pin(pin("weekly", user := f"user-{number}", "gone", name), RECEIVED)
        stood[user] = shown(state.pins.replace_items(found, [Replacement(0, "gone", item(f"{name} for gone"))], RECEIVED))
    answers.put(stood)
    state.close()


@pytest.mark.long
def test_of_concurrent_processes_one_is_the_first_and_all_say_so(driver: Driver, tmp_path: Path) -> None:
    """Processes that begin the store together and pin the same: every one of them is answered what stands."""
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(3), spawn.Queue()
    names = ["one", "two", "three"]
    workers = [spawn.Process(target=pin_overlapping, args=(driver, tmp_path, start, name, answers)) for name in names]
    for worker in workers:
        worker.start()
    stood = [answers.get(timeout=PATIENCE_SECONDS) for _ in workers]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert stood[0] == stood[1] == stood[2]
    state = driver.open_log(tmp_path)
    for number in range(100):
        found = state.pins.pin_of("weekly", f"user-{number}")
        assert shown(found) == stood[0][f"user-{number}"]
        assert found is not None
        assert (found.replaced, found.items[1].item_id in names) == (("gone",), True)
    state.close()


def test_threads_share_a_store(state: EventLog) -> None:
    """Many threads that pin at once are all answered the same."""
    start, stood = threading.Barrier(6), list[list[str] | None]()

    def work(name: str) -> None:
        start.wait()
        stood.append(shown(state.pins.pin(pin("weekly", "ann", name), RECEIVED)))

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stood == [shown(state.pins.pin_of("weekly", "ann"))] * 6
