"""Pieces that were given back or cancelled, as some exports count them beside what was ordered: they are taken off the quantity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.types import DataError
from tests.support.shops.shop_tables import an_event, read_rows

MORE = """
[data.events]
paths = ["events.parquet"]
taken_off = ["refunded", "canceled"]
discounted = false
columns = { price = "cost" }
"""


def line(refunded: Any, canceled: Any = None, quantity: float | None = 5.0, kind: str = "purchase") -> dict[str, Any]:
    """A line of pieces at 10 each, and 5 off all of them."""
    return an_event(event_type=kind, quantity=quantity, refunded=refunded, canceled=canceled, cost=10.0, discount=5.0)


def left(folder: Path, row: dict[str, Any], more: str = MORE) -> tuple[float | None, float | None]:
    """Quantity and price of the only event."""
    [found] = read_rows(folder, [row], more).events.select("quantity", "price").collect().rows()
    return (found[0], found[1])


@pytest.mark.parametrize(
    ("row", "is_left"),
    [
        (line(1, 2), (2.0, 9.0)),
        (line("1.0000", "0.0000"), (4.0, 9.0)),
        (line(-1), (4.0, 9.0)),
        (line(None), (5.0, 9.0)),
        (line(5), (0.0, None)),
        (line(4, 4), (0.0, None)),
        (line(1, quantity=None), (0.0, None)),
        (line(0, quantity=None), (None, 5.0)),
        (line(1, kind="refund"), (5.0, 9.0)),
    ],
)
def test_what_was_given_back_or_cancelled_is_taken_off(
    tmp_path: Path, row: dict[str, Any], is_left: tuple[float | None, float | None]
) -> None:
    """The price of a piece stays: its discount is that of all pieces that were ordered."""
    assert left(tmp_path, row) == is_left


def test_a_number_that_cannot_be_read_leaves_the_quantity_unread(tmp_path: Path) -> None:
    """It is told, and nothing is guessed."""
    shop = read_rows(tmp_path, [line("some"), line("1") | {"user_id": "ben"}], MORE, strict=False)
    assert shop.events.collect()["quantity"].to_list() == [None, 4.0]
    assert [each.rows for each in shop.findings if "quantity" in each.column] == [1]


def test_a_column_that_no_file_has_is_named(tmp_path: Path) -> None:
    """A name of one's own that is not there is a mistake; one of a preset is passed over."""
    with pytest.raises(DataError, match="taken_off"):
        read_rows(tmp_path, [line(1)], MORE.replace("canceled", "lost"))


@pytest.mark.parametrize(("more", "quantity"), [("", 3.0), ("columns = { quantity = 'items.qty_invoiced' }", 4.0)])
def test_who_maps_the_quantity_of_a_preset_says_anew_what_is_taken_off(tmp_path: Path, more: str, quantity: float) -> None:
    """What the preset takes off is of the number of pieces that were ordered."""
    of_line = {"sku": "CUP", "qty_ordered": 4, "qty_invoiced": 4, "qty_refunded": 1, "price": 14}
    stated = {"increment_id": "1", "status": "complete", "created_at": "2026-05-01 08:00:00", "customer_email": "a@x.de"}
    (tmp_path / "orders.json").write_text(json.dumps([{**stated, "order_currency_code": "EUR", "items": [of_line]}]))
    text = f"[data.events]\npaths = ['orders.json']\npreset = 'magento'\n{more}\n"
    assert read_shop(parse_settings(text, tmp_path)).events.collect()["quantity"].to_list() == [quantity]
