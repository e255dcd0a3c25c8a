"""The profile: what one shopper's events say now. The same function serves, trains and evaluates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import (
    CART_ADD,
    CHECKOUT,
    VIEW,
    Kinds,
    event_weights,
    in_cart,
    last_session,
    months_before,
    owned_of,
    session_gap,
)
from recsys.compiled import FLOAT, INT, KINDS, REALS, ROWS, SCORES, TIMES, compiled
from recsys.data.catalog import Catalog
from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.types import DAY, SECOND, EventType, ExitStage, History, Intent, Lifecycle, Profile, Rows, Scores, Times

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
_SHORTEST_MONTH, _LONGEST_MONTH = 28 * DAY, 31 * DAY
_ROUNDING = 1e-6


class Profiler:
    """Builds profiles with one set of settings over one catalogue."""

    def __init__(self, catalog: Catalog, behaviour: BehaviourSettings, profile: ProfileSettings) -> None:
        self._leaf, self._brand = catalog.category, catalog.brand
        self._price = catalog.price
        self._behaviour = behaviour
        self._settings = profile
        self._weights = event_weights(behaviour)
        self._gap = session_gap(behaviour)
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
        """Intent, focus category and brand affinity; a shopper not seen within the window has none."""
        items, kinds, times = history.items, history.kinds, history.times
        recent = int(times.searchsorted(now - self._window, side="right"))
        if recent == len(times):
            return "browser", -1, -1
        settings = self._settings
        first = last_session(times, self._gap)
        session = items[first:], kinds[first:], times[first:]
        lately = items[recent:], kinds[recent:], times[recent:]
        buyer = _buys(
            *session,
            self._leaf,
            self._price,
            settings.buyer_views,
            settings.buyer_dwell_seconds,
            self._behaviour.dwell_seconds,
            settings.buyer_price_ratio,
        )
        how = self._weights, now, self._fading
        focus, _, weighed = _leader(*session, self._leaf, *how, settings.focus_share)
        if not weighed:
            focus, _, _ = _leader(*lately, self._leaf, *how, settings.focus_share)
        brand, events, _ = _leader(*lately, self._brand, *how, settings.brand_share)
        return "buyer" if buyer else "browser", focus, brand if events >= settings.brand_events else -1

    def _dormant(self, last_order: int | None, now: int) -> bool:
        months = self._settings.dormant_months
        if last_order is None or now - last_order < months * _SHORTEST_MONTH:
            return False
        return now - last_order > months * _LONGEST_MONTH or last_order <= months_before(now, months)

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


@compiled(ROWS, KINDS, TIMES, ROWS, REALS, INT, FLOAT, FLOAT, FLOAT)
def _buys(
    items: Rows,
    kinds: Kinds,
    times: Times,
    leaf_of: Rows,
    price_of: NDArray[np.float64],
    least_views: int,
    least_dwell: float,
    most_dwell: float,
    price_ratio: float,
) -> bool:
    """A buyer put something into the cart, or looked hard enough at one leaf category; all of one session."""
    for kind in kinds:
        if kind in (CART_ADD, CHECKOUT):
            return True
    for start in range(len(items)):
        if kinds[start] != VIEW or items[start] < 0 or leaf_of[items[start]] < 0:
            continue
        views, priced, dwell, low, high = 0, 0, 0.0, np.inf, 0.0
        for place in range(start, len(items)):
            if kinds[place] != VIEW or items[place] < 0 or leaf_of[items[place]] != leaf_of[items[start]]:
                continue
            views += 1
            if place + 1 < len(items):
                dwell += min((times[place + 1] - times[place]) / SECOND, most_dwell)
            price = price_of[items[place]]
            if price > 0:
                priced, low, high = priced + 1, min(low, price), max(high, price)
        compared = priced > 1 and high >= low * price_ratio * (1 - _ROUNDING)
        if views >= least_views and (dwell >= least_dwell or compared):
            return True
    return False


@compiled(ROWS, KINDS, TIMES, ROWS, SCORES, INT, FLOAT, FLOAT)
def _leader(
    items: Rows, kinds: Kinds, times: Times, code_of: Rows, weight_of: Scores, now: int, fading: float, share: float
) -> tuple[int, int, bool]:
    """The code (of items: leaf or brand) with the largest weight if it holds the share, else -1; how many events gave it; and
    whether any event weighed anything. Of equal ones the lowest code leads."""
    codes, weights = np.empty(len(items), np.int32), np.empty(len(items), np.float64)
    for place in range(len(items)):
        codes[place] = code_of[items[place]] if items[place] >= 0 else -1
        weights[place] = weight_of[kinds[place]] * np.exp2((times[place] - now) * fading)
    order = np.argsort(codes, kind="mergesort")
    leader, most, events = -1, 0.0, 0
    place = 0
    while place < len(order):
        code, total, counted = codes[order[place]], 0.0, 0
        while place < len(order) and codes[order[place]] == code:
            total += weights[order[place]]
            counted += weights[order[place]] > 0
            place += 1
        if code >= 0 and total > most:
            leader, most, events = code, total, counted
    everything = weights.sum()
    if most <= 0 or most < share * everything * (1 - _ROUNDING):
        return -1, 0, everything > 0
    return leader, events, True


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
