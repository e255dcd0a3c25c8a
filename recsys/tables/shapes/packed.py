"""Several lines in one cell of text: JSON, or lines and fields with separators between them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from recsys.settings.shapes import Unnest

MAX_LINES = 10_000
"""Most lines that one cell may hold; those after it are left out."""


def json_lines(column: str, fields: Collection[str]) -> tuple[pl.Expr, pl.DataType]:
    """JSON text as a list of structs of the wanted fields (`sku`, `product.id`), all text, and its type; broken text is null."""
    dtype = pl.List(_struct(fields))

    def decoded(series: pl.Series) -> pl.Series:
        text = series.str.strip_chars()
        text = ("[" + text + "]").zip_with(text.str.starts_with("{").fill_null(False), text)
        try:
            return text.str.json_decode(dtype)
        except PolarsError:
            return pl.Series([each if _is_list(each) else None for each in text], dtype=pl.String).str.json_decode(dtype)

    lists = pl.col(column).map_batches(decoded, return_dtype=dtype, is_elementwise=True)
    return lists.list.head(MAX_LINES).alias(column), dtype


def packed_lines(unnest: Unnest) -> pl.Expr:
    """Packed text as a list of lines, without empty ones."""
    pieces = pl.col(unnest.column).str.split(unnest.between).list.eval(pl.element().str.strip_chars())
    return pieces.list.eval(pl.element().filter(pl.element() != "")).list.head(MAX_LINES).alias(unnest.column)


def packed_fields(unnest: Unnest, wanted: Collection[str]) -> Mapping[str, pl.Expr]:
    """The wanted fields of a line, by their name with a point."""
    start = f"{unnest.column}."
    return {name: _packed_field(unnest, name.removeprefix(start)) for name in sorted(wanted) if name.startswith(start)}


def _packed_field(unnest: Unnest, field: str) -> pl.Expr:
    line = pl.col(unnest.column)
    if isinstance(unnest.names, tuple):
        if field not in unnest.names:
            return pl.lit(None, pl.String)
        place = unnest.names.index(field)
        parts = line.str.split(unnest.fields) if unnest.fields else line.str.split("\x00")
        return parts.list.get(place, null_on_oob=True).str.strip_chars()
    name, sign = re.escape(field), re.escape(unnest.names)
    if not unnest.fields:
        return line.str.extract(rf"^\s*{name}\s*{sign}(.*)$").str.strip_chars()
    between = re.escape(unnest.fields)
    return line.str.extract(rf"(?:^|{between})\s*{name}\s*{sign}(.*?)(?:{between}|$)").str.strip_chars()


def _struct(fields: Collection[str]) -> pl.Struct:
    tree: dict[str, list[str]] = {}
    for field in sorted(fields):
        name, _, rest = field.partition(".")
        tree.setdefault(name, []).extend([rest] if rest else [])
    return pl.Struct({name: _struct(inner) if inner else pl.String() for name, inner in tree.items()})


def _is_list(text: str | None) -> bool:
    try:
        msgspec.json.decode(text or "", type=list[dict[str, msgspec.Raw]])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True
