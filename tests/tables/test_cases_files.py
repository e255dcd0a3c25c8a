"""Cases of files: orders, products and facts that are not one row each."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.types import DataError
from tests.support.cases import as_it_comes, case, needs_cases

pytestmark = needs_cases


@pytest.mark.long
def test_what_stands_on_an_orders_first_line_holds_for_it(tmp_path: Path) -> None:
    """State, currency and cancellation of the first line are the order's, with all of its lines."""
    shop = case("files-01-order-fields-on-first-line", tmp_path)
    orders = shop.shop.events.select("order_id").unique().collect()["order_id"].to_list()
    assert {"N3", "N4"}.isdisjoint(orders)
    assert {"N1", "N2", "N6"} <= set(orders)
    assert ("kim@shop.invalid", "N2", "SPOON", 4.0) in shop.events("user_id", "order_id", "item_id", "price")
    assert [price for order, price in shop.events("order_id", "price") if order == "N6"] == [None, None]
    assert shop.shop.events.filter(order_id="N1").select("price", "quantity").collect().rows() == [(30.0, 1.0), (8.0, 2.0)]
    assert shop.profile("kim@shop.invalid")["orders"] == 2
    assert (shop.profile("lee@shop.invalid")["orders"], shop.profile("lee@shop.invalid")["revenue"]) == (0, None)
    assert shop.profile("max@shop.invalid")["orders"] == 0
    assert set(shop.listed()) <= {"TEAPOT", "CUP", "SPOON", "TRAY"}


def test_further_lines_of_an_order_may_repeat_nothing(tmp_path: Path) -> None:
    """Five rows, two orders, none bad."""
    shop = case("files-02-blank-continuation-lines", tmp_path)
    assert shop.shop.findings == ()
    assert (shop.shop.counts["events"].kept, shop.shop.counts["events"].rejected) == (5, 0)
    assert shop.profile("b1")["orders"] == shop.profile("b2")["orders"] == 1
    assert (shop.profile("b1")["revenue"], shop.profile("b2")["revenue"]) == (52.0, 19.0)


def test_variants_inherit_what_their_product_says(tmp_path: Path) -> None:
    """Name, maker, shelf and state stand on the first row; pictures and vouchers are no items, drafts are never shown."""
    shop = case("files-03-variant-rows-inherit", tmp_path)
    assert shop.items("item_id", "title", "brand", "category", "available") == [
        ("CLOCK", "Wall clock", "Tick", "Home > Clocks", False),
        ("LAMP-B", "Desk lamp", "Glow", "Home > Lamps", False),
        ("LAMP-G", "Desk lamp", "Glow", "Home > Lamps", True),
        ("LAMP-W", "Desk lamp", "Glow", "Home > Lamps", True),
        ("RUG-1", "Wool rug", "Weft", "Home > Rugs", False),
    ]
    assert (shop.shop.counts["items"].rejected, shop.shop.counts["items"].left_out) == (0, 3)
    [shown] = shop.listed()
    assert shown in ("LAMP-W", "LAMP-G")


def test_lines_packed_into_one_cell_are_lines(tmp_path: Path) -> None:
    """With their quantities and totals; an order that was cancelled counts in nothing."""
    shop = case("files-04-all-lines-in-one-cell", tmp_path)
    assert shop.events("order_id", "item_id", "quantity", "price") == [
        ("9001", "HAT-1", 1.0, 18.0),
        ("9001", "MIT-1", 2.0, 12.0),
        ("9003", "MIT-1", 1.0, 12.0),
    ]
    assert (shop.profile("55")["orders"], shop.profile("55")["revenue"]) == (1, 42.0)
    assert set(shop.listed()) == {"MIT-1", "HAT-1"}


def test_a_whole_cell_is_no_item(tmp_path: Path) -> None:
    """With the settings that it came with the job stops, and says what to write."""
    with pytest.raises(DataError, match=r"“holds one item”.*`unnest`"):
        _ = as_it_comes("files-04-all-lines-in-one-cell", tmp_path).shop


@pytest.mark.long
def test_lines_find_their_order_and_its_person(tmp_path: Path) -> None:
    """Who and when come from two other tables; the cancelled order counts in nothing."""
    shop = case("files-08-lines-heads-people-in-three-tables", tmp_path)
    found = {(user, order) for user, order in shop.events("user_id", "order_id")}
    assert found == {("p-1", "h1"), ("p-1", "h2")}
    assert shop.profile("p-1")["orders"] == 2
    assert shop.profile("p-2")["known"] is False


def test_of_facts_in_long_form_the_newest_counts(tmp_path: Path) -> None:
    """LIME was taken off after it was put on, though that row stands before."""
    shop = case("files-09-one-property-a-row", tmp_path)
    assert shop.items("item_id", "category", "price", "available") == [
        ("KIWI", "41", None, True),
        ("LIME", "40", 3.2, False),
    ]
    assert "LIME" not in [*shop.listed(), *shop.bestsellers()]
    assert "KIWI" in shop.listed()
    assert [guess.pin for guess in shop.shop.guesses] == ['data.items.time_unit = "ms"']


def test_a_web_analytics_export_as_it_comes(tmp_path: Path) -> None:
    """Nested items are items, and the numbers of its times are told."""
    shop = case("files-07-nested-items", tmp_path, max_rejected_share=0.5)
    found = shop.events("event_type", "item_id", "order_id", "price")
    assert ("view", "PAN", None, 24.0) in found
    assert [row for row in found if row[0] == "impression"] == [
        ("impression", "PAN", None, 24.0),
        ("impression", "POT", None, 15.0),
    ]
    assert {row for row in found if row[0] == "purchase"} == {
        ("purchase", "PAN", "Q7", 24.0),
        ("purchase", "POT", "Q7", 15.0),
    }
    assert shop.items("item_id", "title", "category", "price") == [
        ("PAN", "Pan", "Pans", 24.0),
        ("POT", "Pot", "Pots", 15.0),
    ]


def test_findings_of_cases_repeat_no_customer(tmp_path: Path) -> None:
    """No mail address, no order number and no id stands in what is said."""
    for name in ("files-01-order-fields-on-first-line", "files-08-lines-heads-people-in-three-tables"):
        said = str(case(name, tmp_path).shop.findings)
        assert not [word for word in ("kim", "pat", "lee", "p-1", "h1,", "TEAPOT", "VASE") if word in said]
