"""A shop whose items have attributes and several categories, fitted or published from its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import Shop, ago, event

COLUMNS = ("item_id", "title", "category", "brand", "price", "Geschlecht", "margin", "tags", "vegan", "since")
ROWS = (
    (
        "coat-1",
        "Coat",
        "Clothes > Coats, Clothes > Sale, Gifts",
        "Sella",
        80,
        "women",
        "0,35",
        "new;wool",
        "no",
        "2026-01-05",
    ),
    ("coat-2", "Cape", "Clothes > Coats", "Sella", 90, "men", "0,10", "wool", "no", "2026-02-05"),
    ("bow-1", "Bow", "Gifts", "Norr", 5, "women", "0,60", "new;sale", "yes", "2026-03-05"),
    ("bow-2", "Bow tie", "Gifts", "Norr", 7, "men", "", "", "", ""),
    ("cup-1", "Cup", "Home > Cups", "Oakly", 12, "", "0,30", "sale", "yes", "2026-03-20"),
    ("cup-2", "Mug", "Home > Cups, Clothes > Sale", "Oakly", 14, "women", "abc", "new", "maybe", "2026-03-21"),
)
TOML = """
[data.events]
paths = ["events.parquet"]
[data.items]
paths = ["items.csv"]
categories_between = ","
[data.attributes]
gender = { type = "word", column = "Geschlecht" }
margin = "number"
tags = { type = "words", separator = ";" }
vegan = "yes_no"
since = "time"
[web]
auth = "off"
development = true
clock = "events"
"""


class AttributeShop(Shop):
    """A `Shop` whose item table is a CSV file with further columns."""

    def write(self) -> None:
        """Write the tables."""
        super().write()
        lines = [COLUMNS, *self.rows()]
        text = "\n".join(",".join(f'"{value}"' for value in line) for line in lines)
        (self.folder / "items.csv").write_text(text + "\n")

    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """The rows of the item table."""
        return ROWS


def attribute_shop(folder: Path, toml: str = TOML) -> AttributeShop:
    """The shop with somebody who bought of everything once."""
    shop = AttributeShop(folder, toml=toml)
    for at, row in enumerate(ROWS):
        for user in range(len(ROWS) - at):
            shop.add(event(f"u{user}", row[0], "purchase", ago(days=1, minutes=at), order_id=f"{user}-{at}"))
            shop.add(event(f"u{user}", row[0], "view", ago(days=1, minutes=at + 60)))
    return shop
