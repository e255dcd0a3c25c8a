"""Loops compiled to machine code, for the few places where an answer would otherwise be dozens of small array calls.

A compiled function is written in plain Python over arrays and numbers, for fixed types, so that it is compiled once, when its
module is first imported, and kept beside it (`__pycache__`). NUMBA_DISABLE_JIT=1 runs the same text as Python, for a debugger.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types

Function = TypeVar("Function", bound=Callable[..., Any])


def _array(dtype: Any, dimensions: int = 1, readonly: bool = True) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=readonly)


ROWS, MASK, KINDS, TIMES = _array(types.int32), _array(types.boolean), _array(types.int8), _array(types.int64)
SCORES, REALS = _array(types.float32), _array(types.float64)
ROWS_2D, SCORES_2D, REALS_2D = _array(types.int32, 2), _array(types.float32, 2), _array(types.float64, 2)
LEAVES, BYTES = _array(types.uint64), _array(types.uint8)
OWN_MASK = _array(types.boolean, readonly=False)
"""A mask that the function writes to."""
OWN_ROWS, OWN_TIMES = _array(types.int32, readonly=False), _array(types.int64, readonly=False)
OWN_SCORES = _array(types.float32, readonly=False)
OWN_MASKS, OWN_REALS = _array(types.boolean, 2, readonly=False), _array(types.float64, readonly=False)
OWN_ROWS_2D, OWN_TIMES_2D = _array(types.int32, 2, readonly=False), _array(types.int64, 2, readonly=False)
OWN_SCORES_2D = _array(types.float32, 2, readonly=False)
INT, FLOAT, BOOL = types.int64, types.float64, types.boolean


def of_tuple(named: type[tuple[Any, ...]], *fields: Any) -> Any:
    """The type of a named tuple whose fields have these types, exactly: arrays in it may be written to."""
    if len(set(fields)) == 1:
        return types.NamedUniTuple(fields[0], len(fields), named)  # type: ignore[no-untyped-call]
    return types.NamedTuple(fields, named)  # type: ignore[no-untyped-call]


def compiled(*arguments: Any, on_all_cores: bool = False) -> Callable[[Function], Function]:
    """Compile a function for these argument types, from the cache if it has been before; without a place to keep it, anew.

    Without types it is compiled into those that call it. Kept code is compiled anew once anything that it was made from has
    changed, in whichever module: a service that was upgraded in place runs nothing of the version before. `on_all_cores`: threads
    run it at once, for it lets go of the interpreter's lock; a short loop loses more by that than it gains.
    """

    def compile_for(function: Function) -> Function:
        if not arguments:
            return cast(Function, njit(function))
        try:
            return cast(Function, _kept(function, arguments, on_all_cores))
        except RuntimeError as error:
            if "cache" not in str(error):
                raise
            return cast(Function, njit(arguments, nogil=on_all_cores)(function))

    return compile_for


def _kept(function: Callable[..., Any], arguments: tuple[Any, ...], on_all_cores: bool) -> Any:
    """Compile a function, or take what is kept of it."""
    made: Any = njit(cache=True, nogil=on_all_cores)(function)
    if made is not function:  # with NUMBA_DISABLE_JIT it is
        made._cache._cache_file._source_stamp = _stamp(function, arguments)  # numba's own is of one file
        made.compile(arguments)
        made.disable_compile()
    return made


def _stamp(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    """Hash what a compiled function is made from: its module, those of all that it calls, and the constants that they have."""
    package = function.__module__.partition(".")[0]
    modules = {each.instance_class.__module__ for each in arguments if hasattr(each, "instance_class")}
    constants: set[str] = set()
    reached, ahead = {function}, [function]
    while ahead:
        one = ahead.pop()
        modules.add(one.__module__)
        for name in one.__code__.co_names:
            value = one.__globals__.get(name)
            called = getattr(value, "py_func", None)
            if called is not None and called not in reached:
                reached.add(called)
                ahead.append(called)
            elif isinstance(value, ModuleType):
                modules.add(value.__name__)
            elif isinstance(value, type):
                modules.add(value.__module__)
            elif isinstance(value, bool | int | float | str | tuple | np.generic):
                constants.add(f"{one.__module__}.{name} = {value!r}")
    found = sha256("\n".join(sorted(constants)).encode())
    for each in sorted(modules):
        if each.partition(".")[0] == package:
            found.update(_source(sys.modules[each].__file__ or ""))
    return found.digest()


@cache
def _source(file: str) -> bytes:
    """The hash of a file."""
    return sha256(Path(file).read_bytes()).digest()
