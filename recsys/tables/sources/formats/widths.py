"""Rows of a text file that are wider or narrower than its line of column names, so that values may stand under the wrong ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from recsys.types import DataError

_MONEY = re.compile(
    r"price|preis|prix|prec|prez|amount|betrag|montant|importe|total|cost|kost|value|wert|revenue|umsatz", re.IGNORECASE
)
_WHOLE, _CENTS = re.compile(r"\s*-?\d+"), re.compile(r"\d\d\s*")


def check_decimals(separator: str, rows: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """Refuse rows that end with more commas than the names where each has, as an amount of money, a whole number beside one of two
    digits: 12,50 without quotes. A year beside a month is none.

    Raises:
        DataError: if they have; other rows that end so are sound.
    """
    n = len(names)
    long = [cells[:n] for cells in rows if len(cells) > n and not any(cells[n:])]
    columns = [*zip(names, zip(*long, strict=True), strict=True)] if separator == "," and len(long) > 1 else []
    if any(
        _MONEY.search(name) and all(map(_WHOLE.fullmatch, whole)) and all(map(_CENTS.fullmatch, cents))
        for (name, whole), (_, cents) in pairwise(columns)
    ):
        raise DataError(
            "has more fields in its rows than column names, and in all of them a whole number beside two digits, as decimal commas "
            "without quotes look; put quotes around such numbers, or export fields separated by semicolons"
        )


def fewer_fields(width: int, names: Sequence[str]) -> Iterator[str]:
    """Say that rows have fewer fields than there are names.

    Raises:
        DataError: if so many names start with a blank: `Price, net` without quotes is two, and each name behind them another column's.
    """
    more, ends = len(names) - width, [name for name in names if name.startswith(" ")]
    if more > 0 and len(ends) == more:
        raise DataError(
            f"has {len(names):,} column names above rows of {width:,} fields, and {ends[0]!r} may be the end of the name before it; "
            "put quotes around names that hold the separator"
        )
    if more > 0:
        yield f"its rows have fewer fields than the {len(names):,} column names, so that the last ones are empty"
