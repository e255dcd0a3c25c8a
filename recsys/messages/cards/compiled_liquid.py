"""Compiled Liquid: parsed templates as Python closures, which write what the library's interpreter writes in a tenth of its time.

A template that has anything else than what stands in `_STEPS` is not compiled. A compiled one gives up wherever the interpreter
might not write the whole part: at every bound and every error. Then the interpreter renders it anew, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from liquid import Environment, Markup, RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import Identifier, LoopExpression, StringLiteral
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.echo_tag import EchoNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForLoop, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.inline_comment_tag import InlineCommentNode
from liquid.builtin.tags.liquid_tag import LiquidNode
from liquid.builtin.tags.render_tag import RenderNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import BreakLoop, ContinueLoop, LiquidInterrupt
from liquid.undefined import Undefined

from recsys.messages.cards.compiled_steps import (
    CaseTable,
    Step,
    either,
    first_items,
    give_up,
    items_of_loop,
    lines_as_kept,
    nothing,
    repeat,
    sequence,
    written_text,
)
from recsys.messages.cards.compiled_values import Frame, GaveUp, Run, Uncompilable, Values, negated
from recsys.messages.cards.context import Context
from recsys.messages.cards.liquid_bounds import LOOP_STEPS, NESTING

_MAPS = 4
"""Namespaces that a template is in before its first loop, as the library counts them against `NESTING`."""


class Program:
    """A compiled template or partial. One that draws itself in stands for itself while it is compiled."""

    def __init__(self) -> None:
        self._body: Step = give_up

    def compile(self, compiler: Compiler, nodes: Sequence[Node]) -> None:
        """Compile the nodes of a template; raises Uncompilable."""
        self._body = _Steps(compiler).all(nodes)

    def text(self, context: Context, missing: set[str], deadline: float) -> str:
        """Write a part, and note what it misses; raises GaveUp, or whatever its values and filters raise."""
        run = Run(missing, deadline)
        self.write(Frame(run, {**context}))
        run.check()
        return "".join(run.written)

    def write(self, frame: Frame) -> None:
        """Write a template or partial; no break in it leaves a loop around it."""
        try:
            self._body(frame)
        except LiquidInterrupt as error:
            raise GaveUp from error


class Compiler:
    """Compiled partials of one way to escape; `nodes_of` gives the nodes of a partial."""

    def __init__(self, liquid: Environment, nodes_of: Callable[[str], Sequence[Node]]) -> None:
        self.liquid, self._nodes_of = liquid, nodes_of
        self.reader = RenderContext(liquid.from_string(""))
        self._partials: dict[str, Program] = {}

    def program(self, nodes: Sequence[Node]) -> Program | None:
        """Compile a template; None: only the interpreter renders it."""
        program = Program()
        try:
            program.compile(self, nodes)
        except Uncompilable:
            return None
        return program

    def partial(self, name: str) -> Program:
        """Return a compiled partial; raises Uncompilable."""
        if name not in self._partials:
            program = self._partials[name] = Program()
            try:
                program.compile(self, self._nodes_of(name))
            except Uncompilable:
                del self._partials[name]
                raise
        return self._partials[name]


class _Steps:
    """Compiler of the nodes of one template; `muted`: in a block of nothing but white space, which is not written."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler, self._escaping = compiler, compiler.liquid.autoescape
        self._values = Values(compiler.liquid, compiler.reader)
        self._muted = False

    def all(self, nodes: Sequence[Node]) -> Step:
        """Compile nodes to be written one after the other; raises Uncompilable."""
        return sequence([step for node in nodes if (step := self._step(node)) is not None])

    def _step(self, node: Node) -> Step | None:
        if type(node) not in _STEPS:
            raise Uncompilable(type(node).__name__)
        return _STEPS[type(node)](self, node)

    def _block(self, block: Any, muted: bool | None = None) -> Step:
        before = self._muted
        self._muted = (before or block.blank) if muted is None else muted
        step = self.all(block.nodes)
        self._muted = before
        return step

    def content(self, node: Any) -> Step | None:
        text, size = lines_as_kept(node.text), len(node.text.encode())
        if self._muted or not text:
            return None

        def write(frame: Frame) -> None:
            run = frame.run
            run.left -= size
            run.written.append(text)

        return write

    def output(self, node: Any) -> Step:
        value, escaping = self._values.value(node.expression), self._escaping

        def write(frame: Frame) -> None:
            found, run = value(frame), frame.run
            text: str = (
                found if type(found) is Markup or (type(found) is str and not escaping) else written_text(found, escaping)
            )
            run.left -= len(text) if text.isascii() else len(text.encode())
            if run.left < 0:
                raise GaveUp
            run.written.append(lines_as_kept(text) if "\r" in text else text)

        return write

    def assign(self, node: Any) -> Step:
        name, value = str(node.name), self._values.value(node.expression)
        return lambda frame: frame.assign(name, value(frame))

    def capture(self, node: Any) -> Step:
        name, block, escaping = str(node.name), self._block(node.block, node.block.blank), self._escaping

        def write(frame: Frame) -> None:
            run = frame.run
            before, left = run.written, run.left
            run.written = []
            try:
                block(frame)
                run.check()
                text = "".join(run.written)
            finally:
                run.written, run.left = before, left
            frame.assign(name, Markup(text) if escaping else text)

        return write

    def condition(self, node: Any) -> Step:
        first = self._values.test(node.condition)
        if isinstance(node, UnlessNode):
            first = negated(first)
        ways = [(first, self._block(node.consequence))]
        ways += [(self._values.test(way.expression), self._block(way.block)) for way in node.alternatives]
        return either(ways, self._block(node.default) if node.default else None)

    def case(self, node: Any) -> Step:
        value, table = self._values.value(node.expression), CaseTable()
        for block in node.blocks:
            if isinstance(block, MultiExpressionBlockNode):
                table.add(self._keys(block.expression.expressions), self._block(block.block))
            else:
                table.add_otherwise(self._block(block))
        return lambda frame: table.write(frame, value(frame))

    def _keys(self, literals: Sequence[Any]) -> Iterator[str]:
        """Texts that a case is compared with; they may be anything else for the interpreter only."""
        for literal in literals:
            if not isinstance(literal, StringLiteral):
                raise Uncompilable("a case of anything but texts")
            yield literal.value

    def loop(self, node: Any) -> Step:
        expression: LoopExpression = node.expression
        values, name = self._values, str(expression.identifier)
        if expression.offset or expression.cols or expression.reversed or len(values.loops) // 2 + _MAPS > NESTING:
            raise Uncompilable("a loop with an offset, cols or reversed, or inside too many")
        items_of = self._range(expression.iterable) or items_of_loop(values.value(expression.iterable))
        limit = values.value(expression.limit) if expression.limit else None
        otherwise = self._block(node.default) if node.default else nothing
        values.loops += [name, "forloop"]
        block = self._block(node.block)
        del values.loops[-2:]
        label = f"{name}-{expression.iterable}"

        def write(frame: Frame) -> None:
            items = items_of(frame)
            if limit is not None:
                items = first_items(items, limit(frame))
            if not items:
                return otherwise(frame)
            looped, loops, steps = frame.looped, frame.loops, frame.steps
            frame.steps *= len(items)
            if frame.steps > LOOP_STEPS:
                raise GaveUp
            frame.looped = {**looped, "forloop": None}
            if values.asks_forloop:
                parent = loops[-1] if loops else Undefined("parentloop", token=None)
                items = ForLoop(label, iter(items), len(items), parent)
                frame.looped["forloop"], frame.loops = items, [*loops, items]
            repeat(frame, name, items, block)
            frame.looped, frame.loops, frame.steps = looped, loops, steps
            return None

        return write

    def _range(self, iterable: Any) -> Callable[[Frame], Any] | None:
        """Items of a range; None: it is none."""
        if not isinstance(iterable, RangeLiteral):
            return None
        start, stop = self._values.value(iterable.start), self._values.value(iterable.stop)

        def items(frame: Frame) -> range:
            first, last = start(frame), stop(frame)
            if type(first) is not int or type(last) is not int:
                raise GaveUp
            return range(first, last + 1)

        return items

    def partial(self, node: Any) -> Step:
        if isinstance(node.name, Identifier) or node.var is not None:
            raise Uncompilable("a partial drawn in by a name, or with or for something")
        program = self._compiler.partial(node.name.value)
        arguments = [(str(each.name), self._values.value(each.value)) for each in node.args]
        return lambda frame: program.write(frame.partial({name: value(frame) for name, value in arguments}))

    def leave(self, node: Any) -> Step:
        kind = BreakLoop if isinstance(node, BreakNode) else ContinueLoop

        def interrupt(_frame: Frame) -> None:
            raise kind("")

        return interrupt

    def nothing(self, _node: Any) -> None:
        """A comment writes nothing."""

    def inner(self, node: Any) -> Step:
        return self._block(node.block)


_STEPS: dict[type, Callable[[_Steps, Any], Step | None]] = {
    ContentNode: _Steps.content,
    OutputNode: _Steps.output,
    EchoNode: _Steps.output,
    AssignNode: _Steps.assign,
    CaptureNode: _Steps.capture,
    IfNode: _Steps.condition,
    UnlessNode: _Steps.condition,
    CaseNode: _Steps.case,
    ForNode: _Steps.loop,
    RenderNode: _Steps.partial,
    BreakNode: _Steps.leave,
    ContinueNode: _Steps.leave,
    CommentNode: _Steps.nothing,
    InlineCommentNode: _Steps.nothing,
    LiquidNode: _Steps.inner,
    BlockNode: _Steps._block,
}
