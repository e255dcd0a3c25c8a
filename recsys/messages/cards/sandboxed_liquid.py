"""Liquid within bounds: whatever a template says, it ends soon, stays small, escapes what it should and reads no clock.

What the library cannot bound while it works is refused when a template is read. Parts are written compiled (`compiled_liquid`)
where that can be done, with the same outcome.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from time import thread_time
from typing import Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, LoopExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.expression import Expression
from liquid.filter import with_context
from liquid.output import LimitedStringIO
from liquid.token import Token
from liquid.undefined import UNDEFINED, Undefined
from liquid.utils import ReadOnlyChainMap

from recsys import clock
from recsys.locales import date_text, price_text
from recsys.messages.cards.compiled_liquid import Compiler, Program
from recsys.messages.cards.context import Context
from recsys.messages.cards.files import TemplatePart
from recsys.messages.cards.liquid_bounds import LOOP_STEPS, NAMESPACE_BYTES, NESTING, PART_BYTES, Missing, filtered
from recsys.types import RecsysError, SettingsError

LATEST_SECONDS = 100_000_000_000
"""A moment beyond this number (the year 5138 in seconds) is in microseconds."""


class CardError(RecsysError):
    """A card cannot be rendered; the text names template, part, line and what stands in the way."""


class ParsedPart:
    """One part of a template, parsed; raises SettingsError where it cannot be."""

    def __init__(self, source: TemplatePart, liquid: Liquid) -> None:
        self.source, self._liquid = source, liquid
        self.program: Program | None = None
        try:
            self.template = liquid.from_string(source.text, name=source.file)
        except LiquidError as error:
            raise SettingsError(self._failed(error)) from error

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.template.global_variables())

    def check(self) -> None:
        """Raise SettingsError for what can be parsed, but not rendered, or not within bounds."""
        for fault in _faults(self.template.nodes, RenderContext(self.template), self._liquid):
            raise SettingsError(self._failed(fault))

    def compile(self) -> None:
        """Compile the part, so that it is written fast where nothing goes wrong; all partials are there."""
        self.program = self._liquid.compiler.program(self.template.nodes)

    def speaks_of(self, name: str) -> bool:
        """Tell whether the part, or a partial that it draws in, asks for a value of this name."""
        return name in self._names

    def render(self, context: Context, missing: set[str], deadline: float) -> str:
        """Write the part, and note what it misses; raises CardError."""
        if self.program is not None:
            noted = set[str]()
            with suppress(Exception):  # what it is, the interpreter finds out and says
                text = self.program.text(context, noted, deadline)
                missing |= noted
                return text
        return self.interpret(context, missing, deadline)

    def interpret(self, context: Context, missing: set[str], deadline: float) -> str:
        """Write the part step by step, as the library does it; otherwise as `render`."""
        reading = _Context(self.template, globals=context)
        reading.missing, reading.deadline = missing, deadline
        written = LimitedStringIO(limit=PART_BYTES)
        try:
            self.template.render_with_context(reading, written)
        except Exception as error:  # filters raise whatever Python does with what a template hands them
            raise CardError(self._failed(error)) from error
        return written.getvalue()

    def _failed(self, error: Exception) -> str:
        """Return where a template fails, which may be in a partial, and why."""
        if not isinstance(error, LiquidError):
            return self.source.error(f"{type(error).__name__}: {error}")
        token = error.token
        if token is None or token.start_index < 0:
            return self.source.error(error.message)
        partials = (part.source for part in self._liquid.partials.values())
        source = next((partial for partial in partials if partial.text == token.source), self.source)
        return source.error(error.message, token.source.count("\n", 0, token.start_index))


class Liquid(Environment):
    """Liquid as it is documented, without what escapes from escaping (`safe`) and what makes partials share their names."""

    block_nesting_limit = NESTING
    context_depth_limit = NESTING
    loop_iteration_limit = LOOP_STEPS
    output_stream_limit = PART_BYTES
    local_namespace_limit = NAMESPACE_BYTES

    def __init__(self, *, escaping: bool) -> None:
        super().__init__(autoescape=escaping)
        self.partials: dict[str, ParsedPart] = {}
        self.compiler = Compiler(self, lambda name: self.partials[name].template.nodes)
        del self.tags["include"], self.filters["safe"]
        self.filters |= {"price": _price, "date": _date}

    def add_partial(self, name: str, source: TemplatePart) -> None:
        """Parse what other templates may draw in; a later one of the name takes its place."""
        self.partials[name] = ParsedPart(source, self)

    def get_template(self, name: str, **_: object) -> BoundTemplate:
        """Return a partial; none is read while rendering."""
        return self.partials[name].template


class _Context(RenderContext):
    """Context of a template while it is rendered: no clock, so that one slate has one card, and an end to everything."""

    __slots__ = ("deadline", "missing")

    def __init__(self, template: BoundTemplate, *, parent_context: RenderContext | None = None, **more: Any) -> None:
        super().__init__(template, parent_context=parent_context, **more)
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)
        self.missing: set[str] = getattr(parent_context, "missing", set())
        self.deadline: float = getattr(parent_context, "deadline", math.inf)

    def check_time(self) -> None:
        """Raise ResourceLimitError where the card has taken too long; asked at every step that may be taken often."""
        if thread_time() > self.deadline:
            raise ResourceLimitError("processor time limit reached", token=None)

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        """Look a value up; one that is missing notes its name when it is written or looped over."""
        self.check_time()
        found = super().get(path, token=token, default=default)
        return Missing(".".join(map(str, path)), self.missing) if type(found) is Undefined else found

    def extend(self, namespace: Mapping[str, object], template: BoundTemplate | None = None) -> Any:
        """Enter a loop or a partial."""
        self.check_time()
        return super().extend(namespace, template)

    def assign(self, key: str, val: object) -> None:
        """Keep a value under a name."""
        self.check_time()
        super().assign(key, val)

    def stopindex(self, key: str, index: int | None = None) -> int:
        """Learn where a loop will stop: before its steps are laid out, which `reversed` does at once."""
        self.raise_for_loop_limit(index or 0)
        return super().stopindex(key, index)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Return a filter that refuses values too large to be worked on in one step."""
        found = super().filter(name, token)

        def bounded(left: object, *values: object, **named: object) -> object:
            self.check_time()
            return filtered(name, found, left, values, named)

        return bounded


def _faults(nodes: Iterable[Node], context: RenderContext, liquid: Liquid) -> Iterator[LiquidError]:
    """Return what the parser lets pass: partials and filters that do not exist, and ranges, which have no bound outside a loop."""
    for node in nodes:
        partial = node.partial_scope()
        if partial is not None and partial.name not in liquid.partials:
            allowed = ", ".join(sorted(liquid.partials))
            yield LiquidError(f"no partial {str(partial.name)!r}; there are {allowed}", token=node.token)
        for expression in node.expressions():
            yield from _faults_of(expression, liquid)
        yield from _faults(node.children(context, include_partials=False), context, liquid)


def _faults_of(expression: Expression, liquid: Liquid) -> Iterator[LiquidError]:
    if isinstance(expression, RangeLiteral):
        yield LiquidError("a range (1..n) may stand in a for tag only", token=expression.token)
    for one in (isinstance(expression, FilteredExpression) and expression.filters) or ():
        if one.name not in liquid.filters:
            yield LiquidError(f"no filter {one.name!r}; there are {', '.join(sorted(liquid.filters))}", token=one.token)
        if one.name == "date" and one.args:
            yield LiquidError("date takes no format: it writes the day as the reader's locale does", token=one.token)
    for child in expression.children():
        looped = isinstance(expression, LoopExpression) and child is expression.iterable
        yield from _faults_of(child, liquid) if not (looped and isinstance(child, RangeLiteral)) else ()


@with_context
def _price(amount: object, currency: object = None, *, context: RenderContext) -> object:
    """Write an amount as the reader's locale does, in a text message with its letters; what is no number stays as it is."""
    if not isinstance(amount, (int, float)):
        return amount
    plain = context.resolve("channel") == "sms"
    return price_text(amount, str(currency or ""), str(context.resolve("locale")), plain)


@with_context
def _date(moment: object, *, context: RenderContext) -> object:
    """Write the day of a moment (ISO 8601, or seconds or microseconds since 1970) as the reader does; anything else stays."""
    zone, locale = str(context.resolve("timezone")), str(context.resolve("locale"))
    if isinstance(moment, (int, float)):
        return date_text(int(moment if moment > LATEST_SECONDS else moment * 1_000_000), locale, zone)
    try:
        at = datetime.fromisoformat(str(moment))
    except ValueError:
        return moment
    local = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return date_text(clock.to_microseconds(local), locale, "UTC" if at.tzinfo is None else zone)
