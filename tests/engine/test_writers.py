"""The ids that wrote since the snapshot: anybody who may be among them is looked up."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from recsys.engine import serving_state
from recsys.engine.serving_state import ServingState
from recsys.engine.shoppers import writers
from recsys.engine.shoppers.writers import Writers
from recsys.live.databases import log_in
from recsys.types import Event
from tests.conftest import NOW, Shop, busy_events, micros


def test_nobody_who_wrote_is_passed_over() -> None:
    """Those of all looks are known, and nobody else is taken for one."""
    known = Writers()
    assert "ann" not in known
    known.take(["ann"])
    known.take(["bob"])
    assert [each in known for each in ("ann", "bob", "cleo")] == [True, True, False]


def test_where_more_wrote_than_a_look_names_anybody_may_have() -> None:
    """What one look did not name is not made up for by the next."""
    known = Writers()
    known.take(["ann", "bob"], are_all=False)
    known.take([])
    assert "cleo" in known


def test_thousands_of_events_of_one_shopper_are_one_writer(tmp_path: Path) -> None:
    """A browser may send them in one request: nobody else is looked up for that, by the worker that took them or by others."""
    shop = Shop(tmp_path, busy_events())
    with closing(log_in(tmp_path / "state")) as log, closing(log_in(tmp_path / "state")) as other:
        serving = ServingState(shop.engine(), log, None)
        serving.catch_up()
        at = micros(NOW)
        events = [
            Event(event_id=f"e{n}", user_id="ann", event_type="view", timestamp=at + n, item_id="sofa-1")
            for n in range(5000)
        ]
        other.add_events(events, at)
        serving.catch_up()
        assert [each in serving._writers for each in ("ann", "bob")] == [True, False]


def test_a_look_that_was_cut_off_keeps_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote after what was gone through is not known: nothing that is at hand may be theirs."""
    monkeypatch.setattr(serving_state, "MAX_EVENTS", 3)
    shop, at = Shop(tmp_path, busy_events()), micros(NOW)
    with closing(log_in(tmp_path / "state")) as log, closing(log_in(tmp_path / "state")) as other:
        serving = ServingState(shop.engine(), log, None)
        serving.catch_up()
        before = len(serving.history("user-0"))
        events = [
            Event(event_id=f"e{n}", user_id=user, event_type="view", timestamp=at, item_id="sofa-1")
            for n, user in enumerate(("ann", "ann", "ann", "ann", "ann", "user-0"))
        ]
        other.add_events(events, at)
        serving.catch_up()
        assert len(serving.history("user-0")) == before + 1


def test_the_ids_take_no_more_than_so_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more, anybody may be one."""
    monkeypatch.setattr(writers, "MAX_WRITERS", 2)
    known = Writers()
    known.take(["ann", "bob"])
    assert "cleo" not in known
    known.take(["dan"])
    assert "cleo" in known
