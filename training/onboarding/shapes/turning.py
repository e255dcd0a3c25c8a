"""Tables with one property a row, told by the names that stand in one of their columns, and laid out as a row for each item."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from recsys.settings.shapes import Pivot
from recsys.settings.tables import Table
from recsys.tables.shapes.pivots import pivoted
from recsys.tables.sources import FILE, MORE, ROW
from training.onboarding.files import ROWS, Seen
from training.onboarding.names import KNOWN, named, plain
from training.onboarding.values import texts

_MOST_COLUMNS = 6
_ENOUGH = 2
"""Names of properties that must be known before a column is taken for one of names."""
_PROPERTIES = frozenset(word for canonical, words in KNOWN["items"].items() for word in [plain(canonical), *words.split()])
_VALUES = frozenset(["value", "val", "said", "content", "data", "wert", "valeur", "valor", "valore", "waarde"])


@dataclass(frozen=True, slots=True)
class Turned:
    """Files with a row for each item: `pivot` as in the settings, and what it was told by."""

    seen: Seen
    pivot: dict[str, str]
    evidence: str


def turned(seen: Seen) -> Turned | None:
    """The files with one row for each item, if each of their rows holds one property of one."""
    rows = seen.rows
    if not 3 <= len(rows.columns) <= _MOST_COLUMNS:
        return None
    for name in rows.columns:
        words = texts(rows, name)
        known = sorted(word for word in words.unique() if plain(word) in _PROPERTIES)
        if len(known) >= _ENOUGH and words.n_unique() < len(words) and (pivot := _pivot(seen, name)):
            return _laid_out(seen, pivot, known)
    return None


def _pivot(seen: Seen, name: str) -> dict[str, str] | None:
    """Key, value and time beside a column of names, if there is one of each that can be meant."""
    rows, moments = seen.rows, seen.usable["timestamp"]
    left = [each for each in rows.columns if each != name]
    key = named("items", left, {}).get("item_id")
    if not key or texts(rows, key).n_unique() == rows.height:
        return None
    others = [each for each in left if each != key]
    values = [each for each in others if plain(each) in _VALUES] or [each for each in others if each not in moments]
    if len(values) != 1:
        return None
    times = [each for each in moments if each in others and each not in values]
    return {"key": key, "name": name, "value": values[0]} | ({"time": times[0]} if times else {})


def _laid_out(seen: Seen, pivot: dict[str, str], known: list[str]) -> Turned:
    wanted = set(texts(seen.rows, pivot["name"]).unique())
    shaped = pivoted("items", seen.source, Table(), msgspec.convert(pivot, Pivot), wanted, None).sources[0]
    rows = shaped.frame.head(ROWS).drop(ROW, FILE, MORE, strict=False).collect(engine="streaming")
    newest = f", and the one with the newest {pivot['time']} counts" if "time" in pivot else ", and the last row counts"
    evidence = f"{pivot['name']} names a property of {pivot['key']} in each row ({', '.join(known)}): its value is in {pivot['value']}"
    return Turned(replace(seen, source=shaped, rows=rows), pivot, evidence + newest)
