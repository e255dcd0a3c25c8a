"""Events that cannot be: times still to come or of 1970, and amounts far outside an item's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.checks.cleaning import LATER, ZERO
from recsys.tables.checks.survey import NOBODY, survey
from recsys.tables.shop import ShopTables, read_shop
from recsys.tables.sources import ROW
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding


def sales(count: int, item: str = "sofa", price: float = 40.0, quantity: float | None = 1.0) -> list[dict[str, Any]]:
    """Purchases of one item by as many people."""
    return [
        an_event(
            user_id=f"u{at}", item_id=item, event_type="purchase", order_id=f"o-{item}-{at}", price=price, quantity=quantity
        )
        for at in range(count)
    ]


def amounts(shop: ShopTables, order: str) -> tuple[float | None, float | None]:
    """Price and quantity of an order's only line."""
    [row] = shop.events.collect().filter(order_id=order).select("price", "quantity").rows()
    return row[0], row[1]


def test_events_later_than_now_are_left_out_and_found(tmp_path: Path) -> None:
    """At now an event counts; a moment later it is of a wrong clock. Without a now there is nothing to hold it against."""
    rows = [an_event(), an_event(item_id="bed", timestamp=NOON + timedelta(microseconds=1))]
    read_rows(tmp_path, rows)
    settings = parse_settings('data.events.paths = ["events.parquet"]', tmp_path)
    shop = read_shop(settings, now=NOON)
    assert shop.events.collect()["item_id"].to_list() == ["sofa"]
    found = the_finding(shop, LATER)
    assert (found.rows, found.share, found.example) == (1, 0.5, "2026-05-01 12:00:00 UTC")
    assert shop.items["item_id"].to_list() == ["sofa"]
    assert (shop.counts["events"].implausible, shop.counts["events"].kept) == (1, 1)
    assert read_shop(settings).events.collect().height == 2


def test_events_of_1970_are_left_out_and_found(tmp_path: Path) -> None:
    """The last moment of 1970 is a number that was no time; the first of 1971 may be one."""
    edge = datetime(1971, 1, 1, tzinfo=UTC)
    rows = [an_event(timestamp=edge), an_event(item_id="bed", timestamp=edge - timedelta(microseconds=1))]
    shop = read_rows(tmp_path, rows)
    assert shop.events.collect()["item_id"].to_list() == ["sofa"]
    assert the_finding(shop, ZERO).example == "1970-12-31 23:59:59 UTC"


@pytest.mark.parametrize(
    ("prices", "usual"),
    [
        ([5, 1, 1, 1, 100], 1),
        ([1, 9, 5, 7, 3], 5),
        ([1, 1, 2, 4, 90, 90], 3),
        ([8, 2], 5),
        ([7], 7),
        ([None, 4, None, 6, 0], 5),
        ([None], None),
    ],
)
def test_the_usual_price_of_an_item_is_the_median_of_its_prices(prices: list[float | None], usual: float | None) -> None:
    """Each row counts, also where many have one price; rows without a price and free ones do not, and the mean says nothing."""
    rows = [an_event(price=price, quantity=2.0, event_type="purchase", order_id=f"o{at}") for at, price in enumerate(prices)]
    frame = pl.DataFrame(rows, schema_overrides={"price": pl.Float64}).with_row_index(ROW)
    [item] = survey(frame.with_columns(pl.lit(None, pl.String).alias(NOBODY)).lazy(), None).items.to_dicts()
    assert (item["usual_price"], item["prices"]) == (usual, len([each for each in prices if each]))
    assert item["usual_quantity"] == 2


@pytest.mark.parametrize(("price", "sound"), [(40.0 * 30, True), (40.0 * 30.1, False)])
def test_a_price_far_above_the_items_own_is_none(tmp_path: Path, price: float, sound: bool) -> None:
    """Up to thirty times what the item usually costs a price counts; beyond that the line stays and is in no revenue."""
    odd = an_event(event_type="purchase", order_id="odd", price=price, quantity=1.0)
    shop = read_rows(tmp_path, [*sales(6), odd])
    assert amounts(shop, "odd") == (price if sound else None, 1.0)
    assert [each.column for each in shop.findings] == ([] if sound else ["price"])
    if not sound:
        found = the_finding(shop, "not far outside")
        assert (found.rows, found.level, found.example) == (1, "emptied", "1,204 of sofa")
        assert shop.items["price"].to_list() == [40.0]


def test_an_item_that_sold_little_is_held_against_its_own_price_then_the_shops(tmp_path: Path) -> None:
    """Below five prices of its own the item table says what is usual, and without it what nearly all of the shop's items cost."""
    odd = [an_event(item_id=item, event_type="purchase", order_id=item, price=2_000.0) for item in ("rug", "vase")]
    items = [{"item_id": "rug", "price": 900.0}, {"item_id": "vase", "price": 9.0}, {"item_id": "sofa", "price": 40.0}]
    shop = read_rows(tmp_path, [*sales(300), *odd], items=items)
    assert (amounts(shop, "rug")[0], amounts(shop, "vase")[0]) == (2_000.0, None)
    assert [amounts(read_rows(tmp_path / name, [*sales(300), *odd]), name)[0] for name in made(tmp_path, "rug")] == [None]


def made(folder: Path, name: str) -> list[str]:
    """Make a folder."""
    (folder / name).mkdir()
    return [name]


@pytest.mark.parametrize(
    ("quantity", "price", "kept"),
    [
        (100.0, 40.0, (40.0, 100.0)),
        (101.0, 40.0, (None, None)),
        (5_000.0, 0.001, (0.001, 5_000.0)),
        (101.0, None, (None, None)),
    ],
)
def test_a_quantity_is_absurd_if_the_amount_is_too(
    tmp_path: Path, quantity: float, price: float | None, kept: tuple[float | None, float | None]
) -> None:
    """A hundred times the usual number of units is out only if the line also comes to a hundred times what lines usually do, or is
    unpriced: a tank of fuel in millilitres is none."""
    odd = an_event(event_type="purchase", order_id="odd", price=price, quantity=quantity)
    assert amounts(read_rows(tmp_path, [*sales(120), odd]), "odd") == kept


def test_the_factors_are_settings(tmp_path: Path) -> None:
    """`max_price_factor` and `max_quantity_factor` move the limits."""
    odd = an_event(event_type="purchase", order_id="odd", price=4_000.0, quantity=500.0)
    more = "[data]\nmax_price_factor = 1000.0\nmax_quantity_factor = 100000.0\n"
    assert amounts(read_rows(tmp_path, [*sales(120), odd], more), "odd") == (4_000.0, 500.0)


@pytest.mark.parametrize(("factor", "said"), [(100, "100"), (1000, "1,000"), (0.01, "0.01"), (1, ""), (10, "")])
def test_prices_in_another_unit_are_found(tmp_path: Path, factor: float, said: str) -> None:
    """Where most items are sold for about so many times what they cost by the item table; a dear one or two say nothing."""
    prices = {f"i{at}": 19.99 + at for at in range(6)}
    rows = [row for item, price in prices.items() for row in sales(3, item, round(0.9 * price * factor, 2))]
    rows += sales(3, "i6", 2000.0)
    items = "item_id,title,price\n" + "".join(f"{item},{item},{price}\n" for item, price in prices.items()) + "i6,i6,20\n"
    (tmp_path / "items.csv").write_text(items)
    text = "[data.events]\npaths = ['events.parquet']\n[data.items]\npaths = ['items.csv']\n"
    shop = read_rows(tmp_path, rows, text)
    found = [each for each in shop.findings if "that of the item table" in each.rule]
    assert [each.rule for each in found] == ([f"is not about {said} times that of the item table"] if said else [])
    assert [each.rows for each in found] in ([], [18], [21])


def test_returns_that_no_rule_makes_refunds_are_found(tmp_path: Path) -> None:
    """What came back would count as bought; a refund may carry its sign, and none of nothing is none."""
    rows = [*sales(2), *sales(1, "bed", quantity=-2.0), *sales(1, "lamp", quantity=0.0)]
    rows.append(an_event(event_type="refund", quantity=-1.0, order_id="o-sofa-0"))
    found = the_finding(read_rows(tmp_path, rows), "not below 0")
    assert (found.rows, found.example, found.level) == (1, "-2.0", "note")
