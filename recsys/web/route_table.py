"""Table of the declared calls by method and address, which finds most of them without Flask's router and contexts.

It holds what Flask's router holds, for addresses whose ids have no slash; every other address is Flask's to find, and to answer with
what the same declaration says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from recsys.web.operations import Operation


class _Route(NamedTuple):
    operation: Operation[Any]
    texts: tuple[tuple[int, str], ...]
    """Places of the address's parts that are fixed, the last one first, with what stands there."""
    ids: tuple[tuple[int, str], ...]


class RouteTable:
    """The calls that were declared."""

    def __init__(self, operations: Iterable[Operation[Any]]) -> None:
        self._routes: dict[tuple[str, int], list[_Route]] = {}
        for operation in operations:
            parts = list(enumerate(operation.path.split("/")))
            ids = tuple((at, text[1:-1]) for at, text in parts if text.startswith("{"))
            texts = tuple((at, text) for at, text in reversed(parts) if not text.startswith("{"))
            self._routes.setdefault((operation.method.upper(), len(parts)), []).append(_Route(operation, texts, ids))
        for routes in self._routes.values():
            routes.sort(key=lambda route: len(route.ids))

    def find(self, method: str, path: str) -> tuple[Operation[Any], Mapping[str, str]] | None:
        """Find a call and the ids in its address, given as WSGI has it; None: Flask may know it."""
        parts = path.split("/")
        for operation, texts, ids in self._routes.get((method, len(parts)), ()):
            for at, text in texts:
                if parts[at] != text:
                    break
            else:
                found = {name: _decoded(parts[at]) for at, name in ids}
                return (operation, found) if all(found.values()) else None
        return None


def _decoded(text: str) -> str:
    """Text of an address as UTF-8, as Flask reads it."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")
