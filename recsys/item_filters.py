"""Filters on items as data: conditions on attributes by name, all of which must hold; no language of their own."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

ATTRIBUTE = "attr."
"""Before an attribute's name: in query strings, and in the columns of the canonical item table."""
MAX_CONDITIONS = 20
"""Most attributes that one filter names."""
MAX_VALUES = 100
"""Most values of one list in a condition."""

Value: TypeAlias = bool | float | str
_Values: TypeAlias = Annotated[tuple[Value, ...], Meta(min_length=1, max_length=MAX_VALUES)]


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Condition on one attribute; everything that is given must hold."""

    any: Annotated[_Values | None, Meta(description="It is one of these; of words, one of them is.")] = None
    all: Annotated[_Values | None, Meta(description="Its words hold all of these.")] = None
    none: Annotated[_Values | None, Meta(description="It is none of these.")] = None
    min: Annotated[float | str | None, Meta(description="It is at least this: a number, or an ISO 8601 time.")] = None
    max: Annotated[float | str | None, Meta(description="It is at most this.")] = None

    def __post_init__(self) -> None:
        """Check that the condition says something: an empty one would let everything through.

        Raises:
            ValueError: if it does not.
        """
        if all(getattr(self, name) is None for name in self.__struct_fields__):
            raise ValueError("a condition needs at least one of any, all, none, min, max")


PARTS: tuple[str, ...] = Condition.__struct_fields__
"""What a condition may be made of."""
Conditions: TypeAlias = Annotated[dict[str, Condition], Meta(max_length=MAX_CONDITIONS)]
"""Attribute = condition, as shops write it."""
ItemFilter: TypeAlias = tuple[tuple[str, Condition], ...]
"""Conditions in the types of their attributes; a name may come twice, and both hold."""
