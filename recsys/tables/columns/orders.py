"""Words that tell how an order stands, as far as nobody knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from recsys.settings.shapes import Where
from recsys.settings.tables import Table
from recsys.tables.columns.conditions import ended_state, given_text, kept, unknown_state
from recsys.tables.mapping import Mapped
from recsys.tables.presets import merged
from recsys.tables.sources import ROW, Source
from recsys.tables.validation import Finding
from recsys.tables.values.examples import words_of

RULE = "says how an order stands"
_ADVICE = "name the words in `yes` (the order stands) or `no` (it counts in nothing) in the settings"

COUNTS = "says that its order counts"
MANY = 0.2
"""Share of the rows from which on it is said how many are of orders that count in nothing by a column; fewer orders end so mostly."""
LEAST = 10
"""Fewer such rows are no sign of anything."""
_BOUGHT = (
    "if such orders were bought all the same, as on delivery, on account or by bank transfer, name their words in `yes`"
)
_NO_CONDITION = "if such orders were bought all the same, take the condition out of `void_orders`"

_ONE_STATE = "stands in one state in all rows of its order"
_TORN = (
    "other rows of these orders say that they count in nothing, so that no line of theirs does; where a later export says how one "
    "ended, leave the earlier one out, and where the state is that of a single line, use `where` instead of `void_orders`"
)


def order_states(name: str, mapped: Sequence[Mapped], table: Table, *, may_name: bool) -> list[Finding]:
    """Find the words of `void_orders` that nobody knows: such an order counts in nothing; and orders that contradict themselves, with
    one as an example if it may be named."""
    nothing = merged(name, table).null_values
    sources = [each.source for each in mapped]
    there = [(own, each) for own in table.void_orders if isinstance(own, str) for each in sources if own in each.schema]
    found = [_state(name, own, each, table, nothing) for own, each in there]
    found += [_ended(name, each, sources, table, nothing) for each in table.void_orders]
    return [finding for finding in (*found, *_contradicted(name, mapped, may_name)) if finding.rows]


def _contradicted(name: str, mapped: Sequence[Mapped], may_name: bool) -> Iterator[Finding]:
    """Orders that count by some of their rows and do not by others: all of them are left out."""
    for each in mapped:
        if each.contradicted is not None:
            orders = each.contradicted.collect(engine="streaming").to_series()
            example = str(orders[0]) if len(orders) and may_name else ""
            share = len(orders) / max(each.source.height(), 1)
            file = str(each.source.files[0])
            yield Finding(name, file, "order_id", _ONE_STATE, len(orders), share, example, _TORN, "left_out")


def _state(name: str, column: str, source: Source, table: Table, nothing: Sequence[str]) -> Finding:
    unknown, given = unknown_state(source, column, table, nothing), given_text(column, source, nothing)
    words = source.frame.filter(unknown).select(given.alias(column)).collect(engine="streaming").to_series()
    rows, values = source.frame.select(pl.len(), given.is_not_null().sum()).collect(engine="streaming").row(0)
    share, example = len(words) / max(rows, 1), words_of(words, "flag")
    return Finding(name, str(source.files[0]), column, RULE, len(words), share, example, _ADVICE, "left_out", values)


def _ended(name: str, void: str | Where, sources: Sequence[Source], table: Table, nothing: Sequence[str]) -> Finding:
    """Rows of all sources together, as far as `where` keeps them, whose orders count in nothing by one column, if they are many."""
    column, words, rows, total = void if isinstance(void, str) else void.column, [], 0, 0
    for source in sources:
        frame = source.frame.filter(kept(source, table.where, nothing))
        text = given_text(column, source, nothing).alias("text")
        said = frame.select(ROW, ended_state(source, void, table, nothing).alias("ended"), text)
        counted = said.group_by("text").agg(pl.len().alias("all"), pl.col("ended").sum()).collect(engine="streaming")
        rows, total = rows + int(counted["ended"].sum()), total + int(counted["all"].sum())
        words.append(counted.filter((pl.col("ended") > 0) & ~pl.col("text").str.contains(r"\d{4}")))
    if rows < max(LEAST, MANY * total):
        rows = 0
    named = (
        pl.concat(words)
        if words and rows
        else pl.DataFrame({"text": [], "ended": []}, schema={"text": pl.String, "ended": pl.UInt32})
    )
    example = words_of(named.select(pl.col("text").repeat_by("ended").explode()).to_series(), "flag") or "a moment"
    file = next((str(each.files[0]) for each in sources if column in each.schema), "")
    if isinstance(void, Where):
        return Finding(name, file, column, COUNTS, rows, rows / max(total, 1), "a condition", _NO_CONDITION, "left_out")
    return Finding(name, file, column, COUNTS, rows, rows / max(total, 1), example, _BOUGHT, "left_out")
