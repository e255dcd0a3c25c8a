"""Exports that would be read as something else without a word: each is read as what it is, or asked about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.training.onboarding.test_init_misreadings import read_proposal

HEAD = "Customer,Date,SKU,Order,Qty,Price"
DAY = "2026-11-01T10:00:00Z"


def first_day() -> date:
    """October of last year: what a year can be depends on this one."""
    return date(datetime.now(UTC).year - 1, 10, 1)


def days(form: str, n: int = 60) -> list[str]:
    """So many days one after the other, as they are written."""
    return [(first_day() + timedelta(days=at)).strftime(form) for at in range(n)]


def orders(stamps: list[str]) -> list[str]:
    """An order a day."""
    return [f"C{at % 9},{stamp},P{at % 5},O{at},1,9.50" for at, stamp in enumerate(stamps)]


def test_words_of_events_in_the_other_order_are_known(tmp_path: Path) -> None:
    """Klaviyo says what was done first; an order as a whole is not counted beside its lines."""
    words = ["Viewed Product", "Added to Cart", "Placed Order", "Ordered Product", "Refunded Order", "Cancelled Order"]
    rows = [f"P{at % 7},2026-11-{at % 9 + 1:02}T10:00:00Z,{words[at % 6]},S{at % 5},9.50,O{at}" for at in range(60)]
    found = read_proposal(tmp_path, "customer_id,timestamp,Metric Name,product_id,price,order_id", rows)
    assert found["columns"]["event_type"] == "Metric Name"
    kinds = ["view", "cart_add", "", "purchase", "refund", "refund"]
    assert found["event_types"] == dict(zip(words, kinds, strict=True))
    assert found["unsure"] == []


@pytest.mark.parametrize(("sold", "back"), [("Invoice", "Credit Memo"), ("Rechnung", "Gutschrift")])
def test_an_invoice_beside_credit_notes_is_a_purchase(tmp_path: Path, sold: str, back: str) -> None:
    """Amounts are above 0 in both, so that only the kind of the document tells them apart."""
    rows = [f"{row},{back if at % 6 == 0 else sold}" for at, row in enumerate(orders(days("%Y-%m-%dT10:00:00Z")))]
    found = read_proposal(tmp_path, f"{HEAD},Document", rows)
    assert found["event_types"] == {sold: "purchase", back: "refund"}


def test_words_that_nobody_knows_are_asked_for_where_others_tell_purchases_apart(tmp_path: Path) -> None:
    """Without the column every row would be bought; with it rows of unknown words stop the job until somebody says what they are."""
    words = ["Product Viewed", "Order Completed", "Wishlist Add"]
    rows = [f"C{at % 7},2026-11-{at % 9 + 1:02}T10:00:00Z,{words[at % 3]},S{at % 5},9.50" for at in range(60)]
    found = read_proposal(tmp_path, "customer_id,time,Log type,sku,price", rows)
    assert found["columns"]["event_type"] == "Log type"
    assert any("the word “Wishlist Add” of Log type (20 rows) is no event" in each for each in found["unsure"])


def test_a_column_that_says_that_something_else_happened_is_asked_about(tmp_path: Path) -> None:
    """Where too few of its words are known to take it."""
    words = ["Product Viewed", "Wishlist Add", "Newsletter Signup"]
    rows = [f"C{at % 7},2026-11-{at % 9 + 1:02}T10:00:00Z,{words[at % 3]},S{at % 5},{at * 3}.25" for at in range(60)]
    found = read_proposal(tmp_path, "customer_id,time,Log type,sku,price", rows)
    assert any(
        "Log type says that something else happened in rows that all count as purchases (Product Viewed)" in each
        for each in found["unsure"]
    )


def test_the_clerk_is_not_the_customer(tmp_path: Path) -> None:
    """Where both have a column the one that names many more is the person's, and a kind of customer is nobody."""
    bought = [row.partition(",")[2] for row in orders(days("%Y-%m-%dT10:00:00Z"))]
    clerks = [f"clerk,C{at % 9},{row}" for at, row in enumerate(bought)]
    assert read_proposal(tmp_path, f"User,{HEAD}", clerks)["columns"]["user_id"] == "Customer"
    (tmp_path / "kinds").mkdir()
    kinds = [f"U{at % 17},{'new' if at % 2 else 'returning'},{row}" for at, row in enumerate(bought)]
    assert read_proposal(tmp_path / "kinds", f"User,{HEAD}", kinds)["columns"]["user_id"] == "User"


def test_a_user_who_is_missing_where_another_column_names_somebody_is_asked_about(tmp_path: Path) -> None:
    """An employee at the till, or the number of those who are logged in."""
    rows = [
        f"{at % 3 if at % 5 < 3 else ''},c{at % 9}@example.com,2026-11-01T10:00:00Z,P{at % 5},O{at},1" for at in range(60)
    ]
    found = read_proposal(tmp_path, "user_id,email,created_at,sku,order_id,quantity", rows)
    assert any("user_id is empty in 24 of 60 rows in which email is not" in each for each in found["unsure"])


def test_rows_that_were_cancelled_are_left_out_without_the_number_of_an_order(tmp_path: Path) -> None:
    """By their moment, and by the flag of a test."""
    rows = [
        f"c{at % 9}@example.com,{DAY},P{at % 5},1,9.50,{DAY if at % 4 == 0 else ''},{'yes' if at == 7 else 'no'}"
        for at in range(60)
    ]
    found = read_proposal(tmp_path, "Email,Created at,SKU,Quantity,Price,Cancelled at,Test order", rows)
    assert found["where"] == [
        {"column": "Cancelled at", "empty": True},
        {"column": "Test order", "one_of": ["yes"], "not": True},
    ]


@pytest.mark.parametrize("form", ["%y/%m/%d", "%y-%m-%d %H:%M", "%y.%m.%d %H:%M:%S"])
def test_days_that_begin_with_the_year_are_told_by_what_changes(tmp_path: Path, form: str) -> None:
    """26/11/03 is no 26th of November 2003."""
    found = read_proposal(tmp_path, HEAD, orders(days(form)))
    assert found["date_format"] == form
    assert "day_first" not in found
    years = [day.replace(day[:2], f"{at % 9 + 16}", 1) for at, day in enumerate(days(form))]
    assert read_proposal(tmp_path, HEAD, orders(years))["date_format"] == form
    assert read_proposal(tmp_path, HEAD, orders(days("%d/%m/%y")))["day_first"] is True
    assert read_proposal(tmp_path, HEAD, orders(days("%m/%d/%y")))["day_first"] is False


@pytest.mark.parametrize(
    ("stamps", "day_first"),
    [
        ([f"12/{day:02}/{year}" for year in (23, 24, 25) for day in range(1, 32)], False),
        ([f"{day:02}.{month:02}.{year}" for year in range(22, 27) for month in range(1, 13) for day in (1, 15)], True),
        ([f"11/{day:02}/26" for day in range(1, 31)], False),
        (["30.11.26"] * 30, True),
        ([*["31.12.25"] * 20, *["01.01.26"] * 20], True),
        (["25.11.22", "24.11.23", "29.11.24", "28.11.25"] * 9, True),
    ],
)
def test_days_that_end_with_the_year_are_read_as_ever(tmp_path: Path, stamps: list[str], day_first: bool) -> None:
    """A December of three years, the 1st and 15th of five, one month, one day, a turn of the year, one day a year."""
    found = read_proposal(tmp_path, HEAD, orders(stamps))
    assert "date_format" not in found
    assert found["day_first"] is day_first


def test_days_that_may_begin_or_end_with_the_year_are_asked_about(tmp_path: Path) -> None:
    """One day alone proves nothing."""
    found = read_proposal(tmp_path, HEAD, orders([f"{first_day():%y}/11/03"] * 60))
    assert {"date_format", "day_first"}.isdisjoint(found)
    assert any(
        "nothing proves whether they begin or end with the year: set `date_format`" in each for each in found["unsure"]
    )


@pytest.mark.parametrize("column", ["Zahlungsart", "payment_method", "mode de paiement"])
def test_a_way_of_paying_is_not_what_happened(tmp_path: Path, column: str) -> None:
    """By invoice, by a credit note, by PayPal: all was bought."""
    ways = ["Invoice", "Credit Note", "PayPal"]
    rows = [f"{row},{ways[at % 3]}" for at, row in enumerate(orders(days("%Y-%m-%dT10:00:00Z")))]
    found = read_proposal(tmp_path, f"{HEAD},{column}", rows)
    assert found["constants"] == {"event_type": "purchase"}
    assert [each for each in found["unsure"] if column in each] == []


def test_an_app_is_not_the_customer(tmp_path: Path) -> None:
    """A `client` beside a `user` is what they use, and an id of a visitor is there where nobody is logged in."""
    rows = [f"{f'u{at % 9}' if at % 2 else ''},v{at % 20},ios,view,P{at % 5},2026-11-01T10:{at:02}:00Z" for at in range(60)]
    found = read_proposal(tmp_path, "user_id,visitor_id,client,event,sku,timestamp", rows)
    assert found["columns"]["user_id"] == "user_id"
    assert [each for each in found["unsure"] if "user_id is empty" in each] == []
    (tmp_path / "apps").mkdir()
    apps = [f"u{at % 9},{'ios' if at % 2 else 'web'},view,P{at % 5},2026-11-01T10:{at:02}:00Z" for at in range(60)]
    assert read_proposal(tmp_path / "apps", "user,client,event,sku,timestamp", apps)["columns"]["user_id"] == "user"


def test_days_that_a_spreadsheet_swapped_are_told(tmp_path: Path) -> None:
    """It took those up to the 12th for its own, month first, and left the others as text."""
    mixed = [
        (first_day() + timedelta(days=at)).strftime(
            "%Y-%d-%m" if (first_day() + timedelta(days=at)).day <= 12 else "%d/%m/%Y"
        )
        for at in range(60)
    ]
    found = read_proposal(tmp_path, HEAD, orders(mixed))
    assert "day_first" not in found
    assert any("a spreadsheet of another country swapped day and month in these" in each for each in found["unsure"])
    assert read_proposal(tmp_path, HEAD, orders([*days("%d/%m/%Y", 40), *days("%Y-%m-%d", 20)]))["day_first"] is True
