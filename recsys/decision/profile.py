"""The profile: what one shopper's events say now. The same function serves, trains and evaluates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import (
    ages_in_days,
    dwell_seconds,
    event_weights,
    fade,
    in_cart,
    last_of_each,
    last_session,
    months_before,
)
from recsys.data.catalog import Catalog
from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.types import DAY, EventType, ExitStage, History, Intent, Lifecycle, Profile, Rows, Scores, Times

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
_NO_PLACES = np.empty(0, np.intp)


class Profiler:
    """Builds profiles with one set of settings over one catalogue."""

    def __init__(self, catalog: Catalog, behaviour: BehaviourSettings, profile: ProfileSettings) -> None:
        self._catalog = catalog
        self._behaviour = behaviour
        self._profile = profile
        self._weights = event_weights(behaviour)

    def profile(self, user_id: str | None, history: History, now: int) -> Profile:
        """Read a history at `now` (microseconds); events later than that are not seen."""
        history = _until(history, now)
        if not len(history):
            return _stranger(user_id, history)
        ages = ages_in_days(history.times, now)
        weights = self._weights.take(history.kinds) * fade(ages, self._profile.half_life_days)
        first = last_session(history.times, self._behaviour)
        recent = _recent(ages, self._profile.window_days)
        intent = self._intent(history, first) if ages[-1] < self._profile.window_days else "browser"
        purchases = _places_of(EventType.PURCHASE, history.kinds)
        orders, last_order = _orders(history, purchases)
        bought, bought_at, bought_counts = _bought(history, purchases)
        return Profile(
            user_id=user_id,
            history=history,
            ages=ages,
            weights=weights,
            intent=intent,
            exit_stage=STAGES.get(int(history.kinds[-1]), "other"),
            focus=self._focus(history.items, weights, first, recent),
            brand=self._brand(history.items[recent:], weights[recent:]),
            lifecycle=self._lifecycle(orders, last_order, now),
            dormant=last_order is not None and last_order <= months_before(now, self._profile.dormant_months),
            orders=orders,
            last_order=last_order,
            bought=bought,
            bought_at=bought_at,
            bought_counts=bought_counts,
            cart=in_cart(history, now, self._behaviour),
        )

    def _intent(self, history: History, first: int) -> Intent:
        """A buyer put something into the cart, or looked hard enough at one leaf category."""
        kinds = history.kinds[first:]
        happened = kinds.tobytes()
        if EventType.CART_ADD in happened or EventType.CHECKOUT in happened:
            return "buyer"
        if happened.count(EventType.VIEW) < self._profile.buyer_views:
            return "browser"
        viewed = np.flatnonzero((kinds == EventType.VIEW) & (history.items[first:] >= 0))
        items = history.items[first:][viewed]
        dwell = dwell_seconds(history.times[first:], self._behaviour)[viewed]
        leaves = self._catalog.category[items]
        for leaf in np.unique(leaves[leaves >= 0]):
            here = leaves == leaf
            if np.count_nonzero(here) >= self._profile.buyer_views and self._serious(items[here], float(dwell[here].sum())):
                return "buyer"
        return "browser"

    def _serious(self, items: Rows, dwell: float) -> bool:
        if dwell >= self._profile.buyer_dwell_seconds:
            return True
        prices = self._catalog.price[items]
        prices = prices[prices > 0]
        return len(prices) > 1 and bool(prices.max() >= prices.min() * self._profile.buyer_price_ratio)

    def _focus(self, items: Rows, weights: Scores, first: int, recent: int) -> int:
        """The leaf category of the session, else of the last days, that holds enough of the weight; -1 explores."""
        start = first if weights[first:].any() else recent
        return self._leading(self._catalog.category, items[start:], weights[start:], self._profile.focus_share)

    def _brand(self, items: Rows, weights: Scores) -> int:
        """The brand with enough of the weight and enough events, or -1."""
        brand = self._leading(self._catalog.brand, items, weights, self._profile.brand_share)
        if brand < 0:
            return -1
        events = np.count_nonzero((self._catalog.brand[items] == brand) & (items >= 0) & (weights > 0))
        return brand if events >= self._profile.brand_events else -1

    def _leading(self, codes: Rows, items: Rows, weights: Scores, share: float) -> int:
        placed = ((items >= 0) & (weights > 0)).nonzero()[0]
        if not len(placed):
            return -1
        weights = weights.take(placed)
        found = codes.take(items.take(placed)) + 1
        totals = np.bincount(found, weights)
        totals[0] = 0
        leader = int(totals.argmax())
        return leader - 1 if totals[leader] > 0 and totals[leader] >= share * weights.sum() * (1 - 1e-6) else -1

    def _lifecycle(self, orders: int, last_order: int | None, now: int) -> Lifecycle:
        if last_order is None:
            return "lead"
        age = now - last_order
        if age > self._profile.inactive_days * DAY:
            return "inactive"
        if age > self._profile.active_days * DAY:
            return "defecting"
        return "active" if orders > 1 else "first_time"


def _until(history: History, now: int) -> History:
    if not len(history) or history.times[-1] <= now:
        return history
    end = int(history.times.searchsorted(now, side="right"))
    return History(history.items[:end], history.kinds[:end], history.times[:end], history.orders[:end])


def _recent(ages: Scores, days: float) -> int:
    """Index of the first event younger than `days`."""
    return len(ages) - int(np.count_nonzero(ages < days))


def _orders(history: History, purchases: NDArray[np.intp]) -> tuple[int, int | None]:
    if not len(purchases):
        return 0, None
    return int(history.orders.take(purchases).max()) + 1, int(history.times[purchases[-1]])


def _bought(history: History, purchases: NDArray[np.intp]) -> tuple[Rows, Times, Rows]:
    lines = purchases[history.items.take(purchases) >= 0] if len(purchases) else purchases
    if not len(lines):
        return _NO_ROWS, _NO_TIMES, _NO_ROWS
    bought, last = last_of_each(history.items.take(lines))
    counts = np.bincount(np.searchsorted(bought, history.items.take(lines)), minlength=len(bought)).astype(np.int32)
    return bought, history.times.take(lines.take(last)), counts


def _places_of(kind: EventType, kinds: NDArray[np.int8]) -> NDArray[np.intp]:
    return (kinds == kind).nonzero()[0] if kind in kinds.tobytes() else _NO_PLACES


def _stranger(user_id: str | None, history: History) -> Profile:
    return Profile(
        user_id=user_id,
        history=history,
        ages=np.empty(0, np.float32),
        weights=np.empty(0, np.float32),
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
        bought_counts=_NO_ROWS,
        cart=_NO_ROWS,
    )
