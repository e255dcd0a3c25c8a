"""Compiled values of Liquid: expressions and conditions as Python closures over the frame of a template that is being written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from sys import getsizeof
from time import thread_time
from typing import Any, TypeAlias

from liquid import Environment, Markup, RenderContext
from liquid.builtin.expressions import BooleanExpression, Filter, FilteredExpression, Literal, Nil, Path, StringLiteral
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
    is_truthy,
)
from liquid.builtin.expressions.logical import _contains as contains
from liquid.builtin.expressions.logical import _eq as equal
from liquid.builtin.expressions.logical import _le as at_most
from liquid.builtin.expressions.logical import _lt as less
from liquid.builtin.expressions.primitive import Blank, Empty
from liquid.expression import Expression
from liquid.undefined import UNDEFINED, Undefined

from recsys.messages.cards.liquid_bounds import CONTEXT_FILTERS, NAMESPACE_BYTES, NESTING, PART_BYTES, Missing, filtered

_TRUE = (str, Markup, int, float, list, dict)
"""Types of which every value is true in Liquid."""
CHECKS_A_LOOK = 16
"""Checks of a part for each look at the clock, which is a call of the system."""
_DYNAMIC = ("size", "first", "last")
"""Segments of a path that mean more than a key."""


class Uncompilable(Exception):  # noqa: N818 (no error of a caller's: the interpreter renders it)
    """A template has something that only the interpreter renders."""


class GaveUp(Exception):  # noqa: N818
    """The interpreter is to say what is wrong, and where."""


class Run:
    """One part while it is written: what is written, how many bytes may follow, when it must end, and what it misses."""

    __slots__ = ("_checks", "deadline", "left", "missing", "written")

    def __init__(self, missing: set[str], deadline: float) -> None:
        self.written: list[str] = []
        self.left = PART_BYTES
        self._checks = 0
        self.missing, self.deadline = missing, deadline

    def check(self) -> None:
        """Raise GaveUp where a bound is passed; asked wherever something may happen often."""
        self._checks += 1
        if self.left < 0 or (self._checks % CHECKS_A_LOOK == 0 and thread_time() > self.deadline):
            raise GaveUp


class Frame:
    """Names that a template or partial sees: `given` to it, and `names` with its own; the loops it is in, and what bounds it.

    `steps`: product of the lengths of all loops around · `kept`: bytes of what was assigned · `depth`: of partials in partials.
    """

    __slots__ = ("_sizes", "depth", "given", "is_partial", "kept", "looped", "loops", "names", "run", "steps")

    def __init__(self, run: Run, given: dict[str, object], *, steps: int = 1, kept: int = 0, depth: int = 0) -> None:
        self.run, self.given, self.names = run, given, given
        self.looped: dict[str, object] = {}
        self.loops: list[object] = []
        self._sizes: dict[str, int] = {}
        self.steps, self.kept, self.depth, self.is_partial = steps, kept, depth, depth > 0

    def partial(self, arguments: dict[str, object]) -> Frame:
        """Return the frame of a partial: it sees what this one was given and its arguments, nothing that was assigned."""
        self.run.check()
        if self.depth > NESTING:
            raise GaveUp
        return Frame(self.run, {**self.given, **arguments}, steps=self.steps, kept=self.kept, depth=self.depth + 1)

    def assign(self, name: str, value: object) -> None:
        """Keep a value under a name."""
        if self.names is self.given:
            self.names = dict(self.given)
        size = getsizeof(value, 1)
        self.kept += size - self._sizes.get(name, 0)
        if self.kept > NAMESPACE_BYTES:
            raise GaveUp
        self._sizes[name] = size
        self.names[name] = value

    def resolve(self, name: str) -> object:
        """Return the value of a name, as a filter asks for it."""
        if name in self.looped:
            return self.looped[name]
        return self.names[name] if name in self.names else Undefined(name)

    def absent(self, name: str) -> Missing:
        """Return what stands for a value that is not there."""
        return Missing(name, self.run.missing)


Value: TypeAlias = Callable[[Frame], object]
Test: TypeAlias = Callable[[Frame], bool]


class Values:
    """Compiler of the expressions of one template; `loops` are the names of the loops that it is in at the moment."""

    def __init__(self, liquid: Environment, reader: RenderContext) -> None:
        self._liquid, self._item_of = liquid, reader.get_item
        self.loops: list[str] = []
        self.asks_forloop = False

    def value(self, expression: Expression) -> Value:
        """Compile an expression; raises Uncompilable."""
        if isinstance(expression, FilteredExpression):
            return self._filtered(self.value(expression.left), expression.filters or ())
        if isinstance(expression, Path):
            return self._path(expression.path)
        if isinstance(expression, (Literal, Nil, Empty, Blank)):
            return _constant(self.constant(expression))
        return self.test(expression)

    def constant(self, literal: Expression) -> object:
        """Return the value of a literal; a text of a template is escaped already."""
        if isinstance(literal, StringLiteral):
            return Markup(literal.value) if self._liquid.autoescape else literal.value
        if isinstance(literal, Literal):
            return literal.value
        return None if isinstance(literal, Nil) else literal

    def test(self, expression: Expression) -> Test:
        """Compile a condition; raises Uncompilable."""
        if isinstance(expression, BooleanExpression):
            return self.test(expression.expression)
        if isinstance(expression, LogicalNotExpression):
            return negated(self.test(expression.right))
        if isinstance(expression, (LogicalAndExpression, LogicalOrExpression)):
            return _joined(
                self.test(expression.left), self.test(expression.right), isinstance(expression, LogicalAndExpression)
            )
        if isinstance(expression, (EqExpression, NeExpression)):
            same = _same(self.value(expression.left), self.value(expression.right))
            return same if isinstance(expression, EqExpression) else negated(same)
        if isinstance(expression, _COMPARISONS):
            return _compared(expression, self.value(expression.left), self.value(expression.right))
        if isinstance(expression, (Path, Literal, Nil, Empty, Blank)):
            return _truth(self.value(expression))
        raise Uncompilable(type(expression).__name__)

    def _path(self, segments: Sequence[object]) -> Value:
        root, name = segments[0], ".".join(map(str, segments))
        if not isinstance(root, str) or any(isinstance(segment, Path) for segment in segments):
            raise Uncompilable("a path that is read while rendering")
        self.asks_forloop |= root == "forloop"
        begin = self._root(root, name)
        if len(segments) == 1:
            return begin
        *between, last = segments[1:]
        if not between and isinstance(last, str) and last not in _DYNAMIC:
            return self._field(root, last, name)
        return self._way(root, segments[1:], name)

    def _root(self, root: str, name: str) -> Value:
        if root in self.loops:
            return lambda frame: found if type(found := frame.looped[root]) is not Undefined else frame.absent(name)
        if root == "partial":
            return lambda frame: frame.is_partial

        def find(frame: Frame) -> object:
            found = frame.names.get(root, UNDEFINED)
            return frame.absent(name) if found is UNDEFINED or type(found) is Undefined else found

        return find

    def _field(self, root: str, key: str, name: str) -> Value:
        """A path of two names, which most are."""
        item_of, looped = self._item_of, root in self.loops
        if root == "partial" and not looped:
            raise Uncompilable("partial has no fields")

        def find(frame: Frame) -> object:
            holder = (frame.looped if looped else frame.names).get(root, UNDEFINED)
            try:
                found = holder[key] if type(holder) is dict else item_of(holder, key)
            except (KeyError, TypeError, IndexError):
                return frame.absent(name)
            return frame.absent(name) if type(found) is Undefined else found

        return find

    def _way(self, root: str, segments: Sequence[object], name: str) -> Value:
        item_of, looped = self._item_of, root in self.loops
        if root == "partial" and not looped:
            raise Uncompilable("partial has no fields")

        def find(frame: Frame) -> object:
            found = (frame.looped if looped else frame.names).get(root, UNDEFINED)
            if found is UNDEFINED:
                return frame.absent(name)
            try:
                for segment in segments:
                    found = item_of(found, segment)
            except (KeyError, TypeError, IndexError):
                return frame.absent(name)
            return frame.absent(name) if type(found) is Undefined else found

        return find

    def _filtered(self, value: Value, filters: Sequence[Filter]) -> Value:
        for one in filters:
            value = self._filter(value, one)
        return value

    def _filter(self, left: Value, one: Filter) -> Value:
        function: Callable[..., object] = self._liquid.filters[one.name]
        reads_context = getattr(function, "with_context", False)
        if reads_context and one.name not in CONTEXT_FILTERS:
            raise Uncompilable(f"filter {one.name} reads the context")
        if getattr(function, "with_environment", False):
            function = partial(function, environment=self._liquid)
        arguments = [(getattr(each, "name", None), self.value(each.value)) for each in one.args]

        def apply(frame: Frame) -> object:
            frame.run.check()
            values = [value(frame) for name, value in arguments if not name]
            named = {name: value(frame) for name, value in arguments if name}
            found = partial(function, context=frame) if reads_context else function
            return filtered(one.name, found, left(frame), values, named)

        return apply


_COMPARISONS = (LtExpression, GtExpression, LeExpression, GeExpression, ContainsExpression)


def _constant(value: object) -> Value:
    return lambda _frame: value


def negated(test: Test) -> Test:
    """Return the opposite of a test."""
    return lambda frame: not test(frame)


def _joined(left: Test, right: Test, both: bool) -> Test:
    if both:
        return lambda frame: left(frame) and right(frame)
    return lambda frame: left(frame) or right(frame)


def _same(left: Value, right: Value) -> Test:
    def same(frame: Frame) -> bool:
        one, other = left(frame), right(frame)
        if isinstance(one, str) and isinstance(other, str):
            return one == other
        return equal(one, other)

    return same


def _compared(expression: Any, left: Value, right: Value) -> Test:
    token = expression.token
    if isinstance(expression, LtExpression):
        return lambda frame: less(token, left(frame), right(frame))
    if isinstance(expression, GtExpression):
        return lambda frame: less(token, right(frame), left(frame))
    if isinstance(expression, LeExpression):
        return lambda frame: at_most(left(frame), right(frame))
    if isinstance(expression, GeExpression):
        return lambda frame: at_most(right(frame), left(frame))
    return lambda frame: contains(token, left(frame), right(frame))


def _truth(value: Value) -> Test:
    def truth(frame: Frame) -> bool:
        found = value(frame)
        return True if type(found) in _TRUE else is_truthy(found)

    return truth
