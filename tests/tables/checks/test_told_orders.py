"""Orders that may mean something else than they say: refunds worth less than their order, ids that no two kinds of events share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from tests.support.shops.shop_tables import an_event, read_rows, the_finding

LESS, BOTH = "is given back whole by a refund", "is of some item both looked at and bought"


def order(value: float | None, **line: Any) -> list[dict[str, Any]]:
    """Two lines that come to 24 and 6, and a refund of all, worth so much."""
    bought = an_event(event_type="purchase", order_id="o", quantity=2.0, price=12.0)
    back = bought | {"item_id": None, "event_type": "refund", "quantity": None, "price": value}
    return [bought, bought | {"item_id": "lamp", "quantity": None, "price": 6.0, **line}, back]


@pytest.mark.parametrize(("value", "told"), [(3.0, 1), (29.0, 1), (29.9, 0), (30.0, 0), (34.0, 0), (None, 0)])
def test_a_refund_of_a_whole_order_that_is_worth_less_is_told(tmp_path: Path, value: float | None, told: int) -> None:
    """Which lines came back nobody says; what is worth as much, or says no value, is of all of it."""
    assert sum(LESS in each.rule for each in read_rows(tmp_path, order(value)).findings) == told


def test_an_order_whose_worth_is_unknown_tells_nothing(tmp_path: Path) -> None:
    """One line has no price."""
    assert not any(LESS in each.rule for each in read_rows(tmp_path, order(3.0, price=None)).findings)


def seen_and_bought(n: int, bought_as: str) -> list[dict[str, Any]]:
    """Each of so many items looked at, and bought under an id that begins so."""
    views = [an_event(item_id=f"P{at}", user_id=f"u{at}") for at in range(n)]
    return [*views, *(each | {"item_id": f"{bought_as}{at}", "event_type": "purchase"} for at, each in enumerate(views))]


@pytest.mark.parametrize(("n", "bought_as", "told"), [(12, "SKU", 1), (12, "P", 0), (9, "SKU", 0)])
def test_items_that_are_looked_at_under_one_id_and_bought_under_another_are_told(
    tmp_path: Path, n: int, bought_as: str, told: int
) -> None:
    """Of a few items it may be chance."""
    assert sum(BOTH in each.rule for each in read_rows(tmp_path, seen_and_bought(n, bought_as)).findings) == told


def klaviyo(folder: Path, *told: tuple[str, dict[str, Any]]) -> ShopTables:
    """Events of one profile, as Klaviyo tells them: metric and properties."""
    of_one = {"profile": {"data": {"type": "profile", "id": "P1"}}}
    events = [
        {
            "type": "event",
            "id": f"e{at}",
            "attributes": {
                "datetime": f"2026-05-0{at + 1}T10:00:00+00:00",
                "uuid": f"u{at}",
                "event_properties": properties,
            },
            "relationships": of_one,
            "metric_name": metric,
        }
        for at, (metric, properties) in enumerate(told)
    ]
    (folder / "events.ndjson").write_text("\n".join(map(json.dumps, events)))
    return read_shop(parse_settings("[data.events]\npaths = ['events.ndjson']\npreset = 'klaviyo'\n", folder))


def test_an_integration_of_klaviyo_tells_one_item_under_one_id(tmp_path: Path) -> None:
    """What is looked at has a product id alone; what is bought has a SKU, too. A refund's value is read."""
    item = {"Name": "Tea", "ProductID": "8010"}
    line = {**item, "$value": 12.5, "OrderId": "117", "Quantity": 2, "SKU": "TEA-10", "Vendor": "Clay", "ItemPrice": 6.25}
    refund = {"$value": 3.0, "OrderId": "117", "Items": ["Tea"]}
    shop = klaviyo(tmp_path, ("Viewed Product", item), ("Ordered Product", line), ("Refunded Order", refund))
    assert shop.events.select("item_id", "price").collect().rows() == [("8010", None), ("8010", 6.25), (None, 3.0)]
    assert shop.items.select("item_id", "title", "brand").rows() == [("8010", "Tea", "Clay")]
    assert the_finding(shop, LESS).rows == 1
