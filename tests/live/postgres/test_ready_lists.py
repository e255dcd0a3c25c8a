"""Lists over PostgreSQL that an event loop answers: those that have to ask the database nothing, and no others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from recsys.live.dislikes import Dislike
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.web.app import Application
from tests.live.postgres.test_intake import accepted, address, database, worker
from tests.live.postgres.test_poller import until
from tests.support.servers.round_trips import CountedDatabase
from tests.support.servers.serving import READ

__all__ = ["address", "database", "worker"]
ANN = "/v1/users/ann/recommendations?placement=not_found"


def ready(app: Application, address: str = ANN) -> bool:
    """Tell whether the event loop would answer a list."""
    return app.answers_at_once(f"GET {address} HTTP/1.1".encode())


def until_ready(app: Application, made: Callable[[], object], address: str = ANN) -> None:
    """Wait for a moment in which the poller had the processor and a list is ready after something was done."""

    def is_ready() -> bool:
        made()
        return ready(app, address)

    until(is_ready)


def listed(app: Application, address: str = ANN) -> list[str]:
    """The items of a list."""
    answer = app.test_client().get(address, headers=READ)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["notices"] == []
    return [each["item_id"] for each in answer.json["items"]]


def test_a_list_that_asks_nothing_is_ready(worker: Application, database: CountedDatabase) -> None:
    """Also that of somebody whose id is encoded in the address, and lists of nobody; it then asks nothing, and is the same list."""
    for each in (ANN, "/v1/users/user%2D0/recommendations", "/v1/popular", "/v1/bestsellers"):
        plain = listed(worker, each)
        until_ready(worker, worker.service.live.answering, each)
        database.trips()
        assert listed(worker, each) == plain
        assert database.trips() == 0


def test_one_whose_shopper_wrote_is_not_until_the_history_is_at_hand(worker: Application) -> None:
    """The list after an event has to look it up; the next one need not."""
    live = worker.service.live
    until_ready(worker, live.answering)
    listed(worker)
    assert accepted(worker, "e1") == 1
    live.answering()
    assert not ready(worker)
    after = listed(worker)
    assert after[:1] == ["sofa-1"]
    until_ready(worker, lambda: listed(worker))
    assert listed(worker) == after


def test_one_that_was_made_ready_is_as_of_then_and_the_next_one_as_of_later(worker: Application, address: Address) -> None:
    """What another thread takes in meanwhile drops nothing that was found; the next list has it."""
    with closing(PostgresLog(address)) as other:
        until_ready(worker, worker.service.live.answering)
        before = worker.service.live._ready.take()
        assert before is not None
        assert accepted(worker, "e1") == 1
        assert len(before.history("ann")) == 0
        assert before.disliked("ann") == ()
        other.dislikes.say([Dislike("ann", "item", "lamp-1", 5, 10**18)], 5)
        assert len(worker.service.live.serving().history("ann")) == 1
        assert len(worker.service.live.serving().disliked("ann")) == 1


def test_none_is_ready_while_it_is_not_known_whether_something_is_new(worker: Application) -> None:
    """Where the poller has stopped, where nothing was looked at, and where the shopper's dislikes have to be looked up."""
    live = worker.service.live
    live.state.dislikes.say([Dislike("ben", "item", "lamp-1", 5, 10**18)], 5)
    live.answering()
    assert not ready(worker)
    until_ready(worker, lambda: listed(worker))
    live.state.stop_polling()
    assert not ready(worker)
