"""The rule of each kind of moment: when a shopper is due for it, and why. `moments.py` lists them.

A rule yields what a shopper is due for, the best first: of several the first that was not told yet is. Half-open spans: a shopper
is due from the first boundary on, and no more at the second. Each threshold is a setting of `[moments]` or `[profile]`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import revenue_of
from recsys.live.item_changes import ChangeKind
from recsys.moments.context import TriggerHit, UserContext, local, midnight, months_after
from recsys.snapshot.histories import NEVER
from recsys.types import DAY, MINUTE, Reason, Times

HOUR = 60 * MINUTE
MAX_OWNED = 5
"""Most items that a message to win somebody back is said to be about."""
MAX_CONTENTS = 100
"""Newest contents of a category that are looked through for one that a shopper was not told of."""


def cart(user_context: UserContext) -> Iterator[TriggerHit]:
    """Something lies in the cart, it is quiet, and nothing was bought since the cart last changed."""
    settings, changed = user_context.trigger_context.settings, user_context.cart_changed
    left = user_context.quiet >= settings.cart_minutes * MINUTE and user_context.now - changed < settings.cart_hours * HOUR
    if left and user_context.last_purchase < changed and (items := user_context.cart()):
        yield TriggerHit(changed, str(changed), tuple(items), Reason("in_cart", "In your cart"), once_since=changed)


def browse(user_context: UserContext) -> Iterator[TriggerHit]:
    """A product was viewed on this visit, nothing was bought on it, and the last event was a while ago; a cart left is `cart`'s."""
    trigger_context = user_context.trigger_context
    first, last = trigger_context.settings.browse_minutes
    if not first * MINUTE <= user_context.quiet < last * MINUTE or user_context.bought_on_visit:
        return
    if (
        trigger_context.is_on("cart")
        and user_context.cart_changed >= user_context.visit_start
        and len(user_context.profile.cart)
    ):
        return
    if viewed := user_context.viewed_on_visit():
        reason = Reason("viewed", "You looked at this")
        yield TriggerHit(
            user_context.last_seen, str(user_context.visit_start), (viewed[0],), reason, once_since=user_context.visit_start
        )


def category_bestsellers(user_context: UserContext) -> Iterator[TriggerHit]:
    """A buyer with a focus left without buying."""
    profile = user_context.profile
    if _left_lately(user_context) and profile.intent == "buyer" and profile.focus >= 0:
        category = user_context.trigger_context.catalog.categories.text(profile.focus)
        yield TriggerHit(
            user_context.last_seen, str(user_context.visit_start), once_since=user_context.visit_start, category=category
        )


def brand_trending(user_context: UserContext) -> Iterator[TriggerHit]:
    """Somebody with an affinity for a brand left without buying."""
    if _left_lately(user_context) and user_context.profile.brand >= 0:
        brand = user_context.trigger_context.catalog.brands.text(user_context.profile.brand)
        yield TriggerHit(
            user_context.last_seen, str(user_context.visit_start), once_since=user_context.visit_start, brand=brand
        )


def editorial(user_context: UserContext) -> Iterator[TriggerHit]:
    """There is something to read on the focus of a visit that ended; one content a visit, none twice."""
    focus, catalog = user_context.profile.focus, user_context.trigger_context.catalog
    if focus < 0 or not _left_lately(user_context):
        return
    contents = user_context.trigger_context.engine.snapshot.contents
    for row in contents.of(focus, catalog.parent)[:MAX_CONTENTS]:
        yield TriggerHit(
            user_context.last_seen,
            contents.at(row).content_id,
            once_since=user_context.visit_start,
            category=catalog.categories.text(focus),
            content=row,
        )


def offer(user_context: UserContext) -> Iterator[TriggerHit]:
    """Somebody who ordered once, or long ago, was here days ago and bought nothing."""
    first, last = user_context.trigger_context.settings.offer_hours
    stage = user_context.profile.dormant or user_context.profile.lifecycle == "first_time"
    if stage and first * HOUR <= user_context.quiet < last * HOUR and not user_context.bought_on_visit:
        yield TriggerHit(user_context.last_seen, str(user_context.visit_start), once_since=user_context.visit_start)


def winback(user_context: UserContext) -> Iterator[TriggerHit]:
    """A customer became defecting, or dormant: once for each, as long as there is no new order; about what they bought last."""
    profile, policy = user_context.profile, user_context.trigger_context.engine.settings.profile
    last = profile.last_order
    if last is None or not (profile.dormant or profile.lifecycle == "defecting"):
        return
    stage = "dormant" if profile.dormant else "defecting"
    since = months_after(last, policy.dormant_months) if profile.dormant else last + int(policy.active_days * DAY)
    owned = profile.bought[np.lexsort((profile.bought, -profile.bought_at))]
    yield TriggerHit(since, f"{stage} {last}", tuple(owned[:MAX_OWNED].tolist()), once_since=since)


def replenish(user_context: UserContext) -> Iterator[TriggerHit]:
    """An item that is bought again and again was last bought as long ago as is usual; the one longest due first."""
    profile, catalog = user_context.profile, user_context.trigger_context.catalog
    gaps = catalog.gap_days[profile.bought]
    due_at = due_again(profile.bought_at, gaps)
    ages = user_context.now - due_at
    due = (ages >= 0) & (ages < user_context.trigger_context.settings.replenish_days * DAY)
    due &= catalog.replenishable[profile.bought] & catalog.available[profile.bought]
    for place in sorted(np.flatnonzero(due).tolist(), key=lambda place: (due_at[place], profile.bought[place])):
        row, bought_at = int(profile.bought[place]), int(profile.bought_at[place])
        days = (user_context.now - bought_at) // DAY
        reason = Reason("due_again", f"Bought {days} days ago, usually again after {gaps[place]:.0f}")
        yield TriggerHit(int(due_at[place]), f"{catalog.item_id(row)} {bought_at}", (row,), reason)


def second_order(user_context: UserContext) -> Iterator[TriggerHit]:
    """Somebody ordered once, some time ago."""
    profile = user_context.profile
    first, last = user_context.trigger_context.settings.second_order_days
    if (
        profile.orders == 1
        and profile.last_order is not None
        and first * DAY <= user_context.now - profile.last_order < last * DAY
    ):
        since = profile.last_order + int(first * DAY)
        yield TriggerHit(since, str(profile.last_order), tuple(profile.bought.tolist()), once_since=profile.last_order)


def birthday(user_context: UserContext) -> Iterator[TriggerHit]:
    """It is the shopper's birthday where they live; who was born on 29 February has it on the 28th in other years."""
    today, born = local(user_context.now, user_context.timezone).date(), user_context.person.birthday
    if born in birthdays_on(today.year, today.month, today.day):
        yield TriggerHit(midnight(today, user_context.timezone), str(today.year))


def high_spender(user_context: UserContext) -> Iterator[TriggerHit]:
    """A customer has spent as much as the top share of customers; once."""
    spent, last_order = revenue_of(user_context.history), user_context.profile.last_order
    if spent is not None and last_order is not None and spent >= user_context.trigger_context.high_spend:
        yield TriggerHit(last_order, "")


def back_in_stock(user_context: UserContext) -> Iterator[TriggerHit]:
    """An item that was viewed or carted and not bought can be bought again."""
    for row, at, _ in _news(user_context, "back_in_stock"):
        reason = Reason("back_in_stock", "Back in stock")
        yield TriggerHit(at, f"{user_context.trigger_context.catalog.item_id(row)} {at}", (row,), reason)


def price_drop(user_context: UserContext) -> Iterator[TriggerHit]:
    """An item that was viewed or carted and not bought costs less, and still does."""
    catalog = user_context.trigger_context.catalog
    for row, at, price in _news(user_context, "price_drop"):
        now = float(catalog.price[row])
        if price is not None and now < price:
            reason = Reason("price_drop", f"{now:,.2f} instead of {price:,.2f}")
            yield TriggerHit(at, f"{catalog.item_id(row)} {at}", (row,), reason)


def low_stock(user_context: UserContext) -> Iterator[TriggerHit]:
    """An item in the cart, or viewed on a visit that ended lately, runs low; once for an item."""
    trigger_context = user_context.trigger_context
    if not user_context.visit_ended:
        return
    viewed = user_context.viewed_on_visit() if user_context.quiet < trigger_context.settings.visit_hours * HOUR else []
    for row in dict.fromkeys([*user_context.cart(), *viewed]):
        seen = user_context.interest(row, user_context.now + 1)
        if trigger_context.runs_low[row] and seen > NEVER:
            reason = Reason("low_stock", f"Only {trigger_context.catalog.stock[row]:.0f} left")
            yield TriggerHit(seen, trigger_context.catalog.item_id(row), (row,), reason)


def due_again(bought_at: Times, gap_days: NDArray[np.float32]) -> Times:
    """When items are due again, int64[b] microseconds, by their last purchase and usual gap in days; `NEVER`: no gap is known."""
    gaps = np.nan_to_num(gap_days.astype(np.float64) * DAY, nan=0).astype(np.int64)
    return np.where(gaps > 0, bought_at + gaps, NEVER)


def birthdays_on(year: int, month: int, day: int) -> tuple[tuple[int, int], ...]:
    """The birthdays (month, day) that are kept on a day."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return ((2, 28), (2, 29)) if (month, day) == (2, 28) and not leap else ((month, day),)


def _left_lately(user_context: UserContext) -> bool:
    """Whether the last visit has ended, not too long ago, without a purchase."""
    lately = user_context.quiet < user_context.trigger_context.settings.visit_hours * HOUR
    return user_context.visit_ended and lately and not user_context.bought_on_visit


def _news(user_context: UserContext, change: ChangeKind) -> Iterator[tuple[int, int, float | None]]:
    """Available items that changed lately and that the shopper cared for before, with when they did and the price before."""
    trigger_context = user_context.trigger_context
    settings, news = trigger_context.settings, trigger_context.news[change]
    for row in user_context.interested_in() if news else ():
        found = news.get(row)
        if found is None or not trigger_context.catalog.available[row]:
            continue
        recent = 0 <= user_context.now - found.at < settings.change_days * DAY
        if recent and user_context.interest(row, found.at) >= found.at - settings.seen_days * DAY:
            yield row, found.at, found.before
