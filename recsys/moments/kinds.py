"""Moments: who should hear from the shop now, and why. One line a kind; each rule is a function of `rules.py`.

Who is due is found by `due.py`, what the message shows by `moment_lines.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from recsys.moments import candidates as audience
from recsys.moments import rules
from recsys.moments.candidates import Audience
from recsys.moments.context import TriggerHit, UserContext
from recsys.settings.moments import MomentKind
from recsys.types import Bought, Mask


class TriggerKind(NamedTuple):
    """A kind of moment.

    summary: for people · rule: what a shopper is due for, the best first · candidates: who is worth a look, bool[p], at least
    everybody who is due · placement and bought: how the rest of its slate is asked.
    """

    summary: str
    rule: Callable[[UserContext], Iterator[TriggerHit]]
    candidates: Callable[[Audience], Mask]
    placement: str
    bought: Bought | None = None


_HIDE = Bought("hide")

KINDS: Mapping[MomentKind, TriggerKind] = MappingProxyType(
    {
        "cart": TriggerKind("left a cart", rules.cart, audience.left_a_cart, "cart"),
        "back_in_stock": TriggerKind("what they looked at is back", rules.back_in_stock, audience.of_items_back, "pdp"),
        "price_drop": TriggerKind("what they looked at costs less", rules.price_drop, audience.of_cheaper_items, "pdp"),
        "low_stock": TriggerKind("what they looked at runs low", rules.low_stock, audience.of_low_items, "pdp"),
        "browse": TriggerKind("looked at a product and left", rules.browse, audience.just_left, "pdp"),
        "birthday": TriggerKind("has a birthday", rules.birthday, audience.has_birthday, "home"),
        "replenish": TriggerKind("may need something again", rules.replenish, audience.owns_what_is_due, "buy_again"),
        "second_order": TriggerKind("ordered once", rules.second_order, audience.ordered_once, "bought_together", _HIDE),
        "offer": TriggerKind("hesitates", rules.offer, audience.was_here_days_ago, "home"),
        "winback": TriggerKind(
            "has not ordered for long", rules.winback, audience.ordered_long_ago, "bought_together", _HIDE
        ),
        "category_bestsellers": TriggerKind(
            "wants something of a category", rules.category_bestsellers, audience.left_lately, "bestsellers", _HIDE
        ),
        "brand_trending": TriggerKind("leans to a brand", rules.brand_trending, audience.left_lately, "popular", _HIDE),
        "editorial": TriggerKind("may like to read on", rules.editorial, audience.left_lately, "home"),
        "high_spender": TriggerKind("is among the best customers", rules.high_spender, audience.spent_much, "home"),
    }
)
