"""Whole items in the live log: they come back as they were put, in one order with what changed of items."""

from __future__ import annotations

import pytest

from recsys.item_updates import ItemUpdate, WholeItem
from recsys.live.item_changes import Standing
from recsys.live.log import EventLog
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.snapshot.put.overlay import overlay
from recsys.snapshot.put.spare_rows import with_spare_rows
from recsys.tables.items import finish_items
from tests.conftest import ITEMS
from tests.support.shops.handmade import item_frame

RECEIVED = 1_000_000
ALL = 2**62
HAT = ItemUpdate(
    "hat-1",
    True,
    4.0,
    30.0,
    WholeItem(
        title="Felt hat", categories=("Clothes > Hats",), attributes={"tags": ("new", "felt"), "margin": 0.5, "vegan": True}
    ),
)
BARE = ItemUpdate("sofa-1", item=WholeItem())


def test_an_item_comes_back_as_it_was_put(state: EventLog, other: EventLog) -> None:
    """For workers and for the training, between the changes that were written before and after it."""
    changes = [ItemUpdate("hat-1", price=5.0), HAT, ItemUpdate("hat-1", stock=0.0), BARE]
    assert state.add_items(changes, RECEIVED) == [None] * 4
    assert [each.row for each in other.news(0).shared] == changes
    assert [row for _, _, row in other.item_updates(ALL)] == changes


def test_a_put_says_everything(state: EventLog) -> None:
    """What was written of the item before it is superseded, what came after it is not."""
    state.add_items([ItemUpdate("hat-1", price=5.0), HAT, ItemUpdate("hat-1", True, 3.0, 2.0), BARE, HAT], RECEIVED)
    assert state.drop_superseded_items() == 3
    assert [row for _, _, row in state.item_updates(ALL)] == [BARE, HAT]


@pytest.mark.parametrize("seen", [True, False])
def test_no_more_items_are_written_than_there_is_room_for(state: EventLog, *, seen: bool) -> None:
    """Whether a worker has seen what others wrote, or not yet."""
    catalog = Catalog(with_spare_rows(catalog_arrays(finish_items(item_frame(ITEMS), None), None), 2))
    state.add_items([HAT], RECEIVED, Standing(catalog, 0, RECEIVED))
    if seen:
        overlay(catalog, HAT, 1)
    more = [ItemUpdate(name, item=WholeItem()) for name in ("hat-2", "hat-1", "sofa-1", "hat-3", "hat-2")]
    problems = state.add_items(more, RECEIVED, Standing(catalog, 1 if seen else 0, RECEIVED))
    assert [problem and problem.partition(",")[0] for problem in problems] == [None, None, None, "is new", None]
    assert [row.item_id for _, _, row in state.item_updates(ALL)] == ["hat-1", "hat-2", "hat-1", "sofa-1", "hat-2"]
