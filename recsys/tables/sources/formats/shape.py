"""Shapes of JSON values, merged over all rows: text, lists and structs; what differs from row to row is text."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from recsys.tables.sources.bounds import MAX_COLUMNS
from recsys.types import DataError

_DEEPEST = 20


@dataclass(slots=True)
class Struct:
    """Named fields, each with its shape."""

    fields: dict[str, Shape] = field(default_factory=dict)


@dataclass(slots=True)
class Many:
    """A list of values with one shape."""

    of: Shape = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text, a number, yes or no, or values of several shapes."""


Shape = Struct | Many | Text | None
"""None: nothing was seen but null."""
_TEXT = Text()


class Shapes:
    """The shape of all rows seen so far."""

    def __init__(self) -> None:
        """Begin without a column."""
        self._root, self._names = Struct(), 0

    def add(self, row: dict[str, object]) -> None:
        """Widen the shape so that it holds one more row.

        Raises:
            DataError: if there are too many different names, as where ids are names, or too many levels.
        """
        self._fill(self._root, row, 0)

    def columns(self) -> dict[str, pl.DataType]:
        """Polars types by column."""
        return {name: _type(shape) for name, shape in self._root.fields.items()}

    def _fill(self, struct: Struct, values: dict[str, object], depth: int) -> Struct:
        fields = struct.fields
        for name, value in values.items():
            if name not in fields:
                self._count_name()
                fields[name] = None
            if value is not None and fields[name] is not _TEXT:
                fields[name] = self._widened(fields[name], value, depth + 1) if isinstance(value, dict | list) else _TEXT
        return struct

    def _widened(self, shape: Shape, value: object, depth: int) -> Shape:
        if depth > _DEEPEST:
            raise DataError(f"is nested more than {_DEEPEST} levels deep; export flatter objects")
        if isinstance(value, dict) and (shape is None or isinstance(shape, Struct)):
            return self._fill(shape or Struct(), value, depth)
        if not isinstance(value, list) or not (shape is None or isinstance(shape, Many)):
            return _TEXT
        many = shape or Many()
        for each in value:
            if each is not None and many.of is not _TEXT:
                many.of = self._widened(many.of, each, depth + 1)
        return many

    def _count_name(self) -> None:
        self._names += 1
        if self._names > MAX_COLUMNS:
            raise DataError(
                f"has objects with more than {MAX_COLUMNS:,} different names; export ids as values, not as names"
            )


def _type(shape: Shape) -> pl.DataType:
    """The Polars type of a shape; fields that were never filled are text."""
    if isinstance(shape, Struct) and shape.fields:
        return pl.Struct({name: _type(each) for name, each in shape.fields.items()})
    if isinstance(shape, Many):
        return pl.List(_type(shape.of))
    return pl.String()
