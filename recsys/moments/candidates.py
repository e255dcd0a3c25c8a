"""Who is worth a closer look for a kind of moment: masks over the crowd, bool[p], never without somebody who is due."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from recsys.behaviour import months_before
from recsys.engine.serving_state import Present
from recsys.live.item_changes import ChangeKind
from recsys.live.log import State
from recsys.moments.contactable import Crowd
from recsys.moments.context import Situation, local
from recsys.moments.rules import HOUR, birthdays_on, due_again
from recsys.snapshot.histories import NEVER
from recsys.types import DAY, MINUTE, EventType, Mask, Rows, Times


class Audience(NamedTuple):
    """The crowd at one moment, with where to look more up."""

    crowd: Crowd
    situation: Situation
    present: Present
    state: State


def left_a_cart(audience: Audience) -> Mask:
    """Whose cart changed lately, and who are quiet."""
    settings, crowd = audience.situation.settings, audience.crowd
    since = audience.situation.now - int(settings.cart_hours * HOUR)
    changed = crowd.who_did((EventType.CART_ADD, EventType.CART_REMOVE), since) | crowd.active
    return _quiet(audience, settings.cart_minutes * MINUTE, settings.cart_hours * HOUR) & changed


def just_left(audience: Audience) -> Mask:
    """Last seen within the minutes of `browse`."""
    first, last = audience.situation.settings.browse_minutes
    return _quiet(audience, first * MINUTE, last * MINUTE)


def left_lately(audience: Audience) -> Mask:
    """Whose visit ended lately."""
    gap = audience.situation.engine.profiler.session_gap
    return _quiet(audience, gap, audience.situation.settings.visit_hours * HOUR)


def was_here_days_ago(audience: Audience) -> Mask:
    """Last seen within the hours of `offer`, customers only."""
    first, last = audience.situation.settings.offer_hours
    return _quiet(audience, first * HOUR, last * HOUR) & ((audience.crowd.orders > 0) | audience.crowd.ordered)


def ordered_long_ago(audience: Audience) -> Mask:
    """Whose last order is older than an active customer's."""
    policy, now = audience.situation.engine.settings.profile, audience.situation.now
    edge = max(now - int(policy.active_days * DAY), months_before(now, policy.dormant_months))
    ordered = audience.crowd.last_order
    found: Mask = ((ordered > NEVER) & (ordered <= edge)) | audience.crowd.ordered
    return found


def ordered_once(audience: Audience) -> Mask:
    """With one order within the days of `second_order`."""
    first, last = audience.situation.settings.second_order_days
    crowd, now = audience.crowd, audience.situation.now
    ages = now - crowd.last_order
    found: Mask = ((crowd.orders == 1) & (ages >= first * DAY) & (ages < last * DAY)) | crowd.ordered
    return found


def owns_what_is_due(audience: Audience) -> Mask:
    """Who owns an item that is due again."""
    situation, crowd = audience.situation, audience.crowd
    catalog, window = situation.catalog, situation.settings.replenish_days * DAY

    def due(items: Rows, bought_at: Times) -> Mask:
        ages = situation.now - due_again(bought_at, catalog.gap_days[items])
        return (ages >= 0) & (ages < window) & catalog.replenishable[items]

    found = crowd.ordered.copy()
    found[crowd.places(audience.present.engine.snapshot.histories.owners(due))] = True
    return found


def has_birthday(audience: Audience) -> Mask:
    """Whose birthday it is, each by their own calendar."""
    situation, crowd = audience.situation, audience.crowd
    found = np.zeros(len(crowd), bool)
    if crowd.everybody:
        return found  # there is no user table that would know
    people = audience.present.engine.snapshot.people
    for timezone, theirs in people.by_timezone(situation.engine.settings.messages.timezone):
        today: date = local(situation.now, timezone).date()
        kept = [month * 100 + day for month, day in birthdays_on(today.year, today.month, today.day)]
        found[: len(people)] |= theirs & np.isin(people.birthday, kept)
    return found


def spent_much(audience: Audience) -> Mask:
    """Who is a high spender by the snapshot, or has ordered since."""
    crowd, histories = audience.crowd, audience.present.engine.snapshot.histories
    found = crowd.ordered.copy()
    found[crowd.places(np.flatnonzero(histories.revenue() >= audience.situation.high_spend).astype(np.int32))] = True
    return found


def of_items_back(audience: Audience) -> Mask:
    """Who viewed or carted an item that is back in stock."""
    return _of_news(audience, "back_in_stock")


def of_cheaper_items(audience: Audience) -> Mask:
    """Who viewed or carted an item that costs less."""
    return _of_news(audience, "price_drop")


def of_low_items(audience: Audience) -> Mask:
    """Who carted an item that runs low, since it could be in the cart, or viewed it and was here lately."""
    situation, crowd = audience.situation, audience.crowd
    since = situation.now - int(situation.engine.profiler.behaviour.cart_days * DAY)
    found = crowd.interested(audience.state, audience.present, situation.runs_low, since)
    carted = crowd.who_did((EventType.CART_ADD,), since, situation.runs_low) | crowd.active
    return found & (carted | _quiet(audience, 0, situation.settings.visit_hours * HOUR))


def _of_news(audience: Audience, change: ChangeKind) -> Mask:
    situation = audience.situation
    since = situation.now - int((situation.settings.change_days + situation.settings.seen_days) * DAY)
    changed = np.zeros(situation.catalog.n_items, bool)
    changed[list(situation.news[change])] = True
    return audience.crowd.interested(audience.state, audience.present, changed, since)


def _quiet(audience: Audience, least: float, most: float) -> Mask:
    """Last seen at least, and less than, so many microseconds ago."""
    ages = audience.situation.now - audience.crowd.last_seen
    return (ages >= least) & (ages < most)
