"""Column names that the settings or a preset spell differently, that stand twice, or that are missing where orders hang on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop

ORDERS = "#1,ann@example.com,paid,2026-05-01T10:00:00Z,CUP,4.50,\n#2,bob@example.com,paid,2026-05-02T10:00:00Z,CUP,4.50,{}\n"
SHOPIFY = "[data.events]\npaths = ['orders.csv']\npreset = 'shopify'\n"


def read(folder: Path, text: str, settings: str) -> ShopTables:
    """Read a shop of one file."""
    (folder / "orders.csv").write_text(text)
    return read_shop(parse_settings(settings, folder))


def shopify(folder: Path, names: str, cancelled: str = "") -> ShopTables:
    """Two orders of a Shopify export under these names."""
    return read(folder, f"{names}\n{ORDERS.format(cancelled)}", SHOPIFY)


def test_names_are_told_whatever_their_capitals_blanks_and_signs(tmp_path: Path) -> None:
    """A preset's columns are found, the moment of a cancellation too, and it is said which was taken for which."""
    names = "NAME,E-mail,financial_status,Created At,Lineitem SKU,LineItem Price,Canceled at"
    shop = shopify(tmp_path, names, "2026-05-03T10:00:00Z")
    assert shop.events.select("order_id", "item_id", "price").collect().rows() == [("#1", "CUP", 4.5)]
    assert "column 'Canceled at' is taken for 'Cancelled at'" in shop.read_as["events"][-1]


def test_a_name_that_could_be_two_columns_is_taken_for_neither(tmp_path: Path) -> None:
    """Of `Lineitem SKU` and `lineitem_sku` nobody knows which is meant."""
    shop = shopify(tmp_path, "Name,Email,Financial Status,Created at,Lineitem SKU,lineitem_sku,Cancelled at")
    assert shop.events.collect()["item_id"].null_count() == 2


def test_a_column_of_the_exact_name_counts(tmp_path: Path) -> None:
    """Another one that is spelled alike stays what it is."""
    shop = shopify(tmp_path, "Name,Email,Financial Status,Created at,Lineitem sku,LINEITEM SKU,Cancelled at")
    assert shop.events.collect()["item_id"].to_list() == ["CUP", "CUP"]


def test_a_column_that_tells_of_cancellations_is_missed(tmp_path: Path) -> None:
    """Without `Cancelled at` cancelled orders count, so it is found, and repeated by training."""
    shop = shopify(tmp_path, "Name,Email,Financial Status,Created at,Lineitem sku,Lineitem price,Note")
    [found] = [each for each in shop.findings if "orders stand" in each.rule]
    assert found.column == "Cancelled at"
    assert found.has_weight


@pytest.mark.parametrize("column", ["item_id", "Item ID"])
def test_a_name_that_stands_twice_is_found(tmp_path: Path, column: str) -> None:
    """The first column is read; that there is another is said, however its name is spelled."""
    text = f"user_id,timestamp,event_type,{column},{column}\nann,2026-05-01,view,CUP,MUG\n"
    shop = read(tmp_path, text, "[data.events]\npaths = ['orders.csv']\n")
    assert shop.events.collect()["item_id"].to_list() == ["CUP"]
    assert [each.column for each in shop.findings if "once among the names" in each.rule] == [column]


def test_another_spelling_of_a_name_that_is_there_may_stand_twice(tmp_path: Path) -> None:
    """It is not read."""
    text = "user_id,timestamp,event_type,item_id,Item ID,Item ID\nann,2026-05-01,view,CUP,MUG,MUG\n"
    shop = read(tmp_path, text, "[data.events]\npaths = ['orders.csv']\n")
    assert shop.events.collect()["item_id"].to_list() == ["CUP"]
    assert not [each for each in shop.findings if "once among the names" in each.rule]


def test_another_version_of_an_export_is_read_as_the_same(tmp_path: Path) -> None:
    """Shopify's product columns have other names since 2025; what stands on the first row still holds for the variants."""
    (tmp_path / "products.csv").write_text(
        "Title,URL handle,Description,Vendor,Product category,Type,Published on online store,Status,SKU,Price,Inventory quantity,"
        "Continue selling when out of stock,Product image URL,Gift card\n"
        "Mug,mug,Big,Ave,Home > Mugs,Mug,TRUE,Active,MUG-B,12.00,10,DENY,https://x.example/i.png,FALSE\n"
        ",mug,,,,,,,MUG-R,12.00,0,DENY,,\n"
        "Tee,tee,,,,,TRUE,Draft,TEE,9.00,5,CONTINUE,,FALSE\n"
    )
    settings = SHOPIFY + "[data.items]\npaths = ['products.csv']\npreset = 'shopify'\n"
    (tmp_path / "orders.csv").write_text(
        "Name,Email,Financial Status,Created at,Lineitem sku,Cancelled at\n" + ORDERS.format("").replace(",4.50", "")
    )
    items = read_shop(parse_settings(settings, tmp_path)).items
    assert items.select("item_id", "title", "price", "available", "group_id").rows() == [
        ("MUG-B", "Mug", 12.0, True, "mug"),
        ("MUG-R", "Mug", 12.0, False, "mug"),
        ("TEE", "Tee", 9.0, False, "tee"),
    ]
