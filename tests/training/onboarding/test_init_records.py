"""Exports whose rows are no plain lines, items or people: several items in a cell, kinds of documents, heads above their lines."""

from __future__ import annotations

from pathlib import Path

from tests.training.onboarding.test_init_misreadings import read_proposal

DAY = "2026-11-01T10:00:00Z"


def test_products_of_an_order_are_unfolded_as_woocommerce_writes_them(tmp_path: Path) -> None:
    """`1× Tea, 3× Cup`: the money beside them is the order's, and no name of our own is asked about."""
    rows = [
        f'2026-11-{at % 28 + 1:02},{at},{at % 9}@x.de,"{at % 3 + 1}× Tea {at % 5}, 3× Cup {at % 7}",48.25'
        for at in range(30)
    ]
    found = read_proposal(tmp_path, "Date,Order #,Email,Product(s),N. Revenue", rows)
    assert found["unnest"] == {"column": "Product(s)", "between": ",", "fields": "× ", "names": ("quantity", "sku")}
    assert not {"amount", "price"} & {*found["columns"]}
    assert any("no column is told to be a price" in each for each in found["unsure"])
    assert not any("Revenue" in each or "__whole" in each for each in found["unsure"])
