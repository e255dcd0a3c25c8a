"""Ids of items that stand in another column than the one in use: variations of a product, and a column of ids nobody named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.shop import read_shop
from tests.support.shops.shop_tables import an_event, read_rows, the_finding

HEAD = "ID,Type,SKU,Name,Published,Visibility in catalog,In stock?,Sale price,Regular price,Categories,Parent\n"
RED, TEA = "2000,variation,,Red hat,1,visible,1,,18,,id:1000\n", "2004,simple,,Tea,1,visible,1,,6,Food,\n"
PRODUCTS = f"{HEAD}1000,variable,,Hats,1,visible,1,,,Hats,\n{RED}{TEA}"


def line(product: int, variation: int, sku: str = "") -> dict[str, Any]:
    """A line of an order as the API has it: a variation of 0 is none."""
    return {"name": "it", "product_id": product, "variation_id": variation, "sku": sku, "quantity": 1, "total": "6.00"}


def test_a_variation_without_a_sku_goes_by_its_own_id(tmp_path: Path) -> None:
    """Its product stands in no list, so that its purchases would be of nothing; what has no variation goes by the product's."""
    stated = {"status": "completed", "currency": "EUR", "billing": {"email": "a@x.de"}}
    lines = [line(1000, 2000), line(2004, 0), line(7, 8, "S")]
    order = {"number": "9", "date_created_gmt": "2026-05-01T10:00:00", **stated, "line_items": lines}
    (tmp_path / "orders.json").write_text(json.dumps([order]))
    (tmp_path / "products.csv").write_text(PRODUCTS)
    text = "[data.events]\npaths = ['orders.json']\npreset = 'woocommerce'\n"
    shop = read_shop(parse_settings(text + "[data.items]\npaths = ['products.csv']\npreset = 'woocommerce'\n", tmp_path))
    assert sorted(shop.events.collect()["item_id"]) == ["2000", "2004", "S"]
    assert sorted(shop.items["item_id"]) == ["2000", "2004"]


@pytest.mark.parametrize(("first", "read"), [("0", "b"), ("a", "a"), (None, "b")])
def test_an_id_of_0_counts_only_where_no_other_column_says_more(tmp_path: Path, first: str | None, read: str) -> None:
    """Platforms write it where there is no variant, and no customer."""
    more = '[data.events]\npaths = ["events.parquet"]\ncolumns = { item_id = ["one", "two"] }\n'
    rows = [an_event(one=first, two="b"), an_event(one="0", two=None)]
    assert read_rows(tmp_path, rows, more).events.collect()["item_id"].to_list() == [read, "0"]


def test_the_column_that_would_match_is_named(tmp_path: Path) -> None:
    """In the finding and in the first lines: by `item_id` nothing matches, by `sku` everything does."""
    rows = [an_event(item_id=f"4{n}", sku=f"S-{n % 3}", note=f"S-{n}", user_id=f"u{n}") for n in range(12)]
    shop = read_rows(tmp_path, rows, items=[{"item_id": f"S-{n}", "title": "x"} for n in range(3)])
    advice = 'set `data.events.columns.item_id = "sku"`: 12 rows would match'
    assert the_finding(shop, "is in the item table").advice.startswith(advice)
    settings = parse_settings(
        '[data.events]\npaths = ["events.parquet"]\n[data.items]\npaths = ["items.parquet"]\n', tmp_path
    )
    [said] = [each.said for each in usefulness(settings, shop) if each.name == "item ids"]
    assert advice in said


def test_a_column_that_matches_no_more_is_not_named(tmp_path: Path) -> None:
    """Items that are no longer sold stay what they are."""
    rows = [an_event(item_id="sofa" if n else "gone", sku="x", parent="sofa" if n else None) for n in range(12)]
    found = the_finding(read_rows(tmp_path, rows, items=[{"item_id": "sofa"}]), "is in the item table")
    assert found.advice.startswith("nothing")
