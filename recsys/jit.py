"""Loops compiled to machine code, for the few places where an answer would otherwise be dozens of small array calls.

A compiled function is written in plain Python over arrays and numbers, for fixed types, so that it is compiled once, when its
module is first imported, and kept beside it (`__pycache__`). NUMBA_DISABLE_JIT=1 runs the same text as Python, for a debugger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types

Function = TypeVar("Function", bound=Callable[..., Any])


def _array(dtype: Any, dimensions: int = 1, readonly: bool = True) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=readonly)


ROWS, MASK, KINDS, TIMES = _array(types.int32), _array(types.boolean), _array(types.int8), _array(types.int64)
SCORES, REALS = _array(types.float32), _array(types.float64)
ROWS_2D, SCORES_2D, REALS_2D = _array(types.int32, 2), _array(types.float32, 2), _array(types.float64, 2)
LEAVES = _array(types.uint64)
OWN_MASK = _array(types.boolean, readonly=False)
"""A mask that the function writes to."""
OWN_ROWS, OWN_TIMES = _array(types.int32, readonly=False), _array(types.int64, readonly=False)
OWN_MASKS, OWN_REALS = _array(types.boolean, 2, readonly=False), _array(types.float64, readonly=False)
OWN_ROWS_2D, OWN_TIMES_2D = _array(types.int32, 2, readonly=False), _array(types.int64, 2, readonly=False)
OWN_SCORES_2D = _array(types.float32, 2, readonly=False)
INT, FLOAT = types.int64, types.float64


def of_tuple(named: type[tuple[Any, ...]], *fields: Any) -> Any:
    """The type of a named tuple whose fields have these types, exactly: arrays in it may be written to."""
    if len(set(fields)) == 1:
        return types.NamedUniTuple(fields[0], len(fields), named)  # type: ignore[no-untyped-call]
    return types.NamedTuple(fields, named)  # type: ignore[no-untyped-call]


def compiled(*arguments: Any) -> Callable[[Function], Function]:
    """Compile a function for these argument types, from the cache if it has been before; without a place to keep it, anew.

    Without types it is compiled into the functions of its module that call it. What it calls of other modules is compiled in as well,
    and a change there is seen when its own module changes: while working on such code, delete `__pycache__`.
    """

    def compile_for(function: Function) -> Function:
        signature = arguments or None
        try:
            return cast(Function, njit(signature, cache=True)(function))
        except RuntimeError as error:
            if "cache" not in str(error):
                raise
            return cast(Function, njit(signature)(function))

    return compile_for
