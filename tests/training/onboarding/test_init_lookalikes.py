"""Columns that are called as one thing and hold another: names of shoppers, numbers of lines, ids that the catalogue does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.onboarding.test_init_misreadings import read_proposal
from training.onboarding.files import look_at
from training.onboarding.proposals import propose_joined


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("Customer No,Name,Item No,Description,Date,Invoice No,Quantity,Unit Price", "Description"),
        ("Kd-Nr.,Name,Art.-Nr.,Bezeichnung,Rechnungsdatum,Beleg-Nr.,Menge,VK brutto", "Bezeichnung"),
        ("Email,Name,SKU,Colour,Date,Order,Quantity,Price", None),
        ("Email,Title,SKU,Colour,Date,Order,Quantity,Price", []),
    ],
)
def test_names_of_shoppers_are_no_titles_of_items(tmp_path: Path, head: str, title: object) -> None:
    """They would be served to everybody: a title is told by the item, and not by whoever bought it."""
    rows = [
        f"c{at % 17}@x.de,Ann Smith{at % 17},P{at % 5},Tea no {at % 5},2026-11-{at % 28 + 1:02}T10:00:00Z,R{at},1,9.50"
        for at in range(80)
    ]
    found = read_proposal(tmp_path, head, rows)
    assert found["columns"].get("title") == title
    assert any("the rows of one item differ in it" in each for each in found["unsure"]) is (title != head.split(",")[3])


def test_titles_of_items_stay_though_some_were_renamed(tmp_path: Path) -> None:
    """A new name for a few, and two languages, are titles all the same."""
    rows = [
        f"c{at % 17},{'Tee' if at % 10 == 3 else 'Tea'} no {at % 5},P{at % 5},2026-11-{at % 28 + 1:02}T10:00:00Z,R{at},9.50"
        for at in range(80)
    ]
    assert read_proposal(tmp_path, "Customer,Name,SKU,Date,Order,Price", rows)["columns"]["title"] == "Name"


LINES = "item_id,order_id,parent_item_id,created_at,product_id,name,qty_ordered,qty_refunded,price"
"""Columns of Magento's own table of lines, in which `item_id` is the number of a line."""


def magento_lines() -> list[str]:
    """Two lines an order, the second of which is a part of the first."""
    rows = []
    for at in range(40):
        stated = f"{at},NULL,2026-10-{at % 28 + 1:02} 10:00:{at:02}"
        rows.append(f"{2 * at + 1},{stated},{100 + at % 7},Tea {at % 7},1,0,6.25")
        rows.append(f"{2 * at + 2},{stated.replace('NULL', str(2 * at + 1))},{200 + at % 7},Tea {at % 7} red,1,0,0.00")
    return rows


def test_numbers_of_lines_are_no_items_though_they_are_called_so(tmp_path: Path) -> None:
    """Each would be an item of its own; parts of a whole are told by the number of its line, and counts of pieces are no report."""
    rows = [f"u{at // 2 % 9}@x.de,{row}" for at, row in enumerate(magento_lines())]
    found = read_proposal(tmp_path, f"customer_email,{LINES}".replace("order_id", "increment_id"), rows)
    assert found["columns"]["item_id"] == "product_id"
    assert found["columns"]["order_id"] == "increment_id"
    assert any(
        '`where = [{ column = "parent_item_id", empty = true }]`, and `null_values = ["NULL"]`' in each
        for each in found["unsure"]
    )
    assert not any("a report with sums" in each for each in found["unsure"])


def test_lines_are_joined_by_the_order_and_not_by_its_moment(tmp_path: Path) -> None:
    """Moments may be the same by chance."""
    heads = [f"{at},complete,1000000{at:02},u{at % 9}@x.de,2026-10-{at % 28 + 1:02} 10:00:{at:02}" for at in range(40)]
    files = {
        "lines.csv": [LINES, *magento_lines()],
        "orders.csv": ["entity_id,state,increment_id,customer_email,created_at", *heads],
    }
    for name, rows in files.items():
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    seen, _ = look_at([tmp_path / name for name in files], tmp_path)
    found = propose_joined(seen)
    assert found
    assert found.settings["join"][0]["on"] == {"order_id": "entity_id"}
    assert not any("increment_id" in each for each in found.unsure)


def test_pieces_that_there_is_one_of_keep_their_id(tmp_path: Path) -> None:
    """No id comes twice in second-hand goods: a column that names kinds of them says no id."""
    rows = [
        f"u{at % 9},{1000 + at * 7},{('Chair', 'Lamp', 'Sofa')[at % 3]},2026-10-{at % 28 + 1:02}T10:00:00Z,view"
        for at in range(60)
    ]
    found = read_proposal(tmp_path, "user_id,item_id,product,timestamp,event_type", rows)
    assert found["columns"].get("item_id", "item_id") == "item_id"


def test_titles_of_variants_are_titles(tmp_path: Path) -> None:
    """The rows of one item differ in them, and a shopper tells them no better."""
    rows = [
        f"u{at % 37},P{at % 5},Tee {at % 5} {('Red', 'Blue', 'Green')[at // 5 % 3]},2026-10-{at % 28 + 1:02}T10:00:00Z,view"
        for at in range(150)
    ]
    found = read_proposal(tmp_path, "user_id,item_id,title,timestamp,event_type", rows)
    assert found["columns"].get("title", "title") == "title"
