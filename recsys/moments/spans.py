"""Spans of time in which rules hold, by the settings: what a rule asks and when it turns come from the same numbers.

A rule says what holds now; when another look is worth it, while nobody does anything, is the next boundary of its spans.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY, HOUR, MINUTE
from recsys.moments.context import FOREVER, UserContext, months_after
from recsys.settings.moments import MomentsSettings
from recsys.snapshot.histories import NEVER
from recsys.types import Times


class Span(NamedTuple):
    """From `first` on, and before `last`, in microseconds."""

    first: int
    last: int = FOREVER

    def holds(self, now: int) -> bool:
        """Tell whether a moment lies in it."""
        return self.first <= now < self.last


def cart_left(user_context: UserContext) -> Span:
    """Return when a cart that was not touched since counts as left."""
    settings = _settings(user_context)
    first = user_context.last_seen + ceil(settings.cart_minutes * MINUTE)
    return Span(first, user_context.cart_changed + ceil(settings.cart_hours * HOUR))


def browsed(user_context: UserContext) -> Span:
    """Return when a product viewed on the last visit is spoken of."""
    return _after(user_context.last_seen, *_settings(user_context).browse_minutes, MINUTE)


def left_lately(user_context: UserContext) -> Span:
    """From the end of the last visit on, as long as it is spoken of."""
    gap = user_context.trigger_context.engine.profiler.session_gap
    return Span(user_context.last_seen + gap + 1, user_context.last_seen + ceil(_settings(user_context).visit_hours * HOUR))


def offered(user_context: UserContext) -> Span:
    """Return when an offer follows the last visit."""
    return _after(user_context.last_seen, *_settings(user_context).offer_hours, HOUR)


def second_order_due(user_context: UserContext) -> Span:
    """Return when a second order is called for after the last one."""
    last = user_context.profile.last_order
    return Span(FOREVER) if last is None else _after(last, *_settings(user_context).second_order_days, DAY)


def news_of(user_context: UserContext, at: int) -> Span:
    """Return how long it is news that an item changed at a moment."""
    return Span(at, at + ceil(_settings(user_context).change_days * DAY))


def replenish_until(user_context: UserContext, due_at: Times) -> Times:
    """Until when items are due that are due from these moments on, int64[b]."""
    return due_at + ceil(_settings(user_context).replenish_days * DAY)


def due_again(bought_at: Times, gap_days: NDArray[np.float32]) -> Times:
    """Return when items are due again, int64[b] microseconds, by their last purchase and usual gap in days;
    `NEVER`: no gap is known."""
    gaps = np.nan_to_num(gap_days.astype(np.float64) * DAY, nan=0).astype(np.int64)
    return np.where(gaps > 0, bought_at + gaps, NEVER)


def stages(user_context: UserContext) -> Iterator[int]:
    """Return when the stage of a customer turns, while they order nothing: no longer active, inactive, dormant."""
    policy, last = user_context.trigger_context.engine.settings.profile, user_context.profile.last_order
    if last is not None:
        yield last + floor(policy.active_days * DAY) + 1
        yield last + floor(policy.inactive_days * DAY) + 1
        yield months_after(last, policy.dormant_months)


def leanings(user_context: UserContext) -> Iterator[int]:
    """Return when focus and brand may turn because the oldest event that they rest on leaves the profile's window."""
    window = int(user_context.trigger_context.engine.settings.profile.window_days * DAY)
    yield from _leaves(user_context.history.times, user_context.now, window)


def cart_kept(user_context: UserContext) -> Iterator[int]:
    """Return when the item that was carted longest ago leaves the cart by itself."""
    kept = int(user_context.trigger_context.engine.profiler.behaviour.cart_days * DAY)
    yield from _leaves(user_context.carted_at, user_context.now, kept)


def _leaves(times: Times, now: int, window: int) -> Iterator[int]:
    place = int(times.searchsorted(now - window, side="right"))
    if place < len(times):
        yield int(times[place]) + window


def _after(moment: int, first: float, last: float, unit: int) -> Span:
    return Span(moment + ceil(first * unit), moment + ceil(last * unit))


def _settings(user_context: UserContext) -> MomentsSettings:
    return user_context.trigger_context.settings
