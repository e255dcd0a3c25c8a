"""Things that a worker lets go of: the snapshot before, at once and with its files, and what answers took; threads see what comes."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from recsys.engine.serving_state import ServingState
from recsys.live.log import LiveEvent
from recsys.live.sqlite.log import SqliteLog
from recsys.settings import StateSettings, WebSettings
from recsys.snapshot.store import point_at, versions
from recsys.types import Event
from recsys.web.app import Application, create_app
from recsys.web.operations import _Body
from tests.conftest import NOW, Shop, ago, busy_events, event, micros
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.serving import ENVIRONMENT, MESSAGES_KEY, READ, bearer
from tests.support.shops.moment_shop import MomentShop

RELOADS = 100
STOCK = {"items": [{"item_id": "sofa-1", "stock": 3, "price": 800.0}]}
SECRETS = {**ENVIRONMENT, "RECSYS_KEYS_EVENTS": EVENTS_KEY}
VIEW = {"events": [{"user_id": "user-0", "event_type": "view", "item_id": "sofa-1"}]}
CALLS = (
    "/v1/users/user-0/recommendations",
    "/v1/users/user-0/recommendations?placement=email_weekly&cursor=*",
    "/v1/items/sofa-1/similar",
    "/v1/items/sofa-1/bought-together",
    "/v1/bestsellers",
    "/v1/popular",
    "/v1/users/user-0/profile",
    "/readyz",
)


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Collect nothing that is part of a cycle."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def published(folder: Path) -> MomentShop:
    """A shop with one snapshot."""
    shop = MomentShop(folder, event("user-0", "lamp-3", "cart_add", ago(minutes=60)), event("clock", None, "home_view", NOW))
    shop.publish()
    return shop


def served(shop: MomentShop, **secrets: str) -> Application:
    """What serves the snapshot published last."""
    more = {"state": StateSettings(folder=str(shop.folder / "state")), "web": WebSettings(clock="events")}
    return create_app(msgspec.structs.replace(shop.settings, **more), SECRETS | secrets)


@pytest.mark.long
def test_nothing_keeps_the_snapshot_before(tmp_path: Path) -> None:
    """Neither answers nor polls that a worker gave hold the old version, whose files would stay mapped and on the disk."""
    shop = published(tmp_path)
    app = served(shop)
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


@pytest.mark.long
@pytest.mark.usefixtures("no_gc")
def test_nothing_grows_over_a_hundred_reloads(tmp_path: Path) -> None:
    """Without garbage collection, snapshots that go live and answer every kind of call leave no descriptor and no mapping."""
    shop = published(tmp_path)
    shop.publish(NOW + timedelta(minutes=1))
    both, app = versions(shop.folder / "artifacts"), served(shop)
    client, live = app.test_client(), app.service.live
    before: weakref.ref[object] | None = None
    held: list[tuple[int, int]] = []
    for number in range(RELOADS):
        for call in CALLS:
            assert client.get(call, headers=READ).status_code in (200, 403)
        assert client.patch("/v1/items", json=STOCK, headers=EVENTS).status_code == 202
        assert client.post("/v1/events", json=VIEW, headers=EVENTS).status_code == 202
        assert client.get("/v1/bestsellers", headers=READ).status_code == 200
        assert client.get("/v1/moments/cart", headers=bearer(MESSAGES_KEY)).status_code == 200
        assert before is None or before() is None
        held.append(held_files())
        assert live.loaded is not None
        before = weakref.ref(live.loaded)
        point_at(shop.folder / "artifacts", both[number % 2])
        live.refresh()
        assert live.loaded.snapshot.version == both[number % 2]
    assert held[-1] == held[RELOADS // 2]


@pytest.mark.long
def test_a_hundred_answers_leave_nothing_behind(tmp_path: Path) -> None:
    """Once caches are filled, no kind of call leaves an object that nobody uses; weak references come and go."""
    client = served(published(tmp_path)).test_client()

    def objects_after(rounds: int) -> int:
        for _ in range(rounds):
            for call in CALLS:
                assert client.get(call, headers=READ).status_code in (200, 403)
            assert client.get("/v1/moments/cart", headers=bearer(MESSAGES_KEY)).status_code == 200
            assert client.post("/v1/events", json=VIEW, headers=EVENTS).status_code == 202
        gc.collect()
        return sum(not isinstance(each, weakref.ReferenceType) for each in gc.get_objects())

    before = objects_after(30)
    assert objects_after(100) - before < 100


@pytest.mark.usefixtures("no_gc")
def test_a_body_is_let_go_of_with_its_answer(tmp_path: Path) -> None:
    """At once: by the time that garbage is collected a thousand requests would be held."""
    client = served(published(tmp_path)).test_client()
    for _ in range(9):
        assert client.post("/v1/events", json=VIEW, headers=EVENTS).status_code == 202
    assert [each for each in gc.get_objects() if isinstance(each, _Body)] == []


def held_files() -> tuple[int, int]:
    """Descriptors and mappings of snapshots' files that this process holds."""
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if ".npy" in line]
    return len(list(Path("/proc/self/fd").iterdir())), len(maps)


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

    happen("ana")
    state.then = [threading.Thread(target=happen, args=("ana",))]
    assert len(serving.history("ana")) == 1
    for each in others:
        happen(each)
    serving.catch_up()
    assert len(serving.history("ana")) == 2
