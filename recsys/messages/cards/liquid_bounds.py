"""Bounds of Liquid: how much a template may write, keep, loop and hand to a filter, and values that nobody gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from liquid.exceptions import ResourceLimitError
from liquid.undefined import Undefined

PART_BYTES = 256 * 1024
"""Most bytes that a part may write."""
VALUE_SIZE = 64 * 1024
"""Most characters that go into a filter or come out of it; each element of a list counts as `ELEMENT_SIZE` more."""
ELEMENT_SIZE = 64
PRODUCT_SIZE = 16 * VALUE_SIZE
"""Most of the product of both sizes, for the filters that may write one text into another as often as that has letters."""
MULTIPLYING_FILTERS = ("join", "replace")
NAMESPACE_BYTES = 1024 * 1024
"""Most bytes of what a template assigns and captures."""
LOOP_STEPS = 10_000
"""Most steps of a loop, multiplied by those around it."""
NESTING = 16
"""Most blocks inside one another, and partials inside partials."""
CONTEXT_FILTERS = ("date", "price")
"""Filters of ours that read the names a template sees, besides what they are handed."""


class Missing(Undefined):
    """A value that nobody gave: empty, and noted where it is written or looped over; `default` and `if` may ask for it."""

    __slots__ = ("missing",)

    def __init__(self, name: str, missing: set[str]) -> None:
        super().__init__(name)
        self.missing = missing

    def __str__(self) -> str:
        self.missing.add(self.name)
        return ""

    def __len__(self) -> int:
        self.missing.add(self.name)
        return 0


def filtered(
    name: str, function: Callable[..., object], left: object, values: Sequence[object], named: Mapping[str, object]
) -> object:
    """Apply a filter; raises ResourceLimitError for values too large to be worked on in one step, before and after."""
    sizes = [_size(left), *map(_size, values), *map(_size, named.values())]
    _bound(max(sizes), VALUE_SIZE, f"filter {name!r} reads a value")
    if name in MULTIPLYING_FILTERS:
        _bound(sizes[0] * max(sizes[1:], default=1), PRODUCT_SIZE, f"filter {name!r} may write a text")
    result = function(left, *values, **named)
    _bound(_size(result), VALUE_SIZE, f"filter {name!r} gives a value")
    return result


def _size(value: object) -> int:
    """Return how much work a value can make for a filter: its characters or bits, and something for each element."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, (list, tuple)):
        return sum(ELEMENT_SIZE + _size(element) for element in value)
    return value.bit_length() if isinstance(value, int) else 1


def _bound(size: int, max_n: int, what: str) -> None:
    if size > max_n:
        raise ResourceLimitError(f"{what} of size {size}; allowed are {max_n}", token=None)
