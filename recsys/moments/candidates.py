"""Candidates for a kind of moment: masks over the contact index, bool[p], that never leave out a person who is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import months_before
from recsys.clock import DAY, HOUR, MINUTE
from recsys.engine.serving_state import ServingState
from recsys.live.item_changes import ChangeKind
from recsys.live.log import EventLog
from recsys.moments.contactable import ContactIndex
from recsys.moments.context import TriggerContext, local
from recsys.moments.rules import birthdays_on
from recsys.moments.spans import due_again
from recsys.snapshot.histories import NEVER
from recsys.types import EventType, Mask, Rows, Times


class Audience(NamedTuple):
    """Everybody at one moment, with where to look more up."""

    contact_index: ContactIndex
    trigger_context: TriggerContext
    serving: ServingState
    state: EventLog


class ItemStanding(NamedTuple):
    """Standing of items for the rules: changed_at int64[2, n] when each came back, or got cheaper, if that is still news (0: no) ·
    runs_low bool[n] · again bool[n] can be bought, and is bought again and again."""

    changed_at: NDArray[np.int64]
    runs_low: Mask
    again: Mask


def left_a_cart(audience: Audience) -> Mask:
    """Whose cart changed lately, and who are quiet."""
    settings, contact_index = audience.trigger_context.settings, audience.contact_index
    since = audience.trigger_context.now - int(settings.cart_hours * HOUR)
    changed = contact_index.who_did((EventType.CART_ADD, EventType.CART_REMOVE), since) | contact_index.active
    return _quiet(audience, settings.cart_minutes * MINUTE, settings.cart_hours * HOUR) & changed


def just_left(audience: Audience) -> Mask:
    """Last seen within the minutes of `browse`."""
    first, last = audience.trigger_context.settings.browse_minutes
    return _quiet(audience, first * MINUTE, last * MINUTE)


def left_lately(audience: Audience) -> Mask:
    """Whose visit ended lately."""
    gap = audience.trigger_context.engine.profiler.session_gap
    return _quiet(audience, gap, audience.trigger_context.settings.visit_hours * HOUR)


def was_here_days_ago(audience: Audience) -> Mask:
    """Last seen within the hours of `offer`, customers only."""
    first, last = audience.trigger_context.settings.offer_hours
    return _quiet(audience, first * HOUR, last * HOUR) & (
        (audience.contact_index.orders > 0) | audience.contact_index.ordered
    )


def ordered_long_ago(audience: Audience) -> Mask:
    """Whose last order is older than an active customer's."""
    policy, now = audience.trigger_context.engine.settings.profile, audience.trigger_context.now
    edge = max(now - int(policy.active_days * DAY), months_before(now, policy.dormant_months))
    ordered = audience.contact_index.last_order
    found: Mask = ((ordered > NEVER) & (ordered <= edge)) | audience.contact_index.ordered
    return found


def ordered_once(audience: Audience) -> Mask:
    """With one order within the days of `second_order`."""
    first, last = audience.trigger_context.settings.second_order_days
    contact_index, now = audience.contact_index, audience.trigger_context.now
    ages = now - contact_index.last_order
    found: Mask = ((contact_index.orders == 1) & (ages >= first * DAY) & (ages < last * DAY)) | contact_index.ordered
    return found


def owns_what_is_due(audience: Audience) -> Mask:
    """Find who owns an item that is due again."""
    trigger_context = audience.trigger_context
    catalog, window = trigger_context.catalog, trigger_context.settings.replenish_days * DAY

    def due(items: Rows, bought_at: Times) -> Mask:
        ages = trigger_context.now - due_again(bought_at, catalog.gap_days[items])
        return (ages >= 0) & (ages < window) & catalog.replenishable[items]

    return _owners(audience, due)


def has_birthday(audience: Audience) -> Mask:
    """Whose birthday it is, each by their own calendar."""
    trigger_context, contact_index = audience.trigger_context, audience.contact_index
    found = np.zeros(len(contact_index), bool)
    if contact_index.everybody:
        return found  # there is no user table that would know
    people = audience.serving.engine.snapshot.people
    for timezone, theirs in people.by_timezone(trigger_context.engine.settings.messages.timezone):
        today: date = local(trigger_context.now, timezone).date()
        kept = [month * 100 + day for month, day in birthdays_on(today.year, today.month, today.day)]
        found[: len(people)] |= theirs & np.isin(people.birthday, kept)
    return found


def spent_much(audience: Audience) -> Mask:
    """Find who is a high spender by the snapshot, or has ordered since."""
    contact_index, histories = audience.contact_index, audience.serving.engine.snapshot.histories
    found = contact_index.ordered.copy()
    found[
        contact_index.places(np.flatnonzero(histories.revenue() >= audience.trigger_context.high_spend).astype(np.int32))
    ] = True
    return found


def of_items_back(audience: Audience) -> Mask:
    """Find who viewed or carted an item that is back in stock."""
    return _of_news(audience, "back_in_stock")


def of_cheaper_items(audience: Audience) -> Mask:
    """Find who viewed or carted an item that costs less."""
    return _of_news(audience, "price_drop")


def of_low_items(audience: Audience) -> Mask:
    """Find who carted an item that runs low, since it could be in the cart, or viewed it and was here lately."""
    trigger_context, contact_index = audience.trigger_context, audience.contact_index
    since = trigger_context.now - int(trigger_context.engine.profiler.behaviour.cart_days * DAY)
    found = contact_index.interested(audience.state, audience.serving, trigger_context.runs_low, since)
    carted = contact_index.who_did((EventType.CART_ADD,), since, trigger_context.runs_low) | contact_index.active
    return found & (carted | _quiet(audience, 0, trigger_context.settings.visit_hours * HOUR))


def standing_of_items(trigger_context: TriggerContext) -> ItemStanding:
    """Lay out what rules ask of items, so that two moments can be compared."""
    catalog, news = trigger_context.catalog, trigger_context.news
    available = catalog.shown_at(trigger_context.now)
    changed_at = np.zeros((2, catalog.n_items), np.int64)
    for row, change in news["back_in_stock"].items():
        changed_at[0, row] = change.at * bool(available[row])
    for row, change in news["price_drop"].items():
        still = available[row] and change.before is not None and catalog.price[row] < change.before
        changed_at[1, row] = change.at * bool(still)
    return ItemStanding(changed_at, trigger_context.runs_low, available & catalog.replenishable)


def concerned(audience: Audience, before: ItemStanding, after: ItemStanding) -> Mask:
    """Find who viewed, carted or owns an item of which a rule may say something else than before, bool[p]."""
    seen = (before.changed_at != after.changed_at).any(axis=0) | (before.runs_low != after.runs_low)
    owned = before.again != after.again
    found = audience.contact_index.interested(audience.state, audience.serving, seen, NEVER)
    return found | _owners(audience, lambda items, bought_at: owned[items]) if owned.any() else found


def _owners(audience: Audience, chosen: Callable[[Rows, Times], Mask]) -> Mask:
    """Find who owns a chosen item, or has ordered since the snapshot."""
    contact_index = audience.contact_index
    found = contact_index.ordered.copy()
    found[contact_index.places(audience.serving.engine.snapshot.histories.owners(chosen))] = True
    return found


def _of_news(audience: Audience, change: ChangeKind) -> Mask:
    trigger_context = audience.trigger_context
    since = trigger_context.now - int((trigger_context.settings.change_days + trigger_context.settings.seen_days) * DAY)
    changed = np.zeros(trigger_context.catalog.n_items, bool)
    changed[list(trigger_context.news[change])] = True
    return audience.contact_index.interested(audience.state, audience.serving, changed, since)


def _quiet(audience: Audience, min_n: float, max_n: float) -> Mask:
    """Last seen at least, and less than, so many microseconds ago."""
    ages = audience.trigger_context.now - audience.contact_index.last_seen
    return (ages >= min_n) & (ages < max_n)
