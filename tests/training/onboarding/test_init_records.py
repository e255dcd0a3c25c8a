"""Exports whose rows are no plain lines, items or people: several items in a cell, kinds of documents, heads above their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (("Angebot", "Auftrag", "Lieferschein", "Rechnung", "Gutschrift"), ("", "", "", "purchase", "refund")),
        (("Quote", "Sales Order", "Delivery Note", "Sales Invoice", "Credit Note"), ("", "", "", "purchase", "refund")),
        (("Offerte", "Order", "Pakbon"), ("", "purchase", "")),
        (("Devis", "Commande", "Bon de livraison"), ("", "purchase", "")),
    ],
)
def test_one_kind_of_document_is_the_sale(tmp_path: Path, words: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """A sale of which a quote, an order, a delivery and an invoice are told would count four times."""
    rows = [f"{word},{word[:2]}{at},{DAY},C{at % 9},P{at % 7},1,6.25" for at in range(20) for word in words]
    found = read_proposal(tmp_path, "Document Type,Document No,Date,Customer,Item Code,Qty,Price", rows)
    said = ", ".join(f'"{word}" = "{kind}"' for word, kind in zip(words, kinds, strict=True))
    assert any(f"event_types = {{ {said} }}" in each for each in found["unsure"])


def test_credit_notes_are_taken_off_what_was_bought(tmp_path: Path) -> None:
    """By the sign of their quantity: a state that says so too would leave them out."""
    rows = [f"C{at % 9},P{at % 7},{DAY},R{at},{'1,bezahlt' if at % 8 else '-1,Gutschrift'},6.25" for at in range(64)]
    found = read_proposal(tmp_path, "Customer,SKU,Date,Order,Quantity,Status,Price", rows)
    assert (found["void_orders"], found["yes"]) == (["Status"], ["Gutschrift"])
    rows = [row.replace("-1,Gutschrift", f"{'-' if at % 16 else ''}1,Gutschrift") for at, row in enumerate(rows)]
    (tmp_path / "both").mkdir()
    assert "yes" not in read_proposal(tmp_path / "both", "Customer,SKU,Date,Order,Quantity,Status,Price", rows)


@pytest.mark.parametrize(
    ("column", "cells", "kept"),
    [
        (
            "deleted_at",
            ("2026-10-01 00:00:00", "NULL"),
            '[{ column = "deleted_at", empty = true }]`, and `null_values = ["NULL"]`',
        ),
        ("Löschvormerkung", ("X", ""), '[{ column = "Löschvormerkung", empty = true }]`'),
        ("Discontinued", ("TRUE", "FALSE"), '[{ column = "Discontinued", one_of = ["true"], not = true }]`'),
        ("Lifecycle", ("End of life", "Active"), "map it to `available`"),
    ],
)
def test_what_is_gone_is_asked_about(tmp_path: Path, column: str, cells: tuple[str, str], kept: str) -> None:
    """A catalogue that keeps what was deleted would have it recommended."""
    rows = [f"P{at},Tea {at},9.50,{cells[at % 4 > 0]}" for at in range(20)]
    found = read_proposal(tmp_path, f"sku,title,price,{column}", rows)
    assert any(each.startswith(f"{column} ") and kept in each for each in found["unsure"])
