"""Digits of other scripts, which shops write in numbers and dates, as plain ones: `٢٠٢٦`, `२०२६`, `２０２６`."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping
from functools import cache

import polars as pl

from recsys.tables.values.signs import has_sign

_OTHER_DIGIT = r"[\p{Nd}&&[^0-9]]"
_MARKS = {"٬": "'", "．": ".", "，": ",", "：": ":", "／": "/", "－": "-"}
"""The Arabic mark of thousands, which becomes a sign that is no decimal mark anywhere, and the wide signs of East Asia, which stand
between such digits."""
_DECIMAL = "٫"


def with_plain_digits(texts: pl.Series, *, decimal: str = ".") -> pl.Series:
    """Texts with digits of any script, and the marks between them, as those of ASCII; a text without such digits stays as it is.

    decimal: what stands for the Arabic decimal mark. A reader of numbers keeps it, for unlike a point it is never between thousands.
    """
    if texts.dtype != pl.String or not has_sign(texts, lambda data: data >= 0x80):
        return texts
    other = texts.str.contains(_OTHER_DIGIT).fill_null(False)
    return texts.zip_with(~other, texts.str.replace_many({**_plain(), _DECIMAL: decimal})) if other.any() else texts


@cache
def _plain() -> Mapping[str, str]:
    """The plain sign of each digit and mark, from Unicode's tables: looked up once, where any stands."""
    letters = map(chr, range(0x80, sys.maxunicode + 1))
    return {each: str(unicodedata.decimal(each)) for each in letters if unicodedata.category(each) == "Nd"} | _MARKS
