"""Turns of rules: the moments at which each can begin or cease to hold while the shopper does nothing and no item changes.

Between now and the next of them a rule says the same, so that nobody need be looked at again before it. A turn too many costs a
look; one that lacks, a moment that nobody finds.
"""

from __future__ import annotations

from collections.abc import Iterator

from recsys.moments import spans
from recsys.moments.context import FOREVER, UserContext, day_of
from recsys.types import Times


def cart(user_context: UserContext) -> Iterator[int]:
    """The cart is left, is not spoken of any more, loses an item."""
    yield from spans.cart_left(user_context)
    yield from spans.cart_kept(user_context)


def browse(user_context: UserContext) -> Iterator[int]:
    """The minutes begin and end; a cart that stood against it is empty."""
    yield from spans.browsed(user_context)
    yield from spans.cart_kept(user_context)


def after_visit(user_context: UserContext) -> Iterator[int]:
    """The visit is over, is not spoken of any more; what the shopper leans to changes."""
    yield from spans.left_lately(user_context)
    yield from spans.leanings(user_context)


def offer(user_context: UserContext) -> Iterator[int]:
    """The hours begin and end; the customer's stage changes."""
    yield from spans.offered(user_context)
    yield from spans.stages(user_context)


def winback(user_context: UserContext) -> Iterator[int]:
    """The customer's stage changes."""
    return spans.stages(user_context)


def replenish(user_context: UserContext) -> Iterator[int]:
    """An item is due, or is no more."""
    profile, gaps = user_context.profile, user_context.trigger_context.catalog.gap_days
    due_at = spans.due_again(profile.bought_at, gaps[profile.bought])
    for times in (due_at, spans.replenish_until(user_context, due_at)):
        yield _first_after(times, user_context.now)


def second_order(user_context: UserContext) -> Iterator[int]:
    """The days begin and end."""
    yield from spans.second_order_due(user_context)


def birthday(user_context: UserContext) -> Iterator[int]:
    """Another day begins."""
    yield day_of(user_context.now, user_context.timezone)[1]


def never(user_context: UserContext) -> Iterator[int]:
    """Only what the shopper does changes it."""
    return iter(())


def back_in_stock(user_context: UserContext) -> Iterator[int]:
    """The news of an item begins and ends."""
    for change in user_context.trigger_context.news["back_in_stock"].values():
        yield from spans.news_of(user_context, change.at)


def price_drop(user_context: UserContext) -> Iterator[int]:
    """The news of an item begins and ends."""
    for change in user_context.trigger_context.news["price_drop"].values():
        yield from spans.news_of(user_context, change.at)


def low_stock(user_context: UserContext) -> Iterator[int]:
    """The visit is over, is not spoken of any more; the cart loses an item."""
    yield from spans.left_lately(user_context)
    yield from spans.cart_kept(user_context)


def _first_after(times: Times, now: int) -> int:
    later = times[times > now]
    return int(later.min()) if len(later) else FOREVER
