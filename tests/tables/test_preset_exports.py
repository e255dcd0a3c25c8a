"""Every preset read on a small export of its platform's own layout: the events and items that it means, and nothing bad."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.presets import platform, preset_names
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import EVENT_TYPES

EXPORTS = Path(__file__).parent / "exports"
EVENT = ["event_type", "user_id", "item_id", "order_id", "timestamp", "quantity", "price", "currency"]
ITEM = ["item_id", "title", "brand", "category", "price", "available", "group_id"]
NO_EVENTS = "user_id,timestamp,event_type,item_id\nnobody,2026-01-01T00:00:00Z,view,P1\n"


def read(preset: str, folder: Path) -> ShopTables:
    """Read a copy of a preset's fixture with no settings but the preset."""
    shutil.copytree(EXPORTS / preset, folder, dirs_exist_ok=True)
    events, items = sorted(folder.glob("events.*")), sorted(folder.glob("items.*"))
    text = ""
    if events:
        text += f"[data.events]\npaths = ['{events[0].name}']\npreset = '{preset}'\n"
    else:
        (folder / "own.csv").write_text(NO_EVENTS)
        text += "[data.events]\npaths = ['own.csv']\n"
    if items:
        text += f"[data.items]\npaths = {[each.name for each in items]}\npreset = '{preset}'\n"
    return read_shop(parse_settings(text, folder))


def said(shop: ShopTables) -> dict[str, list[list[str]]]:
    """The rows as texts, for comparing."""
    events = shop.events.select(EVENT).collect().with_columns(pl.all().cast(pl.String)).sort(EVENT)
    items = shop.items.select(ITEM).with_columns(pl.all().cast(pl.String))
    return {name: [list(map(str, row)) for row in each.rows()] for name, each in (("events", events), ("items", items))}


@pytest.mark.parametrize("preset", preset_names())
def test_an_export_is_read_by_its_preset_alone(preset: str, tmp_path: Path) -> None:
    """Events, orders that count in nothing, items and what is for sale are what the platform means; no row is bad, no word unknown."""
    shop = read(preset, tmp_path)
    assert said(shop) == json.loads((EXPORTS / preset / "expected.json").read_text())
    assert [each for each in shop.findings if each.level in ("rejected", "closed", "emptied")] == []
    assert not any("stands" in each.rule for each in shop.findings)


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_says_where_it_comes_from(preset: str) -> None:
    """Each preset names its public sources, the columns it is recognised by, and words that lead to canonical event types."""
    found = platform(preset)
    assert found.sources
    assert all(source.startswith("https://") for source in found.sources)
    tables = [each for each in (found.events, found.items, found.users) if each]
    assert tables
    assert all(each.signature for each in tables)
    assert {kind for each in tables for kind in each.event_types.values()} <= {*EVENT_TYPES, ""}


def test_a_preset_without_the_state_of_orders_stops(tmp_path: Path) -> None:
    """Where the column that voids orders was cut from an export, the job says so instead of counting cancelled orders."""
    (tmp_path / "events.csv").write_text("Name,Email,Created at,Lineitem sku\n#1,a@example.com,2026-05-01T10:00:00Z,CUP\n")
    settings = parse_settings("[data.events]\npaths = ['events.csv']\npreset = 'shopify'\n", tmp_path)
    with pytest.raises(Exception, match="no column 'Financial Status'"):
        read_shop(settings)


def test_columns_with_whole_versions_in_their_names_are_the_same(tmp_path: Path) -> None:
    """Snowplow's BigQuery loader wrote `_1_0_2` where others write `_1`: such an export is read alike."""
    shutil.copytree(EXPORTS / "snowplow", tmp_path, dirs_exist_ok=True)
    [file] = tmp_path.glob("events.*")
    text = file.read_text()
    for name, version in (
        ("ecommerce_action_1", "_0_2"),
        ("ecommerce_product_1", "_0_0"),
        ("ecommerce_transaction_1", "_0_0"),
    ):
        text = text.replace(f'{name}"', f'{name}{version}"')
    file.write_text(text)
    settings = parse_settings(f"[data.events]\npaths = ['{file.name}']\npreset = 'snowplow'\n", tmp_path)
    assert said(read_shop(settings))["events"] == json.loads((EXPORTS / "snowplow" / "expected.json").read_text())["events"]


@pytest.mark.parametrize(
    ("preset", "item", "stated"),
    [
        ("bigcommerce", "FERN", ["Plants > Indoor", "Sale"]),
        ("magento", "BAG-RED", ["Default Category > Gear > Bags", "Default Category > Sale"]),
        ("woocommerce", "MIT-1", ["Clothes, warm > Gloves", "Sale"]),
        ("google_merchant", "P4", ["Home > Lamps", "Sale"]),
        ("movielens", "6", ["Action", "Crime", "Thriller"]),
    ],
)
def test_further_categories_have_levels_too(preset: str, item: str, stated: list[str], tmp_path: Path) -> None:
    """Each category of an item is cut into its levels as its first one is."""
    assert dict(read(preset, tmp_path).items.select("item_id", "categories").iter_rows())[item] == stated


def test_every_preset_has_its_line_in_the_docs() -> None:
    """The table of presets in docs/data.md names each of them, with what is not read of it."""
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    lines = {name: next((line for line in page.splitlines() if f"| `{name}` |" in line), "") for name in preset_names()}
    cells = {name: [cell.strip() for cell in line.strip("| ").split("|")] for name, line in lines.items()}
    assert [name for name, found in cells.items() if found[-1] != (platform(name).not_read or "–")] == []
