"""Changes that item updates make for shoppers: told once, whichever worker takes them, and only where something changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in, open_log
from recsys.live.item_changes import Change, Standing, lowest_before
from recsys.live.log import EventLog
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.snapshot.put.overlay import overlay
from recsys.tables.items import finish_items
from recsys.web.app import Application
from tests.conftest import ITEMS, Shop, ago, busy_events
from tests.support.servers.intake import EVENTS, intake, row_results
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.shops.handmade import calm, item_frame, numbered_items, world

SOFA, GONE = "sofa-1", "gone-1"
"""An item that is available for 900, and one that is not for 60."""
BACK, DROP, RISE = "back_in_stock", "price_drop", "price_rise"
ARRAYS = catalog_arrays(finish_items(item_frame(ITEMS), None), None)
Notified = list[tuple[str, str, float | None, float | None]]


@pytest.fixture
def app(artifacts: Path, tmp_path: Path) -> Application:
    """A worker over the busy shop, with a log of its own."""
    return intake(artifacts, tmp_path)


@pytest.fixture
def other(artifacts: Path, tmp_path: Path) -> Application:
    """Another worker over the same shop and the same log."""
    return intake(artifacts, tmp_path)


def patch(app: Application, *rows: dict[str, Any]) -> None:
    """Change items over HTTP; all are accepted."""
    answer = app.test_client().patch("/v1/items", json={"items": list(rows)}, headers=EVENTS)
    assert row_results(answer) == {"accepted": len(rows), "rejected": []}


def stated(found: Sequence[Change]) -> Notified:
    """Changes that are news, without their moments, the oldest first."""
    return [(each.item_id, each.change, each.before, each.after) for each in reversed(found) if each.change != RISE]


def of(app: Application) -> Notified:
    """What the log of a worker tells, as another process reads it."""
    state = open_log(app.service.settings)
    return stated(state.item_changes.since(0))


def after(state: EventLog, *calls: Sequence[ItemUpdate], price: float | None = 100.0, available: bool = True) -> Notified:
    """What calls change of one item, of which the catalogue says this; each finds the catalogue as it was at first."""
    items = [{**ITEMS[0], "price": price, "available": available}]
    catalog = world([], items).catalog
    for at, updates in enumerate(calls):
        state.add_items(updates, at + 1, Standing(catalog, 0, at + 1))
    return stated(state.item_changes.since(0))


# --- what is a change


@pytest.mark.parametrize(
    ("before", "price", "dropped"),
    [
        (100.0, 99.0, True),
        (100.0, 99.01, False),
        (10.0, 9.9, True),
        (3.0, 2.97, True),
        (100.0, 50.0, True),
        (100.0, 100.0, False),
        (100.0, 101.0, False),
        (0.0, 5.0, False),
        (None, 5.0, False),
    ],
)
def test_a_price_drop_is_of_one_percent_or_more(state: EventLog, before: float | None, price: float, dropped: bool) -> None:
    """Less than that, a rise, or the first price that is known is none."""
    assert after(state, [ItemUpdate(SOFA, price=price)], price=before) == ([(SOFA, DROP, before, price)] if dropped else [])


def test_a_rise_is_noted(state: EventLog) -> None:
    """However small; with it, what an item cost before a drop is the lowest price that is known from before it."""
    for at, price in enumerate((100.5, 80.0, 120.0, 90.0), 1):
        state.add_items(
            [ItemUpdate(SOFA, price=price)], at, Standing(world([], [{**ITEMS[0], "price": 100.0}]).catalog, 0, at)
        )
    found = state.item_changes.since(0)
    assert [(each.change, each.before, each.after) for each in found] == [
        (DROP, 120.0, 90.0), (RISE, 80.0, 120.0), (DROP, 100.5, 80.0), (RISE, 100.0, 100.5)
    ]  # fmt: skip
    assert {kind for [kind] in state.driver.read("SELECT change FROM item_changes")} == {DROP}, (
        "nodes of before know no rise"
    )
    assert lowest_before(found, 9) == {SOFA: 80.0}
    assert lowest_before(found, 1) == {SOFA: 120.0}
    assert lowest_before(found[2:], 9) == {SOFA: 100.0}
    assert lowest_before(found[3:], 9) == {}


@pytest.mark.parametrize(
    ("was", "update", "is_back"),
    [
        (False, ItemUpdate(SOFA, available=True), True),
        (False, ItemUpdate(SOFA, stock=3.0), True),
        (False, ItemUpdate(SOFA, stock=0.5), True),
        (False, ItemUpdate(SOFA, stock=0.0), False),
        (False, ItemUpdate(SOFA, available=False, stock=3.0), False),
        (False, ItemUpdate(SOFA, available=True, stock=0.0), True),
        (False, ItemUpdate(SOFA, price=100.0), False),
        (True, ItemUpdate(SOFA, available=True), False),
        (True, ItemUpdate(SOFA, stock=3.0), False),
        (True, ItemUpdate(SOFA, stock=0.0), False),
    ],
)
def test_back_in_stock_is_available_that_was_not(state: EventLog, was: bool, update: ItemUpdate, is_back: bool) -> None:
    """Stock tells it where nothing is said of availability, as in the catalogue; what repeats the state is no change."""
    assert after(state, [update], available=was) == ([(SOFA, BACK, None, None)] if is_back else [])


def test_both_at_once_are_two_changes(state: EventLog) -> None:
    """An item that comes back cheaper does both."""
    expected = [(SOFA, DROP, 100.0, 80.0), (SOFA, BACK, None, None)]
    assert sorted(after(state, [ItemUpdate(SOFA, stock=2.0, price=80.0)], available=False)) == sorted(expected)


def test_a_call_counts_at_once(state: EventLog) -> None:
    """Nobody sees an item between two rows of one call: out and in is no change, two drops are one, up and down is neither."""
    gone, back = ItemUpdate(SOFA, available=False), ItemUpdate(SOFA, available=True)
    assert after(state, [gone, back]) == []
    cheaper = [ItemUpdate(SOFA, price=price) for price in (90.0, 80.0)]
    assert after(state, cheaper) == [(SOFA, DROP, 100.0, 80.0)]
    assert after(state, [ItemUpdate(SOFA, price=95.0), ItemUpdate(SOFA, price=80.0)]) == [(SOFA, DROP, 100.0, 80.0)]


def test_the_log_wins_over_an_older_catalogue(state: EventLog) -> None:
    """Each call is held against what the log took since the worker last looked, value by value."""
    calls = [
        [ItemUpdate(SOFA, price=80.0)],
        [ItemUpdate(SOFA, available=False)],
        [ItemUpdate(SOFA, price=80.0)],
        [ItemUpdate(SOFA, stock=1.0)],
        [ItemUpdate(SOFA, available=True, price=120.0)],
        [ItemUpdate(SOFA, price=100.0)],
    ]
    assert after(state, *calls) == [(SOFA, DROP, 100.0, 80.0), (SOFA, BACK, None, None), (SOFA, DROP, 120.0, 100.0)]


def test_without_a_catalogue_nothing_is_known_to_change(state: EventLog) -> None:
    """Neither where none is loaded, nor of an item that it does not have."""
    state.add_items([ItemUpdate(SOFA, available=True, price=1.0)], 1)
    state.add_items([ItemUpdate("no such item", price=1.0)], 2, Standing(world([]).catalog, 0, 2))
    state.add_items([], 3, Standing(world([]).catalog, 0, 3))
    assert state.item_changes.since(0) == []


# --- reading and dropping


def test_changes_are_read_from_a_moment_on(state: EventLog) -> None:
    """Those later than the moment, the newest first, with the moment when their update was received."""
    catalog = world([]).catalog
    for at, price in ((10, 800.0), (20, 700.0), (30, 600.0)):
        state.add_items([ItemUpdate(SOFA, price=price), ItemUpdate(GONE, available=at == 20)], at, Standing(catalog, 0, at))
    assert state.item_changes.since(10) == [
        Change(SOFA, 30, "price_drop", 700.0, 600.0),
        Change(GONE, 20, "back_in_stock"),
        Change(SOFA, 20, "price_drop", 800.0, 700.0),
    ]
    assert state.item_changes.since(30) == []
    assert [each.at for each in state.item_changes.since(9)] == [30, 20, 20, 10]


def test_old_changes_are_dropped(state: EventLog) -> None:
    """Those from before a moment go, however many, and nothing else does; who reads an empty log finds and drops none."""
    assert (state.item_changes.since(0), state.item_changes.drop(10)) == ([], 0)
    catalog = world([]).catalog
    for at, price in ((10, 800.0), (20, 700.0)):
        state.add_items([ItemUpdate(SOFA, price=price)], at, Standing(catalog, 0, at))
    assert state.item_changes.drop(10) == 0
    assert state.item_changes.drop(11) == 1
    assert [each.at for each in state.item_changes.since(0)] == [20]
    assert len(state.item_updates(2**62)) == 2


@pytest.mark.long
def test_tens_of_thousands_are_dropped(state: EventLog) -> None:
    """More than one step deletes."""
    items = numbered_items(20_001, price=10.0)
    cheaper = [ItemUpdate(item["item_id"], price=5.0) for item in items]
    state.add_items(cheaper, 10, Standing(world([], items).catalog, 0, 10))
    state.add_items(cheaper[:1], 20, Standing(world([], items).catalog, state.last(), 20))
    assert state.item_changes.drop(20) == 20_001
    assert len(state.item_changes.since(0)) == 1


# --- over HTTP


def test_a_shop_that_changes_items_is_told_what_changed(app: Application) -> None:
    """Back in stock and cheaper, once each; the same call again changes nothing."""
    rows = [{"item_id": GONE, "stock": 4}, {"item_id": SOFA, "price": 850}, {"item_id": "lamp-1", "price": 80}]
    for _ in range(2):
        patch(app, *rows)
        assert of(app) == [(GONE, BACK, None, None), (SOFA, DROP, 900.0, 850.0)]
    patch(app, {"item_id": GONE, "available": False}, {"item_id": SOFA, "price": 900})
    patch(app, *rows)
    assert of(app)[2:] == [(GONE, BACK, None, None), (SOFA, DROP, 900.0, 850.0)]


def test_two_workers_tell_a_change_once(app: Application, other: Application) -> None:
    """Also after each has looked at the shop: what the other took is known when the next is written."""
    for service in (app, other):
        service.service.live.serving()
    for service in (app, other, app):
        patch(service, {"item_id": GONE, "available": True}, {"item_id": SOFA, "price": 800})
    assert of(app) == [(GONE, BACK, None, None), (SOFA, DROP, 900.0, 800.0)]


def test_workers_that_race_tell_a_change_once(app: Application, other: Application) -> None:
    """Both say the same in the same moment, over and over: whoever writes second changes nothing."""
    rounds = 20
    start = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def work(service: Application) -> None:
        for number in range(rounds):
            start.wait()
            patch(service, {"item_id": GONE, "available": number % 2 == 0}, {"item_id": SOFA, "price": 800 - 20 * number})

    threads = [threading.Thread(target=work, args=(service,)) for service in (app, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = of(app)
    drops = [each[2:] for each in found if each[1] == DROP]
    prices = [900.0, *(800.0 - 20 * number for number in range(rounds))]
    assert drops == list(pairwise(prices))
    assert [each for each in found if each[1] == BACK] == [(GONE, BACK, None, None)] * (rounds // 2)


def test_what_the_shop_exported_since_is_no_change(shop: Shop, tmp_path: Path) -> None:
    """A snapshot made of newer tables brings an item back without a word; from then on its catalogue is what counts, and not
    what the log took before."""
    shop.toml = f"data.export_hours = 0\n{shop.toml}"
    shop.add(*busy_events())
    shop.publish()
    worker = intake(shop.folder / "artifacts", tmp_path)
    patch(worker, {"item_id": SOFA, "available": False, "price": 500})
    shop.items = [{**item, "available": True} for item in shop.items]
    shop.publish(ago(days=-1))
    worker.service.live.refresh()
    patch(worker, {"item_id": SOFA, "available": True}, {"item_id": GONE, "available": True})
    assert of(worker) == [(SOFA, DROP, 900.0, 500.0)]
    patch(worker, {"item_id": SOFA, "price": 880})
    assert of(worker)[1:] == [(SOFA, DROP, 900.0, 880.0)]


# --- whoever takes a call


class Worker:
    """One worker's catalogue, which takes the log's updates in when it looks."""

    def __init__(self, state: EventLog) -> None:
        self.state, self.sequence = state, 0
        self.catalog = Catalog(ARRAYS)

    def look(self, notes_it: bool) -> None:
        """Lay the log over the catalogue; who does not note up to where is a worker whose log grew while it looked."""
        last = self.state.last()
        for each in self.state.news(0).shared:
            assert isinstance(each.row, ItemUpdate)
            overlay(self.catalog, each.row, each.seq)
        self.sequence = last if notes_it else self.sequence


class Plain:
    """The same said plainly: one catalogue that knows every call."""

    def __init__(self) -> None:
        self.available, self.price = {SOFA: True, GONE: False}, {SOFA: 900.0, GONE: 60.0}

    def take(self, updates: Sequence[ItemUpdate]) -> Iterator[tuple[str, str]]:
        """Apply a call, and tell what it changed."""
        available, price = dict(self.available), dict(self.price)
        for each in updates:
            if each.stock is not None:
                self.available[each.item_id] = each.stock > 0
            if each.available is not None:
                self.available[each.item_id] = each.available
            if each.price is not None:
                self.price[each.item_id] = each.price
        for item_id in available:
            if self.available[item_id] > available[item_id]:
                yield item_id, BACK
            if self.price[item_id] < price[item_id]:
                yield item_id, DROP
            if self.price[item_id] > price[item_id]:
                yield item_id, RISE


item_updates = st.builds(
    ItemUpdate,
    st.sampled_from([SOFA, GONE]),
    available=st.none() | st.booleans(),
    stock=st.none() | st.sampled_from([0.0, 2.0]),
    price=st.none() | st.sampled_from([40.0, 60.0, 900.0]),
)
looks = st.sampled_from(["no", "yes", "late"])
some_calls = st.lists(st.tuples(st.integers(0, 2), looks, st.lists(item_updates, min_size=1, max_size=3)), max_size=10)


@settings(calm, max_examples=50)
@given(some_calls)
def test_it_does_not_matter_who_takes_a_call(taken: list[tuple[int, str, list[ItemUpdate]]]) -> None:
    """Three workers, each of which looks at the log when it likes, tell what one that knows everything tells."""
    with TemporaryDirectory() as folder, closing(log_in(Path(folder))) as state:
        workers, plain = [Worker(state) for _ in range(3)], Plain()
        for at, (number, looked, updates) in enumerate(taken, 1):
            worker = workers[number]
            if looked != "no":
                worker.look(looked == "yes")
            state.add_items(updates, at, Standing(worker.catalog, worker.sequence, at))
            found = [(each.item_id, each.change) for each in state.item_changes.since(at - 1)]
            assert sorted(found) == sorted(plain.take(updates))
