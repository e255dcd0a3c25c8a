"""Items that come by the thousand: no list waits for all of them, and they come to the same as one by one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from recsys.engine.serving_state import ServingState
from recsys.item_updates import ItemUpdate, WholeItem
from recsys.live.databases import log_in
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put import arriving
from recsys.snapshot.put.arriving import AT_ONCE
from recsys.snapshot.put.overlay import overlay_all
from recsys.types import Query
from tests.conftest import NOW, Shop, busy_events, micros

FEW = 10
"""Whole items that a list takes in."""


def whole(number: int) -> ItemUpdate:
    """One of many lamps and sofas."""
    kind, price = ("lamp", "sofa")[number % 2], 5.0 + number
    item = WholeItem(title=f"Oak {kind} number {number}", brand="Oakly", categories=("Home > Sofas",))
    return ItemUpdate(f"new-{number}", available=True, stock=9.0, price=price, item=item)


def test_items_that_are_put_at_once_are_taken_in_by_and_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list takes in a few, in the order of the log; whoever writes by what is there, and the thread that looks, take in all."""
    shop = Shop(tmp_path, busy_events())
    with closing(log_in(tmp_path / "state")) as log, closing(log_in(tmp_path / "state")) as other:
        serving, at_once = ServingState(shop.engine(), log, None), ServingState(shop.engine(), log, None)
        known = serving.engine.catalog.n_known
        serving.catch_up(recent=True)
        other.add_items([whole(number) for number in range(35)], micros(NOW))
        for look in range(1, 3):
            serving.catch_up(recent=True)
            assert serving.engine.catalog.n_known == known + look * FEW
        assert serving.engine.catalog.row("new-20") < 0
        serving.catch_up()
        assert serving.engine.catalog.n_known == known + 35
        monkeypatch.setattr(arriving, "AT_ONCE", 10**6)
        at_once.catch_up()
        for number in range(35):
            query = Query(now=micros(NOW), placement="similar", context_items=(f"new-{number}",), limit=12)
            slates = [each.answer(query).slate for each in (serving, at_once)]
            stated = [(each.recommendation_id, each.items, each.scores, each.reasons) for each in slates]
            assert stated[0] == stated[1]
            assert slates[0].items


def test_what_is_being_taken_in_still_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever must have all of it waits for a step that another thread has begun, and a step that fails is made again."""
    shop = Shop(tmp_path, busy_events())
    with closing(log_in(tmp_path / "state")) as log:
        serving = ServingState(shop.engine(), log, None)
        serving.catch_up()
        log.add_items([whole(number) for number in range(FEW + 1)], micros(NOW))
        serving.catch_up(recent=True)

        def broken(*_: object) -> bool:
            raise RuntimeError("a disk error")

        monkeypatch.setattr(arriving, "overlay_all", broken)
        with pytest.raises(RuntimeError):
            serving.catch_up()
        monkeypatch.setattr(arriving, "overlay_all", overlay_all)
        serving.catch_up()
        assert serving.engine.catalog.row(f"new-{FEW}") >= 0


def test_a_worker_that_begins_takes_in_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can be answered before: of a day's feeds what counts last of each item is laid over the snapshot, once."""
    engine, steps = Shop(tmp_path, busy_events()).engine(), list[int]()

    def counted(catalog: Catalog, updates: Sequence[tuple[int, ItemUpdate]]) -> bool:
        steps.append(len(updates))
        return overlay_all(catalog, updates)

    with closing(log_in(tmp_path / "state")) as log:
        log.add_items([whole(number % 7) for number in range(2 * AT_ONCE)], micros(NOW))
        monkeypatch.setattr(arriving, "overlay_all", counted)
        ServingState(engine, log, None).catch_up()
    assert steps == [2 * AT_ONCE]


def test_changes_of_stock_are_many_at_once(tmp_path: Path) -> None:
    """Hundreds of them are a list's, more come with the next ones; of several of one item the last counts."""
    shop = Shop(tmp_path, busy_events())
    with closing(log_in(tmp_path / "state")) as log, closing(log_in(tmp_path / "state")) as other:
        serving = ServingState(shop.engine(), log, None)
        serving.catch_up(recent=True)
        item = serving.engine.catalog.item_id(0)
        other.add_items([ItemUpdate(item, price=float(price)) for price in range(1, 2 * AT_ONCE + 1)], micros(NOW))
        for look in range(1, 3):
            serving.catch_up(recent=True)
            assert serving.engine.catalog.price[0] == look * AT_ONCE
