"""Text that fits without breaking a letter."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.messages.cards.text_format import Size, graphemes, one_line, shorten
from tests.support.shops.handmade import calm

LETTERS = ("a", "É", "e\u0301", "🇩🇪", "🇯🇵", "👨‍👩‍👧‍👦", "👍🏽", "❤️", "क्षि", "स्ते", "ﷺ", "مُ", "한", "木", "ก็", "1️⃣", "3")
"""One grapheme each, whatever of these stands beside it."""
WORDS = st.lists(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=9), min_size=1, max_size=6)


def utf8_bytes(text: str) -> int:
    """A unit other than graphemes."""
    return len(text.encode())


def test_a_grapheme_is_what_a_reader_calls_a_letter() -> None:
    """Flags, families, accents and conjuncts count one."""
    assert [graphemes(letter) for letter in LETTERS] == [1] * len(LETTERS)
    assert graphemes("") == 0


@calm
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


@calm
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


@calm
@given(st.text())
def test_nothing_unclean_passes(text: str) -> None:
    """No control, no line break and no open direction is left, and cleaning again changes nothing."""
    line = one_line(text)
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", line)
    assert line == " ".join(line.split()) == one_line(line)


ODD = (
    "a",
    " ",
    "\n",
    "\t",
    "\u00a0",
    "\u2028",
    "\u200b",
    "\u202e",
    "\u2066",
    "\ud800",
    "\x00",
    "\x1f",
    "\x85",
    "\u00ad",
    "é",
    "木",
)
SPACES = "\t\n\x0b\x0c\r\x85"
DROPPED = re.compile("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@calm
@given(st.text(st.sampled_from(ODD) | st.characters(), max_size=12))
def test_a_clean_line_is_what_is_left_of_a_text(text: str) -> None:
    """Whatever stands in a text, what is dropped goes, white space becomes single spaces, and the rest stays."""
    kept = [each for each in DROPPED.sub("", text) if unicodedata.category(each) != "Cc" or each in SPACES]
    assert one_line(text) == " ".join("".join(kept).split())
