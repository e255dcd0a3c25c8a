"""Promises of every store about moments, asked of each driver through its public methods only."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

from recsys.clock import DAY
from recsys.live.erasure import Erased
from recsys.live.log import EventLog
from recsys.live.moments import KeptMoment, Moment, Notified
from recsys.types import Event, Send
from tests.live.drivers import Driver

RECEIVED = 1_000_000


def moment(name: str, user: str = "ann", kind: str = "cart", at: int = 100, **more: Any) -> Moment:
    """A moment on the first day."""
    return Moment(name, user, kind, at, **{"day": (0, DAY), "line": f'{{"id":"{name}"}}'.encode(), **more})


def lines(state: EventLog, kind: str = "cart", after: int = 0, max_n: int = 100) -> list[bytes]:
    """The lines of a kind, in the order in which they were written."""
    return [line for _, line in state.moments.lines(kind, after, max_n)]


def test_an_empty_log_knows_nobody(state: EventLog) -> None:
    """Without a file every question has an empty answer, and nothing to write makes none."""
    assert state.moments.write([], 1, RECEIVED) == []
    assert (state.moments.notified(["x"]), state.moments.notified_to(["ann"], 0), lines(state)) == (set(), [], [])
    assert state.moments.last_until("cart", DAY) == 0
    assert state.moments.retire(DAY, DAY) == (0, 0)
    assert state.last() == 0


def test_the_first_line_stands(state: EventLog) -> None:
    """A moment is written once; the second one of its id is refused, whatever it says, and the first line stays."""
    assert state.moments.write([moment("a"), moment("a", line=b"other")], 9, RECEIVED) == [True, False]
    assert state.moments.write([moment("a", at=200, line=b"later"), moment("b")], 9, RECEIVED) == [False, True]
    assert lines(state) == [moment("a").line, moment("b").line]
    assert state.moments.notified(["a", "b", "c"]) == {"a", "b"}
    assert state.moments.notified([]) == set()


def test_a_day_has_so_many_moments_of_all_kinds(state: EventLog) -> None:
    """Beyond `per_day` on the user's own day none is written; the next day, and other users, have their own."""
    day, other = (1000, 2000), (2000, 3000)
    wanted = [
        moment("before", at=999, day=(0, 1000)),
        moment("first", at=1000, day=day),
        moment("second", kind="browse", at=1999, day=day),
        moment("third", at=1500, day=day),
        moment("next", at=2000, day=other),
        moment("bob", user="bob", at=1500, day=day),
    ]
    assert state.moments.write(wanted, 2, RECEIVED) == [True, True, True, False, True, True]
    assert state.moments.notified_to(["ann"], 1000) == [
        Notified("ann", "cart", 1000),
        Notified("ann", "browse", 1999),
        Notified("ann", "cart", 2000),
    ]


def test_lines_go_on_after_a_number(state: EventLog) -> None:
    """Rows come by kind in the order of their writing, at most so many, after a number; none is passed over."""
    state.moments.write([moment(f"{kind}-{n}", f"u{n}", kind) for n in range(5) for kind in ("cart", "browse")], 2, RECEIVED)
    taken, seq = list[bytes](), 0
    while rows := state.moments.lines("browse", seq, 2):
        assert len(rows) <= 2
        taken, seq = [*taken, *(line for _, line in rows)], rows[-1][0]
    assert taken == [moment(f"browse-{n}").line for n in range(5)]
    assert lines(state, "cart", after=seq) == []


def test_the_last_row_until_a_moment(state: EventLog) -> None:
    """Where the rows found later than a moment begin; 0 before all of them."""
    state.moments.write([moment(f"m{at}", f"u{at}", at=at) for at in (10, 20, 30)], 1, RECEIVED)
    assert [len(lines(state, after=state.moments.last_until("cart", at))) for at in (9, 10, 29, 30, 99)] == [3, 2, 1, 0, 0]
    assert state.moments.last_until("browse", 99) == 0


def test_moments_are_no_events_and_no_news(state: EventLog) -> None:
    """A moment may have the id of an event, changes nobody's history, and is not read by who asks for news."""
    state.add_events([Event(event_id="a", user_id="ann", event_type="view", timestamp=1, item_id="x")], RECEIVED)
    assert state.moments.write([moment("a")], 1, RECEIVED) == [True]
    assert len(state.events_of("ann", 0, 9)) == 1
    assert state.news(0).shared == []
    assert state.news(0).newest == 1
    assert state.count_events() == 1


def test_retired_rows_keep_their_id_for_a_while(state: EventLog) -> None:
    """Old lines are emptied, their ids still known; older rows are gone, and what is young stays as it is."""
    for number, received in enumerate((10, 20, 30)):
        state.moments.write([moment(f"m{received}", f"u{number}")], 1, received)
    assert state.moments.retire(30, 20) == (2, 1)
    assert lines(state) == [moment("m30").line]
    assert state.moments.notified(["m10", "m20", "m30"]) == {"m20", "m30"}
    assert state.moments.write([moment("m20", "u1")], 9, 99) == [False]
    assert state.moments.retire(30, 20) == (0, 0)


def test_forgetting_deletes_what_was_told(state: EventLog) -> None:
    """The moments of a forgotten user are deleted and counted, nobody else's."""
    state.moments.write([moment("a"), moment("b"), moment("c", user="bob")], 9, RECEIVED)
    assert state.forget([Erased("00:aa", "ann"), Erased("00:bb", "eve")], RECEIVED)["moments"] == 2
    assert lines(state) == [moment("c").line]
    assert state.moments.notified(["a", "b", "c"]) == {"c"}


def test_a_moment_is_looked_up_by_its_id(state: EventLog) -> None:
    """By its id comes whose it is, when it was found and its line; nothing once the line was retired, or of another id."""
    assert state.moments.of("a") is None
    state.moments.write([moment("a", at=7), moment("b", user="bob")], 9, RECEIVED)
    assert state.moments.of("a") == KeptMoment("a", "ann", 7, moment("a").line)
    assert state.moments.of("c") is None
    state.moments.retire(RECEIVED + 1, 0)
    assert state.moments.of("a") is None


def test_sends_that_moments_became_are_forgotten_with_them(state: EventLog) -> None:
    """The send of a moment is deleted with the moment; that of another user, or of another time, stays, and so does a batch."""
    state.moments.write([moment("a", at=10), moment("b", user="bob", at=10), moment("c", at=20)], 9, RECEIVED)
    for name in ("a", "b", "c", "weekly"):
        state.pins.declare(Send(send_id=name, placement="message", limit=3, expires_at=2 * DAY), RECEIVED)
    state.forget([Erased("00:aa", "ann", 10, 20)], 99)
    assert [name for name in ("a", "b", "c", "weekly") if state.pins.send(name)] == ["b", "c", "weekly"]


def test_forgetting_leaves_what_was_told_at_other_times(state: EventLog) -> None:
    """Of an id with a period only the moments that were found due in it go."""
    state.moments.write([moment(f"m{at}", at=at) for at in (9, 10, 19, 20)], 9, RECEIVED)
    assert state.forget([Erased("00:aa", "ann", 10, 20)], 99)["moments"] == 2
    assert state.moments.notified(["m9", "m10", "m19", "m20"]) == {"m9", "m20"}


def test_of_several_who_find_it_one_writes_it(driver: Driver, state: EventLog, tmp_path: Path) -> None:
    """Threads and processes that find the same moments at once write each of them once, and keep to the day's limit."""
    wanted = [moment(f"{kind}-{n}", f"u{n}", kind) for n in range(40) for kind in ("cart", "browse")]
    results: list[list[bool]] = []
    gate = threading.Barrier(4)

    def write(order: int) -> None:
        gate.wait()
        results.append(state.moments.write(wanted[::order], 1, RECEIVED))

    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_write, args=(driver, tmp_path / "state", wanted)) for _ in range(2)]
    threads = [threading.Thread(target=write, args=(order,)) for order in (1, -1, 1, -1)]
    for process in others:
        process.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in others:
        process.join()
    assert len(lines(state, "cart")) + len(lines(state, "browse")) == 40
    assert sum(map(sum, results)) <= 40
    assert {each.user_id for each in state.moments.notified_to([f"u{n}" for n in range(40)], 0)} == {
        f"u{n}" for n in range(40)
    }


def _write(driver: Driver, folder: Path, wanted: list[Moment]) -> None:
    other = driver.open_log(folder)
    other.moments.write(wanted, 1, RECEIVED)
    other.close()
