"""Names of columns: told from values, and made distinct."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

_VALUES = (
    ("like an IP address", re.compile(r"\d+(\.\d+){3}|[0-9a-f]*(:[0-9a-f]*){3,7}", re.I)),
    ("like a time", re.compile(r"\d{1,4}([-/]|\.\s?)\d{1,2}([-/]|\.\s?)\d{1,4}\.?([T ].*)?")),
    ("like a number", re.compile(r"[-+]?[\d.,' ]*\d[\d.,]*( ?[€$£%]| ?[A-Z]{3})?")),
    ("like a mail address", re.compile(r"\S+@\S+\.\S+")),
    ("like a web address", re.compile(r"(https?://|www\.)\S+", re.I)),
    ("like a random id", re.compile(r"(?=[^\d]*\d)[0-9a-f-]{16,}", re.I)),
    ("like a text", re.compile(r".{100,}", re.S)),
    ("like no text", re.compile(r".*[\x00-\x08\x0e-\x1f\ufffd].*", re.S)),
)
"""Kinds of cells that are no names."""
_LONGEST, _START = 100, 80
"""Characters of the longest name that stands in messages, and of what is left of longer ones."""
SECOND = "_duplicated_0"
"""Ending of a name that stands for the second time."""
_MOST_LISTED = 100
"""Most names that a message lists."""


def value_like(cells: Sequence[str], below: Iterable[Sequence[str]] = ()) -> list[str]:
    """Say what in a row of cells is no name of a column, in words without the cells; empty where nothing is.

    Args:
        cells: The row.
        below: Rows under it: a name does not stand again in its own column.
    """
    kinds = [next((kind for kind, pattern in _VALUES if pattern.fullmatch(cell.strip())), "") for cell in cells]
    reasons = [_counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds) if kind]
    seen: list[set[str]] = [set() for _ in cells]
    for row in below:
        for at, cell in enumerate(row[: len(cells)]):
            seen[at].add(cell)
    again = sum(bool(cell.strip()) and cell in seen[at] for at, cell in enumerate(cells))
    if again:
        reasons.append(f"{again} stand{'s' * (again == 1)} again in a line below")
    if reasons and (empty := sum(not cell.strip() for cell in cells)):
        reasons.append(f"{empty} {'is' if empty == 1 else 'are'} empty")
    return reasons


def _counted(count: int, kind: str) -> str:
    return f"{count} look{'s' * (count == 1)} {kind}"


def shortened(name: str) -> str:
    """A name as it is, or the start of one that no line of a message can hold, with a mark that keeps it apart from others."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_START]}…{hashlib.blake2s(name.encode(), digest_size=4).hexdigest()}"


def listed(names: Iterable[str]) -> str:
    """Names for a message, each shortened; of many the first ones, and how many there are more."""
    all_names = [shortened(name) for name in names]
    more = len(all_names) - _MOST_LISTED
    return ", ".join(all_names[:_MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Give names that stand twice an ending."""
    found: dict[str, None] = {}
    used: dict[str, int] = {}
    for name in names:
        chosen = name
        while chosen in found:
            chosen = f"{name}_duplicated_{used.get(name, 0)}"
            used[name] = used.get(name, 0) + 1
        found[chosen] = None
    return tuple(found)
