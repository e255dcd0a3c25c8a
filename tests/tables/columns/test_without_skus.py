"""Shopify's exports of shops that give their products no SKU, or only some: lines of orders and products meet by their names."""

from __future__ import annotations

from pathlib import Path

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop

ORDERS = "Name,Email,Financial Status,Created at,Currency,Lineitem name,Lineitem quantity,Lineitem price,Lineitem sku,Cancelled at\n"
PRODUCTS = (
    "Handle,Title,Vendor,Option1 Name,Option1 Value,Option2 Value,Variant SKU,Variant Price,Variant Inventory Qty,Image Src,"
    "Status\n"
)
LINES = ("Tee - Red / M,", "Tee - Blue / M,T-B", "Cup,", "Gone,")
SOLD = (
    "tee,Tee,Clay,Colour,Red,M,,20,4,,active",
    "tee,,,,Blue,M,T-B,21,0,,",
    "tee,,,,,,,,,/b.jpg,",
    "cup,Cup,Clay,Title,Default Title,,,8,3,,active",
)


def test_what_has_no_sku_goes_by_title_and_options(tmp_path: Path) -> None:
    """Rows of pictures are no items, a product without variants goes by its title alone, and a SKU counts where there is one."""
    lines = [line.replace(",", ",1,20,") for line in LINES]
    rows = [f"#{at},a@x.de,paid,2026-05-01 10:00:00 +0200,EUR,{line}," for at, line in enumerate(lines)]
    (tmp_path / "orders.csv").write_text(ORDERS + "\n".join(rows))
    (tmp_path / "products.csv").write_text(PRODUCTS + "\n".join(SOLD))
    text = "[data.events]\npaths = ['orders.csv']\npreset = 'shopify'\n[data.items]\npaths = ['products.csv']\npreset = 'shopify'\n"
    shop = read_shop(parse_settings(text, tmp_path))
    assert shop.events.collect()["item_id"].to_list() == ["Tee - Red / M", "T-B", "Cup", "Gone"]
    items = [("Cup", "Cup", 8.0, True), ("T-B", "Tee", 21.0, False), ("Tee - Red / M", "Tee", 20.0, True)]
    assert shop.items.select("item_id", "title", "price", "available").rows() == items
    assert [each.rule for each in shop.findings if each.table == "items" and each.level != "note"] == []
