"""Hours of a day behind a date, with the words of several languages, written anew as `14:05`: `um 14 Uhr`, `14.05 Uhr`, `2 PM`."""

from __future__ import annotations

import polars as pl

_BEFORE = (
    r"(?i)[,;]?[\sT]+(?:um|at|om|o|às|as|alle(?:\s+ore)?|ore|a\s+las|à|kl\.?|klo|klokken|godz\.?|saat|ora|v|ve|ώρα|в)\s+"
    r"(\d{1,2}(?:[:.h]\d\d(?:[:.]\d\d)?)?)"
)
"""A word between the day and the hour, which a number alone needs to be one."""
_BEHIND = r"(?i)\s*(?:uhr|uur|hodin|hod|hs|hrs?|h|heures?|horas?|ore)\b\.?"
_ZONE = r"(\s*(?:Z|[+-]\d\d:?\d\d))?$"
_FORMS = (
    (rf"{_BEFORE}$", " ${1}Uhr"),
    (rf"{_BEFORE}(\s*\D+)$", " ${1}${2}"),
    (r"([,;T\s]\d{1,2})h(\d\d)" + _ZONE, "${1}:${2}${3}"),
    (r"([,;T\s]\d{1,2})[:.h](\d\d)[:.](\d\d)" + _BEHIND + _ZONE, "${1}:${2}:${3}${4}"),
    (r"([,;T\s]\d{1,2})[:.h](\d\d)" + _BEHIND + _ZONE, "${1}:${2}${3}"),
    (r"([,;T\s]\d{1,2})" + _BEHIND + _ZONE, "${1}:00${2}"),
    (r"(?i)([,;T\s]\d{1,2})(\s*[ap]\.?m\.?)$", "${1}:00${2}"),
)


def plain_clocks(text: pl.Series) -> pl.Series:
    """Texts with the hours of the day as `14:05` or `14:05:10`; those that have no word for hours stay as they are."""
    for pattern, plain in _FORMS:
        text = text.str.replace(pattern, plain)
    return text
