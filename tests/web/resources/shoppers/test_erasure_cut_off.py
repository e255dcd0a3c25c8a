"""Erasures of many ids, and those that fail half-way: a call that is repeated leaves nothing behind."""

from __future__ import annotations

import pytest

from recsys import clock
from recsys.live.log import EventLog
from recsys.live.slate_log import SlateLog
from recsys.types import StateError
from tests.conftest import Shop
from tests.live.test_pinned_slates import pin
from tests.support.servers.serving import ADMIN, READ
from tests.web.resources.shoppers.test_erasure import identify, serve, shop, view

__all__ = ["shop"]


def test_what_is_by_the_wall_clock_goes_with_many_ids(shop: Shop) -> None:
    """Pins and exposures of whichever of many ids, which are later than any event where the events' clock is served."""
    app = serve(shop)
    state, phones = app.service.live.state, [f"phone-{n:02}" for n in range(30)]
    for phone in phones:
        view(app, phone, "bag-1", 30)
        identify(app, phone, "ana", 20)
        state.pins.pin(pin("news", phone), clock.now())
    assert app.test_client().delete("/v1/users/ana", headers=ADMIN).get_json()["removed"]["pins"] == len(phones)
    assert [state.pins.pin_of("news", each) for each in phones] == [None] * len(phones)


def test_an_erasure_that_was_cut_off_is_done_by_the_next_call(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting failed after the tombstones were written: the call says so, and repeated it deletes what is left."""
    app = serve(shop)
    state, phones = app.service.live.state, [f"phone-{n:02}" for n in range(30)]
    for phone in phones:
        view(app, phone, "bag-1", 30)
        identify(app, phone, "ana", 20)
    with monkeypatch.context() as patched:
        patched.setattr(EventLog, "delete_rest", _fail)
        assert app.test_client().delete("/v1/users/ana", headers=ADMIN).status_code == 503
    assert app.test_client().delete("/v1/users/ana", headers=ADMIN).get_json()["removed"]["events"] > 0
    assert [one for batch in state.events_between(0, 999) for _, _, one in batch if one.user_id in phones] == []


def test_slates_of_others_are_deleted_also_where_the_first_call_failed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose an erased id was is known until it is erased: what they got because of it goes before that, or nothing does."""
    app = serve(shop)
    slates = app.service.live.slates.log
    view(app, "tablet", "bag-1", -1)
    identify(app, "tablet", "ana", -1)
    assert app.test_client().get("/v1/users/ana/recommendations?limit=5", headers=READ).status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr(SlateLog, "forget", _fail)
        assert app.test_client().delete("/v1/users/tablet", headers=ADMIN).status_code == 503
    assert app.test_client().delete("/v1/users/tablet", headers=ADMIN).get_json()["removed"]["slates"] == 1
    assert [each.user_id for each in slates.newest(9) if any(one.item_id == "bag-1" for one in each.history)] == []


def _fail(*_args: object, **_more: object) -> None:
    raise StateError("state.sqlite3 is locked")
