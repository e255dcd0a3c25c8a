"""`init` where several columns could be meant, and where a name says less than its values."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.onboarding.test_init import proposed


@pytest.mark.parametrize(
    ("bare", "number"),
    [
        ("Artikel", "Artikelnummer"),
        ("Item", "Item number"),
        ("Producto", "Código del producto"),
        ("商品", "商品番号"),
        ("Produit", "Produit SKU"),
    ],
)
def test_a_number_goes_before_a_bare_name_which_is_the_title(bare: str, number: str, tmp_path: Path) -> None:
    """Where one column is called an item and another one its number, ids come from the number, wherever it stands."""
    lines = [f"u{at % 9},2026-06-{at % 28 + 1:02},Oak lamp {at % 7},A-{at % 7},R{at},2" for at in range(50)]
    text = "\n".join([f"user_id,timestamp,{bare},{number},order_id,quantity", *lines])
    columns = proposed(tmp_path, text).settings["columns"]
    assert (columns["item_id"], columns["title"]) == (number, bare)


@pytest.mark.parametrize(
    ("column", "cells", "told"),
    [
        ("En stock", ("oui", "non"), "available"),
        ("I lager", ("ja", "nej"), "available"),
        ("En stock", ("7", "0"), "stock"),
        ("In stock", ("12", "0"), "stock"),
        ("In stock", ("1", "0"), "available"),
    ],
)
def test_values_tell_a_stock_from_what_is_for_sale(column: str, cells: tuple[str, str], told: str, tmp_path: Path) -> None:
    """A column called `in stock` holds numbers of units, or yes and no."""
    lines = [f"A-{at},Lamp {at},{cells[at % 2]}" for at in range(20)]
    columns = proposed(tmp_path, "\n".join([f"sku,name,{column}", *lines])).settings["columns"]
    assert columns[told] == column


def test_short_names_of_tills_and_ledgers_are_known(tmp_path: Path) -> None:
    """Days of a spreadsheet under `Sold on`, a customer under `KdNr` and a selling price under `VK` are read."""
    lines = [f"{at % 9};{46170 + at % 28}.5;B{at};A-{at % 7};2;{at % 7 + 3}" for at in range(50)]
    columns = proposed(tmp_path, "\n".join(["KdNr;Sold on;Beleg;ArtNr;Menge;VK", *lines])).settings["columns"]
    assert list(columns.values()) == ["KdNr", "ArtNr", "Sold on", "Beleg", "Menge", "VK"]
    assert list(columns) == ["user_id", "item_id", "timestamp", "order_id", "quantity", "price"]
