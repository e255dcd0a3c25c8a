"""Candidates for a kind of moment: masks over the contact index, bool[p], that never leave out a person who is due."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from recsys.behaviour import months_before
from recsys.engine.serving_state import ServingState
from recsys.live.item_changes import ChangeKind
from recsys.live.log import EventLog
from recsys.moments.contactable import ContactIndex
from recsys.moments.context import TriggerContext, local
from recsys.moments.rules import HOUR, birthdays_on, due_again
from recsys.snapshot.histories import NEVER
from recsys.types import DAY, MINUTE, EventType, Mask, Rows, Times


class Audience(NamedTuple):
    """The crowd at one moment, with where to look more up."""

    contact_index: ContactIndex
    trigger_context: TriggerContext
    serving: ServingState
    state: EventLog


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
    """Who owns an item that is due again."""
    trigger_context, contact_index = audience.trigger_context, audience.contact_index
    catalog, window = trigger_context.catalog, trigger_context.settings.replenish_days * DAY

    def due(items: Rows, bought_at: Times) -> Mask:
        ages = trigger_context.now - due_again(bought_at, catalog.gap_days[items])
        return (ages >= 0) & (ages < window) & catalog.replenishable[items]

    found = contact_index.ordered.copy()
    found[contact_index.places(audience.serving.engine.snapshot.histories.owners(due))] = True
    return found


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
    """Who is a high spender by the snapshot, or has ordered since."""
    contact_index, histories = audience.contact_index, audience.serving.engine.snapshot.histories
    found = contact_index.ordered.copy()
    found[
        contact_index.places(np.flatnonzero(histories.revenue() >= audience.trigger_context.high_spend).astype(np.int32))
    ] = True
    return found


def of_items_back(audience: Audience) -> Mask:
    """Who viewed or carted an item that is back in stock."""
    return _of_news(audience, "back_in_stock")


def of_cheaper_items(audience: Audience) -> Mask:
    """Who viewed or carted an item that costs less."""
    return _of_news(audience, "price_drop")


def of_low_items(audience: Audience) -> Mask:
    """Who carted an item that runs low, since it could be in the cart, or viewed it and was here lately."""
    trigger_context, contact_index = audience.trigger_context, audience.contact_index
    since = trigger_context.now - int(trigger_context.engine.profiler.behaviour.cart_days * DAY)
    found = contact_index.interested(audience.state, audience.serving, trigger_context.runs_low, since)
    carted = contact_index.who_did((EventType.CART_ADD,), since, trigger_context.runs_low) | contact_index.active
    return found & (carted | _quiet(audience, 0, trigger_context.settings.visit_hours * HOUR))


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
