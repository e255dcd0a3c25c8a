"""Heads of orders: files that say how orders stand, told from catalogues and from events, whose ids may be numbers of orders too."""

from __future__ import annotations

import polars as pl

from recsys.tables.values.words import read_words
from training.onboarding.names import says_state
from training.onboarding.proposal import Proposal
from training.onboarding.values import states_known, texts

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
