"""Words for one reader: text that fits without breaking a letter, prices and dates as the reader's locale writes them."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import accumulate
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import regex
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, is_currency

Size: TypeAlias = Callable[[str], int]
"""Measures a text in some unit; a longer text never measures less."""

FALLBACK_LOCALE = "en"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT_BY_A_WORD_CUT = 0.6
"""A cut between words must keep more than this share of what fits, the space at its end counted; where none does, the cut
goes through a word."""

_CLUSTER = regex.compile(r"\X")
_WORD_BOUNDARY = regex.compile(r"\b", regex.WORD)
_DROPPED = regex.compile(r"(?V1)[[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]--\s]")
_LOOSE_ENDS = frozenset(" ,;:.-–—/|(&+·")
_PLAIN = str.maketrans({"\xa0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "\u200e": None, "\u200f": None, "\u061c": None})
_TOUCHING = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_LOCALE = re.compile(r"([A-Za-z]{2,3})(?:[_-]([A-Za-z]{4}))?(?:[_-]([A-Za-z]{2}|[0-9]{3}))?(?:[_.@-].*)?", re.DOTALL)


def graphemes(text: str) -> int:
    """Count what a reader takes for one character each: extended grapheme clusters of Unicode Annex 29."""
    return len(_CLUSTER.findall(text))


def one_line(text: str) -> str:
    """Return a text as one clean line.

    White space of any kind becomes single spaces. Control characters, lone surrogates and marks that turn the direction of
    what follows (U+202A to U+202E, U+2066 to U+2069) are dropped, so that a cut leaves none of them open.
    """
    return " ".join(_DROPPED.sub("", text).split())


def shorten(text: str, max_n: int, size: Size = graphemes, ending: str = "…") -> str:
    """Return a text as one clean line that measures at most `max_n`, with `ending` where something was cut.

    The cut goes between words where that keeps most of what fits, else between graphemes, never through one. Where not even
    the ending fits, nothing is left. A GSM-7 text message has no "…": give it `ending="..."`.
    """
    line = one_line(text)
    if size(line) <= max_n:
        return line
    if size(ending) > max_n:
        return ""
    clusters = _CLUSTER.findall(line)
    ends = list(accumulate(map(len, clusters)))
    fitting = bisect_right(ends, max_n, key=lambda end: size(line[:end] + ending))
    kept = _between_words(line, ends, fitting)
    while kept and clusters[kept - 1] in _LOOSE_ENDS:
        kept -= 1
    return "".join(clusters[:kept]) + ending


def _between_words(line: str, ends: list[int], fitting: int) -> int:
    """The last number of clusters, up to those that fit, after which no word is cut; all that fit where that is too few."""
    too_few = int(fitting * KEPT_BY_A_WORD_CUT)
    return next((count for count in range(fitting, too_few, -1) if _WORD_BOUNDARY.match(line, ends[count - 1])), fitting)


def price_text(amount: float | None, currency: str | None, locale: str, plain: bool = False) -> str:
    """Return a price as a locale writes it, in European digits; "" where there is none.

    A currency that ISO 4217 does not know, or none, gives the number alone. `plain`, for text messages, has ordinary spaces
    and apostrophes and no direction marks; a sign that GSM-7 lacks, such as ₹, stays.
    """
    if amount is None or not math.isfinite(amount):
        return ""
    known = _known_locale(locale)
    code = (currency or "").upper()
    text = _currency_text(amount, code, known) if is_currency(code) else _number_text(amount, known)
    return text.translate(_PLAIN) if plain else text


def _currency_text(amount: float, code: str, locale: Any) -> str:
    """A price with its currency; letters keep away from digits (Unicode TS 35, currency spacing, which babel leaves out)."""
    return _TOUCHING.sub("\xa0", format_currency(amount, code, locale=locale))


def _number_text(amount: float, locale: Any) -> str:
    decimals = "" if amount == round(amount) else ".00"
    pattern = locale.decimal_formats[None].pattern.replace(".###", decimals)
    return str(format_decimal(amount, pattern, locale=locale))


def date_text(moment_us: int, locale: str, timezone: str) -> str:
    """Return the day of a moment (microseconds since 1970 UTC) in a time zone, as "March 5, 2026"; unknown zones: UTC."""
    day = (_EPOCH + timedelta(microseconds=moment_us)).astimezone(_zone(timezone)).date()
    return str(format_date(day, "long", locale=_known_locale(locale)))


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones, or one too long for a file
        return UTC


def language(locale: str) -> str:
    """Return the language of a locale: `de` of `de-AT`."""
    return locale_chain(locale, FALLBACK_LOCALE)[0].partition("_")[0]


def is_right_to_left(locale: str) -> bool:
    """Tell whether a locale's script runs from right to left."""
    return bool(_known_locale(locale).text_direction == "rtl")


def locale_chain(locale: str, fallback: str) -> tuple[str, ...]:
    """Return where to look for wording, the closest first: `de-AT` with fallback `en` gives `de_AT`, `de`, `en`.

    Spelling is settled (`zh-hant-tw` is `zh_Hant_TW`) and extensions (`de_DE.UTF-8`, `de-DE-u-co-phonebk`) are left out.
    Each is made of letters, digits and `_` only, so it may name a folder. A locale that is none is skipped; where both
    are none, `en` is left.
    """
    return tuple(dict.fromkeys([*_steps(locale), *_steps(fallback)])) or (FALLBACK_LOCALE,)


def _steps(locale: str) -> list[str]:
    """A locale and what it is a case of, the closest first."""
    found = _LOCALE.fullmatch(locale)
    if found is None:
        return []
    name, script, territory = found.groups()
    subtags = [name.lower(), *([script.title()] if script else []), *([territory.upper()] if territory else [])]
    return ["_".join(subtags[:length]) for length in range(len(subtags), 0, -1)]


def _known_locale(locale: str) -> Any:
    """The closest locale that babel has data for."""
    for name in _steps(locale):
        try:
            return Locale.parse(name)
        except UnknownLocaleError:
            continue
    return Locale.parse(FALLBACK_LOCALE)
