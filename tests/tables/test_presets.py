"""The presets: what each export's own words become."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.presets import mapping_of
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import SettingsError

VIEW: dict[str, Any] = {
    "event_timestamp": 1_604_188_995_199_688,
    "event_name": "view_item",
    "user_pseudo_id": "2422026.0165722609",
    "ga_session_id": 9417724700,
    "transaction_id": "(not set)",
    "item_id": "9196875",
    "item_name": "KeepCup",
    "item_brand": "(not set)",
    "item_category": "Home",
    "item_category2": "(not set)",
    "item_category3": "Cups",
    "price": 35.0,
    "quantity": None,
}


def read(folder: Path, preset: str, rows: list[dict[str, Any]], more: str = "") -> ShopTables:
    """Read rows of an export through its preset."""
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / "events.parquet")
    return read_shop(parse_settings(f"[data.events]\npaths = ['events.parquet']\npreset = '{preset}'\n{more}", folder))


GERMAN = "ID,Typ,Artikelnummer,Name,Veröffentlicht,Sichtbarkeit im Katalog,Vorrätig?,Bestand,Angebotspreis,Regulärer Preis,Kategorien"
FRENCH = "ID,Type,UGS,Nom,Publié,Visibilité dans le catalogue,En stock ?,Stock,Tarif promo,Tarif régulier,Catégories"


@pytest.mark.parametrize("names", [GERMAN, FRENCH])
def test_woocommerce_in_other_languages(tmp_path: Path, names: str) -> None:
    """The exporter translates its column names; `init` tells them, too."""
    rows = "1,simple,MUG-1,Mug,1,visible,1,3,,12.50,Home\n2,variable,HAT,Hat,1,visible,1,,,,Hats\n"
    rows += "3,simple,OLD,Old,0,visible,1,3,9,12,Home\n"
    (tmp_path / "items.csv").write_text(f"{names}\n{rows}")
    (tmp_path / "events.csv").write_text("user_id,timestamp,event_type,item_id\nu,2026-06-01,view,MUG-1\n")
    text = "[data.events]\npaths = ['events.csv']\n[data.items]\npaths = ['items.csv']\npreset = 'woocommerce'\n"
    shop = read_shop(parse_settings(text, tmp_path))
    assert shop.items.select("item_id", "price", "available").rows() == [("MUG-1", 12.5, True), ("OLD", 9.0, False)]
    assert shop.findings == ()


def test_an_export_that_only_looks_alike_is_found(tmp_path: Path) -> None:
    """Columns of a preset that a file lacks are said where something is read from nowhere; the settings may name others."""
    (tmp_path / "items.csv").write_text(
        "ID,Type,Varenummer,Name,Published,Visibility in catalog,Pris\n1,simple,MUG-1,Mug,1,visible,12\n"
    )
    (tmp_path / "events.csv").write_text("user_id,timestamp,event_type,item_id\nu,2026-06-01,view,1\n")
    text = "[data.events]\npaths = ['events.csv']\n[data.items]\npaths = ['items.csv']\npreset = 'woocommerce'\n"
    [found] = read_shop(parse_settings(text, tmp_path)).findings
    assert (found.rule, found.has_weight) == ("has SKU, Regular price, as exports of woocommerce have", True)
    (tmp_path / "items.csv").write_text(
        "ID,Type,Name,Published,Visibility in catalog,Regular price\n1,simple,Mug,1,visible,12\n"
    )
    assert not [each for each in read_shop(parse_settings(text, tmp_path)).findings if "as exports" in each.rule]
    (tmp_path / "items.csv").write_text(
        "ID,Type,Varenummer,Name,Published,Visibility in catalog,Pris\n1,simple,MUG-1,Mug,1,visible,12\n"
    )
    named = "columns = { item_id = 'Varenummer', price = 'Pris' }\n"
    assert not [each for each in read_shop(parse_settings(text + named, tmp_path)).findings if "as exports" in each.rule]


def test_rees46(tmp_path: Path) -> None:
    """Dotted categories become levels, `cart` a cart_add; the item table grows out of the events."""
    row = {
        "event_time": "2019-10-01 00:00:00 UTC",
        "event_type": "cart",
        "product_id": 3900821,
        "category_id": 2053013552326770905,
        "category_code": "appliances.environment.water_heater",
        "brand": "aqua",
        "price": 33.2,
        "user_id": 554748717,
        "user_session": "9333dfbd",
    }
    shop = read(tmp_path, "rees46", [row, {**row, "event_type": "remove_from_cart"}, {**row, "event_type": "view"}])
    events = shop.events.collect()
    assert events["event_type"].to_list() == ["cart_add", "cart_remove", "view"]
    assert events.select("user_id", "item_id", "session_id").row(0) == ("554748717", "3900821", "9333dfbd")
    assert shop.items.select("category", "brand", "price").rows() == [
        ("appliances > environment > water_heater", "aqua", 33.2)
    ]
    assert shop.findings == ()


def test_ga4_words(tmp_path: Path) -> None:
    """Shopping events are mapped, those that say nothing of items are left out, a word of the shop's own is found."""
    own = [
        "view_item",
        "view_item_list",
        "select_item",
        "add_to_cart",
        "remove_from_cart",
        "begin_checkout",
        "purchase",
        "refund",
    ]
    dropped = ["page_view", "session_start", "click", "view_promotion"]
    shop = read(tmp_path, "ga4", [{**VIEW, "event_name": name} for name in [*own, *dropped]])
    kinds = ["view", "impression", "click", "cart_add", "cart_remove", "checkout", "purchase", "refund"]
    assert shop.events.collect()["event_type"].to_list() == kinds
    assert (shop.counts["events"].left_out, shop.findings) == (len(dropped), ())
    odd = read(tmp_path, "ga4", [VIEW] * 30 + [{**VIEW, "event_name": "open_wishlist"}])
    assert [each.example for each in odd.findings if each.level == "rejected"] == ["open_wishlist"]


def test_ga4_values(tmp_path: Path) -> None:
    """(not set) is nothing, 123.0 is the item 123, pseudo ids keep their dot, levels close up, µs are the time."""
    later = {"event_time": datetime(2020, 11, 2, tzinfo=UTC)}
    shop = read(tmp_path, "ga4", [VIEW | later, {**VIEW, "item_id": "123.0"}, {**VIEW, "item_id": "(not set)"}])
    events = shop.events.collect()
    assert events["user_id"].unique().to_list() == ["2422026.0165722609"]
    assert events["item_id"].to_list() == ["9196875", "123", None]
    assert events["order_id"].to_list() == [None] * 3
    assert events["session_id"].unique().to_list() == ["9417724700"]
    assert str(events["timestamp"][0]) == "2020-11-01 00:03:15.199688+00:00"
    assert shop.items.select("title", "brand", "category").row(0) == ("KeepCup", None, "Home > Cups")


def test_ga4_user_id_comes_before_the_pseudo_id(tmp_path: Path) -> None:
    """Where the shop sends its own user_id, that is the user and the pseudo id the anonymous one."""
    rows = [{**VIEW, "user_id": "anna"}, {**VIEW, "user_id": None}]
    events = read(tmp_path, "ga4", rows).events.collect()
    assert events["user_id"].to_list() == ["anna", "2422026.0165722609"]
    assert events["anonymous_id"].to_list() == ["2422026.0165722609"] * 2


def test_settings_go_over_a_preset(tmp_path: Path) -> None:
    """Single columns and words may be mapped otherwise, and a separator splits each level's breadcrumbs."""
    more = "category_separator = '/'\nevent_types = { view_promotion = 'impression' }\ncolumns = { item_id = 'item_name' }\n"
    rows = [{**VIEW, "event_name": "view_promotion", "item_category": "Home/Apparel/", "item_category3": "(not set)"}]
    shop = read(tmp_path, "ga4", rows, more)
    assert shop.events.select("event_type", "item_id").collect().rows() == [("impression", "KeepCup")]
    assert shop.items["category"].to_list() == ["Home > Apparel"]


def test_what_means_nothing_here_is_left_out() -> None:
    """GA4's outbound `click` is not ours."""
    assert mapping_of("ga4").event_types["click"] == ""


def test_a_preset_that_there_is_not_is_named_with_those_there_are(tmp_path: Path) -> None:
    """An unknown preset, or one without the table, stops before a file is opened and says which there are."""
    for preset, said in (
        ("shopfy", "no preset; allowed: bigcommerce, .*shopify"),
        ("google_merchant", "has no events; allowed: "),
    ):
        with pytest.raises(SettingsError, match=said):
            read_shop(parse_settings(f"[data.events]\npaths = ['events.parquet']\npreset = '{preset}'\n", tmp_path))
