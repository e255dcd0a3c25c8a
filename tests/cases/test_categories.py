"""Cases of categories: an item in several of them, and variants that inherit theirs."""

from __future__ import annotations

from pathlib import Path

from tests.support.cases import case, needs_cases

pytestmark = needs_cases


def test_several_categories_at_once(tmp_path: Path) -> None:
    """An item is found under each, its variant under the same, several are any of them; what is not shown is in no list."""
    shop = case("categories-01-several-at-once", tmp_path)
    assert dict(shop.items("item_id", "category")) == {
        "BOW": "Gifts",
        "CAPE": "Clothes > Coats",
        "COAT": "Clothes > Coats",
        "COAT-R": "Clothes > Coats",
    }
    found = {}
    for query in (
        "category=Gifts",
        "category=Clothes > Sale",
        "category=Clothes > Coats",
        "category=Gifts&category=Clothes",
    ):
        found[query] = {item["item_id"][:4] for item in shop.get(f"/v1/bestsellers?limit=20&{query}")["items"]}
    assert found == {
        "category=Gifts": {"COAT", "BOW"},
        "category=Clothes > Sale": {"COAT"},
        "category=Clothes > Coats": {"COAT"},
        "category=Gifts&category=Clothes": {"COAT", "BOW"},
    }
    assert "CAPE" not in shop.listed()
