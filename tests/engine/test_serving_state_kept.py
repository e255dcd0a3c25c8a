"""Histories that a worker keeps at hand are those that a worker which looks for the first time would find."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import MAX_ASKED, ServingState
from recsys.engine.shoppers import writers
from recsys.engine.shoppers.kept_histories import KeptHistories
from recsys.live.databases import log_in
from recsys.live.erasure import Erased
from recsys.live.log import LiveEvent
from recsys.live.sqlite.log import SqliteLog
from recsys.types import Event, History, Link
from tests.conftest import NOW, Shop, ago, busy_events, micros
from tests.engine.test_serving_state import SECRETS
from tests.support.shops.handmade import calm

USERS = ("user-0", "user-1", "cookie-1", "cookie-2")
STEPS = st.one_of(
    st.tuples(st.just("view"), st.sampled_from(USERS), st.integers(1, 600)),
    st.tuples(st.just("purchase"), st.sampled_from(USERS), st.integers(1, 600)),
    st.tuples(st.just("link"), st.sampled_from(USERS[:2]), st.integers(1, 600)),
    st.tuples(st.just("forget"), st.sampled_from(USERS[:2]), st.integers(1, 600)),
    st.tuples(st.just("ask"), st.sampled_from(USERS), st.just(0)),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The busy shop, served."""
    return Shop(tmp_path_factory.mktemp("kept"), busy_events()).engine()


def same(one: History, other: History) -> bool:
    """Whether two histories say the same."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("items", "kinds", "times", "orders"))


@pytest.mark.long
@calm
@given(steps=st.lists(STEPS, max_size=12))
def test_what_is_kept_is_what_would_be_found(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    """Whatever is written, by whichever worker: events of users and of their anonymous ids, links, forgetting."""
    folder = tmp_path_factory.mktemp("log")
    writer = log_in(folder)
    kept = ServingState(engine, log_in(folder), SECRETS)
    for number, (what, user, minutes) in enumerate(steps):
        at = micros(ago(minutes=minutes))
        if what == "link":
            writer.add_links([Link(f"cookie-{1 + number % 2}", user, at)], micros(NOW))
        elif what == "forget":
            writer.forget([Erased(SECRETS.sign(user), user)], micros(NOW))
        elif what != "ask":
            done = Event(event_id=f"e{number}", user_id=user, event_type=what, timestamp=at, item_id="bag-1")
            writer.add_events([done], micros(NOW))
        fresh = ServingState(engine, log_in(folder), SECRETS)
        for serving in (kept, fresh):
            serving.catch_up()
        for each in USERS if what != "ask" else (user,):
            assert same(kept.history(each), fresh.history(each)), (what, each)


def test_a_history_asked_for_right_after_a_change_is_whole(engine: Engine, tmp_path: Path) -> None:
    """Another thread that asks the moment histories may be kept again finds the first event since the snapshot, too."""
    log = log_in(tmp_path)
    serving = ServingState(engine, log, SECRETS)

    class AskedAtOnce(KeptHistories):
        @contextmanager
        def changing(self) -> Iterator[None]:
            with super().changing():
                yield
            serving.history("user-0")

    serving._kept = AskedAtOnce(200)
    serving.catch_up()
    before = len(serving.history("user-0"))
    log.add_events([Event(event_id="e", user_id="user-0", event_type="view", timestamp=micros(NOW), item_id="bag-1")], 0)
    serving.catch_up()
    assert len(serving.history("user-0")) == before + 1


def test_no_more_is_kept_than_there_is_room_for() -> None:
    """Those asked for longest ago make room, and one too long for all of it is not kept."""
    kept = KeptHistories(max_n=200)
    short, long = (
        History(np.zeros(n, np.int32), np.zeros(n, np.int8), np.zeros(n, np.int64), np.zeros(n, np.int32)) for n in (40, 400)
    )
    for name in ("a", "b"):
        kept.put(name, short)
    assert kept.get("a") is short
    kept.put("c", short)
    assert [name for name in "abc" if kept.get(name) is not None] == ["a", "c"]
    kept.put("d", long)
    assert len(kept) == 0


@pytest.mark.parametrize(("most_writers", "asked"), [(0, 1 + MAX_ASKED), (2, 1)])
def test_a_user_with_ten_thousand_anonymous_ids_costs_a_bounded_number_of_look_ups(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_writers: int, asked: int
) -> None:
    """However many anonymous ids were linked to a user, an answer looks at those linked last only, and of them at who wrote."""
    monkeypatch.setattr(writers, "MAX_WRITERS", most_writers)

    class Counted(SqliteLog):
        asked = 0

        def events_of(self, user_id: str, after: int, max_n: int) -> list[LiveEvent]:
            self.asked += 1
            return super().events_of(user_id, after, max_n)

    state = Counted(tmp_path / "state")
    serving = ServingState(engine, state, None)
    state.add_links([Link(f"guest-{n:05}", "user-1", micros(NOW)) for n in range(10_000)], micros(NOW))
    for number, guest in enumerate(("guest-00000", "guest-09999")):
        view = Event(
            event_id=str(number), user_id=guest, event_type="view", timestamp=micros(NOW), item_id=f"lamp-{number + 1}"
        )
        state.add_events([view], micros(NOW))
    serving.catch_up()
    seen = {serving.engine.catalog.item_id(row) for row in serving.history("user-1").items[-1:].tolist()}
    assert state.asked == asked
    assert seen == {"lamp-2"}
