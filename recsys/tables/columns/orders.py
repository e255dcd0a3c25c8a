"""Words that tell how an order stands, as far as nobody knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from recsys.settings.tables import Table
from recsys.tables.columns.conditions import given_text, unknown_state
from recsys.tables.mapping import Mapped
from recsys.tables.presets import merged
from recsys.tables.sources import Source
from recsys.tables.validation import Finding
from recsys.tables.values.examples import words_of

RULE = "says how an order stands"
_ADVICE = "name the words in `yes` (the order stands) or `no` (it counts in nothing) in the settings"

_ONE_STATE = "stands in one state in all rows of its order"
_TORN = (
    "other rows of these orders say that they count in nothing, so that no line of theirs does; where a later export says how one "
    "ended, leave the earlier one out, and where the state is that of a single line, use `where` instead of `void_orders`"
)


def order_states(name: str, mapped: Sequence[Mapped], table: Table, *, may_name: bool) -> list[Finding]:
    """Find the words of `void_orders` that nobody knows: such an order counts in nothing; and orders that contradict themselves, with
    one as an example if it may be named."""
    nothing = merged(name, table).null_values
    columns = [column for column in table.void_orders if isinstance(column, str)]
    sources = [each.source for each in mapped]
    found = [_state(name, own, each, table, nothing) for own in columns for each in sources if own in each.schema]
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
