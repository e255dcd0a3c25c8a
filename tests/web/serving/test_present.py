"""Snapshots that change: the one before answers until the next has taken in what the log holds, so that no list waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.engine.pipeline import Engine
from recsys.live.dislikes import Dislike
from recsys.live.erasure import Erased, ErasureKeys, Tombstone
from recsys.live.rows import News
from recsys.live.sqlite.log import SqliteLog
from recsys.snapshot.store import SnapshotStore
from recsys.types import Event, Link, StateError
from recsys.web.serving.present import Present
from tests.conftest import NOW, micros
from tests.live.test_slate_log import note
from tests.support.servers.intake import EVENTS
from tests.support.servers.serving import ADMIN, READ
from tests.support.shops.moment_shop import MomentShop
from tests.web.serving.test_reload import VIEW, published, served

LATER = NOW + timedelta(minutes=1)


class Watched(SqliteLog):
    """A log that lets something happen whenever its news were read."""

    then: Callable[[], None] | None = None
    course = ""

    @property
    def lineage(self) -> str:
        """The course of the log."""
        return super().lineage + self.course

    def news(self, *asked: Any) -> News:
        """Read, and then let happen what waits."""
        found = super().news(*asked)
        if self.then is not None:
            self.then()
        return found


class Counted(SqliteLog):
    """A log that counts how often all of its tombstones were read."""

    looks = 0

    def tombstones(self) -> list[Tombstone]:
        """Read them, and count it."""
        self.looks += 1
        return super().tombstones()


def follows(store: SnapshotStore[Engine], present: Present, state: SqliteLog) -> bool:
    """Look for a snapshot, and have it answer."""
    store.refresh()
    present.follow(state)
    return present.has_changed()


def fail() -> None:
    """Fail, as a log does that cannot be read."""
    raise StateError("the live log says nothing")


def followed(shop: MomentShop, state: SqliteLog) -> tuple[SnapshotStore[Engine], Present]:
    """A store of the shop's snapshots, and what answers over it and a log."""
    store = SnapshotStore(shop.folder / "artifacts", lambda snapshot: Engine(snapshot, shop.settings))
    present = Present(store, None, lambda _: None, lambda _: None)
    assert follows(store, present, state)
    present.get(state).catch_up()
    return store, present


def test_the_snapshot_before_answers_until_the_next_has_caught_up(tmp_path: Path) -> None:
    """Who asks while the next one reads the log gets the one before, and waits for nothing."""
    shop, state, seen = published(tmp_path), Watched(tmp_path / "state"), []
    store, present = followed(shop, state)
    before = present.get(state)
    viewed = Event(event_id="1", user_id="user-0", event_type="view", timestamp=micros(NOW), item_id="sofa-1")
    state.add_events([viewed], micros(NOW))

    def ask() -> None:
        asking = threading.Thread(target=lambda: seen.append(present.get(state)))
        asking.start()
        asking.join()

    state.then = ask
    shop.publish(LATER)
    assert follows(store, present, state)
    assert seen == [before]
    after = present.get(state)
    assert after.engine is store.current
    assert after.engine is not before.engine
    assert after.read_to == state.last()
    assert not follows(store, present, state)


def test_a_log_that_is_away_keeps_the_snapshot_before(tmp_path: Path) -> None:
    """A snapshot that cannot read the log answers as soon as it can, also where no other one came meanwhile."""
    shop, state = published(tmp_path), Watched(tmp_path / "state")
    store, present = followed(shop, state)
    before = present.get(state)
    state.then = fail
    shop.publish(LATER)
    assert not follows(store, present, state)
    assert present.waits is not None
    assert present.get(state) is before
    assert present.engine is before.engine
    state.then = None
    assert follows(store, present, state)
    assert present.get(state).engine is store.current


def test_what_the_one_before_knows_is_known_to_the_next(tmp_path: Path) -> None:
    """Who was forgotten while the next one read the log is forgotten for it too, should the log go away at once."""
    shop, state = published(tmp_path), Watched(tmp_path / "state")
    store, present = followed(shop, state)
    before = present.get(state)

    def forget() -> None:
        state.then = None
        state.add_events([Event(event_id="1", user_id="user-0", event_type="view", timestamp=micros(NOW))], micros(NOW))
        before.catch_up()

    state.then = forget
    shop.publish(LATER)
    assert follows(store, present, state)
    assert present.at_hand is not None
    assert present.at_hand.read_to == before.read_to == state.last() > 0


def test_a_log_on_another_course_brings_the_next_snapshot_too(tmp_path: Path) -> None:
    """A snapshot that could not read the log answers over another course of it, and that is told."""
    shop, state = published(tmp_path), Watched(tmp_path / "state")
    store, present = followed(shop, state)
    state.then = fail
    shop.publish(LATER)
    assert not follows(store, present, state)
    assert present.waits is not None
    state.then, state.course = None, "another"
    assert present.get(state).engine is store.current
    assert follows(store, present, state)
    assert not follows(store, present, state)


def test_no_list_waits_for_the_log(tmp_path: Path) -> None:
    """Right after another snapshot went live, and after a worker began, a list can be answered without a look at the log."""
    shop = published(tmp_path)
    app = served(shop)
    client, live = app.test_client(), app.service.live
    assert client.post("/v1/events", json=VIEW, headers=EVENTS).status_code == 202
    first = client.get("/v1/bestsellers", headers=READ).get_json()["snapshot"]
    shop.publish(LATER)
    live.refresh()
    assert live.make_ready(None)
    live.drop_ready()
    assert client.get("/v1/bestsellers", headers=READ).get_json()["snapshot"] != first
    begun = served(shop).service.live
    assert not begun.make_ready(None)
    begun.start()
    try:
        assert begun.make_ready(None)
    finally:
        begun.stop()


def test_a_log_that_fails_in_another_way_stops_nothing_else(tmp_path: Path) -> None:
    """Whatever a look at the log runs into, a worker tells the metrics what it serves."""
    shop = published(tmp_path)
    app = served(shop)
    client, live = app.test_client(), app.service.live
    live.state = watched = Watched(shop.folder / "state")

    def break_down() -> None:
        raise ArithmeticError

    watched.then = break_down
    serves = 'recsys_snapshot_workers{version="'
    assert serves not in client.get("/metrics", headers=ADMIN).text
    live.start()
    try:
        assert serves in client.get("/metrics", headers=ADMIN).text
    finally:
        watched.then = None
        live.stop()


def test_a_no_beside_an_erasure_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is forgotten between the look at the log and the write leaves nothing behind."""
    shop = published(tmp_path)
    live = served(shop, RECSYS_FORGET_SECRETS="forget-secret-of-at-least-32-characters").service.live
    state, keys, say = SqliteLog(shop.folder / "state"), live.erasure_keys, live.state.dislikes.say
    said = Dislike("user-0", "item", "sofa-1", micros(NOW), micros(LATER))
    assert keys is not None

    def meanwhile(*asked: Any) -> None:
        monkeypatch.undo()
        state.forget([Erased(keys.sign("user-0"), "user-0", until=said.at + 1)], said.at)
        say(*asked)

    monkeypatch.setattr(live.state.dislikes, "say", meanwhile)
    live.dislike([said])
    assert live.state.dislikes.say == say
    assert state.dislikes.of(["user-0"]) == []
    live.dislike([msgspec.structs.replace(said, at=said.at + 1)])
    assert len(state.dislikes.of(["user-0"])) == 1


def test_who_goes_through_links_is_not_disturbed_by_others(tmp_path: Path) -> None:
    """A poll looks at all users to whom ids were linked, while other threads take in links."""
    shop, state = published(tmp_path), SqliteLog(tmp_path / "state")
    _, present = followed(shop, state)
    serving = present.get(state)
    found = []
    for user in ("user-0", "user-1"):
        state.add_links([Link(f"{user}-tablet", user, micros(NOW))], micros(NOW))
        serving.catch_up()
        found.append(iter(serving.linked.items()))
    assert [[user for user, _ in each] for each in found] == [["user-0"], ["user-0", "user-1"]]


def test_whom_the_one_before_knows_to_be_forgotten_is_not_read_again(tmp_path: Path) -> None:
    """A new snapshot costs no look at every tombstone there is, and knows them, and those that came meanwhile."""
    shop, state = published(tmp_path), Counted(tmp_path / "log")
    keys = ErasureKeys(["o" * 32])
    store = SnapshotStore(shop.folder / "artifacts", lambda snapshot: Engine(snapshot, shop.settings))
    present = Present(store, keys, lambda _: None, lambda _: None)
    assert follows(store, present, state)
    state.forget([Erased(keys.sign("user-0"), "user-0", until=micros(NOW))], micros(NOW))
    before = present.get(state)
    before.catch_up()
    state.forget([Erased(keys.sign("user-1"), "user-1", until=micros(NOW))], micros(NOW))
    looks = state.looks
    shop.publish(LATER)
    assert follows(store, present, state)
    after = present.get(state)
    assert after is not before
    assert [after.forgotten.at(f"user-{number}") is None for number in range(3)] == [False, False, True]
    assert state.looks == looks
    assert before.forgotten.at("user-1") is None, "what the next one reads is its own"


def test_a_batch_of_slates_reads_no_tombstone_twice(tmp_path: Path) -> None:
    """Slates are written and deleted by what is in memory and what came since: also where another process forgot somebody."""
    shop = published(tmp_path)
    live = served(shop, RECSYS_FORGET_SECRETS="forget-secret-of-at-least-32-characters").service.live
    live.state = state = Counted(shop.folder / "state")
    slates, other, keys = live.slates.log, SqliteLog(shop.folder / "state"), live.erasure_keys
    assert keys is not None
    slates.write([note(1, "ann"), note(2, "zoe")])
    looks = state.looks
    other.forget([Erased(keys.sign("ann"), "ann", until=9)], 9)
    slates.write([note(3, "ann"), note(4, "zoe")])
    assert slates.forget(["ann"]) == 1
    assert [each.answered_at for each in slates.newest(9)] == [4, 2]
    assert state.looks == looks
