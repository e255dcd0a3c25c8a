"""Types that are read from JSON, made known before threads read them.

msgspec (0.22) works out what a struct holds when it is first read, and not under a lock: of two threads that do so at once one
reads what is half there, and the process ends (SIGSEGV). Whatever is known before workers are forked is read only.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


def know_types() -> None:
    """Have msgspec work out every struct that is loaded.

    Raises:
        TypeError, NameError: if a struct is declared so that nothing can be read as it.
    """
    for kind in structs(msgspec.Struct):
        msgspec.json.Decoder(kind)


def structs(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Every type below one, as far as it is loaded."""
    for below in kind.__subclasses__():
        yield below
        yield from structs(below)
