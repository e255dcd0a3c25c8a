"""Examples of values that name nobody: words, amounts and dates as they are, of ids and texts the shape only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import polars as pl

from recsys.tables.schema import Kind

MAX_WORDS = 5
"""Most different words that are named."""
_WORDS: tuple[Kind, ...] = ("type", "flag", "availability", "consent", "currency", "stock", "zone")
_NUMBERS: tuple[Kind, ...] = ("number", "money", "stock")
_NUMBER = re.compile(r"[^\w@+]{0,3}\d{1,3}(?:[ .,'’]?\d{3})*(?:[.,]\d{1,6})?[^\d@]{0,8}")
_DATE = re.compile(r"\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}(?:[T, ].{0,24})?")
_LONG, _SHOWN = 60, 40


def shown(kind: Kind, value: object) -> str:
    """A value as a message may show it: a word that must be mapped, an amount or a date; of all else its shape (`xxx-99`)."""
    text = value if isinstance(value, str) else str(value)
    if kind in _NUMBERS and (not isinstance(value, str) or _NUMBER.fullmatch(text.strip())):
        return _printable(text)
    if kind in ("time", "date") and (isinstance(value, date) or _DATE.fullmatch(text.strip())):
        return _printable(text)
    if kind in _WORDS and len(text) <= _SHOWN and "@" not in text and sum(map(str.isdigit, text)) < 3:
        return _printable(text)
    return _printable(_shape(text))


def words_of(values: pl.Series, kind: Kind) -> str:
    """The different words of a column, the most frequent first, with how often each stands there."""
    counted = (
        values.cast(pl.String).drop_nulls().value_counts(name="rows").sort("rows", values.name, descending=[True, False])
    )
    named = [f"{shown(kind, word)} ({rows:,})" for word, rows in counted.head(MAX_WORDS).rows()]
    more = counted.height - len(named)
    return ", ".join([*named, f"{more:,} more"] if more else named)


def joined(kinds: Sequence[Kind], values: Sequence[object]) -> str:
    """Several values, each by its kind."""
    return ", ".join(shown(kind, value) for kind, value in zip(kinds, values, strict=True))


def _shape(text: str) -> str:
    """Letters as x or X, digits as 9: what kind of value it is, and not whose."""
    start = text if len(text) <= _LONG else text[:_SHOWN]
    masked = "".join(
        "9" if each.isdigit() else ("X" if each.isupper() else "x") if each.isalpha() else each for each in start
    )
    return masked if len(text) <= _LONG else f"{masked}… ({len(text)} characters)"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
