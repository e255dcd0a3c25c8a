"""Refunds under another id than the buyer's: whose they are, in the rows that every fit reads and in all events."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys.live.databases import log_in
from recsys.settings import BehaviourSettings
from recsys.snapshot.catalog import Catalog, catalog_arrays
from recsys.types import Event
from tests.conftest import micros
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding
from training.report.customers import order_lines

LATER = NOON + timedelta(days=2)
TOLD, UNTOLD = "is under the buyer's id", "is of one shopper alone"


def bought(user: str | None, order: str = "R-1", item: str = "sofa", days: float = 0) -> dict[str, Any]:
    """A purchase of two pieces."""
    at = NOON + timedelta(days=days)
    return an_event(
        user_id=user, item_id=item, event_type="purchase", order_id=order, quantity=2.0, price=30.0, timestamp=at
    )


def refund(user: str | None, item: str | None = "sofa", order: str = "R-1", days: float = 2) -> dict[str, Any]:
    """A refund of one piece, or of the whole order."""
    at = NOON + timedelta(days=days)
    return bought(user, order) | {"event_type": "refund", "item_id": item, "quantity": 1.0, "timestamp": at}


def owner_of(folder: Path, *rows: dict[str, Any]) -> str | None:
    """The user of the only refund, which is one and the same in all that is read."""
    shop = read_rows(folder, list(rows))
    [user], [again] = (
        frame.collect().filter(event_type="refund")["user_id"].to_list() for frame in (shop.events, shop.rows)
    )
    assert user == again
    return None if user is None else str(user)


@pytest.mark.parametrize("item", ["sofa", None])
@pytest.mark.parametrize("sender", ["server", None])
def test_a_refund_of_one_other_shoppers_order_is_theirs(tmp_path: Path, sender: str | None, item: str | None) -> None:
    """Whoever sent it who never bought anything: a server, or nobody."""
    rows = [bought("anna"), bought("ben", "R-2"), refund(sender, item)]
    assert owner_of(tmp_path, *rows) == "anna"
    shop = read_rows(tmp_path, rows)
    assert (the_finding(shop, TOLD).rows, the_finding(shop, TOLD).level) == (1, "note")
    lines = order_lines(shop.events, Catalog(catalog_arrays(shop.items, shop.currency)), BehaviourSettings())
    assert lines.filter(user_id="anna")["revenue"].sum() == (30.0 if item else 0.0)


def test_a_refund_of_ones_own_order_stays(tmp_path: Path) -> None:
    """Also where another shopper has an order of that number, as in two stores."""
    assert owner_of(tmp_path, bought("anna"), bought("ben"), refund("ben")) == "ben"


@pytest.mark.parametrize(
    "rows",
    [
        (bought("anna"), bought("ben"), refund("server")),
        (bought("anna"), bought(None), refund("server")),
        (bought("anna", item="lamp"), refund("server")),
        (bought("anna"), bought("server", "R-2"), refund("server", None)),
        (bought("anna"), bought("server", "R-2") | {"quantity": 0.0}, refund("server")),
    ],
)
def test_a_refund_whose_buyer_cannot_be_told_is_told(tmp_path: Path, rows: tuple[dict[str, Any], ...]) -> None:
    """An order id of several shoppers, an order without the item, or a shopper with orders of their own, which may be one of another
    year: it stays whose it was."""
    assert owner_of(tmp_path, *rows) == "server"
    assert the_finding(read_rows(tmp_path, list(rows)), UNTOLD).rows == 1


@pytest.mark.parametrize(
    "rows", [(bought("anna", days=3), refund("server")), (bought("anna"), refund("server", order="R-9"))]
)
def test_a_refund_of_an_order_that_nobody_has_yet_stays(tmp_path: Path, rows: tuple[dict[str, Any], ...]) -> None:
    """What comes later tells nothing, so that an earlier moment is told as it was."""
    assert owner_of(tmp_path, *rows) == "server"
    assert read_rows(tmp_path, list(rows)).findings == ()


def test_a_guests_order_is_given_back_by_whoever_sends_it(tmp_path: Path) -> None:
    """It counts among the sold units of nobody's orders."""
    assert owner_of(tmp_path, bought(None), bought("anna", "R-2"), refund("server")) is None


def test_a_refund_that_came_in_live_is_the_buyers_from_the_next_training_on(tmp_path: Path) -> None:
    """The log's rows are read with the shop's."""
    back = Event(
        event_id="e-1", user_id="server", event_type="refund", timestamp=micros(LATER), item_id="sofa", order_id="R-1"
    )
    log_in(tmp_path / "state").add_events([back], 0)
    assert read_rows(tmp_path, [bought("anna")]).events.collect().filter(event_type="refund")["user_id"].to_list() == [
        "anna"
    ]
