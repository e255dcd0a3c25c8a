"""Prices, dates, directions and counted words as a reader's locale writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.locales import date_text, is_right_to_left, language, locale_chain, plural_form, price_text
from tests.conftest import micros
from tests.support.shops.handmade import calm

LOCALES = ("en", "en_IN", "de", "de_CH", "fr", "ar", "ar_EG", "he", "fa", "ja", "hi", "pl", "pt_BR", "sv", "zh_Hant_TW")
MARCH_5 = micros(datetime(2026, 3, 5, 23, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "expected"),
    [
        (1234.5, "EUR", "de_DE", "1.234,50\xa0€"),
        (1234.5, "EUR", "de-DE", "1.234,50\xa0€"),
        (1234.5, "eur", "fr", "1\u202f234,50\xa0€"),
        (1234.5, "EUR", "en", "€1,234.50"),
        (1234.5, "CHF", "de_CH", "CHF\xa01’234.50"),
        (129800.0, "JPY", "ja", "￥129,800"),
        (1234567.5, "INR", "en_IN", "₹12,34,567.50"),
        (99.0, "AED", "ar", "\u200f99.00\xa0د.إ.\u200f"),
        (99.0, "KWD", "en", "KWD\xa099.000"),
        (0.0, "EUR", "en", "€0.00"),
        (1234567.5, None, "en_IN", "12,34,567.50"),
        (1234567.0, "", "de", "1.234.567"),
        (49.999, "GOLD", "de", "50,00"),
        (9.5, "EUR", "xx_YY", "€9.50"),
        (9.5, "EUR", "de_XX", "9,50\xa0€"),
        (None, "EUR", "de", ""),
        (float("nan"), "EUR", "de", ""),
        (float("inf"), None, "de", ""),
    ],
)
def test_prices_are_written_as_the_locale_does(
    amount: float | None, currency: str | None, locale: str, expected: str
) -> None:
    """Grouping, decimals and sign are the locale's and the currency's; what is unknown falls back; no price is no text."""
    assert price_text(amount, currency, locale) == expected


@pytest.mark.parametrize("locale", LOCALES)
def test_plain_prices_have_ordinary_spaces(locale: str) -> None:
    """A plain price has no special space, no typographic apostrophe and no direction mark, and still its digits."""
    for currency in ("EUR", "CHF", "AED", None):
        text = price_text(1234567.5, currency, locale, plain=True)
        assert not re.search("[\xa0\u202f\u2009’\u200e\u200f\u061c]", text)
        assert re.sub(r"\D", "", text).startswith("12345675")


@pytest.mark.parametrize(
    ("locale", "timezone", "expected"),
    [
        ("en", "UTC", "March 5, 2026"),
        ("en_GB", "Europe/Berlin", "6 March 2026"),
        ("de", "Europe/Berlin", "6. März 2026"),
        ("ja-JP", "America/New_York", "2026年3月5日"),
        ("ar", "Asia/Dubai", "6 مارس 2026"),
        ("xx", "UTC", "March 5, 2026"),
    ],
)
def test_a_date_is_the_readers(locale: str, timezone: str, expected: str) -> None:
    """The day is that of the reader's zone, in the words of the reader's locale."""
    assert date_text(MARCH_5, locale, timezone) == expected


@pytest.mark.parametrize(
    "timezone", ["", "Mars/Base", "Europe", "../../etc/passwd", "/etc/localtime", "x" * 5000, "a\x00b", "é"]
)
def test_an_unknown_zone_is_utc(timezone: str) -> None:
    """No name of a zone, however odd, is an error or a way to a file."""
    assert date_text(MARCH_5, "en", timezone) == "March 5, 2026"


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("ar", True),
        ("he-IL", True),
        ("fa_IR", True),
        ("ur", True),
        ("iw", True),
        ("de", False),
        ("xx", False),
    ],
)
def test_direction_is_the_scripts(locale: str, expected: bool) -> None:
    """Arabic, Hebrew, Persian and Urdu run from right to left; what is unknown does not."""
    assert is_right_to_left(locale) is expected


@pytest.mark.parametrize(
    ("locale", "fallback", "expected"),
    [
        ("de-AT", "en", ("de_AT", "de", "en")),
        ("de_AT", "de_CH", ("de_AT", "de", "de_CH")),
        ("zh-hant-tw", "en_GB", ("zh_Hant_TW", "zh_Hant", "zh", "en_GB", "en")),
        ("de_DE.UTF-8", "en", ("de_DE", "de", "en")),
        ("de-DE-u-co-phonebk", "en", ("de_DE", "de", "en")),
        ("es-419", "es", ("es_419", "es")),
        ("../de", "fr", ("fr",)),
        ("", "", ("en",)),
    ],
)
def test_the_closest_locale_comes_first(locale: str, fallback: str, expected: tuple[str, ...]) -> None:
    """Territory, then script, then language, then the fallback; each once."""
    assert locale_chain(locale, fallback) == expected
    assert language(expected[0]) == expected[0].split("_")[0]


@calm
@given(locale=st.one_of(st.text(max_size=12), st.from_regex(r"[a-zA-Z]{2,3}([_-][a-zA-Z0-9]{2,4}){0,3}", fullmatch=True)))
def test_any_locale_gives_a_price_and_a_date(locale: str) -> None:
    """Whatever stands in a shop's table as a locale, a reader gets a text, and no locale names a way out of a folder."""
    assert price_text(1.5, "EUR", locale)
    assert date_text(MARCH_5, locale, "UTC")
    assert isinstance(is_right_to_left(locale), bool)
    assert all(
        re.fullmatch("[a-z]{2,3}(_[A-Z][a-z]{3})?(_[A-Z]{2}|_[0-9]{3})?", name) for name in locale_chain(locale, "en")
    )
    assert re.fullmatch("[a-z]{2,3}", language(locale))


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en", "other one other other other other"),
        ("de-AT", "other one other other other other"),
        ("fr", "one one other other other other"),
        ("ar", "zero one two few many other"),
        ("no locale", "other one other other other other"),
    ],
)
def test_counted_words_take_the_form_of_the_locale(locale: str, expected: str) -> None:
    """One, two, few and many are what the locale's own rules say, English ones where there is no such locale."""
    assert " ".join(plural_form(count, locale) for count in (0, 1, 2, 3, 11, 100)) == expected
