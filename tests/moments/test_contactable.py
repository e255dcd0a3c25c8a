"""Everybody whom the shop may write to, as arrays: they say of each what one look at the history says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.moments.contactable import ContactIndex
from recsys.orders import revenue_of
from recsys.snapshot.histories import NEVER
from recsys.snapshot.id_index import IdMap, id_arrays
from recsys.types import EventType, Link
from tests.conftest import NOW, Shop, ago, busy_events, event, micros
from tests.support.shops.handmade import calm, shop_of
from tests.support.shops.moment_shop import MomentShop, Worker, user

IDS = st.lists(st.text("abcé🦊", max_size=4), max_size=12, unique=True)


@calm
@given(IDS, IDS)
def test_rows_of_one_map_in_another(here: list[str], there: list[str]) -> None:
    """Each id's row in the other map, -1 where it is not there."""
    one, other = IdMap(id_arrays(here, "x"), "x"), IdMap(id_arrays(there, "y"), "y")
    assert one.rows_in(other).tolist() == [there.index(text) if text in there else -1 for text in here]


@pytest.mark.parametrize("name", ["busy", "crowd", "empty", "one user", "views only"])
def test_all_histories_at_once_say_what_each_says(name: str) -> None:
    """Last event, last order, number of orders and revenue of everybody are those of the histories one by one."""
    histories = shop_of(name).histories
    each = [histories.at(row) for row in range(len(histories))]
    owned = [history.owned for history in each]
    assert histories.last_seen.tolist() == [int(history.times[-1]) if len(history) else NEVER for history in each]
    assert histories.last_order.tolist() == [
        NEVER if one is None or one.last_order is None else one.last_order for one in owned
    ]
    assert histories.order_count.tolist() == [0 if one is None else one.orders for one in owned]
    assert histories.revenue().tolist() == pytest.approx([revenue_of(history) or 0 for history in each])


def test_who_cared_for_an_item() -> None:
    """Rows of those who viewed or carted it later than a moment, not of those who only bought it."""
    made = shop_of("crowd")
    for item in ("i00", "i07", "i31"):
        wanted = np.zeros(made.catalog.n_items, bool)
        [row] = made.rows(item)
        wanted[row] = True
        since = micros(ago(days=40))
        expected = []
        for person in range(len(made.histories)):
            history = made.histories.at(person)
            looks = np.isin(history.kinds, (3, 4)) & (history.items == row) & (history.times > since)
            expected += [person] if looks.any() else []
        assert made.histories.who_did((EventType.VIEW, EventType.CART_ADD), since, wanted).tolist() == expected
        assert expected


@pytest.fixture
def worker(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """A worker over the busy shop."""
    folder = tmp_path_factory.mktemp("crowd")
    return Worker(MomentShop(folder, people=[user("user-1"), user("user-2"), user("never seen")]).engine(), folder)


def seen(contact_index: ContactIndex) -> dict[str, int]:
    """When each was last seen, by id."""
    return {contact_index.user_id(place): int(contact_index.last_seen[place]) for place in range(len(contact_index))}


def test_live_events_keep_it_up_to_date(worker: Worker) -> None:
    """Who did something is told, whether it was an order too; a late event changes nobody's last one."""
    contact_index = ContactIndex(worker.engine.snapshot, "required")
    before = seen(contact_index)
    assert before["never seen"] == NEVER
    assert contact_index.catch_up(worker.serving, worker.state).tolist() == []
    worker.post(
        event("user-1", "sofa-1", "purchase", NOW), event("user-2", "sofa-1", at=ago(days=300)), event("bob", "sofa-1")
    )
    changed = [contact_index.user_id(place) for place in contact_index.catch_up(worker.serving, worker.state).tolist()]
    assert sorted(changed) == ["user-1", "user-2"]
    assert seen(contact_index) == before | {"user-1": micros(NOW)}
    assert [contact_index.user_id(place) for place in np.flatnonzero(contact_index.ordered).tolist()] == ["user-1"]
    assert contact_index.catch_up(worker.serving, worker.state).tolist() == []


def test_what_is_done_under_an_id_is_its_users(worker: Worker) -> None:
    """A link brings what was done under the id; of an id of several users each gets what was theirs."""
    contact_index = ContactIndex(worker.engine.snapshot, "required")
    worker.post(event("phone", "sofa-1", at=NOW))
    worker.state.add_links([Link("phone", "never seen", micros(ago(minutes=9)))], 1)
    worker.serving.catch_up()
    contact_index.catch_up(worker.serving, worker.state)
    assert seen(contact_index)["never seen"] == micros(NOW)
    assert contact_index.ordered[contact_index.place("never seen")]  # the id may have ordered before
    worker.state.add_links([Link("phone", "user-2", micros(NOW + timedelta(minutes=9)))], 1)
    worker.post(
        event("phone", "sofa-1", at=NOW + timedelta(minutes=5)), event("phone", "sofa-1", at=NOW + timedelta(minutes=10))
    )
    worker.serving.catch_up()
    contact_index.catch_up(worker.serving, worker.state)
    found = seen(contact_index)
    assert (found["never seen"], found["user-2"]) == (
        micros(NOW + timedelta(minutes=5)),
        micros(NOW + timedelta(minutes=10)),
    )


def test_nobody_is_no_newcomer(tmp_path: Path) -> None:
    """Where consent is assumed and there is no user table everybody with an event counts, and nobody is not somebody."""
    shop = Shop(tmp_path, busy_events())
    worker = Worker(shop.engine(), tmp_path)
    contact_index = ContactIndex(worker.engine.snapshot, "assumed")
    worker.post(event("guest", "sofa-1", "cart_add", NOW), event("bob", "sofa-1", "cart_add", NOW))
    contact_index.catch_up(worker.serving, worker.state)
    assert ("guest" in seen(contact_index), "bob" in seen(contact_index)) == (False, True)


def test_who_did_something_is_found_by_history_alone(worker: Worker) -> None:
    """People who did one of some things later than a moment are those whose history says so; who never came did nothing."""
    contact_index, histories = ContactIndex(worker.engine.snapshot, "required"), worker.engine.snapshot.histories
    found: dict[str, tuple[bool, int, int]] = {}
    bought = contact_index.who_did((EventType.PURCHASE,), NEVER)
    for place in range(len(contact_index)):
        orders, last = int(contact_index.orders[place]), int(contact_index.last_order[place])
        found[contact_index.user_id(place)] = (bool(bought[place]), orders, last)
    expected: dict[str, tuple[bool, int, int]] = {}
    for name in ("user-1", "user-2", "never seen"):
        history = histories.of(name)
        times = history.times[history.kinds == EventType.PURCHASE]
        orders = history.owned.orders if history.owned else 0
        expected[name] = (len(times) > 0, orders, int(times[-1]) if len(times) else NEVER)
    assert found == expected
    assert expected["user-1"][0]
    assert expected["never seen"] == (False, 0, NEVER)


def test_people_of_a_shop_where_nobody_was_yet(tmp_path: Path) -> None:
    """A shop that opens today has people to write to, who did and ordered nothing; the first of them to come is seen."""
    shop = MomentShop(tmp_path, people=[user("user-1"), user("never seen")])
    shop.events = [event("guest", "sofa-1", at=ago(days=1))]
    worker = Worker(shop.engine(), tmp_path)
    assert len(worker.engine.snapshot.histories) == 0
    contact_index = ContactIndex(worker.engine.snapshot, "required")
    assert seen(contact_index) == {"user-1": NEVER, "never seen": NEVER}
    assert not contact_index.who_did((EventType.VIEW,), NEVER).any()
    worker.post(event("user-1", "sofa-1", "purchase", NOW))
    contact_index.catch_up(worker.serving, worker.state)
    assert seen(contact_index) == {"user-1": micros(NOW), "never seen": NEVER}


def test_somebody_known_is_no_newcomer(tmp_path: Path) -> None:
    """Where everybody counts, each has one place, however often they come."""
    worker = Worker(Shop(tmp_path, busy_events()).engine(), tmp_path)
    contact_index = ContactIndex(worker.engine.snapshot, "assumed")
    people = [contact_index.user_id(place) for place in range(len(contact_index))]
    for _ in range(2):
        worker.post(*(event(name, "sofa-1", "cart_add", NOW) for name in [*people, "bob"]))
        contact_index.catch_up(worker.serving, worker.state)
    assert [contact_index.user_id(place) for place in range(len(contact_index))] == [*people, "bob"]
