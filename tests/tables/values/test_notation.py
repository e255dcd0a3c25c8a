"""Notation of columns, recognised: by all of their values, with evidence, and by nothing where the settings pin it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.tables.values.notation import Guess
from recsys.types import DataError, SettingsError
from tests.support.shops.shop_tables import an_event, read_rows, the_finding

EVENTS = "[data.events]\npaths = ['events.parquet']\n"
NOON_MS = 1_777_636_800_000


def dated(folder: Path, *values: Any, more: str = "") -> ShopTables:
    """Events with these values as times, each of another item."""
    rows = [an_event(timestamp=value, item_id=f"i{at}") for at, value in enumerate(values)]
    return read_rows(folder, rows, f"data.max_rejected_share = 1.0\n{EVENTS}{more}", strict=False)


def priced(folder: Path, *values: str, more: str = "") -> ShopTables:
    """Events with these texts as prices, each of another item."""
    return read_rows(folder, [an_event(price=value, item_id=f"i{at}") for at, value in enumerate(values)], EVENTS + more)


def the_guess(shop: ShopTables) -> Guess:
    """The only one."""
    [guess] = shop.guesses
    return guess


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(("unit", "factor"), [("s", 0.001), ("ms", 1), ("us", 1_000), ("ns", 1_000_000)])
def test_the_unit_of_times_is_told_by_the_whole_column(tmp_path: Path, unit: str, factor: float, *, as_text: bool) -> None:
    """One unit for all, and the guess says which days that makes and how to pin it."""
    numbers = [int((NOON_MS + day * 86_400_000) * factor) for day in range(3)]
    shop = dated(tmp_path, *map(str, numbers)) if as_text else dated(tmp_path, *numbers)
    assert shop.events.collect()["timestamp"].dt.date().cast(str).to_list() == ["2026-05-01", "2026-05-02", "2026-05-03"]
    guess = the_guess(shop)
    assert guess.pin == f'data.events.time_unit = "{unit}"'
    assert guess.evidence == "3 of 3 numbers fit, from 2026-05-01 to 2026-05-03"


def test_a_number_of_another_unit_is_a_bad_row(tmp_path: Path) -> None:
    """It is not read by itself: seconds among milliseconds would be a day of 1970."""
    shop = dated(tmp_path, NOON_MS, NOON_MS + 1, 20_260_501_000_000_000_000 // 1_000)
    assert (shop.counts["events"].kept, shop.counts["events"].rejected) == (2, 1)


@pytest.mark.parametrize("values", [(711, 712, 713), ("461.5", "462.5"), (3, NOON_MS, 7, 8)])
def test_numbers_that_fit_no_unit_are_no_times(tmp_path: Path, values: tuple[Any, ...]) -> None:
    """They are bad rows, never days of 1970, and it is said why."""
    shop = dated(tmp_path, *values)
    assert shop.counts["events"].kept == 0
    assert the_guess(shop).read_as.startswith("no times")


def test_one_number_among_dates_tells_no_unit(tmp_path: Path) -> None:
    """Nothing is guessed from one row."""
    shop = dated(tmp_path, "2026-05-01", "2026-05-02", str(NOON_MS))
    assert shop.counts["events"].rejected == 1
    assert dated(tmp_path, "2026-05-01", str(NOON_MS), more='time_unit = "ms"').counts["events"].rejected == 0


def test_dates_without_dashes_are_told_from_seconds(tmp_path: Path) -> None:
    """20260501 is no day of 1970, whether number or text; hours may follow."""
    for values in ((20260501, 20260502), ("20260501", "2026050209"), ("2026050123", "2026050209")):
        shop = dated(tmp_path, *values)
        assert [time.date().isoformat() for time in shop.events.collect()["timestamp"]] == ["2026-05-01", "2026-05-02"]
        assert the_guess(shop).pin == 'data.events.time_unit = "date"'


def test_days_of_a_spreadsheet_are_times(tmp_path: Path) -> None:
    """46174.4375 is half past ten of 1 June 2026 in the table's zone, whether number or text; a whole number is its midnight."""
    for values in ((46174.4375, 46175.0), ("46174.4375", "46175")):
        shop = dated(tmp_path, *values, more='timezone = "Europe/Berlin"')
        times = [str(time) for time in shop.events.collect()["timestamp"].sort()]
        assert times == ["2026-06-01 08:30:00+00:00", "2026-06-01 22:00:00+00:00"]
        assert the_guess(shop).pin == 'data.events.time_unit = "excel"'


CODES = [f"{at % 31 + 1:02}.{at * 7 % 60:02}.{at * 37 % 100:02}" for at in range(60)]
"""Numbers of articles, some of which could be days."""
NAMED = [f"{word}-{at % 31 + 1}-{at * 37 % 100:02}" for at, word in enumerate(["MAI", "SET", "GEN", "BOX", "LIS"] * 12)]


@pytest.mark.parametrize("values", [CODES, NAMED])
def test_codes_that_look_like_days_now_and_then_are_no_times(tmp_path: Path, values: list[str]) -> None:
    """Years of two digits are plausible in all of a column or in none; nothing of it is read in silence."""
    shop = dated(tmp_path, *values, more="day_first = true\n")
    assert shop.counts["events"].rejected == len(values)
    guess = the_guess(shop)
    assert guess.read_as == "no times, where it has a year of two digits"
    assert " of 60 values" in guess.evidence


@pytest.mark.parametrize("form", ["%b-%d-%y", "%d.%m.%y", "%d-%b-%y", "%d/%m/%y 10:05", "%d.%m.%y, 10 Uhr"])
def test_years_of_two_digits_are_read_where_nearly_all_are_plausible(tmp_path: Path, form: str) -> None:
    """A slip of the pen among sixty days neither hides the others nor goes unsaid."""
    days = [f"{datetime(2026, 1, 1) + timedelta(days=3 * at):{form}}" for at in range(59)]  # noqa: DTZ001
    shop = dated(tmp_path, *days, days[0].replace("26", "68", 1), "45.13.26", more="day_first = true\n")
    assert shop.counts["events"].rejected == 1
    assert shop.guesses == ()


def test_a_date_format_reads_years_of_two_digits_whatever_the_others_are(tmp_path: Path) -> None:
    """What the settings pin is not held against the column."""
    more = 'day_first = true\ndate_format = "%d.%m.%y"\n'
    assert dated(tmp_path, *CODES, more=more).counts["events"].rejected < len(CODES)


def test_what_is_pinned_is_not_guessed(tmp_path: Path) -> None:
    """The settings' word counts whatever the values look like."""
    shop = dated(tmp_path, NOON_MS, NOON_MS, more='time_unit = "us"')
    assert shop.guesses == ()
    assert shop.events.collect().is_empty()
    assert the_finding(shop, "is not of 1970").rows == 2


def test_typed_tables_are_read_without_a_guess(tmp_path: Path) -> None:
    """Numbers that are numbers, and times that are times, prove nothing and need no proof."""
    assert read_rows(tmp_path, [an_event(price=1.299, quantity=2)]).guesses == ()
    assert priced(tmp_path, "12.50", "1.299").guesses == ()


@pytest.mark.parametrize(
    ("texts", "prices"),
    [
        (("1.234,56 €", "12,50", "1 234,56", "899"), [1234.56, 12.5, 1234.56, 899.0]),
        (("12,50", "9,99", "1.299"), [12.5, 9.99, 1299.0]),
        (("49.90 EUR", "1,059.00 EUR", "€89.00", "24.50"), [49.9, 1059.0, 89.0, 24.5]),
        (("12,50", "12.50", "1.299"), [12.5, 12.5, None]),
        (("1.299", "899"), [None, 899.0]),
        (("Rp 12.500", "Rp 8.900"), [12500.0, 8900.0]),
        (("1.299,- €", "2.499,- €", "1.999"), [1299.0, 2499.0, 1999.0]),
        (("KD 12.500", "KD 8.250"), [12.5, 8.25]),
        ((" 12.50", "7 ", "8"), [12.5, 7.0, 8.0]),
    ],
)
def test_the_decimal_mark_is_told_by_the_whole_column(
    tmp_path: Path, texts: tuple[str, ...], prices: list[float | None]
) -> None:
    """What the column, or a currency, proves holds for those that could be either; else these are dropped."""
    assert priced(tmp_path, *texts).events.collect()["price"].to_list() == prices


@pytest.mark.parametrize(("discounts", "prices"), [(("5", "7"), [None, None]), (("12,50", "9,99"), [1299.0, 2450.0])])
def test_a_minus_proves_no_decimal_mark(tmp_path: Path, discounts: tuple[str, str], prices: list[float | None]) -> None:
    """What was given back is read by the mark of the table, as what was bought is, or not at all: -1.299 may be a thousand."""
    rows = [
        an_event(event_type="refund", price=price, discount=discount, item_id=price)
        for price, discount in zip(("-1.299", "-2.450"), discounts, strict=True)
    ]
    assert read_rows(tmp_path, rows, strict=False).events.collect()["price"].to_list() == prices


def test_a_guessed_mark_is_shown_with_its_evidence(tmp_path: Path) -> None:
    """How many values prove it, an example, and the setting."""
    guess = the_guess(priced(tmp_path, "12,50", "9,99", "1.299"))
    assert (
        guess.evidence
        == "2 values prove a comma and 0 a point, for instance “12,50”; 1 could be either, for instance “1.299”"
    )
    assert (guess.read_as, guess.pin) == ("numbers with a decimal comma", 'data.events.decimal = ","')


def test_pieces_with_three_decimals_beside_prices_with_a_comma(tmp_path: Path) -> None:
    """A table is written in one way: what the prices prove holds for `1,000`, which alone could be a thousand."""
    rows = [an_event(price=price, quantity=n, item_id=price) for price, n in (("12,50", "1,000"), ("9,99", "2,000"))]
    shop = read_rows(tmp_path, rows)
    assert shop.events.collect()["quantity"].to_list() == [1.0, 2.0]
    [evidence] = [guess.evidence for guess in shop.guesses if guess.column == "quantity"]
    assert evidence == "2 values of the table's other columns prove a comma; 2 could be either, for instance “1,000”"


@pytest.mark.parametrize("prices", [("12.50", "9.99"), ("12", "9")])
def test_thousands_of_pieces_in_every_row_are_asked_for(tmp_path: Path, prices: tuple[str, str]) -> None:
    """Whole pieces with three decimals look alike, so the job stops, and `decimal` decides."""
    rows = [an_event(price=price, quantity=f"{at},000", item_id=price) for at, price in enumerate(prices, 1)]
    with pytest.raises(DataError, match=r"quantity.*decimal"):
        read_rows(tmp_path, rows)
    pinned = read_rows(tmp_path, rows, f'{EVENTS}decimal = "."\n')
    assert pinned.events.collect()["quantity"].to_list() == [1000.0, 2000.0]


def test_a_thousand_pieces_among_others_is_a_thousand(tmp_path: Path) -> None:
    """Where other rows have plain numbers, nobody writes three decimals."""
    rows = [an_event(quantity=n, item_id=n) for n in ("1,000", "2", "12")]
    assert read_rows(tmp_path, rows).events.collect()["quantity"].to_list() == [1000.0, 2.0, 12.0]


def test_a_pinned_mark_holds(tmp_path: Path) -> None:
    """It reads what the column does not prove, and refuses what proves another."""
    shop = priced(tmp_path, "1.299", "899", "12.50", more='decimal = ","')
    assert shop.events.collect()["price"].to_list() == [1299.0, 899.0, None]
    assert shop.guesses == ()


def test_a_currency_beside_the_price_is_the_rows_currency(tmp_path: Path) -> None:
    """Prices in another currency than the catalogue's count in no revenue, whichever way they say so."""
    shop = priced(tmp_path, "15.00 USD", "15.00 EUR", "15.00", more="[data]\ncurrency = 'EUR'\n")
    assert shop.events.collect()["currency"].to_list() == ["USD", "EUR", "EUR"]
    assert shop.events.collect()["price"].to_list() == [None, 15.0, 15.0]


def test_two_currencies_for_one_price_make_it_unreadable(tmp_path: Path) -> None:
    """The column says EUR and the price USD: it is neither."""
    rows = [an_event(price="15.00 USD", currency="EUR"), an_event(item_id="bed", price="15.00 EUR", currency="EUR")]
    shop = read_rows(tmp_path, rows)
    assert shop.events.collect()["price"].to_list() == [None, 15.0]
    assert [each.rows for each in shop.findings if each.column == "price"] == [1]


@pytest.mark.parametrize("price", ["$5", "5 $", "5 kr", "¥5"])
@pytest.mark.parametrize(
    ("values", "more"),
    [
        ({"currency": "EUR"}, ""),
        ({}, 'constants = { currency = "CZK" }\n'),
        ({}, "data.currency"),
    ],
)
def test_a_sign_of_other_currencies_makes_a_price_unreadable(
    tmp_path: Path, price: str, values: dict[str, str], more: str
) -> None:
    """$5 is no five of a shop's crowns: a sign that several currencies share has to be one of the row's."""
    rows = [an_event(price=price, item_id="a", **values), an_event(price="7", item_id="b", **values)]
    above = 'data.currency = "CZK"\n' if more == "data.currency" else ""
    shop = read_rows(tmp_path, rows, f"{above}{EVENTS}{more if not above else ''}", strict=False)
    assert shop.events.sort("item_id").collect()["price"].to_list() == [None, 7.0]
    assert the_finding(shop, "is a finite number, 0 or more").rows == 1


@pytest.mark.parametrize(("price", "currency"), [("$5", "USD"), ("$5", "CAD"), ("5 kr", "SEK"), ("¥5", "JPY")])
def test_a_sign_of_the_rows_currency_is_read(tmp_path: Path, price: str, currency: str) -> None:
    """It agrees with any of the currencies that share it."""
    shop = read_rows(tmp_path, [an_event(price=price, currency=currency)], EVENTS)
    assert shop.events.collect().select("price", "currency").rows() == [(5.0, currency)]


def test_amounts_are_read_as_money_too(tmp_path: Path) -> None:
    """A line's total with a comma and a sign; without a readable number of units there is no price of one."""
    more = f"{EVENTS}columns = {{ amount = 'total', quantity = 'n' }}\n"
    rows = [{"total": "25,00 €", "n": "2"}, {"total": "9,99 €", "n": "1,00"}, {"total": "8,50", "n": "some"}]
    shop = read_rows(tmp_path, [an_event(item_id=f"i{at}", **row) for at, row in enumerate(rows)], more)
    assert shop.events.collect()["price"].to_list() == [12.5, 9.99, None]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("timezone = 'Asia/Tokio'", ["data.events.timezone", "'Asia/Tokio'", "Europe/Berlin"]),
        ("date_format = '%Q'", ["data.events.date_format", "'%Q'", "%d.%m.%Y"]),
        ("yes = ['Maybe']\nno = ['maybe']", ["data.events.yes", "'maybe'", "`no`"]),
        ("decimal = ';'", ["data.events.decimal"]),
        ("where = [{ column = 'item_id' }]", ["data.events.where[0]", "'item_id'", "one_of"]),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, more: str, words: list[str]) -> None:
    """The error names the key, the value and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        read_rows(tmp_path, [an_event()], f"{EVENTS}{more}\n")
    assert [word for word in words if word not in str(caught.value)] == []


def test_times_at_a_seam_are_counted(tmp_path: Path) -> None:
    """A local time that the clocks skipped is read as later, and said."""
    shop = dated(tmp_path, "2026-03-29 02:30:00", "2026-03-29 12:00:00", more='timezone = "Europe/Berlin"')
    assert shop.events.collect()["timestamp"].to_list()[0] == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    [found] = shop.findings
    assert (found.rows, found.level, found.column) == (1, "note", "timestamp")


def test_a_table_of_which_no_time_can_be_read_stops_the_job(tmp_path: Path) -> None:
    """Day numbers are no times; the sentence says what to write."""
    with pytest.raises(DataError, match="time_unit"):
        read_rows(tmp_path, [an_event(timestamp=day) for day in (1, 2, 3)])


def test_a_file_that_proves_a_point_proves_it_for_the_next_file(tmp_path: Path) -> None:
    """Files of one table are written alike: 1.299 beside a file of 12.50 is less than two."""
    for name, prices in (("a", ("12.50", "9.99")), ("b", ("1.299", "8"))):
        lines = [f"{name}{at},sofa,2026-05-01T12:00:00Z,view,{price}" for at, price in enumerate(prices)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user_id,item_id,timestamp,event_type,price", *lines, ""]))
    shop = read_shop(parse_settings('[data.events]\npaths = ["a.csv", "b.csv"]\n', tmp_path))
    assert shop.events.collect()["price"].to_list() == [12.5, 9.99, 1.299, 8.0]
    assert shop.guesses == ()


@pytest.mark.parametrize("zero", ["00.00.00", "01.01.70", "1.1.70 00:00"])
def test_zeros_say_nothing_of_other_days_with_a_year_of_two_digits(tmp_path: Path, zero: str) -> None:
    """What a database writes for no day costs its own rows, and not those of all others."""
    days = [f"{datetime(2026, 1, 1) + timedelta(days=at):%d.%m.%y}" for at in range(40)]  # noqa: DTZ001
    shop = dated(tmp_path, *days, *[zero] * 10, more="day_first = true\n")
    assert shop.counts["events"].rejected <= 10
    assert shop.guesses == ()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["2024-01-1", "2024-01-2", "2024-02-5"], 0),
        (["2024-01-1", "2024-10-2", "2024-35-1"], 0),
        (["2024/01/1", "2024/01/5", "2024-12-31 10:00"], 3),
        (["2024-01-1", "2024-01-2", "2024-01-15"], 3),
        (["2024-1-1", "2024-1-2", "2024-2-3"], 3),
        (["2024-01-1 10:00", "2024-01-2 11:00"], 2),
    ],
)
def test_a_day_of_one_digit_behind_a_month_of_two_may_be_a_week(tmp_path: Path, given: list[str], read: int) -> None:
    """2024-01-1 is the first week of January or a day of the first week, unless days above 9 stand in the column."""
    events = [an_event(user_id=f"u{at}", timestamp=each) for at, each in enumerate(given)]
    shop = read_rows(tmp_path, events, strict=False)
    assert shop.counts["events"].kept == read
    assert [guess.pin for guess in shop.guesses] == ['data.events.date_format = "%Y-%m-%d" if they are days'] * (not read)


def test_a_format_says_that_lone_digits_are_days(tmp_path: Path) -> None:
    """What the settings say is not doubted."""
    events = [an_event(user_id=f"u{at}", timestamp=f"2024-01-{at}") for at in range(1, 4)]
    shop = read_rows(tmp_path, events, f'{EVENTS}date_format = "%Y-%m-%d"\n')
    assert shop.counts["events"].kept == 3
