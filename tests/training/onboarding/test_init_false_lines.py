"""Rows and columns that look like lines of purchases and are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.onboarding.test_init_misreadings import read_proposal

LINES = [f"O{at},2026-11-0{at}T10:00:00Z,C{at % 3},S{at % 4},{at % 2 + 1},{at}.50" for at in range(1, 9)]
HEAD = "Invoice,Date,Customer,Item,Qty,Price"


@pytest.mark.parametrize("word", ["Total", "Grand total:", "Sub-total", "Summe", "Zwischensumme", "Totaal", "Итого", "合計"])
def test_totals_among_the_lines_are_left_out_and_said(tmp_path: Path, word: str) -> None:
    """A total that has a customer and a moment would count as one more thing bought, at the price of all."""
    totals = [f"O{at},2026-11-0{at}T10:00:00Z,C{at % 3},{word},1,{at}.50" for at in range(1, 9)]
    found = read_proposal(tmp_path, HEAD, [*LINES, *totals])
    assert found["where"] == [{"column": "Item", "one_of": [word], "not": True}]
    assert any(f"Item is “{word}” are totals" in each for each in found["unsure"])


@pytest.mark.parametrize("item", ["Total yoghurt", "SUM-001"])
def test_items_whose_name_begins_like_a_total_stay(tmp_path: Path, item: str) -> None:
    """Only what is nothing but a total is left out."""
    found = read_proposal(tmp_path, HEAD, [*LINES, f"O9,2026-11-09T10:00:00Z,C1,{item},1,2.50"])
    assert "where" not in found


@pytest.mark.parametrize("name", ["valor", "value", "wert", "price"])
def test_ratings_are_no_prices(tmp_path: Path, name: str) -> None:
    """A few small numbers beside nothing of a purchase: what five stars cost is no revenue, and what happened is asked."""
    rows = [f"u{at % 4},m{at % 7},{at % 5 + 1},2026-11-{at % 9 + 10}T10:00:00Z" for at in range(40)]
    found = read_proposal(tmp_path, f"usuario,articulo,{name},fecha", rows)
    assert "price" not in found["columns"]
    assert "constants" not in found


def test_small_prices_beside_an_order_are_prices(tmp_path: Path) -> None:
    """A shop where all costs one to five."""
    rows = [f"u{at % 4},m{at % 7},{at % 5 + 1},2026-11-{at % 9 + 10}T10:00:00Z,O{at}" for at in range(40)]
    assert read_proposal(tmp_path, "user,product,valor,date,order", rows)["columns"]["price"] == "valor"


@pytest.mark.parametrize(("whole", "asked"), [("BUNDLE", True), ("autumn", False)])
def test_parts_of_a_bundle_that_cost_nothing_are_asked_for(tmp_path: Path, whole: str, asked: bool) -> None:
    """They name an item as what they belong to; a gift that names a campaign is none."""
    bundles = [f"O{at},2026-11-0{at}T10:00:00Z,C{at},BUNDLE,1,40.00," for at in range(1, 4)]
    parts = [f"O{at},2026-11-0{at}T10:00:00Z,C{at},PART{at % 2},1,0.00,{whole}" for at in range(1, 4)]
    found = read_proposal(tmp_path, f"{HEAD},parent_sku", [*(f"{each}," for each in LINES), *bundles, *parts])
    assert any("parts of a bundle" in each for each in found["unsure"]) == asked


@pytest.mark.parametrize(
    ("head", "canonical", "own"),
    [
        ("bestellnr,datum,kdnr,kd,artnr,menge,preis", "user_id", "kdnr"),
        ("bestellnr,datum,kdnr,kd,artnr,menge,VK Brutto (pro Stück)", "price", "VK Brutto (pro Stück)"),
        ("bestellnr,VK-Datum,kdnr,kd,artnr,VK-Menge,Umsatz", "quantity", "VK-Menge"),
        ("bestellnr,VK-Datum,kdnr,kd,artnr,VK-Menge,Umsatz", "amount", "Umsatz"),
        ("bestellnr,datum,kdnr,kd,artnr,menge,Preis pro Stück", "price", "Preis pro Stück"),
        ("Pedido,Fecha,Cliente,Nombre,Referencia,Cantidad,PVP", "price", "PVP"),
        ("Order,Creation Date,Client Email,Name,ID_SKU,Quantity_SKU,SKU Selling Price", "quantity", "Quantity_SKU"),
        ("Order,Creation Date,Client Email,Name,ID_SKU,Quantity_SKU,SKU Selling Price", "price", "SKU Selling Price"),
        ("注文番号,注文日時,注文者メールアドレス,名,商品管理番号,個数,単価", "user_id", "注文者メールアドレス"),
        ("注文番号,注文日時,注文者メールアドレス,名,商品管理番号,個数,単価", "item_id", "商品管理番号"),
    ],
)  # fmt: skip
def test_names_of_exports_are_known(tmp_path: Path, head: str, canonical: str, own: str) -> None:
    """A customer's number goes before what is only called the customer; price of a piece, and quantities and prices of a SKU; VK is a
    price by itself, and says nothing beside a quantity."""
    rows = [f"{at},2026-11-0{at}T10:00:00Z,{at % 3 + 400},Firma {at % 3},A{at % 4},1,{at}.50" for at in range(1, 9)]
    assert read_proposal(tmp_path, head, rows)["columns"][canonical] == own
