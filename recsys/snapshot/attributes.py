"""Attributes of a catalogue's items: named, typed columns as mapped arrays, with the items of every word listed.

Of each attribute there is one column of values; of words also the rows of the items that hold each, so that a filter on words reads
these and no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.item_filters import ATTRIBUTE
from recsys.item_updates import AttributeValue
from recsys.settings.attributes import AttributeType
from recsys.snapshot.id_index import IdMap, Texts, blob_arrays, id_arrays
from recsys.snapshot.put.changeable import changeable
from recsys.snapshot.put.growing_ids import GrowingIds
from recsys.snapshot.put.laid_over import LaidOver
from recsys.types import Arrays, Rows

if TYPE_CHECKING:
    import polars as pl

MAX_ATTRIBUTES = 20
"""Most attributes of a catalogue: what a row's findings have bits for."""
BUILT_IN: dict[str, AttributeType] = {
    "brand": "word",
    "category": "words",
    "price": "number",
    "stock": "number",
    "age": "number",
}
"""What every item has: `category` means the node and all below it, `age` is days since `published_at`."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Declared(msgspec.Struct, frozen=True):
    name: str
    type: AttributeType


class Numbers(msgspec.Struct, frozen=True, eq=False):
    """An attribute of numbers, times (microseconds) or yes (1) and no (0): values float64[n], NaN where an item has none."""

    type: AttributeType
    values: NDArray[np.float64]

    def put(self, row: int, value: AttributeValue | None) -> None:
        """Give an item another value."""
        self.values[row] = np.nan if value is None or isinstance(value, str | tuple) else float(value)

    def of(self, row: int) -> float | bool | str | None:
        """The value of an item as JSON has it."""
        value = float(self.values[row])
        if value != value:
            return None
        if self.type == "yes_no":
            return value > 0
        return _iso(value) if self.type == "time" else value


class Words:
    """An attribute of words: `codes` int32[m] laid end to end by item (`offsets` int64[n+1]), `items` int32[m] by word
    (`item_offsets` int64[w+1]); the words of items that were put lie over them."""

    def __init__(self, kind: AttributeType, arrays: Arrays, prefix: str) -> None:
        self.type = kind
        self.names = GrowingIds(IdMap(arrays, f"{prefix}_word"))
        self._codes, self._items = cast(Rows, arrays[f"{prefix}_codes"]), cast(Rows, arrays[f"{prefix}_items"])
        self._offsets = cast(NDArray[np.int64], arrays[f"{prefix}_offsets"])
        self._item_offsets = cast(NDArray[np.int64], arrays[f"{prefix}_item_offsets"])
        self._put: LaidOver[int] = LaidOver()

    def of(self, row: int) -> str | list[str] | None:
        """The word of an item, or its words."""
        found = self.words(row)
        return found if self.type == "words" else found[0] if found else None

    def words(self, row: int) -> list[str]:
        """The words of an item, one or more."""
        codes = self._put.keys(row)
        if codes is None:
            codes = self._codes[self._offsets[row] : self._offsets[row + 1]].tolist()
        return [self.names.text(code) for code in codes]

    def holding(self, word: str) -> Rows:
        """Rows of the items that hold a word, int32[k] ascending."""
        code = self.names.row(word)
        if code < 0 or code + 1 >= len(self._item_offsets):
            return self._put.of(code)
        return self._put.over(self.published_items(code), code)

    def published_items(self, code: int) -> Rows:
        """Rows of the items that held a word when the snapshot was made, int32[k] ascending."""
        return self._items[self._item_offsets[code] : self._item_offsets[code + 1]]

    @property
    def published_counts(self) -> NDArray[np.int64]:
        """Of each word how many items held it then, int64[w]."""
        return np.diff(self._item_offsets)

    @property
    def changed(self) -> Rows:
        """Rows of the items that were put since, int32[k] ascending."""
        return self._put.changed

    def put(self, row: int, value: AttributeValue | None) -> None:
        """Give an item other words."""
        words = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        codes = [found if (found := self.names.row(word)) >= 0 else self.names.add(word) for word in words]
        self._put.put(row, tuple(dict.fromkeys(codes)))
        self.single[row] = codes[0] if codes else -1

    @cached_property
    def single(self) -> Rows:
        """The first word of each item as a code int32[n]; -1: none."""
        first = np.full(len(self._offsets) - 1, -1, np.int32)
        filled = np.diff(self._offsets) > 0
        first[filled] = self._codes[self._offsets[:-1][filled]]
        return first


Column: TypeAlias = Numbers | Words


class Attributes:
    """The attributes of a catalogue by name; none where its arrays have none."""

    def __init__(self, arrays: Arrays) -> None:
        self.columns: dict[str, Column] = {}
        if "attributes_offsets" not in arrays:
            return
        texts = Texts(arrays, "attributes")
        for at in range(len(texts)):
            declaration = msgspec.json.decode(texts[at], type=_Declared)
            self.columns[declaration.name] = _column(arrays, at, declaration.type)

    def type_of(self, name: str) -> AttributeType | None:
        """Return what an attribute is; None: there is none of that name."""
        column = self.columns.get(name)
        return BUILT_IN.get(name) if column is None else column.type

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a filter may use, sorted."""
        return tuple(sorted({*self.columns, *BUILT_IN}))

    def put(self, row: int, values: Mapping[str, AttributeValue]) -> None:
        """Give an item these attributes and no others; what the catalogue does not have as an attribute is passed over."""
        for name, column in self.columns.items():
            column.put(row, values.get(name))

    def of(self, row: int) -> dict[str, Any]:
        """The attributes that an item has, as JSON has them."""
        found = {name: column.of(row) for name, column in self.columns.items()}
        return {name: value for name, value in found.items() if value not in (None, [])}


def attribute_arrays(items: pl.DataFrame) -> Arrays:
    """Lay the attribute columns of the canonical item table out as the arrays of `Attributes`; none without such columns."""
    names = [name for name in items.columns if name.startswith(ATTRIBUTE)]
    arrays: Arrays = {}
    declared = []
    for at, name in enumerate(names):
        kind, laid = _laid_out(items[name], f"attribute_{at}")
        declared.append(msgspec.json.encode(_Declared(name.removeprefix(ATTRIBUTE), kind)))
        arrays |= laid
    return arrays | blob_arrays(declared, "attributes") if names else {}


def _laid_out(column: pl.Series, prefix: str) -> tuple[AttributeType, Arrays]:
    kind = str(column.dtype.base_type())
    if kind in ("String", "List"):
        return ("word" if kind == "String" else "words"), _words(column, prefix)
    if kind == "Datetime":
        return "time", {f"{prefix}_values": _reals(column.dt.epoch("us"))}
    return ("yes_no" if kind == "Boolean" else "number"), {f"{prefix}_values": _reals(column)}


def _reals(column: pl.Series) -> NDArray[np.float64]:
    return column.cast(float).fill_null(float("nan")).to_numpy().astype(np.float64)


def _words(column: pl.Series, prefix: str) -> Arrays:
    """Number the words alphabetically, and list them by item and the items by word."""
    rows, words = _pairs(column)
    names = words.unique().sort()
    codes = names.search_sorted(words).to_numpy().astype(np.int32) if len(words) else np.empty(0, np.int32)
    by_word = np.argsort(codes, kind="stable")
    return {
        **id_arrays(names.to_list(), f"{prefix}_word"),
        f"{prefix}_codes": codes,
        f"{prefix}_offsets": np.searchsorted(rows, np.arange(len(column) + 1)).astype(np.int64),
        f"{prefix}_items": rows[by_word],
        f"{prefix}_item_offsets": np.searchsorted(codes[by_word], np.arange(len(names) + 1)).astype(np.int64),
    }


def _pairs(column: pl.Series) -> tuple[Rows, pl.Series]:
    """Row and word of every word that an item has, by row."""
    frame = column.alias("word").to_frame().with_row_index("row")
    if str(column.dtype.base_type()) == "List":
        frame = frame.explode("word")
    frame = frame.drop_nulls()
    return frame["row"].to_numpy().astype(np.int32), frame["word"]


def _column(arrays: Arrays, at: int, kind: AttributeType) -> Column:
    prefix = f"attribute_{at}"
    if kind not in ("word", "words"):
        return Numbers(kind, cast(NDArray[np.float64], changeable(arrays[f"{prefix}_values"])))
    return Words(kind, arrays, prefix)


def _iso(micros: float) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")
