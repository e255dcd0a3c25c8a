"""Rules of moments: when a shopper is due for each kind, and why. `kinds.py` lists them.

A rule yields what a shopper is due for, the best first: of several the first that was not notified yet is. Half-open spans: a
shopper is due from the first boundary on, and no more at the second. Each threshold is a setting of `[moments]` or `[profile]`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsys.clock import DAY
from recsys.live.item_changes import ChangeKind, is_cheaper
from recsys.moments import spans
from recsys.moments.context import TriggerHit, UserContext, local, midnight, months_after
from recsys.orders import revenue_of
from recsys.snapshot.histories import NEVER

MAX_OWNED = 5
"""Most items that a message to win somebody back is said to be about."""
MAX_CONTENTS = 100
"""Newest contents of a category that are looked through for one that a shopper was not notified of."""


def cart(user_context: UserContext) -> Iterator[TriggerHit]:
    """Something lies in the cart, it is quiet, and nothing was bought since the cart last changed."""
    now, changed = user_context.now, user_context.cart_changed
    left = spans.cart_left(user_context).holds(now) and user_context.last_purchase < changed
    if left and (items := user_context.cart()):
        yield TriggerHit(changed, str(changed), tuple(items), user_context.reason("in_cart"), once_since=changed)


def browse(user_context: UserContext) -> Iterator[TriggerHit]:
    """A product was viewed on this visit, nothing was bought on it, and the last event was a while ago; a cart left is `cart`'s."""
    if not spans.browsed(user_context).holds(user_context.now) or user_context.bought_on_visit:
        return
    changed, visit = user_context.cart_changed, user_context.visit_start
    if user_context.trigger_context.is_on("cart") and changed >= visit and len(user_context.profile.cart):
        return
    if viewed := user_context.viewed_on_visit():
        reason = user_context.reason("viewed")
        yield TriggerHit(user_context.last_seen, str(visit), (viewed[0],), reason, once_since=visit)


def category_bestsellers(user_context: UserContext) -> Iterator[TriggerHit]:
    """A buyer with a focus left without buying."""
    profile, visit = user_context.profile, user_context.visit_start
    if _left_lately(user_context) and profile.intent == "buyer" and profile.focus >= 0:
        category = user_context.trigger_context.catalog.categories.text(profile.focus)
        yield TriggerHit(user_context.last_seen, str(visit), once_since=visit, category=category)


def brand_trending(user_context: UserContext) -> Iterator[TriggerHit]:
    """Somebody with an affinity for a brand left without buying."""
    profile, visit = user_context.profile, user_context.visit_start
    if _left_lately(user_context) and profile.brand >= 0:
        brand = user_context.trigger_context.catalog.brands.text(profile.brand)
        yield TriggerHit(user_context.last_seen, str(visit), once_since=visit, brand=brand)


def editorial(user_context: UserContext) -> Iterator[TriggerHit]:
    """There is something to read on the focus of a visit that ended; one content a visit, none twice."""
    focus, catalog = user_context.profile.focus, user_context.trigger_context.catalog
    if focus < 0 or not _left_lately(user_context):
        return
    contents, seen, visit = (
        user_context.trigger_context.engine.snapshot.contents,
        user_context.last_seen,
        user_context.visit_start,
    )
    category = catalog.categories.text(focus)
    for row in contents.of(focus, catalog.parent)[:MAX_CONTENTS]:
        key = contents.at(row).content_id
        yield TriggerHit(seen, key, once_since=visit, category=category, content=row)


def offer(user_context: UserContext) -> Iterator[TriggerHit]:
    """Somebody who ordered once, or long ago, was here days ago and bought nothing."""
    profile, visit = user_context.profile, user_context.visit_start
    stage = profile.dormant or profile.lifecycle == "first_time"
    if stage and spans.offered(user_context).holds(user_context.now) and not user_context.bought_on_visit:
        yield TriggerHit(user_context.last_seen, str(visit), once_since=visit)


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
    profile, catalog, now = user_context.profile, user_context.trigger_context.catalog, user_context.now
    gaps = catalog.gap_days[profile.bought]
    due_at = spans.due_again(profile.bought_at, gaps)
    due = (due_at <= now) & (now < spans.replenish_until(user_context, due_at))
    due &= catalog.replenishable[profile.bought] & catalog.shown_at(now)[profile.bought]
    for place in sorted(np.flatnonzero(due).tolist(), key=lambda place: (due_at[place], profile.bought[place])):
        row, bought_at = int(profile.bought[place]), int(profile.bought_at[place])
        reason = user_context.reason("due_again", ago=(now - bought_at) // DAY, gap=round(float(gaps[place])))
        yield TriggerHit(int(due_at[place]), f"{catalog.item_id(row)} {bought_at}", (row,), reason)


def second_order(user_context: UserContext) -> Iterator[TriggerHit]:
    """Somebody ordered once, some time ago."""
    profile, span = user_context.profile, spans.second_order_due(user_context)
    if profile.orders == 1 and span.holds(user_context.now):
        last = profile.last_order
        yield TriggerHit(span.first, str(last), tuple(profile.bought.tolist()), once_since=last)


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
    reason = user_context.reason("back_in_stock")
    for row, at, _, key, said_by in _news(user_context, "back_in_stock"):
        yield TriggerHit(at, key, (row,), reason, said_by=said_by)


def price_drop(user_context: UserContext) -> Iterator[TriggerHit]:
    """An item that was viewed or carted and not bought costs less than it did in the days before, and still does."""
    catalog = user_context.trigger_context.catalog
    for row, at, before, key, said_by in _news(user_context, "price_drop"):
        if before is not None and is_cheaper(float(catalog.price[row]), before):
            price = user_context.price(float(catalog.price[row]))
            reason = user_context.reason("price_drop", price=price, before=user_context.price(before))
            yield TriggerHit(at, key, (row,), reason, price_before=before, said_by=said_by)


def low_stock(user_context: UserContext) -> Iterator[TriggerHit]:
    """An item in the cart, or viewed on a visit that ended lately, runs low; once for an item."""
    trigger_context, lately = user_context.trigger_context, spans.left_lately(user_context)
    catalog = trigger_context.catalog
    if user_context.now < lately.first:
        return
    viewed = user_context.viewed_on_visit() if user_context.now < lately.last else []
    for row in dict.fromkeys([*user_context.cart(), *viewed]):
        seen = user_context.interest(row, user_context.now + 1)
        if trigger_context.runs_low[row] and seen > NEVER:
            reason = user_context.reason("low_stock", left=round(float(np.nan_to_num(catalog.stock[row]))))
            yield TriggerHit(seen, catalog.item_id(row), (row,), reason)


def birthdays_on(year: int, month: int, day: int) -> tuple[tuple[int, int], ...]:
    """The birthdays (month, day) that are kept on a day."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return ((2, 28), (2, 29)) if (month, day) == (2, 28) and not leap else ((month, day),)


def _left_lately(user_context: UserContext) -> bool:
    """Tell whether the last visit has ended, not too long ago, without a purchase."""
    return spans.left_lately(user_context).holds(user_context.now) and not user_context.bought_on_visit


def _news(user_context: UserContext, change: ChangeKind) -> Iterator[tuple[int, int, float | None, str, tuple[str, ...]]]:
    """Available items that changed lately and that the shopper cared for before, with when they did, the price before, the key of
    this news and those of the same news in the days before it."""
    trigger_context = user_context.trigger_context
    news, seen_days = trigger_context.news[change], trigger_context.settings.seen_days
    for row in user_context.interested_in() if news else ():
        found = news.get(row)
        if found is None or not trigger_context.catalog.shown_at(user_context.now)[row]:
            continue
        recent = spans.news_of(user_context, found.at).holds(user_context.now)
        if recent and user_context.interest(row, found.at) >= found.at - seen_days * DAY:
            earlier = trigger_context.earlier.get((change, row), ())
            key, *said_by = (f"{trigger_context.catalog.item_id(row)} {at}" for at in (found.at, *earlier))
            yield row, found.at, found.before, key, tuple(said_by)
