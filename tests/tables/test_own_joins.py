"""Item tables whose variants take from their parents, and whose stock stands by location in another table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from tests.support.shops.shop_tables import an_event

SHOPIFY = "[data.events]\npaths = ['events.parquet']\n[data.items]\npaths = ['items.csv']\npreset = 'shopify'\n"
HEAD = "Handle,Title,Vendor,Variant SKU,Variant Price,Variant Inventory Tracker,Variant Inventory Policy,Status,Published"
CUP, TEA = "cup,Cup,Clay,CUP,8,shopify,deny,active,true", "tea,Tea,Clay,TEA,9,shopify,continue,active,true"
BY_LOCATION = "join = [{ paths = ['inventory.csv'], on = { 'Variant SKU' = 'SKU' }, total = ['Available'] }]\n"


def read_items(folder: Path, items: str, table: str, **files: str) -> ShopTables:
    """An item table in a CSV file, with more files beside it."""
    pl.DataFrame([an_event()]).write_parquet(folder / "events.parquet")
    for name, content in {"items": items, **files}.items():
        (folder / f"{name}.csv").write_text(content)
    return read_shop(parse_settings(table, folder))


def test_a_table_is_joined_with_itself(tmp_path: Path) -> None:
    """A variant takes its parent's category where it has none, by its number or by what stands before that; nothing is found amiss."""
    items = "item_id,number,parent,title,category\nA,1,,Shirt,Tops\nA-1,2,A,Red,\nB,3,,Coat,Coats\nB-1,4,no:3,Blue,\nC,5,gone,Hat,\n"
    table = """
[data.events]
paths = ['events.parquet']
[data.items]
paths = ['items.csv']
columns = { categories = ['category', 'p.category', 'q.category'] }
[[data.items.join]]
paths = []
on = { parent = 'item_id' }
name = 'p'
[[data.items.join]]
paths = []
on = { parent = 'number' }
before = 'no:'
name = 'q'
"""
    shop = read_items(tmp_path, items, table)
    assert shop.items.sort("item_id")["category"].to_list() == ["Tops", "Tops", "Coats", "Coats", None]
    assert [found for found in shop.findings if "join" in found.rule] == []


def test_stock_by_location_is_added_up(tmp_path: Path) -> None:
    """What no location has is sold out, unless more is sold than there is; a location that does not keep an item adds nothing."""
    inventory = (
        "SKU,Location,Available\nCUP,Berlin,0\nCUP,Bonn,not stocked\nTEA,Berlin,2\nTEA,Bonn,3\nPOT,Bonn,not stocked\n"
    )
    pot = "pot,Pot,Clay,POT,20,shopify,deny,active,true"
    table = f"{SHOPIFY}{BY_LOCATION}columns = {{ stock = 'Available' }}\n"
    shop = read_items(tmp_path, "\n".join([HEAD, CUP, TEA, pot, ""]), table, inventory=inventory)
    items = shop.items.sort("item_id")
    assert items["stock"].to_list() == [0.0, None, 5.0]
    assert items["available"].to_list() == [False, True, True]
    assert [found for found in shop.findings if "key of a `join`" in found.rule] == []


@pytest.mark.parametrize(("head", "row", "said"), [(HEAD, CUP, True), (f"{HEAD},Variant Inventory Qty", f"{CUP},0", False)])
def test_items_without_their_stock_are_told(tmp_path: Path, head: str, row: str, said: bool) -> None:
    """An export of Shopify leaves the stock out where there are several locations, and everything would be for sale in silence."""
    shop = read_items(tmp_path, f"{head}\n{row}\n", SHOPIFY)
    found = [each for each in shop.findings if "says what is sold without it" in each.rule]
    assert [each.column for each in found] == ["Variant Inventory Qty"] * said
    assert shop.items["available"].to_list() == [said]
