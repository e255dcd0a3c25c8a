"""Kinds of moments: who should hear from the shop now, and why, one line a kind.

Each rule is a function of `rules.py`, its turns one of `turns.py`. Who is due is found by `finder.py`, what the message shows is laid
out by `payload.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from recsys.moments import candidates as audience
from recsys.moments import rules, turns
from recsys.moments.candidates import Audience
from recsys.moments.context import FOREVER, TriggerHit, UserContext
from recsys.settings.moments import MomentKind
from recsys.types import Bought, Mask


class TriggerKind(NamedTuple):
    """A kind of moment.

    summary: for people · rule: what a shopper is due for, the best first · turns: when the rule can turn by itself · candidates:
    who is worth a look, bool[p], at least everybody who is due · placement and bought: how the rest of its slate is asked ·
    about_items: whether the items that it is about lead its slate, and its message speaks of the first.
    """

    summary: str
    rule: Callable[[UserContext], Iterator[TriggerHit]]
    turns: Callable[[UserContext], Iterator[int]]
    candidates: Callable[[Audience], Mask]
    placement: str
    bought: Bought | None = None
    about_items: bool = False


_HIDE = Bought("hide")

KINDS: Mapping[MomentKind, TriggerKind] = MappingProxyType(
    {
        "cart": TriggerKind("left a cart", rules.cart, turns.cart, audience.left_a_cart, "cart", about_items=True),
        "back_in_stock": TriggerKind(
            "what they looked at is back",
            rules.back_in_stock,
            turns.back_in_stock,
            audience.of_items_back,
            "pdp",
            about_items=True,
        ),
        "price_drop": TriggerKind(
            "what they looked at costs less",
            rules.price_drop,
            turns.price_drop,
            audience.of_cheaper_items,
            "pdp",
            about_items=True,
        ),
        "low_stock": TriggerKind(
            "what they looked at runs low", rules.low_stock, turns.low_stock, audience.of_low_items, "pdp", about_items=True
        ),
        "browse": TriggerKind(
            "looked at a product and left", rules.browse, turns.browse, audience.just_left, "pdp", about_items=True
        ),
        "birthday": TriggerKind("has a birthday", rules.birthday, turns.birthday, audience.has_birthday, "home"),
        "replenish": TriggerKind(
            "may need something again",
            rules.replenish,
            turns.replenish,
            audience.owns_what_is_due,
            "buy_again",
            about_items=True,
        ),
        "second_order": TriggerKind(
            "ordered once", rules.second_order, turns.second_order, audience.ordered_once, "bought_together", _HIDE
        ),
        "offer": TriggerKind("hesitates", rules.offer, turns.offer, audience.was_here_days_ago, "home"),
        "winback": TriggerKind(
            "has not ordered for long", rules.winback, turns.winback, audience.ordered_long_ago, "bought_together", _HIDE
        ),
        "category_bestsellers": TriggerKind(
            "wants something of a category",
            rules.category_bestsellers,
            turns.after_visit,
            audience.left_lately,
            "bestsellers",
            _HIDE,
        ),
        "brand_trending": TriggerKind(
            "leans to a brand", rules.brand_trending, turns.after_visit, audience.left_lately, "popular", _HIDE
        ),
        "editorial": TriggerKind("may like to read on", rules.editorial, turns.after_visit, audience.left_lately, "home"),
        "high_spender": TriggerKind(
            "is among the best customers", rules.high_spender, turns.never, audience.spent_much, "home"
        ),
    }
)


def next_turn(kind: MomentKind, user_context: UserContext) -> int:
    """Find from when on (microseconds) the rule of a kind can say something else, if no item changes; `FOREVER`: never by itself.

    An event of the shopper wakes it at once; an event that is known already and comes later than this moment is a turn too.
    """
    moments = [user_context.next_event, *KINDS[kind].turns(user_context)]
    return min((each for each in moments if each > user_context.now), default=FOREVER)
