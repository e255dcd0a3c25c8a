"""Cells that hold several items: lists of objects, JSON text of them, or packed text, told by their values and laid out as rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import polars as pl

from recsys.settings.shapes import Unnest
from recsys.tables.shapes.nested import inner_of, named_fields, unnested
from recsys.tables.sources import FILE, MORE, ROW
from recsys.types import DataError
from training.onboarding.files import ROWS, Seen
from training.onboarding.values import share, texts

_PACKED = r"^[^|;:]+:[^|]*\|[^|:;]+:"
_JSON = r"^\s*\[?\s*\{\s*\""
_MOST_FIELDS = 60
_CELLS = 200
"""Cells in which names of fields are looked for."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Files with a row for each item of their cells: `unnest` as in the settings, and what it was told by."""

    seen: Seen
    column: str
    unnest: str | dict[str, str]
    evidence: str


def unpacked(seen: Seen) -> Unpacked | None:
    """The files with one row for each item, if a column of theirs holds several; its fields are named with a point."""
    for name, dtype in seen.source.schema.items():
        if isinstance(dtype, pl.List) and isinstance(inner := inner_of(dtype), pl.Struct):
            return _laid_out(seen, name, name, [field.name for field in inner.fields], "holds lists of objects")
        text = texts(seen.rows, name)
        if len(text) < 2:
            continue
        if (held := share(text, _JSON)) >= 0.5:
            return _laid_out(seen, name, name, _keys(text), f"holds JSON text of items in {held:.0%} of its values")
        if (held := share(text, _PACKED)) >= 0.5:
            told = {"column": name, "between": ";", "fields": "|", "names": ":"}
            return _laid_out(
                seen, name, told, _fields(text), f"holds items packed as name:value|…;… in {held:.0%} of its values"
            )
    return None


def _laid_out(seen: Seen, column: str, told: str | dict[str, str], fields: list[str], evidence: str) -> Unpacked | None:
    unnest = Unnest(column=told) if isinstance(told, str) else msgspec.convert(told, Unnest)
    names = [f"{column}.{field}" for field in fields[:_MOST_FIELDS]]
    if not names:
        return None
    try:
        shaped = named_fields(unnested("events", seen.source, unnest, names, must=True).sources[0], names)
    except DataError:
        return None
    rows = shaped.frame.head(ROWS).drop(ROW, FILE, MORE, column, strict=False).collect(engine="streaming")
    source = replace(shaped, schema={name: dtype for name, dtype in shaped.schema.items() if name != column})
    return Unpacked(replace(seen, rows=rows, source=source), column, told, f"{column} {evidence}: each becomes a row")


def _keys(text: pl.Series) -> list[str]:
    counted: Counter[str] = Counter()
    for cell in text.head(_CELLS):
        try:
            found: Any = msgspec.json.decode(cell)
        except msgspec.DecodeError:
            continue
        for each in found if isinstance(found, list) else [found]:
            counted.update(each if isinstance(each, dict) else ())
    return list(counted)


def _fields(text: pl.Series) -> list[str]:
    parts = [part for cell in text.head(_CELLS) for line in cell.split(";") for part in line.split("|")]
    return list(Counter(part.partition(":")[0].strip() for part in parts if ":" in part))
