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
from recsys.moments.context import Due, Shopper, local, midnight, months_after
from recsys.snapshot.histories import NEVER
from recsys.types import DAY, MINUTE, Reason, Times

HOUR = 60 * MINUTE
MOST_OWNED = 5
"""Most items that a message to win somebody back is said to be about."""
MOST_CONTENTS = 100
"""Newest contents of a category that are looked through for one that a shopper was not told of."""


def cart(shopper: Shopper) -> Iterator[Due]:
    """Something lies in the cart, it is quiet, and nothing was bought since the cart last changed."""
    settings, changed = shopper.situation.settings, shopper.cart_changed
    left = shopper.quiet >= settings.cart_minutes * MINUTE and shopper.now - changed < settings.cart_hours * HOUR
    if left and shopper.last_purchase < changed and (items := shopper.cart()):
        yield Due(changed, str(changed), tuple(items), Reason("in_cart", "In your cart"), once_since=changed)


def browse(shopper: Shopper) -> Iterator[Due]:
    """A product was viewed on this visit, nothing was bought on it, and the last event was a while ago; a cart left is `cart`'s."""
    situation = shopper.situation
    first, last = situation.settings.browse_minutes
    if not first * MINUTE <= shopper.quiet < last * MINUTE or shopper.bought_on_visit:
        return
    if situation.is_on("cart") and shopper.cart_changed >= shopper.visit_start and len(shopper.profile.cart):
        return
    if viewed := shopper.viewed_on_visit():
        reason = Reason("viewed", "You looked at this")
        yield Due(shopper.last_seen, str(shopper.visit_start), (viewed[0],), reason, once_since=shopper.visit_start)


def category_bestsellers(shopper: Shopper) -> Iterator[Due]:
    """A buyer with a focus left without buying."""
    profile = shopper.profile
    if _left_lately(shopper) and profile.intent == "buyer" and profile.focus >= 0:
        category = shopper.situation.catalog.categories.text(profile.focus)
        yield Due(shopper.last_seen, str(shopper.visit_start), once_since=shopper.visit_start, category=category)


def brand_trending(shopper: Shopper) -> Iterator[Due]:
    """Somebody with an affinity for a brand left without buying."""
    if _left_lately(shopper) and shopper.profile.brand >= 0:
        brand = shopper.situation.catalog.brands.text(shopper.profile.brand)
        yield Due(shopper.last_seen, str(shopper.visit_start), once_since=shopper.visit_start, brand=brand)


def editorial(shopper: Shopper) -> Iterator[Due]:
    """There is something to read on the focus of a visit that ended; one content a visit, none twice."""
    focus, catalog = shopper.profile.focus, shopper.situation.catalog
    if focus < 0 or not _left_lately(shopper):
        return
    contents = shopper.situation.engine.snapshot.contents
    for row in contents.of(focus, catalog.parent)[:MOST_CONTENTS]:
        yield Due(
            shopper.last_seen,
            contents.at(row).content_id,
            once_since=shopper.visit_start,
            category=catalog.categories.text(focus),
            content=row,
        )


def offer(shopper: Shopper) -> Iterator[Due]:
    """Somebody who ordered once, or long ago, was here days ago and bought nothing."""
    first, last = shopper.situation.settings.offer_hours
    stage = shopper.profile.dormant or shopper.profile.lifecycle == "first_time"
    if stage and first * HOUR <= shopper.quiet < last * HOUR and not shopper.bought_on_visit:
        yield Due(shopper.last_seen, str(shopper.visit_start), once_since=shopper.visit_start)


def winback(shopper: Shopper) -> Iterator[Due]:
    """A customer became defecting, or dormant: once for each, as long as there is no new order; about what they bought last."""
    profile, policy = shopper.profile, shopper.situation.engine.settings.profile
    last = profile.last_order
    if last is None or not (profile.dormant or profile.lifecycle == "defecting"):
        return
    stage = "dormant" if profile.dormant else "defecting"
    since = months_after(last, policy.dormant_months) if profile.dormant else last + int(policy.active_days * DAY)
    owned = profile.bought[np.lexsort((profile.bought, -profile.bought_at))]
    yield Due(since, f"{stage} {last}", tuple(owned[:MOST_OWNED].tolist()), once_since=since)


def replenish(shopper: Shopper) -> Iterator[Due]:
    """An item that is bought again and again was last bought as long ago as is usual; the one longest due first."""
    profile, catalog = shopper.profile, shopper.situation.catalog
    gaps = catalog.gap_days[profile.bought]
    due_at = due_again(profile.bought_at, gaps)
    ages = shopper.now - due_at
    due = (ages >= 0) & (ages < shopper.situation.settings.replenish_days * DAY)
    due &= catalog.replenishable[profile.bought] & catalog.available[profile.bought]
    for place in sorted(np.flatnonzero(due).tolist(), key=lambda place: (due_at[place], profile.bought[place])):
        row, bought_at = int(profile.bought[place]), int(profile.bought_at[place])
        days = (shopper.now - bought_at) // DAY
        reason = Reason("due_again", f"Bought {days} days ago, usually again after {gaps[place]:.0f}")
        yield Due(int(due_at[place]), f"{catalog.item_id(row)} {bought_at}", (row,), reason)


def second_order(shopper: Shopper) -> Iterator[Due]:
    """Somebody ordered once, some time ago."""
    profile = shopper.profile
    first, last = shopper.situation.settings.second_order_days
    if (
        profile.orders == 1
        and profile.last_order is not None
        and first * DAY <= shopper.now - profile.last_order < last * DAY
    ):
        since = profile.last_order + int(first * DAY)
        yield Due(since, str(profile.last_order), tuple(profile.bought.tolist()), once_since=profile.last_order)


def birthday(shopper: Shopper) -> Iterator[Due]:
    """It is the shopper's birthday where they live; who was born on 29 February has it on the 28th in other years."""
    today, born = local(shopper.now, shopper.timezone).date(), shopper.person.birthday
    if born in birthdays_on(today.year, today.month, today.day):
        yield Due(midnight(today, shopper.timezone), str(today.year))


def high_spender(shopper: Shopper) -> Iterator[Due]:
    """A customer has spent as much as the top share of customers; once."""
    spent, last_order = revenue_of(shopper.history), shopper.profile.last_order
    if spent is not None and last_order is not None and spent >= shopper.situation.high_spend:
        yield Due(last_order, "")


def back_in_stock(shopper: Shopper) -> Iterator[Due]:
    """An item that was viewed or carted and not bought can be bought again."""
    for row, at, _ in _news(shopper, "back_in_stock"):
        reason = Reason("back_in_stock", "Back in stock")
        yield Due(at, f"{shopper.situation.catalog.item_id(row)} {at}", (row,), reason)


def price_drop(shopper: Shopper) -> Iterator[Due]:
    """An item that was viewed or carted and not bought costs less, and still does."""
    catalog = shopper.situation.catalog
    for row, at, price in _news(shopper, "price_drop"):
        now = float(catalog.price[row])
        if price is not None and now < price:
            reason = Reason("price_drop", f"{now:,.2f} instead of {price:,.2f}")
            yield Due(at, f"{catalog.item_id(row)} {at}", (row,), reason)


def low_stock(shopper: Shopper) -> Iterator[Due]:
    """An item in the cart, or viewed on a visit that ended lately, runs low; once for an item."""
    situation = shopper.situation
    if not shopper.visit_ended:
        return
    viewed = shopper.viewed_on_visit() if shopper.quiet < situation.settings.visit_hours * HOUR else []
    for row in dict.fromkeys([*shopper.cart(), *viewed]):
        seen = shopper.interest(row, shopper.now + 1)
        if situation.runs_low[row] and seen > NEVER:
            reason = Reason("low_stock", f"Only {situation.catalog.stock[row]:.0f} left")
            yield Due(seen, situation.catalog.item_id(row), (row,), reason)


def due_again(bought_at: Times, gap_days: NDArray[np.float32]) -> Times:
    """When items are due again, int64[b] microseconds, by their last purchase and usual gap in days; `NEVER`: no gap is known."""
    gaps = np.nan_to_num(gap_days.astype(np.float64) * DAY, nan=0).astype(np.int64)
    return np.where(gaps > 0, bought_at + gaps, NEVER)


def birthdays_on(year: int, month: int, day: int) -> tuple[tuple[int, int], ...]:
    """The birthdays (month, day) that are kept on a day."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return ((2, 28), (2, 29)) if (month, day) == (2, 28) and not leap else ((month, day),)


def _left_lately(shopper: Shopper) -> bool:
    """Whether the last visit has ended, not too long ago, without a purchase."""
    lately = shopper.quiet < shopper.situation.settings.visit_hours * HOUR
    return shopper.visit_ended and lately and not shopper.bought_on_visit


def _news(shopper: Shopper, change: ChangeKind) -> Iterator[tuple[int, int, float | None]]:
    """Available items that changed lately and that the shopper cared for before, with when they did and the price before."""
    situation = shopper.situation
    settings, news = situation.settings, situation.news[change]
    for row in shopper.interested_in() if news else ():
        found = news.get(row)
        if found is None or not situation.catalog.available[row]:
            continue
        recent = 0 <= shopper.now - found.at < settings.change_days * DAY
        if recent and shopper.interest(row, found.at) >= found.at - settings.seen_days * DAY:
            yield row, found.at, found.before
