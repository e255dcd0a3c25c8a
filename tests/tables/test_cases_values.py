"""Cases of values: words, numbers, times and ids as shops write them."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys.types import DataError
from tests.support.cases import CASES, as_it_comes, case, needs_cases
from tests.support.shops.shop_tables import the_finding

pytestmark = needs_cases


def test_dates_with_the_day_first(tmp_path: Path) -> None:
    """Points or slashes between, a year of two digits, a time or none."""
    shop = case("times-01-day-first", tmp_path)
    assert shop.events("timestamp", "item_id", "quantity") == [
        (datetime(2026, 6, 9, tzinfo=UTC), "TIN", 1.0),
        (datetime(2026, 6, 10, 17, 8, tzinfo=UTC), "BOX", 1.0),
        (datetime(2026, 6, 13, 23, 5, tzinfo=UTC), "TIN", 2.0),
    ]
    with pytest.raises(DataError, match="day_first"):
        _ = as_it_comes("times-01-day-first", tmp_path).shop


def test_numbers_that_are_no_seconds(tmp_path: Path) -> None:
    """Dates without dashes are dates; a spreadsheet's day, a day number and 0000-00-00 are bad rows."""
    shop = case("times-02-numbers-that-are-no-seconds", tmp_path)
    assert [time for [time] in shop.events("timestamp") if time.year > 1970] == [
        datetime(2026, 6, day, tzinfo=UTC) for day in (8, 9, 10)
    ]
    assert shop.shop.counts["events"].rejected == 3


def test_a_shop_ahead_of_utc_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its 240 events count, and what was looked at in the last hour leads."""
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(Path(CASES, "times-03-local-time-ahead-of-utc", "make_events.py")))
    shop = case("times-03-local-time-ahead-of-utc", tmp_path)
    assert shop.shop.counts["events"].kept == 240
    assert shop.shop.events.select("timestamp").collect()["timestamp"].max() <= datetime.now(UTC)  # type: ignore[operator]
    assert shop.listed()[0] == "HOT"
    assert [item["item_id"] for item in shop.profile("cust-0")["cart"]] == ["HOT"]


def test_decimal_commas_and_signs(tmp_path: Path) -> None:
    """Revenue and prices are those that were meant, and nein is no."""
    shop = case("money-01-decimal-comma-and-signs", tmp_path)
    assert [shop.profile(user)["revenue"] for user in ("m-1", "m-2", "m-3")] == [1259.56, 12.5, 1234.56]
    assert shop.items("item_id", "price", "available") == [("DESK", 1234.56, False), ("LAMP", 12.5, True)]
    assert shop.listed() == ["LAMP"]


def test_decimal_commas_are_told_without_a_setting(tmp_path: Path) -> None:
    """The settings that it came with will do: the values prove the comma, and the words are known."""
    shop = as_it_comes("money-01-decimal-comma-and-signs", tmp_path)
    assert [shop.profile(user)["revenue"] for user in ("m-1", "m-2", "m-3")] == [1259.56, 12.5, 1234.56]
    assert shop.listed() == ["LAMP"]
    assert {guess.pin for guess in shop.shop.guesses} == {'data.events.decimal = ","'}


def test_the_sale_price_where_there_is_one(tmp_path: Path) -> None:
    """Row by row, with the currency behind or before."""
    shop = case("money-02-code-behind-and-sale-price", tmp_path)
    assert shop.items("item_id", "price") == [("A1", 39.9), ("A2", 1059.0), ("A3", 89.0), ("A4", 24.5)]
    assert shop.shop.findings == ()


def test_what_a_shop_writes_where_it_means_not_for_sale(tmp_path: Path) -> None:
    """Nothing of it is shown, a word that nobody knows is named, and preorder is shown where a setting says so."""
    shop = case("words-01-availability", tmp_path)
    assert set(shop.listed()) == {f"W0{at}" for at in range(6)}
    assert the_finding(shop.shop, "for sale").example == "unbekannt (1)"
    assert set(as_it_comes("words-01-availability", tmp_path).listed()) == {f"W0{at}" for at in range(4)}


def test_stock_that_is_no_number(tmp_path: Path) -> None:
    """None of what means sold out is shown, and what cannot be read is named."""
    shop = case("words-02-stock-that-is-no-number", tmp_path)
    assert set(shop.listed()) == {"S5", "S6"}
    assert the_finding(shop.shop, "number of units").example == "<5"


def test_a_consent_in_other_words(tmp_path: Path) -> None:
    """Unsubscribed is a no: the moment goes to those who agreed, and, as the setting says, to those without a word."""
    for shop in (case("words-03-consent", tmp_path / "a"), as_it_comes("words-03-consent", tmp_path / "b")):
        moments = shop.client.get("/v1/moments/cart").get_data(as_text=True)
        assert [user for user in (f"c{at}" for at in range(6)) if f'"{user}"' in moments] == ["c0", "c5"]


def test_ids_that_a_spreadsheet_had(tmp_path: Path) -> None:
    """Leading zeros, .0, letter case and blanks are not told apart where the settings say so."""
    shop = case("ids-01-touched-by-a-spreadsheet", tmp_path)
    known = {item for [item] in shop.items("item_id")}
    assert sorted(item for [item] in shop.events("item_id") if item in known) == ["12.5", "71", "880", "9990001112", "QX-1"]
    assert shop.profile("4711")["orders"] == 4


def test_a_mail_address_is_one_customer(tmp_path: Path) -> None:
    """However it is written; an address with another name is another's."""
    shop = case("ids-02-mail-as-user", tmp_path)
    assert (shop.profile("ida@shop.invalid")["orders"], shop.profile("ida@shop.invalid")["revenue"]) == (3, 30.0)
    assert shop.profile("ida+news@shop.invalid")["orders"] == 1
