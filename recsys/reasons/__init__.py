"""Texts of reasons: why an item is shown, by language; one TOML file a language stands beside this one.

A file has `texts` by name and, under `counts`, the forms of counted words: exact counts such as `"=0"`, then what Unicode's plural
rules call them (`one`, `two`, `few`, `many`, `other`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from recsys.locales import FALLBACK_LOCALE, locale_steps, plural_form

LOCALES = ("en", "de", "fr", "ar")
"""Languages that reasons are written in; others read English."""


class _Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language: text by name, with names in braces, and forms of each counted word by count or plural form."""

    texts: Mapping[str, str]
    counts: Mapping[str, Mapping[str, str]]


def reason_text(name: str, locale: str, **values: object) -> str:
    """Return a text in the language of a locale of `LOCALES`; whole numbers among the values are counted words where it has them."""
    language = _texts(locale)
    for key, value in values.items():
        if key in language.counts and isinstance(value, int):
            values[key] = _counted(language.counts[key], value, locale)
    return language.texts[name].format_map(values)


def reason_with_title(name: str, locale: str, title: str) -> str:
    """Return a text whose one value is the title of an item; no words are counted in it, so that it is three parts joined."""
    before, after = _around_title(name, locale)
    return before + title + after


@lru_cache(4096)
def reason_locale(*wanted: str | None) -> str:
    """Return the one of `LOCALES` for a reader: the closest to the first of these locales that is known and has texts."""
    steps = [step for locale in wanted if locale for step in locale_steps(locale)]
    return next((step for step in steps if step in LOCALES), FALLBACK_LOCALE)


def _counted(forms: Mapping[str, str], count: int, locale: str) -> str:
    form = forms.get(f"={count}") or forms.get(plural_form(count, locale)) or forms["other"]
    return form.format(n=count)


@cache
def _around_title(name: str, locale: str) -> tuple[str, str]:
    before, _, after = _texts(locale).texts[name].partition("{title}")
    return before, after


@cache
def _texts(locale: str) -> _Texts:
    file = Path(__file__).with_name(f"{locale}.toml")
    return msgspec.toml.decode(file.read_bytes(), type=_Texts)
