"""Text that fits without breaking a letter, and prices and dates as the reader's locale writes them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.messages.cards.text_format import (
    Size,
    date_text,
    graphemes,
    is_right_to_left,
    language,
    locale_chain,
    one_line,
    price_text,
    shorten,
)
from tests.conftest import micros

LETTERS = ("a", "É", "e\u0301", "🇩🇪", "🇯🇵", "👨‍👩‍👧‍👦", "👍🏽", "❤️", "क्षि", "स्ते", "ﷺ", "مُ", "한", "木", "ก็", "1️⃣", "3")
"""One grapheme each, whatever of these stands beside it."""
WORDS = st.lists(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=9), min_size=1, max_size=6)
LOCALES = ("en", "en_IN", "de", "de_CH", "fr", "ar", "ar_EG", "he", "fa", "ja", "hi", "pl", "pt_BR", "sv", "zh_Hant_TW")
MARCH_5 = micros(datetime(2026, 3, 5, 23, 30, tzinfo=UTC))


def utf8_bytes(text: str) -> int:
    """A unit other than graphemes."""
    return len(text.encode())


def test_a_grapheme_is_what_a_reader_calls_a_letter() -> None:
    """Flags, families, accents and conjuncts count one."""
    assert [graphemes(letter) for letter in LETTERS] == [1] * len(LETTERS)
    assert graphemes("") == 0


@given(words=WORDS, max_n=st.integers(-1, 60), size=st.sampled_from([graphemes, len, utf8_bytes]))
def test_a_cut_goes_between_letters(words: list[list[str]], max_n: int, size: Size) -> None:
    """In every unit, what is left of a text is whole letters from its start, and an ending if any are gone."""
    letters = [*words[0], *[letter for word in words[1:] for letter in (" ", *word)]]
    text, short = "".join(letters), shorten("".join(letters), max_n, size)
    if size(text) <= max_n:
        assert short == text
    elif max_n < size("…"):
        assert short == ""
    else:
        fitting = [part for length in range(len(letters)) if size(part := "".join(letters[:length])) + size("…") <= max_n]
        assert short.endswith("…")
        assert short[:-1] in fitting
        assert bool(short[:-1]) == (len(fitting) > 1)


@given(text=st.text(max_size=60), max_n=st.integers(0, 60), ending=st.sampled_from(["…", "...", ""]))
def test_what_is_shortened_fits(text: str, max_n: int, ending: str) -> None:
    """Any text keeps to any limit in any unit, and is clean; shortened again it stays."""
    for size in (graphemes, len, utf8_bytes):
        short = shorten(text, max_n, size, ending)
        assert size(short) <= max_n
        assert short == shorten(short, max_n, size, ending)
        assert short in ("", one_line(text)) or short.endswith(ending)


@pytest.mark.parametrize(
    ("text", "max_n", "expected"),
    [
        ("Armchair in walnut and linen", 28, "Armchair in walnut and linen"),
        ("Armchair in walnut and linen", 27, "Armchair in walnut and…"),
        ("Armchair in walnut and linen", 19, "Armchair in walnut…"),
        ("Armchair in walnut and linen", 18, "Armchair in…"),
        ("Donaudampfschifffahrt", 10, "Donaudamp…"),
        ("A Donaudampfschifffahrt", 10, "A Donauda…"),
        ("Linens Donaudampfschifffahrt", 12, "Linens…"),
        ("Linens Donaudampfschifffahrt", 13, "Linens Donau…"),
        ("Washed linen and oak Tom's bed", 25, "Washed linen and oak…"),
        ("Linen, washed", 8, "Linen…"),
        ("Sofa (oak)", 7, "Sofa…"),
        ("ソファと椅子と机", 5, "ソファと…"),
        ("كرسي من خشب الجوز", 12, "كرسي من خشب…"),
        ("🇩🇪🇫🇷🇯🇵", 2, "🇩🇪…"),
        ("Chair", 1, "…"),
        ("Chair", 0, ""),
    ],
)
def test_a_cut_goes_between_words_where_that_leaves_enough(text: str, max_n: int, expected: str) -> None:
    """More than 60 % of what fits is kept: between words if that does, else within one; loose punctuation goes."""
    assert shorten(text, max_n) == expected


def test_the_unit_and_the_ending_are_the_callers() -> None:
    """Bytes count where bytes are limited, and a GSM-7 text gets dots that GSM-7 has."""
    assert shorten("ééééé", 9, utf8_bytes) == "ééé…"
    assert shorten("Armchair in walnut", 12, ending="...") == "Armchair..."
    assert shorten("Armchair", 2, ending="...") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Oak \t sofa\r\n\u2028\u2003new\xa0", "Oak sofa new"),
        ("Sub\x00ject\x1b: \x7f\x9dBcc", "Subject: Bcc"),
        ("\u202egnp.exe \u2066a\u2069 \u202ab\u202c", "gnp.exe a b"),
        ("lone \ud800 half", "lone half"),
        ("نمی\u200cخواهم 👨\u200d👩\u200d👧 \u200fא", "نمی\u200cخواهم 👨\u200d👩\u200d👧 \u200fא"),
        ("", ""),
    ],
)
def test_one_line_is_clean(text: str, expected: str) -> None:
    """White space becomes one space; controls and turned directions go; joiners and plain direction marks stay."""
    assert one_line(text) == expected


@given(st.text())
def test_nothing_unclean_passes(text: str) -> None:
    """No control, no line break and no open direction is left, and cleaning again changes nothing."""
    line = one_line(text)
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", line)
    assert line == " ".join(line.split()) == one_line(line)


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
