"""The profile: what one shopper's events say now. The same function serves, trains and evaluates."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from math import exp2

import numpy as np

from recsys.behaviour import (
    CART_ADD,
    CHECKOUT,
    VIEW,
    dwell_seconds,
    event_weights,
    in_cart,
    last_session,
    months_before,
    owned_of,
)
from recsys.data.catalog import Catalog
from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.types import DAY, EventType, ExitStage, History, Intent, Lifecycle, Profile, Rows

STAGES: dict[int, ExitStage] = {
    EventType.HOME_VIEW: "home",
    EventType.CATEGORY_VIEW: "category",
    EventType.VIEW: "pdp",
    EventType.CART_ADD: "cart",
    EventType.CART_REMOVE: "cart",
    EventType.CHECKOUT: "checkout",
}
_NO_ROWS = np.empty(0, np.int32)
_NO_TIMES = np.empty(0, np.int64)
_SHORTEST_MONTH = 28 * DAY
_ROUNDING = 1e-6


class Profiler:
    """Builds profiles with one set of settings over one catalogue."""

    def __init__(self, catalog: Catalog, behaviour: BehaviourSettings, profile: ProfileSettings) -> None:
        self._leaf, self._brand = (np.append(codes, -1) + 1 for codes in (catalog.category, catalog.brand))
        self._price = catalog.price
        self._behaviour = behaviour
        self._settings = profile
        self._weight_of: list[float] = event_weights(behaviour).tolist()
        self._window = int(profile.window_days * DAY)
        self._fading = 1 / (profile.half_life_days * DAY)

    def profile(self, user_id: str | None, history: History, now: int) -> Profile:
        """Read a history at `now` (microseconds); events later than that are not seen."""
        history = _until(history, now)
        if not len(history):
            return _stranger(user_id, history)
        intent, focus, brand = self._leanings(history, now)
        owned = history.owned or owned_of(history)
        return Profile(
            user_id=user_id,
            history=history,
            intent=intent,
            exit_stage=STAGES.get(int(history.kinds[-1]), "other"),
            focus=focus,
            brand=brand,
            lifecycle=self._lifecycle(owned.orders, owned.last_order, now),
            dormant=self._dormant(owned.last_order, now),
            orders=owned.orders,
            last_order=owned.last_order,
            bought=owned.items,
            bought_at=owned.at,
            has_bought=frozenset(owned.items.tolist()),
            cart=in_cart(history, now, self._behaviour),
        )

    def _leanings(self, history: History, now: int) -> tuple[Intent, int, int]:
        """Intent, focus category and brand affinity; a shopper not seen within the window has none.

        Plain lists: over the few events of a window they are several times faster than arrays.
        """
        times = history.times.tolist()
        recent = bisect_right(times, now - self._window)
        if recent == len(times):
            return "browser", -1, -1
        first = last_session(times, self._behaviour)
        start = min(first, recent)
        items, kinds = history.items[start:], history.kinds[start:].tolist()
        leaves = self._leaf.take(items).tolist()
        weight_of, fading = self._weight_of, self._fading
        weights = [
            weight and weight * exp2((time - now) * fading)
            for weight, time in zip([weight_of[kind] for kind in kinds], times[start:], strict=True)
        ]
        intent = self._intent(kinds[first - start :], leaves[first - start :], history.items[first:], times[first:])
        since = first if any(weights[first - start :]) else recent
        focus, _ = _leader(leaves[since - start :], weights[since - start :], self._settings.focus_share)
        brands = self._brand.take(items[recent - start :]).tolist()
        brand, events = _leader(brands, weights[recent - start :], self._settings.brand_share)
        return intent, focus, brand if events >= self._settings.brand_events else -1

    def _intent(self, kinds: list[int], leaves: list[int], items: Rows, times: list[int]) -> Intent:
        """A buyer put something into the cart, or looked hard enough at one leaf category; all of one session."""
        if CART_ADD in kinds or CHECKOUT in kinds:
            return "buyer"
        views: dict[int, list[int]] = defaultdict(list)
        for place, (kind, leaf) in enumerate(zip(kinds, leaves, strict=True)):
            if kind == VIEW and leaf > 0:
                views[leaf].append(place)
        for places in views.values():
            if len(places) >= self._settings.buyer_views and self._serious(places, items, times):
                return "buyer"
        return "browser"

    def _serious(self, places: list[int], items: Rows, times: list[int]) -> bool:
        dwell = dwell_seconds(times, self._behaviour)
        if sum(dwell[place] for place in places) >= self._settings.buyer_dwell_seconds:
            return True
        prices = [price for price in self._price.take(items.take(places)).tolist() if price > 0]
        return len(prices) > 1 and max(prices) >= min(prices) * self._settings.buyer_price_ratio * (1 - _ROUNDING)

    def _dormant(self, last_order: int | None, now: int) -> bool:
        months = self._settings.dormant_months
        if last_order is None or now - last_order < months * _SHORTEST_MONTH:
            return False
        return last_order <= months_before(now, months)

    def _lifecycle(self, orders: int, last_order: int | None, now: int) -> Lifecycle:
        if last_order is None:
            return "lead"
        age = now - last_order
        if age > self._settings.inactive_days * DAY:
            return "inactive"
        if age > self._settings.active_days * DAY:
            return "defecting"
        return "active" if orders > 1 else "first_time"


def _until(history: History, now: int) -> History:
    if not len(history) or history.times[-1] <= now:
        return history
    end = int(history.times.searchsorted(now, side="right"))
    return History(history.items[:end], history.kinds[:end], history.times[:end], history.orders[:end])


def _leader(codes: list[int], weights: list[float], share: float) -> tuple[int, int]:
    """The code with the largest weight if it holds the share, else -1, and how many events gave it; codes are one too high, 0
    stands for none. Of equal ones the lowest code leads."""
    totals: dict[int, float] = {}
    for code, weight in zip(codes, weights, strict=True):
        if weight:
            totals[code] = totals.get(code, 0.0) + weight
    all_of_it = sum(totals.values())
    totals.pop(0, None)
    most = max(totals.values(), default=0.0)
    if not most or most < share * all_of_it * (1 - _ROUNDING):
        return -1, 0
    leader = min(code for code, total in totals.items() if total == most)
    return leader - 1, sum(1 for code, weight in zip(codes, weights, strict=True) if code == leader and weight)


def _stranger(user_id: str | None, history: History) -> Profile:
    return Profile(
        user_id=user_id,
        history=history,
        intent="browser",
        exit_stage="other",
        focus=-1,
        brand=-1,
        lifecycle="lead",
        dormant=False,
        orders=0,
        last_order=None,
        bought=_NO_ROWS,
        bought_at=_NO_TIMES,
        has_bought=frozenset(),
        cart=_NO_ROWS,
    )
