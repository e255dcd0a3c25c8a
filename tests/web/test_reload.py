"""Following snapshots: what a worker lets go of when another version goes live, and what threads see meanwhile."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from recsys.engine.serving_state import ServingState
from recsys.live.log import LiveEvent
from recsys.live.sqlite.log import SqliteLog
from recsys.settings import StateSettings, WebSettings
from recsys.types import Event
from recsys.web.app import create_app
from tests.conftest import NOW, Shop, ago, busy_events, event, micros
from tests.support.moment_shop import MomentShop
from tests.support.serving import ENVIRONMENT, MESSAGES_KEY, READ, bearer


def test_nothing_keeps_the_snapshot_before(tmp_path: Path) -> None:
    """Neither answers nor polls that a worker gave hold the old version, whose files would stay mapped and on the disk."""
    shop = MomentShop(
        tmp_path, event("user-0", "lamp-3", "cart_add", ago(minutes=60)), event("clock", None, "home_view", NOW)
    )
    shop.publish()
    settings = msgspec.structs.replace(
        shop.settings, state=StateSettings(folder=str(tmp_path / "state")), web=WebSettings(clock="events")
    )
    app = create_app(settings, ENVIRONMENT)
    client, service = app.test_client(), app.service
    assert client.get("/v1/users/user-0/recommendations", headers=READ).status_code == 200
    assert client.get("/v1/moments/cart", headers=bearer(MESSAGES_KEY)).status_code == 200
    assert service.live.loaded is not None
    before = weakref.ref(service.live.loaded.snapshot)
    shop.publish(NOW + timedelta(minutes=1))
    service.live.refresh()
    gc.collect()
    assert service.live.loaded.snapshot.version != ""
    assert before() is None
    assert client.get("/v1/moments/cart", headers=bearer(MESSAGES_KEY)).status_code == 200


class Watched(SqliteLog):
    """A log that lets something happen right after it was read for an answer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.then: list[threading.Thread] = []

    def events_of(self, user_id: str, after: int, max_n: int) -> list[LiveEvent]:
        """Read, and then let happen what waits."""
        found = super().events_of(user_id, after, max_n)
        for thread in self.then:
            self.then = []
            thread.start()
            thread.join()
        return found


@pytest.mark.parametrize("others", [(), ("ben",)])
def test_an_event_that_comes_while_another_thread_reads_is_seen(tmp_path: Path, others: Sequence[str]) -> None:
    """A history that was read before the event and finished after it is not kept: the next answer knows of the event."""
    shop = Shop(tmp_path, busy_events())
    state, number = Watched(tmp_path / "state"), iter(range(9))
    serving = ServingState(shop.engine(), state, None)

    def happen(user_id: str) -> None:
        made = Event(event_id=str(next(number)), user_id=user_id, event_type="view", timestamp=micros(NOW), item_id="bag-1")
        state.add_events([made], micros(NOW))
        serving.catch_up()

    happen("somebody")
    state.then = [threading.Thread(target=happen, args=("ana",))]
    assert len(serving.history("ana")) == 0
    for each in others:
        happen(each)
    serving.catch_up()
    assert len(serving.history("ana")) == 1
