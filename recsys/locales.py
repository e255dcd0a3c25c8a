"""Locales: prices, dates, directions and plural forms as a reader's locale writes them, and where to look for its wording."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, is_currency

from recsys import clock

FALLBACK_LOCALE = "en"
_OF_NO_PLACE = ("localtime", "posixrules", "Factory")
"""Names among those of zones that say nothing of where somebody is."""
_PLAIN = str.maketrans({"\xa0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "\u200e": None, "\u200f": None, "\u061c": None})
_TOUCHING = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_LOCALE = re.compile(r"([A-Za-z]{2,3})(?:[_-]([A-Za-z]{4}))?(?:[_-]([A-Za-z]{2}|[0-9]{3}))?(?:[_.@-].*)?", re.DOTALL)


@lru_cache(16_384)
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
    day = clock.to_datetime(moment_us).astimezone(zone(timezone)).date()
    return str(format_date(day, "long", locale=_known_locale(locale)))


@lru_cache(1024)
def zone(name: str) -> tzinfo:
    """Return a time zone; UTC where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones, or one too long for a file
        return UTC


def zone_name(text: str) -> str | None:
    """Return the IANA name of a zone written in any case, with blanks or in Windows' words; None: it names none.

    `europe/berlin` and `W. Europe Standard Time` are Europe/Berlin. An offset such as `+01:00` is none: it is that of half a year.
    """
    return _zone_names().get(_as_one_word(text))


@cache
def _zone_names() -> Mapping[str, str]:
    windows: Mapping[str, str] = get_global("windows_zone_mapping")  # of Unicode's CLDR
    names = available_timezones().difference(_OF_NO_PLACE)
    found = {_as_one_word(words): name for words, name in windows.items() if name in names}
    return found | {_as_one_word(name): name for name in names}


def _as_one_word(text: str) -> str:
    return "_".join(text.casefold().split())


@lru_cache(1024)
def plural_form(count: int, locale: str) -> str:
    """Return which form of a counted word a locale wants: `zero`, `one`, `two`, `few`, `many` or `other` (Unicode TS 35)."""
    return str(_known_locale(locale).plural_form(count))


def language(locale: str) -> str:
    """Return the language of a locale: `de` of `de-AT`."""
    return locale_chain(locale, FALLBACK_LOCALE)[0].partition("_")[0]


@lru_cache(1024)
def is_right_to_left(locale: str) -> bool:
    """Tell whether a locale's script runs from right to left."""
    return bool(_known_locale(locale).text_direction == "rtl")


@lru_cache(1024)
def locale_chain(locale: str, fallback: str) -> tuple[str, ...]:
    """Return where to look for wording, the closest first: `de-AT` with fallback `en` gives `de_AT`, `de`, `en`.

    Spelling is settled (`zh-hant-tw` is `zh_Hant_TW`) and extensions (`de_DE.UTF-8`, `de-DE-u-co-phonebk`) are left out.
    Each is made of letters, digits and `_` only, so it may name a folder. A locale that is none is skipped; where both
    are none, `en` is left.
    """
    return tuple(dict.fromkeys([*locale_steps(locale), *locale_steps(fallback)])) or (FALLBACK_LOCALE,)


def locale_steps(locale: str) -> list[str]:
    """Return a locale and what it is a case of, the closest first: `de_AT`, `de`; nothing for a text that is no locale."""
    found = _LOCALE.fullmatch(locale)
    if found is None:
        return []
    name, script, territory = found.groups()
    subtags = [name.lower(), *([script.title()] if script else []), *([territory.upper()] if territory else [])]
    return ["_".join(subtags[:length]) for length in range(len(subtags), 0, -1)]


def _known_locale(locale: str) -> Any:
    """The closest locale that babel has data for."""
    for name in locale_steps(locale):
        try:
            return Locale.parse(name)
        except UnknownLocaleError:
            continue
    return Locale.parse(FALLBACK_LOCALE)
