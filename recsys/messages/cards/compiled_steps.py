"""Steps of compiled Liquid: closures that write what stands one after the other, one of several ways, or once for each item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from liquid.exceptions import BreakLoop, ContinueLoop
from liquid.stringify import to_liquid_string
from markupsafe import escape

from recsys.messages.cards.compiled_values import Frame, GaveUp, Test, Uncompilable, Value
from recsys.messages.cards.liquid_bounds import Missing

Step: TypeAlias = Callable[[Frame], None]
"""Writes a node."""


class CaseTable:
    """Blocks of a case by the text that asks for them; all that match are written, as often as they do."""

    def __init__(self) -> None:
        self._blocks: dict[str, list[Step]] = {}
        self._otherwise: list[Step] = []

    def add(self, keys: Iterator[str], block: Step) -> None:
        """Add a block; after one for everything else there is none."""
        if self._otherwise:
            raise Uncompilable("a case after its else")
        for key in keys:
            self._blocks.setdefault(key, []).append(block)

    def add_otherwise(self, block: Step) -> None:
        """Add a block for everything else."""
        self._otherwise.append(block)

    def write(self, frame: Frame, value: object) -> None:
        """Write what a value asks for; one that may equal a text without being one is for the interpreter."""
        if not (value is None or isinstance(value, (str, int, float, Missing))):
            raise GaveUp
        found = self._blocks.get(value) if isinstance(value, str) else None
        for block in found or self._otherwise:
            block(frame)


def give_up(_frame: Frame) -> None:
    """Leave the part to the interpreter."""
    raise GaveUp


def nothing(_frame: Frame) -> None:
    """Write nothing."""


def sequence(steps: Sequence[Step]) -> Step:
    """Return a step that takes these one after the other."""
    if len(steps) < 2:
        return steps[0] if steps else nothing

    def write(frame: Frame) -> None:
        for step in steps:
            step(frame)

    return write


def either(ways: Sequence[tuple[Test, Step]], otherwise: Step | None) -> Step:
    """Return a step that takes the first way whose test holds."""

    def write(frame: Frame) -> None:
        for test, step in ways:
            if test(frame):
                return step(frame)
        return otherwise(frame) if otherwise is not None else None

    return write


def written_text(found: object, escaping: bool) -> str:
    """Return a value as it is written."""
    return escape(found) if type(found) is str else to_liquid_string(found, escaping)


def lines_as_kept(text: str) -> str:
    """Line ends as the library's buffers keep them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def items_of_loop(value: Value) -> Callable[[Frame], Any]:
    """Items that a loop goes over."""

    def items(frame: Frame) -> Any:
        found = value(frame)
        if isinstance(found, list):
            return found
        if isinstance(found, Missing):
            return [()] * len(found)
        if isinstance(found, dict):
            return list(found.items())
        if found is None or isinstance(found, (int, float)):
            return ()
        if isinstance(found, str):
            return [found] if found else ()
        raise GaveUp

    return items


def first_items(items: Any, limit: object) -> Any:
    """As many items as a limit lets pass; 0 is none to the library."""
    if type(limit) is not int or limit < 0:
        raise GaveUp
    return items[: limit or None]


def repeat(frame: Frame, name: str, items: Any, block: Step) -> None:
    """Write a block for each item."""
    run, looped = frame.run, frame.looped
    for item in items:
        run.check()
        looped[name] = item
        try:
            block(frame)
        except ContinueLoop:
            continue
        except BreakLoop:
            break
