"""Snapshots that follow one another: the one before is let go of at once, with its files and their mappings."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from recsys.settings import StateSettings, WebSettings
from recsys.snapshot.store import point_at, versions
from recsys.web.app import create_app
from tests.conftest import NOW, ago, event
from tests.support.moment_shop import MomentShop
from tests.support.serving import ENVIRONMENT, MESSAGES_KEY, READ, bearer

RELOADS = 100
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


@pytest.mark.usefixtures("no_gc")
def test_nothing_grows_over_a_hundred_reloads(tmp_path: Path) -> None:
    """Without garbage collection, snapshots that go live and answer every kind of call leave no descriptor and no mapping."""
    shop = MomentShop(
        tmp_path, event("user-0", "lamp-3", "cart_add", ago(minutes=60)), event("clock", None, "home_view", NOW)
    )
    shop.publish()
    shop.publish(NOW + timedelta(minutes=1))
    published = versions(shop.folder / "artifacts")
    folder = StateSettings(folder=str(tmp_path / "state"))
    app = create_app(msgspec.structs.replace(shop.settings, state=folder, web=WebSettings(clock="events")), ENVIRONMENT)
    client, live = app.test_client(), app.service.live
    before: weakref.ref[object] | None = None
    held: list[tuple[int, int]] = []
    for number in range(RELOADS):
        for call in CALLS:
            assert client.get(call, headers=READ).status_code in (200, 403)
        assert client.get("/v1/moments/cart", headers=bearer(MESSAGES_KEY)).status_code == 200
        assert before is None or before() is None
        held.append(_held())
        assert live.loaded is not None
        before = weakref.ref(live.loaded)
        point_at(shop.folder / "artifacts", published[number % 2])
        live.refresh()
        assert live.loaded.snapshot.version == published[number % 2]
    assert held[-1] == held[RELOADS // 2]


def _held() -> tuple[int, int]:
    """Descriptors and mappings of snapshots' files that this process holds."""
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if ".npy" in line]
    return len(list(Path("/proc/self/fd").iterdir())), len(maps)
