"""Several lines in one cell of text: JSON, or lines and fields with separators between them, in whose place JSON may stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from recsys.settings.shapes import Unnest

MAX_LINES = 10_000
"""Most lines that one cell may hold; those after it are left out."""
_TEXTS = pl.List(pl.String())
_JSON = r'^\s*(?:\{\s*["}]|\[\s*["{\[\]\d-])'
"""Start of a JSON list or object."""
_BREAK = "\ue010"
"""A letter for private use that stands between lines."""


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


def json_values(column: str) -> tuple[pl.Expr, pl.DataType]:
    """JSON text as a list of its values, texts as they are and others as JSON; broken text is null."""

    def decoded(series: pl.Series) -> pl.Series:
        return pl.Series([_values(each) for each in series], dtype=_TEXTS)

    return pl.col(column).map_batches(decoded, return_dtype=_TEXTS, is_elementwise=True).alias(column), _TEXTS


def packed_lines(unnest: Unnest) -> pl.Expr:
    """Packed text as a list of lines, without empty ones; of JSON text its values.

    A separator behind a backslash is a letter of a value. Where fields have names, so is one that no named field follows: the name of
    a product may hold it.
    """
    text, between = _escaped(pl.col(unnest.column), unnest), unnest.between
    if isinstance(unnest.names, str):
        signs = _signs(unnest)
        text = text.str.replace_all(rf"{re.escape(between)}(\s*[^{signs}]+{re.escape(unnest.names)})", f"{_BREAK}${{1}}")
        between = _BREAK
    pieces = text.str.split(between).list.eval(pl.element().str.strip_chars().str.strip_chars(unnest.between))
    lines = pieces.list.eval(pl.element().filter(pl.element() != "")).list.head(MAX_LINES)
    values, _ = json_values(unnest.column)
    return pl.coalesce(pl.when(_is_json(unnest.column)).then(values), lines).alias(unnest.column)


def packed_fields(unnest: Unnest, wanted: Collection[str]) -> Mapping[str, pl.Expr]:
    """The wanted fields of a line, by their name with a point."""
    start = f"{unnest.column}."
    return {name: _packed_field(unnest, name.removeprefix(start)) for name in sorted(wanted) if name.startswith(start)}


def _packed_field(unnest: Unnest, field: str) -> pl.Expr:
    if "'" in field:
        return _in_text(unnest, field)
    path = "$" + "".join(f"['{part}']" for part in field.split("."))
    return (
        pl.when(_is_json(unnest.column))
        .then(pl.col(unnest.column).str.json_path_match(path))
        .otherwise(_in_text(unnest, field))
    )


def _in_text(unnest: Unnest, field: str) -> pl.Expr:
    line = pl.col(unnest.column)
    if isinstance(unnest.names, tuple):
        if field not in unnest.names:
            return pl.lit(None, pl.String)
        place = unnest.names.index(field)
        parts = line.str.split(unnest.fields) if unnest.fields else line.str.split("\x00")
        return _plain(parts.list.get(place, null_on_oob=True), unnest)
    name, sign = re.escape(field), re.escape(unnest.names)
    if not unnest.fields:
        return _plain(line.str.extract(rf"(?s)^\s*{name}\s*{sign}(.*)$"), unnest)
    between, signs = re.escape(unnest.fields), _signs(unnest)
    return _plain(
        line.str.extract(rf"(?s)(?:^|{between})\s*{name}\s*{sign}(.*?)(?:{between}\s*[^{signs}]+{sign}|$)"), unnest
    )


def _signs(unnest: Unnest) -> str:
    """Letters that stand in no name of a field, for a class of a pattern."""
    return re.escape("".join((unnest.between + unnest.fields + str(unnest.names)).split()))


def _escaped(text: pl.Expr, unnest: Unnest) -> pl.Expr:
    """Signs behind a backslash as letters that no shop writes."""
    for sign, letter in _letters(unnest).items():
        text = text.str.replace_all(f"\\{sign}", letter, literal=True)
    return text


def _plain(value: pl.Expr, unnest: Unnest) -> pl.Expr:
    for sign, letter in _letters(unnest).items():
        value = value.str.replace_all(letter, sign, literal=True)
    return value.str.strip_chars()


def _letters(unnest: Unnest) -> Mapping[str, str]:
    named = unnest.names if isinstance(unnest.names, str) else ""
    signs = [sign for sign in (unnest.between, unnest.fields, named) if sign.strip()]
    return {sign: chr(0xE000 + at) for at, sign in enumerate(dict.fromkeys(signs))}


def _struct(fields: Collection[str]) -> pl.Struct:
    tree: dict[str, list[str]] = {}
    for field in sorted(fields):
        name, _, rest = field.partition(".")
        tree.setdefault(name, []).extend([rest] if rest else [])
    return pl.Struct({name: _struct(inner) if inner else pl.String() for name, inner in tree.items()})


def _is_json(column: str) -> pl.Expr:
    return pl.col(column).str.contains(_JSON).fill_null(False)


def _values(text: str | None) -> list[str] | None:
    try:
        found = msgspec.json.decode(text or "null", type=list[msgspec.Raw] | dict[str, msgspec.Raw] | None)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if found is None or isinstance(found, dict):
        return [text] if found and text else None
    return [_value(bytes(each)) for each in found[:MAX_LINES]]


def _value(raw: bytes) -> str:
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()


def _is_list(text: str | None) -> bool:
    try:
        msgspec.json.decode(text or "", type=list[dict[str, msgspec.Raw]])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True
