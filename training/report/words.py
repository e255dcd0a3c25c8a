"""Numbers, dates and the words of the tables as people read them; the filters of the report's templates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_NOTHING = "–"
_SPACE = "\u00a0"

EVENT_WORDS: Mapping[str, str] = {
    "home_view": "Home page views",
    "category_view": "Category page views",
    "search": "Searches",
    "view": "Product views",
    "cart_add": "Cart additions",
    "cart_remove": "Cart removals",
    "checkout": "Checkouts",
    "purchase": "Purchases",
    "refund": "Refunds",
    "impression": "Recommendations shown",
    "click": "Recommendations clicked",
}
"""Event type = its name in a heading or at the beginning of a sentence; one purchase is one line of an order."""


def number(value: float, digits: int = 0) -> str:
    """12,345 or 0.350; a dash for what is not known."""
    return _NOTHING if math.isnan(value) else f"{value:,.{digits}f}"


def about(value: float) -> str:
    """A number that is not exact: whole from 10 on."""
    return number(value, 0 if value >= 10 else 1)


def percent(share: float) -> str:
    """11 %; one decimal below 10 %; a tiny share is not shown as none."""
    if math.isnan(share):
        return _NOTHING
    if 0 < abs(share) < 0.0005:
        return f"<0.1{_SPACE}%"
    digits = 0 if share == 0 or abs(share) >= 0.0995 else 1
    return f"{share * 100:,.{digits}f}{_SPACE}%"


def money(value: float | None, currency: str | None) -> str:
    """1,234 EUR; cents below a thousand."""
    if value is None or math.isnan(value):
        return _NOTHING
    return f"{value:,.{0 if abs(value) >= 1000 else 2}f}{_SPACE}{currency or ''}".strip()


def signed(value: float, digits: int = 3) -> str:
    """+0.012 or −0.012."""
    return f"{value:{'+' if value else ''},.{digits}f}".replace("-", "−")


def whole_date(value: date) -> str:
    """3 November 2026."""
    return f"{value.day}{_SPACE}{_MONTHS[value.month - 1]} {value.year}"


def day(value: date) -> str:
    """Tue 3 November 2026."""
    return f"{_DAYS[value.weekday()]} {whole_date(value)}"


def month(value: date) -> str:
    """Nov 2026."""
    return f"{_MONTHS[value.month - 1][:3]}{_SPACE}{value.year}"


def moment(value: datetime) -> str:
    """3 November 2026, 14:05 UTC."""
    value = value.astimezone(UTC)
    return f"{whole_date(value)}, {value:%H:%M}{_SPACE}UTC"


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 3 min 20 s."""
    if seconds < 60:
        return f"{seconds:.{1 if seconds < 10 else 0}f}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,}{_SPACE}min {rest}{_SPACE}s"


def megabytes(size: float) -> str:
    """12 MB, of bytes."""
    return f"{size / 1e6:,.{1 if size < 10e6 else 0}f}{_SPACE}MB"


def plural(count: int, word: str, many: str = "") -> str:
    """1 day, 2 days."""
    return f"{count:,} {word if count == 1 else many or word + 's'}"


def plain(name: str) -> str:
    """A name of the settings or the code for people: buy_again becomes buy-again."""
    return name.replace("_", "-")


FILTERS: Mapping[str, Callable[..., str]] = {
    "number": number,
    "about": about,
    "percent": percent,
    "money": money,
    "signed": signed,
    "date": whole_date,
    "day": day,
    "month": month,
    "moment": moment,
    "duration": duration,
    "megabytes": megabytes,
    "plural": plural,
    "plain": plain,
    "event_word": EVENT_WORDS.__getitem__,
}
