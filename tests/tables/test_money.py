"""Money in several currencies, by a table of rates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.shop import ShopTables
from recsys.types import DataError, SettingsError
from tests.support.shops.shop_tables import Rows, an_event, read_rows, the_finding

RATES = "data.currency = 'EUR'\ndata.rates = { USD = 0.5, PLN = 0.25 }\n"


def test_amounts_are_worth_what_the_rates_say(tmp_path: Path) -> None:
    """Prices and discounts of events, prices and costs of items; what names no currency is in the catalogue's."""
    rows = [
        an_event(event_id="a", price=10.0, currency="USD", discount=4.0),
        an_event(event_id="b", price=10.0, currency="EUR"),
        an_event(event_id="c", price=10.0, currency=None),
    ]
    items = [
        {"item_id": "sofa", "price": 100.0, "cost": 40.0, "currency": "PLN"},
        {"item_id": "bed", "price": 100.0, "cost": None, "currency": "EUR"},
    ]
    shop = read_rows(tmp_path, rows, RATES, items=items)
    assert shop.events.collect().select("price", "discount", "currency").rows() == [
        (5.0, 2.0, "EUR"),
        (10.0, None, "EUR"),
        (10.0, None, "EUR"),
    ]
    assert shop.items.select("item_id", "price", "cost", "currency").rows() == [
        ("bed", 100.0, None, "EUR"),
        ("sofa", 25.0, 10.0, "EUR"),
    ]
    assert (shop.currency, shop.findings) == ("EUR", ())


def test_a_sale_price_of_nothing_is_no_sale(tmp_path: Path) -> None:
    """Platforms write 0.00 where nothing is on sale: the usual price counts, and is looked at. What was paid is what it is."""
    items: Rows = [
        {"item_id": "sofa", "sale": "0.00", "usual": "20.00"},
        {"item_id": "bed", "sale": "15.00", "usual": "20.00"},
        {"item_id": "leaf", "sale": "0", "usual": "0.00"},
        {"item_id": "card", "sale": "0", "usual": None},
        {"item_id": "lamp", "sale": "0", "usual": "soon"},
        {"item_id": "vase", "sale": "-1", "usual": "20.00"},
    ]
    mapped = "data.max_unreadable_share = 0.5\n" + "".join(
        f"[data.{table}]\npaths = ['{table}.parquet']\ncolumns.price = ['sale', 'usual']\n" for table in ("events", "items")
    )
    shop = read_rows(tmp_path, [an_event(sale="0.00", usual="20.00")], mapped, items=items)
    prices = {"sofa": 20.0, "bed": 15.0, "leaf": 0.0, "card": 0.0}
    assert {row["item_id"]: row["price"] for row in shop.items.to_dicts() if row["available"]} == prices
    assert shop.events.collect()["price"].to_list() == [0.0]


def test_items_built_from_events_are_in_the_catalogues_currency(tmp_path: Path) -> None:
    """The last seen price is converted like every other."""
    shop = read_rows(
        tmp_path, [an_event(price=10.0, currency="USD"), an_event(item_id="bed", price=8.0, currency="PLN")], RATES
    )
    assert shop.items.select("item_id", "price").rows() == [("bed", 2.0), ("sofa", 5.0)]


def test_a_currency_without_a_rate_counts_in_nothing_and_is_found(tmp_path: Path) -> None:
    """The finding says which rate is missing, and where to write it."""
    shop = read_rows(
        tmp_path, [an_event(price=10.0, currency="CZK"), an_event(item_id="bed", price=10.0, currency="USD")], RATES
    )
    assert shop.events.collect()["price"].to_list() == [None, 5.0]
    found = the_finding(shop, "prices are in EUR or one of PLN, USD")
    assert (found.rows, found.example, found.level) == (1, "CZK", "emptied")
    assert "`[data.rates]` what one CZK is worth in EUR" in found.advice


def test_items_in_a_currency_without_a_rate_stop_the_job(tmp_path: Path) -> None:
    """A price that cannot be told is not shown as another."""
    items = [{"item_id": "a", "currency": "EUR"}, {"item_id": "b", "currency": "CZK"}]
    with pytest.raises(DataError, match=re.escape("say under `[data.rates]` what one CZK is worth in the catalogue's")):
        read_rows(tmp_path, [an_event()], RATES, items=items)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("data.rates = { USD = 0.9 }\n", "data.rates: say in `data.currency` which currency they lead to"),
        ("data.currency = 'EUR'\ndata.rates = { EUR = 0.9 }\n", "data.rates.EUR: is the catalogue's own currency"),
        ("data.currency = 'EUR'\ndata.rates = { usd = 0.9 }\n", "data.rates"),
        ("data.currency = 'EUR'\ndata.rates = { USD = 0.0 }\n", "data.rates"),
    ],
)
def test_rates_that_lead_nowhere_are_refused(tmp_path: Path, more: str, said: str) -> None:
    """The error names the key."""
    with pytest.raises(SettingsError, match=re.escape(said)):
        read_rows(tmp_path, [an_event()], more)


def _signed(folder: Path, price: str, item: str | None, more: str = "", currency: str | None = None) -> ShopTables:
    rows = [an_event(event_id=f"e{at}", price=price, currency=currency) for at in range(3)]
    items = [{"item_id": "sofa", "price": "9.50", "currency": item}] if item else [{"item_id": "sofa", "price": "$9.50"}]
    return read_rows(folder, rows, more, items=items)


def test_a_sign_of_several_currencies_is_the_catalogues_where_it_can_be(tmp_path: Path) -> None:
    """The item table alone knows the currency: $5 is five of its dollars, and no euros."""
    shop = _signed(tmp_path, "$5.00", "CAD")
    assert shop.events.collect().select("price", "currency").unique().rows() == [(5.0, "CAD")]
    assert (shop.currency, shop.findings) == ("CAD", ())
    shop = _signed(tmp_path, "$5.00", "EUR")
    assert shop.events.collect()["price"].null_count() == 3
    found = the_finding(shop, "prices are in EUR")
    assert (found.rows, found.example, found.level) == (3, "$", "emptied")
    assert "$ is no sign of EUR" in found.advice


def test_a_sign_whose_currency_nobody_names_is_said(tmp_path: Path) -> None:
    """Dollars of whom: prices stay, lists name no currency, and the finding asks for it."""
    shop = _signed(tmp_path, "$5.00", None)
    assert shop.events.collect().select("price", "currency").unique().rows() == [(5.0, None)]
    assert shop.items.select("price", "currency").rows() == [(9.5, None)]
    found = the_finding(shop, "tells which of ")
    assert (found.level, found.rows) == ("note", 3)
    assert "`data.currency`" in found.advice
    assert _signed(tmp_path, "$5.00", None, 'data.currency = "AUD"\n').findings == ()
    found = the_finding(_signed(tmp_path, "5.00", None), "tells which of ")
    assert (found.table, found.rows, found.share) == ("items", 1, 1.0)


@pytest.mark.parametrize(
    ("price", "currency", "more"),
    [("kr 5", None, ""), ("€5.00", None, ""), ("5", "SEK", ""), ("5", None, 'data.currency = "EUR"\n')],
)
def test_items_whose_sign_is_of_no_such_currency_stop_the_job(
    tmp_path: Path, price: str, currency: str | None, more: str
) -> None:
    """Items in $, and events, or the settings, in something that is no dollar."""
    with pytest.raises(DataError, match=r"only signs are there: \$|beside \$, which is no sign of|cannot be read"):
        _signed(tmp_path, price, None, more, currency)


def test_a_shop_whose_every_price_is_in_a_currency_without_a_rate_stops(tmp_path: Path) -> None:
    """Revenue would be none in silence: no price of the events can be read in the catalogue's currency."""
    rows = [an_event(event_id=f"e{at}", price=5.0, currency="USD") for at in range(3)]
    shop = read_rows(tmp_path, rows, items=[{"item_id": "sofa", "price": 9.5, "currency": "EUR"}])
    stopping = [
        each for each in usefulness(parse_settings("", tmp_path), shop) if not each.passed and each.name == "unreadable"
    ]
    assert len(stopping) == 1
    assert "3 of 3 values of events, column currency" in re.sub(r" \([\d.]+%\)", "", stopping[0].said)
