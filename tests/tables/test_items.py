"""The catalogue's rows: from the item table, from events, and in one currency."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from recsys.types import DataError
from tests.support.shops.shop_tables import NOON, Rows, an_event, read_rows, the_finding


def test_items_are_built_from_events_where_there_is_no_item_table(tmp_path: Path) -> None:
    """The last seen title, price, brand and category count; a null does not undo what was seen before."""
    rows = [
        an_event(price=10.0, brand="Oak", title="Old", category="Home > Sofas"),
        an_event(price=12.0, brand=None, title="New", category="Home>Sofas ", timestamp=NOON + timedelta(days=1)),
        an_event(item_id=None, event_type="home_view", brand=None, price=None, title=None, category=None),
    ]
    [item] = read_rows(tmp_path, rows).items.to_dicts()
    assert {name: value for name, value in item.items() if value is not None} == {
        "item_id": "sofa",
        "title": "New",
        "category": "Home > Sofas",
        "brand": "Oak",
        "price": 12.0,
        "available": True,
    }


def test_what_the_item_table_lacks_comes_from_events(tmp_path: Path) -> None:
    """Without a price column in the item table, the last seen price counts; items nobody touched stay."""
    shop = read_rows(
        tmp_path,
        [an_event(price=10.0, brand="Event")],
        items=[{"item_id": "sofa", "brand": "Table"}, {"item_id": "bed", "brand": None}],
    )
    assert shop.items.select("item_id", "brand", "price").rows() == [("bed", None, None), ("sofa", "Table", 10.0)]


def test_of_several_rows_for_an_item_the_last_wins(tmp_path: Path) -> None:
    """Later rows replace earlier ones whole; the finding says how many."""
    shop = read_rows(
        tmp_path,
        [an_event()],
        items=[{"item_id": "sofa", "title": "A", "stock": 1}, {"item_id": "sofa", "title": "B", "stock": 0}],
    )
    assert shop.items.select("title", "available").rows() == [("B", False)]
    assert the_finding(shop, "item_id is unique").rows == 1
    assert shop.counts["items"].duplicates == 1


def test_of_several_rows_for_an_item_the_newest_wins(tmp_path: Path) -> None:
    """By `as_of`, wherever it stands; a row without it is older than those that have it."""
    items: Rows = [
        {"item_id": "sofa", "title": "now", "as_of": NOON},
        {"item_id": "sofa", "title": "before", "as_of": NOON - timedelta(days=1)},
        {"item_id": "sofa", "title": "some day", "as_of": None},
    ]
    shop = read_rows(tmp_path, [an_event()], items=items)
    assert shop.items.select("title", "as_of").rows() == [("now", NOON)]


def test_events_of_unlisted_items_stay_and_are_noted(tmp_path: Path) -> None:
    """An item that the item table lacks keeps its events; nothing is changed, but said."""
    shop = read_rows(tmp_path, [an_event(), an_event(item_id="gone")], items=[{"item_id": "sofa"}])
    assert shop.events.collect()["item_id"].to_list() == ["sofa", "gone"]
    found = the_finding(shop, "is in the item table")
    assert (found.level, found.rows, found.example) == ("note", 1, "xxxx (1 ids)")


def test_a_mix_of_currencies_stops_the_job(tmp_path: Path) -> None:
    """The error names both currencies and their rows."""
    items = [{"item_id": "a", "currency": "EUR"}, {"item_id": "b", "currency": "EUR"}, {"item_id": "c", "currency": "USD"}]
    with pytest.raises(DataError, match=re.escape("EUR in 2 rows and USD in 1 rows")):
        read_rows(tmp_path, [an_event()], items=items)
    with pytest.raises(DataError, match=re.escape("`data.currency` is GBP")):
        read_rows(tmp_path, [an_event()], "data.currency = 'GBP'\n", items=items[:1])


def test_event_prices_in_another_currency_are_dropped(tmp_path: Path) -> None:
    """They count in no revenue and price no item; those without a currency are in the catalogue's."""
    rows = [
        an_event(price=5.0, currency="EUR"),
        an_event(item_id="bed", price=6.0, currency="USD", discount=1.0),
        an_event(item_id="lamp", price=7.0),
    ]
    shop = read_rows(tmp_path, rows, "data.currency = 'EUR'\n")
    assert shop.events.select("price", "discount").collect().rows() == [(5.0, None), (None, None), (7.0, None)]
    assert shop.items.select("item_id", "price", "currency").rows() == [
        ("bed", None, "EUR"),
        ("lamp", 7.0, "EUR"),
        ("sofa", 5.0, "EUR"),
    ]
    assert the_finding(shop, "prices are in EUR").example == "USD"


def test_ids_that_nearly_match_are_said(tmp_path: Path) -> None:
    """Where letter case, blanks, .0 or leading zeros keep events from their items, the finding names the setting."""
    rows = [an_event(item_id=item, order_id=item) for item in ("71.0", " qx-1", "0880", "gone")]
    shop = read_rows(tmp_path, rows, items=[{"item_id": "0071"}, {"item_id": "QX-1"}, {"item_id": "880"}])
    found = the_finding(shop, "is in the item table")
    assert found.rows == 4
    assert '`data.ids.item = ["trim", "lower", "whole", "unpad"]`: 3 events would match' in found.advice


def test_an_item_of_events_keeps_its_last_price(tmp_path: Path) -> None:
    """Of two prices at one time the row further down counts; an event without one takes none away, and an item may have none."""
    later = NOON + timedelta(hours=1)
    rows: Rows = [
        {"item_id": "sofa", "price": 9.0, "timestamp": later},
        {"item_id": "sofa", "price": 8.0, "timestamp": later},
        {"item_id": "sofa", "price": 7.0},
        {"item_id": "sofa", "price": None, "timestamp": later + timedelta(hours=1)},
        {"item_id": "lamp", "price": None},
    ]
    shop = read_rows(tmp_path, [an_event(user_id=f"u{at}", **row) for at, row in enumerate(rows)])
    assert dict(shop.items.select("item_id", "price").rows()) == {"lamp": None, "sofa": 8.0}
