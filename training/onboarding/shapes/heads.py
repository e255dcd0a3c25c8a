"""Heads of orders: files that say how orders stand, told from catalogues and events by more than their ids, and rows above lines."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recsys.tables.values.words import read_words
from training.onboarding.names import plain, says_state
from training.onboarding.proposal import Proposal
from training.onboarding.values import is_given, states_known, texts

_GOODS = frozenset(("title", "price", "brand", "category", "image_url", "stock", "available", "group_id", "description"))
"""Columns of items that orders seldom have; a name may be a buyer's."""
_ENOUGH = 2
"""Signs of a catalogue of which one may be chance."""
_HALF = 0.5


def is_no_head(other: Proposal, events: Proposal) -> bool:
    """Tell whether a file is events with items, or a catalogue, whatever it says of a state: none of its rows is an order of others.

    Events hold some of the same items: a column such as `items` of heads is a count. A catalogue is known by a preset or by two signs:
    columns of goods, each of them one, the ids of the events' items, and states that are those of goods, such as `active` and
    `archived`; with states of orders it is none.
    """
    if other.table == "events":
        return bool(other.preset) or (bool(other.origin("item_id")) and _holds_items(other, events))
    if other.table != "items":
        return False
    words = _by_words(other)
    signs = len(_GOODS & {*other.settings.get("columns", ())}) + _holds_items(other, events) + words
    return bool(other.preset) or (words >= 0 and signs >= _ENOUGH)


def _holds_items(other: Proposal, events: Proposal) -> bool:
    own = events.origin("item_id")
    asked = texts(events.rows, own).unique() if own else pl.Series([], dtype=pl.String)
    held = asked.is_in(texts(other.rows, other.origin("item_id")).unique().implode()).sum()
    return held > _HALF * len(asked)


def _by_words(other: Proposal) -> int:
    """Weigh the words of states: 1 for those of goods, -1 for those of orders, 0 for strange ones."""
    for text in (texts(other.rows, own) for own in other.rows.columns if says_state(own)):
        said = text.to_frame("t").select(read_words(pl.col("t"), "availability")).to_series()
        goods, orders = said.is_not_null().sum() / max(1, len(text)), states_known(text)
        if max(goods, orders) > _HALF:
            return 1 if goods >= orders else -1
    return 0


def of_heads(found: Proposal, head: str, line: str, filled: Sequence[str]) -> list[str]:
    """Columns by which rows or orders are left out that only heads have: their lines would stay. A line that names its head, as
    Shopify's do by `__parentId`, is of the order of that id."""
    rows, columns = found.rows, found.settings["columns"]
    lines = rows.filter(~is_given(rows, head) & is_given(rows, line))
    ids, parents = ([name for name in rows.columns if plain(name) == word] for word in ("id", "parentid"))
    for own, parent in zip(ids[:1], parents[:1], strict=False):
        named = texts(lines, parent)
        if found.table != "events" or "order_id" in columns or len(named) < lines.height:
            continue
        if named.is_in(texts(rows, own).implode()).all():
            columns["order_id"] = [parent, own]
            found.evidence.append(f"{parent}, or {own}, is order_id: each line names the head that it is of")
    stated = [*found.settings.get("where", ()), *found.settings.get("void_orders", ())]
    named_columns = dict.fromkeys(each if isinstance(each, str) else each["column"] for each in stated)
    return [name for name in named_columns if name not in filled and texts(lines, name).is_empty()]
