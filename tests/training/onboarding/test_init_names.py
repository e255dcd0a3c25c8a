"""`init` where several columns could be meant, and where a name says less than its values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys.settings.load import load_settings
from recsys.tables.checks.line_words import LINE_WORDS
from recsys.tables.shop import read_shop
from tests.training.onboarding.test_init import proposed
from training.cli.init import init

NOW = datetime(2026, 7, 1, tzinfo=UTC)


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
    ("column", "cells", "stated"),
    [
        ("En stock", ("oui", "non"), "available"),
        ("I lager", ("ja", "nej"), "available"),
        ("En stock", ("7", "0"), "stock"),
        ("In stock", ("12", "0"), "stock"),
        ("In stock", ("1", "0"), "available"),
        ("Lieferbar", ("7", "0"), "stock"),
        ("Availability", ("12", "0"), "stock"),
        ("Availability", ("1", "0"), "available"),
        ("Bestand", ("12 Stk", "ausverkauft"), "stock"),
    ],
)
def test_values_tell_a_stock_from_what_is_for_sale(column: str, cells: tuple[str, str], stated: str, tmp_path: Path) -> None:
    """A column called `in stock` or `availability` holds numbers of units, or yes and no; what is sold out is not shown."""
    lines = [f"A-{at},Lamp {at},{cells[at % 2]}" for at in range(20)]
    columns = proposed(tmp_path, "\n".join([f"sku,name,{column}", *lines])).settings["columns"]
    assert columns[stated] == column


def test_short_names_of_tills_and_ledgers_are_known(tmp_path: Path) -> None:
    """Days of a spreadsheet under `Sold on`, a customer under `KdNr` and a selling price under `VK` are read."""
    lines = [f"{at % 9};{46170 + at % 28}.5;B{at};A-{at % 7};2;{at % 7 + 3}" for at in range(50)]
    columns = proposed(tmp_path, "\n".join(["KdNr;Sold on;Beleg;ArtNr;Menge;VK", *lines])).settings["columns"]
    assert list(columns.values()) == ["KdNr", "ArtNr", "Sold on", "Beleg", "Menge", "VK"]
    assert list(columns) == ["user_id", "item_id", "timestamp", "order_id", "quantity", "price"]


def test_what_is_for_sale_is_taken_from_orders_that_say_it(tmp_path: Path) -> None:
    """Where only the orders say that an item is not for sale any more, it is not shown."""
    lines = [
        f"u{at % 9},2026-06-{at % 28 + 1:02}T10:00:00Z,A-{at % 7},R{at},{'nej' if at % 7 == 3 else 'ja'}" for at in range(50)
    ]
    (tmp_path / "sales.csv").write_text("\n".join(["user_id,timestamp,item_id,order_id,I lager", *lines]))
    assert init([str(tmp_path / "sales.csv")], tmp_path / "settings.toml", NOW, yes=True) == 0
    items = read_shop(load_settings(tmp_path / "settings.toml")).items
    assert [row["item_id"] for row in items.to_dicts() if not row["available"]] == ["A-3"]


def test_gift_cards_and_what_costs_nothing_are_never_recommended(tmp_path: Path) -> None:
    """Surely named kinds and free items of a table without a preset stand under `[catalog.never]`, and doubtful ones do not."""
    lines = [f"u{at % 9},2026-06-{at % 28 + 1:02}T10:00:00Z,A-{at % 14},R{at},5" for at in range(60)]
    (tmp_path / "sales.csv").write_text("\n".join(["user_id,timestamp,item_id,order_id,price", *lines]))
    titles = ["Carte cadeau 50 €", "Gift card holder", "Paquet"]
    goods = [f"A-{at},{titles[at] if at < 3 else f'Lampe {at}'},{'0,00 €' if at == 2 else '5,50 €'}" for at in range(14)]
    rows = "\n".join(["sku;titre;prix", *(line.replace(",", ";", 2) for line in goods)])
    (tmp_path / "items.csv").write_text(rows)
    init([str(tmp_path / "sales.csv"), str(tmp_path / "items.csv")], tmp_path / "settings.toml", NOW, yes=True)
    settings = load_settings(tmp_path / "settings.toml")
    assert (settings.catalog.never.kinds, settings.catalog.never.free) == (tuple(sorted(LINE_WORDS)), True)
    assert {"A-0", "A-2"}.isdisjoint(read_shop(settings).items["item_id"])


def test_a_date_far_ahead_makes_no_shop_of_today(tmp_path: Path) -> None:
    """One event of 2099 in a table that ends long ago: "now" is the last event of those that can be."""
    lines = [f"u{at % 9},2025-06-{at % 28 + 1:02}T10:00:00Z,A-{at % 7},view" for at in range(50)]
    text = "\n".join(["user_id,timestamp,item_id,event_type", *lines, "u1,2099-12-31,A-1,view"])
    (tmp_path / "events.csv").write_text(text)
    assert init([str(tmp_path / "events.csv")], tmp_path / "settings.toml", NOW, yes=True) == 0
    assert load_settings(tmp_path / "settings.toml").web.clock == "events"


def test_many_items_at_0_are_no_free_items(tmp_path: Path) -> None:
    """Where a tenth of the catalogue and more costs 0, it may be any item without a price, and stays."""
    lines = [f"u{at % 9},2026-06-{at % 28 + 1:02}T10:00:00Z,A-{at % 9},R{at},4" for at in range(60)]
    (tmp_path / "sales.csv").write_text("\n".join(["user_id,timestamp,item_id,order_id,price", *lines]))
    (tmp_path / "items.csv").write_text("\n".join(["sku,title,price", *(f"A-{at},Lamp,{3 * (at > 2)}" for at in range(9))]))
    init([str(tmp_path / "sales.csv"), str(tmp_path / "items.csv")], tmp_path / "settings.toml", NOW, yes=True)
    assert not load_settings(tmp_path / "settings.toml").catalog.never.free


def test_prices_of_events_make_no_item_free(tmp_path: Path) -> None:
    """Corrections of stock and views without their price are at 0, of a few items in the first rows and of many in all."""
    lines = [f"u{at % 9},2026-06-{at % 28 + 1:02}T10:00:00Z,A-{at % 14},R{at},{4 * (at % 14 > 0)}" for at in range(60)]
    (tmp_path / "sales.csv").write_text("\n".join(["user_id,timestamp,item_id,order_id,price", *lines]))
    init([str(tmp_path / "sales.csv")], tmp_path / "settings.toml", NOW, yes=True)
    assert "A-0" in read_shop(load_settings(tmp_path / "settings.toml")).items["item_id"]


def test_an_item_beside_a_list_counts_where_the_list_is_empty(tmp_path: Path) -> None:
    """A view names its item by itself, an order all of its in a list, and a refund of the order none: all three are read."""
    calls = [
        {
            "uid": f"u{at % 9}",
            "ts": 1_780_000_000 + at,
            "event": "Product Viewed",
            "props": {"sku": f"A-{at % 7}", "price": 3},
        }
        for at in range(40)
    ]
    bought = [{"sku": "A-1", "price": 3, "quantity": 2}, {"sku": "A-2", "price": 4, "quantity": 1}]
    calls += [
        {"uid": f"u{at}", "ts": 1_780_001_000 + at, "event": kind, "props": {"order_id": f"R{at}", "products": products}}
        for at in range(5)
        for kind, products in (("Order Completed", bought), ("Order Refunded", []))
    ]
    (tmp_path / "calls.ndjson").write_text("\n".join(map(json.dumps, calls)))
    init([str(tmp_path / "calls.ndjson")], tmp_path / "settings.toml", NOW, yes=True)
    events = read_shop(load_settings(tmp_path / "settings.toml")).events.collect()
    assert dict(events.group_by("event_type").len().rows()) == {"view": 40, "purchase": 10, "refund": 5}
    assert events.filter(events["event_type"] != "refund")["item_id"].null_count() == 0
