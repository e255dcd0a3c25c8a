"""Place of an item that only fresh ids looked at, in lists for somebody new: with what keeps floods down, and without it.

Run as `make benchmark-floods`. Made-up shops of 41 items in five categories; shoppers view, carry and buy for eight weeks, and in the
last hours fresh ids look once at one item that nobody else knows.
"""

from __future__ import annotations

import math
import random
import tempfile
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import numpy as np
import polars as pl

from recsys.popularity import Weights
from training import console, notebook

SIZES = ((60, 300), (300, 50), (300, 300), (600, 50), (600, 100), (600, 300))
END = datetime(2026, 6, 20, 12, tzinfo=UTC)
JUNK = "JUNK"


def shop(shoppers: int, fresh: int) -> dict[str, pl.DataFrame]:
    """Tables of a shop: shoppers who like two of five categories, and fresh ids with one view of the item that nobody else sees."""
    dice = random.Random(11)
    events = [event for at in range(shoppers) for event in _visits(at, dice)]
    events += [(f"fresh-{at}", END - timedelta(minutes=2 * at + 30), "view", JUNK) for at in range(fresh)]
    items = [(f"P{at:02}", f"Home > C{at % 5}", f"Brand {at % 4}", 5.0 + at) for at in range(1, 41)]
    return {
        "events": pl.DataFrame(events, ["user_id", "timestamp", "event_type", "item_id"], orient="row"),
        "items": pl.DataFrame(
            [*items, (JUNK, "Home > C0", "Brand 9", 2.0)], ["item_id", "category", "brand", "price"], orient="row"
        ),
    }


def _visits(shopper: int, dice: random.Random) -> list[tuple[str, datetime, str, str]]:
    liked, at = dice.sample(range(5), 2), END - timedelta(days=1 + 55 * dice.random())
    found = []
    for step in range(dice.randint(4, 14)):
        category = dice.choice(liked) if dice.random() < 0.8 else dice.randrange(5)
        item = (category + 5 * min(int(dice.expovariate(0.4)), 7)) or 40
        at = min(
            at + timedelta(minutes=20 if dice.random() < 0.7 else 4_000 * dice.random()), END - timedelta(minutes=60 - step)
        )
        [kind] = dice.choices(["view", "cart_add", "purchase"], [6, 1, 2])
        found.append((f"s{shopper:03}", at, kind, f"P{item:02}"))
    return found


def place(tables: dict[str, pl.DataFrame]) -> int:
    """Train, and return the item's place for somebody new; 42 where the list is without it."""
    with tempfile.TemporaryDirectory() as folder:
        listed = notebook.open(tables, artifacts=folder, now=END).recommend(limit=41)["item_id"].to_list()
    return listed.index(JUNK) + 1 if JUNK in listed else 42


def no_bound(others: Weights, _singles: Weights, _unit: float) -> Weights:
    """Stand for `popularity.allowance` where all ids weigh the same."""
    return np.full(len(others), math.inf)


def main() -> None:
    """Print a table."""
    rows = []
    for shoppers, fresh in SIZES:
        tables = shop(shoppers, fresh)
        with patch("recsys.popularity.allowance", no_bound):
            alike = place(tables)
        rows.append((shoppers, fresh, alike, place(tables)))
    console.table("Floods", ("shoppers", "fresh ids", "place if all ids weigh the same", "as it is"), rows)


if __name__ == "__main__":
    main()
