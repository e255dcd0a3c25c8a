"""Cells with several items: lists of objects, JSON text of them, packed text or ids, told by their values and laid out as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import polars as pl

from recsys.settings.shapes import Unnest
from recsys.tables.checks.several import several_ids
from recsys.tables.columns.spelling import plain_name
from recsys.tables.schema import mappable
from recsys.tables.shapes.nested import inner_of, named_fields, unnested
from recsys.tables.sources import FILE, MORE, ROW, WHOLE, Source
from recsys.types import DataError
from training.onboarding.files import ROWS, Seen
from training.onboarding.proposal import Proposal
from training.onboarding.values import share, texts

_JSON = r"^\s*\[?\s*\{\s*\""
_IDS = r"^\s*\[\s*[\"'\d].*\]\s*$"
_BETWEEN, _FIELDS, _SIGNS = (";", "|", "\n", ",", "||"), ("|", ";", ",", ", ", "\t"), (":", "=")
_TIMES = (" x ", " X ", " × ", "x ", "× ", "*")
_PAIR = frozenset(["key", "value"])
_LONGEST_NAME = 40
_HALF, _LEAST = 0.5, 0.01
_MOST_FIELDS = 60
_CELLS = 200
"""Cells in which names of fields are looked for."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Files with a row for each item of their cells: `unnest` as in the settings, and what it was told by."""

    seen: Seen
    column: str
    unnest: str | dict[str, Any]
    evidence: str

    @property
    def bare(self) -> bool:
        """Tell whether the fields have no names, as in `2 x A`, as which sizes are written, too."""
        return isinstance(self.unnest, dict) and isinstance(self.unnest.get("names"), tuple)


def unpacked(seen: Seen) -> Unpacked | None:
    """The files with one row for each item, if a column of theirs holds several; its fields are named with a point."""
    for name, dtype in _columns(seen):
        if isinstance(dtype, pl.List):
            inner = inner_of(dtype)
            if isinstance(inner, pl.Struct) and not {field.name for field in inner.fields} >= _PAIR:
                return _laid_out(seen, name, name, list(paths_of(inner)), "holds lists of objects")
            continue
        text = texts(seen.rows, name) if name in seen.rows.columns else pl.Series([], dtype=pl.String)
        if len(text) < 2:
            continue
        if (held := share(text, _JSON)) >= _HALF:
            return _laid_out(seen, name, name, _keys(text), f"holds JSON text of items in {held:.0%} of its values")
        if packed := _packed(text.head(_CELLS)):
            stated = {"column": name, "between": packed.between, "fields": packed.fields, "names": packed.names}
            evidence = f"holds items packed as {packed.example} in {packed.share:.0%} of its values"
            return _laid_out(seen, name, stated, list(packed.found), evidence)
    return None


def paths_of(struct: pl.Struct, before: str = "") -> Iterator[str]:
    """The fields of a struct that are no structs themselves, by their path: `unitPrice.amount`."""
    for field in struct.fields:
        if isinstance(field.dtype, pl.Struct):
            yield from paths_of(field.dtype, f"{before}{field.name}.")
        else:
            yield f"{before}{field.name}"


def _columns(seen: Seen) -> Iterator[tuple[str, Any]]:
    """The columns, and the lists that stand in a struct, with their types."""
    for name, dtype in seen.source.schema.items():
        yield name, dtype
        for field in dtype.fields if isinstance(dtype, pl.Struct) else ():
            if isinstance(field.dtype, pl.List):
                yield f"{name}.{field.name}", field.dtype


@dataclass(frozen=True, slots=True)
class _Packed:
    """Signs between lines and fields of packed text, the names of its fields, and the share of cells that they cut up."""

    between: str
    fields: str
    names: str | tuple[str, ...]
    found: tuple[str, ...]
    share: float

    @property
    def example(self) -> str:
        """A line and the start of the next, in words."""
        line = self.names if isinstance(self.names, tuple) else [f"{name}{self.names}value" for name in self.found[:2]]
        return f"{self.fields.join(line)}{self.between}…".replace("\n", "⏎")


def _packed(cells: pl.Series) -> _Packed | None:
    """The signs that cut up most cells of a column of packed text; None where none cut half of them."""
    tried = [
        each
        for between in _BETWEEN
        for fields in _FIELDS
        for names in _SIGNS
        if (each := _named(cells, between, fields, names))
    ]
    tried += [each for between in _BETWEEN for fields in _TIMES if (each := _counted(cells, between, fields))]
    best = max(tried, key=lambda each: (each.share, len(each.found)), default=None)
    return best if best and best.share >= _HALF else None


def _named(cells: pl.Series, between: str, fields: str, sign: str) -> _Packed | None:
    """Lines of which every field has a name, the same ones in most of them."""
    if len({between, fields, sign}) < 3 or not cells.str.contains(fields, literal=True).any():
        return None
    counted: Counter[str] = Counter()
    stated = 0
    for cell in cells:
        lines = [line for line in cell.split(between) if line.strip()]
        named = [[part.partition(sign)[0].strip() for part in line.split(fields) if sign in part] for line in lines]
        if lines and all(len(each) > 1 and len(each) == len(set(each)) for each in named):
            stated += 1
            counted.update(name for each in named for name in each)
    names = tuple(name for name, count in counted.items() if count * 2 >= stated and _is_name(name, fields, between))
    return _Packed(between, fields, sign, names, stated / len(cells)) if len(names) > 1 else None


def _counted(cells: pl.Series, between: str, sign: str) -> _Packed | None:
    """Lines of a number of units and an id, in one order or the other: `2 x MIT-1,1 x HAT-1`."""
    if not cells.str.contains(between, literal=True).any() or not cells.str.contains(sign, literal=True).any():
        return None
    lines = [[line.strip() for line in cell.split(between) if line.strip()] for cell in cells]
    parts = [[line.split(sign) for line in each] for each in lines]
    for names, at in ((("quantity", "sku"), 0), (("sku", "quantity"), 1)):
        stated = sum(bool(each) and all(len(part) == 2 and part[at].strip().isdigit() for part in each) for each in parts)
        if stated >= _HALF * len(cells):
            return _Packed(between, sign, names, names, stated / len(cells))
    return None


def _is_name(name: str, *signs: str) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and not any(sign.strip() in name for sign in signs if sign.strip())


def several(seen: Seen, column: str) -> Unpacked | None:
    """The files with a row for each id, if cells of a column hold the ids of several items."""
    if seen.source.schema.get(column) != pl.String:
        return None
    text = texts(seen.rows, column)
    lists, found = share(text, _IDS), several_ids(text, pl.Series([], dtype=pl.String))
    if lists >= _HALF:
        stated: str | dict[str, Any] = column
        evidence = f"holds lists of ids as JSON text in {lists:.0%} of its values"
    elif found and not found.names and (held := int(text.is_in(found.cells.implode()).sum()) / len(text)) >= _LEAST:
        stated = {"column": column, "between": found.between}
        evidence = (
            f"holds several ids with {found.between} between them in {held:.0%} of its values, and they stand alone, too"
        )
    else:
        return None
    unnest = Unnest(column=stated) if isinstance(stated, str) else msgspec.convert(stated, Unnest)
    [source] = unnested("events", seen.source, unnest, [column], must=True).sources
    rows = _rows(source)
    return Unpacked(replace(seen, rows=rows, source=source), column, stated, f"{column} {evidence}: each becomes a row")


def _laid_out(seen: Seen, column: str, stated: str | dict[str, Any], fields: list[str], evidence: str) -> Unpacked | None:
    unnest = Unnest(column=stated) if isinstance(stated, str) else msgspec.convert(stated, Unnest)
    names = [f"{column}.{field}" for field in fields[:_MOST_FIELDS]]
    if not names:
        return None
    try:
        shaped = named_fields(unnested("events", seen.source, unnest, names, must=True).sources[0], names)
    except DataError:
        return None
    rows = _rows(shaped).drop(column, strict=False)
    source = replace(shaped, schema={name: dtype for name, dtype in shaped.schema.items() if name != column})
    return Unpacked(replace(seen, rows=rows, source=source), column, stated, f"{column} {evidence}: each becomes a row")


def _rows(source: Source) -> pl.DataFrame:
    """The first rows without objects, whose fields stand beside them, and without columns that no file has."""
    objects = [name for name, dtype in source.schema.items() if isinstance(dtype, pl.Struct)]
    ours = (ROW, FILE, MORE, WHOLE)
    return source.frame.head(ROWS).drop(*ours, *objects, strict=False).collect(engine="streaming")


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


def leave_objects(found: Proposal) -> None:
    """Read nothing from an object that has the name of a canonical column, which it would be taken for."""
    columns = found.settings["columns"]
    objects = {plain_name(name) for name, dtype in found.seen[0].source.schema.items() if dtype.is_nested()}
    for column in mappable(found.table):
        if (
            column.kind not in ("category", "categories")
            and column.name not in columns
            and plain_name(column.name) in objects
        ):
            columns[column.name] = []


def flattened(seen: Seen) -> Seen:
    """The files with a column for each field of their structs, named with a point."""
    structs = {name: dtype for name, dtype in seen.source.schema.items() if isinstance(dtype, pl.Struct)}
    names = [f"{name}.{path}" for name, dtype in structs.items() for path in paths_of(dtype)][:_MOST_FIELDS]
    if not names:
        return seen
    source = named_fields(seen.source, names)
    rows = _rows(source)
    return replace(seen, source=source, rows=rows)
