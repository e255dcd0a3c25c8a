"""`init` on tables that only make sense together, or turned: lines, heads and people in three files, one property a row."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys.settings.load import load_settings
from recsys.settings.shapes import Pivot
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import DataError
from training.cli.init import init

NOW = datetime(2026, 6, 10, tzinfo=UTC)
LINES = "order_no,pos,sku,menge,preis\nB1,1,VASE,2,20.00\nB1,2,FRAME,1,35.50\nB2,1,VASE,1,20.00\nB3,1,LAMP,1,80.00\n"
HEADS = (
    "id,kunde_id,status,bestellt_am,bezahlt_am\nB1,k-1,bezahlt,2026-05-02 09:30:00,2026-05-03 00:00:00\n"
    "B2,k-2,versendet,2026-05-20 10:00:00,\nB3,k-3,storniert,2026-05-21 10:00:00,\nB4,k-3,bezahlt,2026-05-22 10:00:00,\n"
)
VIEWS = "user_id,timestamp,event_type,item_id\na,2026-06-01T10:00:00Z,purchase,LIME\nb,2026-06-01T11:00:00Z,view,KIWI\n"
FACTS = "product,attribute,value,changed\n" + "".join(
    f"{item},{name},{value},{at}\n"
    for item, name, value, at in [
        ("LIME", "price", "n3.200", 1780000000000),
        ("LIME", "in_stock", "0", 1780600000000),
        ("LIME", "in_stock", "1", 1780000000000),
        ("KIWI", "price", "n4.100", 1780000000000),
        ("KIWI", "in_stock", "1", 1780000000000),
        ("KIWI", "title", "Kiwi", 1780000000000),
        ("KIWI", "77", "x y z", 1780000000000),
    ]
)


def written(folder: Path, **files: str) -> ShopTables:
    """The shop as it is read by the settings that are written for its files."""
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    out = folder / "settings.toml"
    assert init([str(folder / "*.csv")], out, NOW, yes=True) == 0
    return read_shop(load_settings(out))


@pytest.mark.long
def test_lines_get_their_buyer_and_moment_from_another_file(tmp_path: Path) -> None:
    """The key is told by values, with its share as evidence; cancelled orders count in nothing."""
    shop = written(tmp_path, lines=LINES, heads=HEADS)
    assert shop.events.select("user_id", "item_id", "order_id", "quantity", "price").sort(
        "item_id", "user_id"
    ).collect().rows() == [
        ("k-1", "FRAME", "B1", 1.0, 35.5),
        ("k-1", "VASE", "B1", 2.0, 20.0),
        ("k-2", "VASE", "B2", 1.0, 20.0),
    ]
    text = (tmp_path / "settings.toml").read_text()
    assert (
        "# heads.csv brings kunde_id, status, bestellt_am, bezahlt_am by order_no = id: 100% of the keys looked for" in text
    )
    assert "# LOOK AT THIS: bestellt_am is taken for the moment of an order; the others are bezahlt_am" in text
    assert 'heads.csv"' in text
    assert str(tmp_path) not in text


@pytest.mark.long
def test_several_ids_of_one_person_are_told_by_a_third_file(tmp_path: Path) -> None:
    """Where a customer's id is one of each order, the column that says who it is stands for the user, and is marked as unsure."""
    shop = written(tmp_path, lines=LINES, heads=HEADS, people="kunde_id,person\nk-1,p-1\nk-2,p-1\nk-3,p-2\n")
    assert shop.events.collect()["user_id"].unique().to_list() == ["p-1"]
    assert "# LOOK AT THIS: person of people.csv is taken for the person" in (tmp_path / "settings.toml").read_text()


def test_a_key_that_is_rarely_there_joins_nothing(tmp_path: Path) -> None:
    """Heads of other orders bring nothing, and the sentence says what is missing."""
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "heads.csv").write_text(HEADS.replace("B", "X"))
    with pytest.raises(DataError, match="no table of events was found"):
        init([str(tmp_path / "*.csv")], tmp_path / "settings.toml", NOW, yes=True)


def test_one_property_a_row_is_turned(tmp_path: Path) -> None:
    """The newest value counts wherever it stands, names of properties tell the columns, and the n before a number is none of it."""
    shop = written(tmp_path, views=VIEWS, facts=FACTS)
    assert shop.items.select("item_id", "title", "price", "available").rows() == [
        ("KIWI", "Kiwi", 4.1, True),
        ("LIME", None, 3.2, False),
    ]
    pivot = load_settings(tmp_path / "settings.toml").data.items.pivot
    assert pivot == Pivot(key="product", name="attribute", value="value", time="changed")
