"""Numbers and money in text: what proves a decimal mark, what may stand beside, and what is never guessed."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.tables.values.numbers import Mark, Proofs, currency_beside, prove, read_number
from tests.support.shops.handmade import calm

THIN, NARROW = "\u00a0", "\u202f"


def read(*texts: str, mark: Mark = ".", strict: bool = False, **more: Any) -> list[float | None]:
    """Texts as money."""
    number = read_number(pl.col("text"), mark, strict=strict, money=True, **more)
    return pl.DataFrame({"text": list(texts)}).select(number).to_series().to_list()


@pytest.mark.parametrize("mark", [".", ",", ""])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,56 €", 1234.56),
        ("1.299,00", 1299.0),
        ("12,50 EUR", 12.5),
        ("1 234,56", 1234.56),
        (f"1{THIN}234,56", 1234.56),
        (f"1{NARROW}234{NARROW}567,8", 1234567.8),
        ("1'299.00", 1299.0),
        ("₹1,29,900.00", 129900.0),
        ("1,299,000", 1299000.0),
        ("1.299.000", 1299000.0),
        ("$1,299.99", 1299.99),
        ("15.00 USD", 15.0),
        ("USD15", 15.0),
        ("Rs.500", 500.0),
        ("kr 12,5", 12.5),
        ("12,-", 12.0),
        ("-12,50", -12.5),
        ("12,50-", -12.5),
        ("(12.50)", -12.5),
        ("−€5", -5.0),
        ("0,125", 0.125),
        ("1e3", 1000.0),
        ("17", 17.0),
        ("$12.00 USD", 12.0),
        ("US $1,299.00", 1299.0),
        ("€12,50 EUR", 12.5),
        ("Rp. 45.000,00", 45000.0),
        ("S/. 45.90", 45.9),
        ("1.299,- Kč", 1299.0),
        ("1 299:-", 1299.0),
        ("Rs. 1,29,900/-", 129900.0),
        ("\u200e1 250,00\u00a0грн.\u200f", 1250.0),
        ("12.50 د.إ", 12.5),
        ("1'299.--", 1299.0),
    ],
)
def test_what_proves_its_decimal_mark_is_read_by_it(text: str, value: float, mark: Mark) -> None:
    """Whatever the mark of the column."""
    assert read(text, mark=mark) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "from 12",
        "12 - 15",
        "12 34",
        "1,2,3",
        "1.2.3",
        "5 weeks",
        "EUR 5 USD",
        "$5 EUR",
        "zł 5 kr",
        "",
        "-",
        "nan",
        "inf",
        "--5",
    ],
)
def test_what_is_no_number_is_none(text: str) -> None:
    """No part of a text is taken for all of it."""
    assert read(text) == [None]


def test_digits_of_any_script_are_digits() -> None:
    """With the marks of their scripts, a sign and a currency."""
    assert read("١٢٫٥٠", "-१२.५", "１，２００．５０", "SAR ١٬٢٩٩٫٠٠", "۱۲") == [
        12.5,
        -12.5,
        1200.5,
        1299.0,
        12.0,
    ]


def test_the_arabic_mark_of_thousands_is_no_decimal_mark() -> None:
    """Whatever mark the settings pin: `١٬٢٩٩` is never one and three tenths."""
    assert [read("١٬٢٩٩", "SAR ١٬٢٩٩٬٠٠٠", "١٬٢٩", mark=mark) for mark in (".", ",", "")] == [
        [1299.0, 1_299_000.0, None]
    ] * 3


def test_the_arabic_decimal_mark_is_never_between_thousands() -> None:
    """Whatever mark the column proves `١٫٢٩٩` is one and three tenths, which proves a point; a pinned comma refuses it."""
    texts = ("١٫٢٩٩", "١٢٫٥٠ د.ك", "١٬٢٩٩٫٥", "1٫299", "١٫٢٩٩٫٠", "١٫")
    assert [read(*texts, mark=mark) for mark in (".", ",", "")] == [[1.299, 12.5, 1299.5, 1.299, None, None]] * 3
    assert read(*texts, mark=",", strict=True) == [None] * 6
    assert read(*texts, mark=".", strict=True) == read(*texts)
    assert prove(pl.Series(["١٫٢٩٩", "1,299"]), pl.Series([3, 1])) == Proofs(
        point=3, either=1, example="١٫٢٩٩", open_example="1,299"
    )


def test_what_could_be_either_is_read_by_the_mark_of_its_column() -> None:
    """1,299 and 1.299 are thousands or fractions, by the mark; without one they are nothing."""
    texts = ("1,299", "1.299")
    assert [read(*texts, mark=mark) for mark in (".", ",", "")] == [[1299.0, 1.299], [1.299, 1299.0], [None, None]]


def test_a_pinned_mark_refuses_what_proves_another() -> None:
    """With `decimal = ","` 12.50 is unreadable, and never 1250."""
    assert read("12.50", "12,50", "1.299", "1e3", mark=",", strict=True) == [None, 12.5, 1299.0, 1000.0]
    assert read("12.50", "12,50", "1,299", mark=".", strict=True) == [12.5, None, 1299.0]


def test_units_may_stand_beside_numbers_that_are_no_money() -> None:
    """Known units and those of the settings; another word makes the number unreadable."""
    texts = pl.DataFrame({"text": ["0 pcs", "5 Stk.", "2x", "n3.20", "3 weeks", "5 EUR"]})
    plain, more = (texts.select(read_number(pl.col("text"), units=units)).to_series().to_list() for units in ((), ("n",)))
    assert plain == [0.0, 5.0, 2.0, None, None, None]
    assert more[3] == 3.2


def test_the_currency_beside_a_number() -> None:
    """Codes and signs name it; a sign that several currencies share names none."""
    texts = {
        "12,50 €": "EUR",
        "USD 5": "USD",
        "R$ 1.234,50": "BRL",
        "100 zł": "PLN",
        "$5": None,
        "kr 5": None,
        "5": None,
        "$5 USD": "USD",
        "NT$ 5": "TWD",
        "Rs 5": None,
    }
    found = pl.DataFrame({"text": list(texts)}).select(currency_beside(pl.col("text"))).to_series().to_list()
    assert found == list(texts.values())


@pytest.mark.parametrize(
    ("texts", "mark"),
    [
        (["12,50", "1.299,00", "1.299"], ","),
        (["12.50", "1,299"], "."),
        (["12,50", "12.50"], ""),
        (["12,50", "1.299"], ""),
        (["12,50", "17"], ","),
        (["0,0", "1,000"], "."),
        (["1.299", "899"], "."),
    ],
)
def test_a_column_proves_its_mark_by_more_than_one_value(texts: list[str], mark: Mark) -> None:
    """One value proves it only if no other hangs on it; zero proves nothing; without proof it is the point."""
    assert prove(pl.Series(texts), pl.Series([1] * len(texts))).mark() == mark


def test_money_with_three_digits_behind_a_point_proves_nothing_by_itself() -> None:
    """12.500 is twelve and a half or twelve thousand: the currency tells, or the settings, and never the tool."""
    plain, rupiah, dinar = (prove(pl.Series([f"{sign} 12.500"]), pl.Series([3])) for sign in ("€", "IDR", "BHD"))
    assert [each.mark(money=True) for each in (plain, rupiah, dinar)] == ["", ",", "."]
    assert plain.mark() == "."


def test_proofs_count_rows_and_show_examples() -> None:
    """Each distinct text counts as often as it stands there."""
    found = prove(pl.Series(["12,50", "1.299"]), pl.Series([7, 2]))
    assert found == Proofs(comma=7, point=0, either=2, pointed=2, example="12,50", open_example="1.299")


AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=2)


@calm
@given(AMOUNTS, st.sampled_from([(",", "."), (".", ","), ("'", "."), (" ", ","), (NARROW, ","), ("", "."), ("", ",")]))
def test_an_amount_with_cents_is_itself_in_every_notation(amount: Any, signs: tuple[str, str]) -> None:
    """Two digits after the mark prove it, however thousands are set apart."""
    thousands, mark = signs
    text = f"{amount:,.2f}".replace(",", "T").replace(".", mark).replace("T", thousands)
    assert read(text, mark="") == [float(amount)]


@calm
@given(st.text(max_size=12))
def test_no_text_is_misread_as_an_endless_number(text: str) -> None:
    """Whatever stands there is a finite number, or none."""
    [value] = read(text)
    assert value is None or abs(value) < float("inf")
