"""Columns of shops whose names or values look like something that they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.onboarding.files import look_at
from training.onboarding.names import named
from training.onboarding.proposals import propose


@pytest.mark.parametrize(
    ("table", "columns", "told"),
    [
        ("events", ("Product", "Sales"), {"item_id": "Product", "amount": "Sales"}),
        ("events", ("sku", "orders", "revenue"), {"item_id": "sku", "amount": "revenue"}),
        ("events", ("sku", "Purchase", "order count"), {"item_id": "sku"}),
        ("events", ("Number of items", "order price"), {}),
        ("events", ("sku", "Line Price"), {"item_id": "sku", "amount": "Line Price"}),
        ("events", ("sku", "Lineitem price"), {"item_id": "sku", "price": "Lineitem price"}),
        ("events", ("Référence", "N° commande", "Nom"), {"item_id": "Référence", "order_id": "N° commande"}),
        ("events", ("Artikelnummer", "Naam"), {"item_id": "Artikelnummer"}),
        ("events", ("Producto", "Fecha de compra"), {"item_id": "Producto", "timestamp": "Fecha de compra"}),
        ("items", ("sku", "Product Group", "Model"), {"item_id": "sku", "category": "Product Group"}),
        ("items", ("sku", "Purchase Price"), {"item_id": "sku"}),
        ("items", ("sku", "Naam", "item_group_id"), {"item_id": "sku", "title": "Naam", "group_id": "item_group_id"}),
    ],
)  # fmt: skip
def test_a_name_that_may_say_something_else_is_not_taken(table: str, columns: tuple[str, ...], told: dict[str, str]) -> None:
    """Counts, sums, people's names, product groups and costs are no ids, prices, titles or variants."""
    assert named(table, columns, {"timestamp": ["Fecha de compra"]}) == told


def _proposed(folder: Path, head: str, rows: list[str]) -> dict[str, Any]:
    (folder / "file.csv").write_text("\n".join([head, *rows]) + "\n")
    seen, _ = look_at([folder / "file.csv"], folder)
    found = propose(seen[0])
    assert found
    return {**found.settings, "unsure": found.unsure}


@pytest.mark.parametrize("cell", ["color: red; size: M", '"10 x 20,30 x 40"'])
def test_packed_text_that_is_no_list_of_items_stays_a_cell(tmp_path: Path, cell: str) -> None:
    """Options and sizes of one item are packed as items are; the item's own column stays the item's."""
    rows = [f"u{at},2026-11-0{at},view,{cell},P{at}" for at in range(1, 9)]
    found = _proposed(tmp_path, "user_id,timestamp,event_type,about,product_id", rows)
    assert found["columns"]["item_id"] == "product_id"
    assert "unnest" not in found


def test_a_price_of_a_sale_that_holds_zeros_is_not_used(tmp_path: Path) -> None:
    """0 says that there is no sale in many exports; taken for the price, it would give the item away."""
    rows = [f"P{at},Thing {at},{at}.50,{0 if at % 2 else 1}" for at in range(1, 9)]
    found = _proposed(tmp_path, "sku,title,price,sale price", rows)
    assert found["columns"]["price"] == "price"
    assert any("sale price is not used" in each for each in found["unsure"])
