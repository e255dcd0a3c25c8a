"""The profile: what one shopper's events say now. The same function serves, trains and evaluates.

The compiled rules answer with what they found, so that `evidence` shows the very numbers that decided.
"""

from __future__ import annotations

from typing import NamedTuple

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
    session_gap,
)
from recsys.clock import DAY, SECOND
from recsys.jit import FLOAT, INT, KINDS, REALS, ROWS, SCORES, TIMES, compiled
from recsys.orders import owned_of
from recsys.settings import BehaviourSettings, ProfileSettings
from recsys.snapshot.catalog import Catalog
from recsys.types import EventType, ExitStage, History, Lifecycle, Profile, Rows, Scores, Times

STAGES: dict[int, ExitStage] = {
    EventType.HOME_VIEW: "home",
    EventType.CATEGORY_VIEW: "category",
    EventType.VIEW: "pdp",
    EventType.CART_ADD: "cart",
    EventType.CART_REMOVE: "cart",
    EventType.CHECKOUT: "checkout",
}
INTENT_RULES = ("none", "cart_add", "checkout", "dwell", "prices")
"""What makes a session a buyer's, by the number in `Seriousness.rule`; nothing does: a browser's."""
_NO_ROWS = np.empty(0, np.int32)
_NO_TIMES = np.empty(0, np.int64)
_SHORTEST_MONTH, _LONGEST_MONTH = 28 * DAY, 31 * DAY
_ROUNDING = 1e-6


class Seriousness(NamedTuple):
    """Seriousness of the last session: the rule of `INTENT_RULES` that made it a buyer's, and what it rests on.

    event: the place in the session of the cart_add or checkout that decided, else -1 · leaf: the leaf category whose views
    decided; of a browser the one most looked at (-1: none) · views, dwell (seconds) and the lowest and highest price seen there (inf
    and 0: no price).
    """

    rule: int
    event: int
    leaf: int
    views: int
    dwell: float
    lowest: float
    highest: float


class Leader(NamedTuple):
    """The code (of items: leaf category or brand) with the largest weight, whether or not that is enough to lean to it.

    code: -1 where nothing weighs · events: how many gave the weight · share of all weight · enough: large enough to count.
    """

    code: int
    events: int
    share: float
    enough: bool


class Leanings(NamedTuple):
    """Leanings that recent events show. Both `seen` and `of_session` are False for a shopper who was not seen within the window.

    of_session: the focus is that of the last session, else of the window.
    """

    seen: bool
    serious: Seriousness
    of_session: bool
    focus: Leader
    brand: Leader


class Profiler:
    """Builds profiles with one set of settings over one catalogue."""

    def __init__(self, catalog: Catalog, behaviour: BehaviourSettings, profile: ProfileSettings) -> None:
        self.catalog = catalog
        self.behaviour = behaviour
        self.settings = profile
        self.session_gap = session_gap(behaviour)
        self._weights = event_weights(behaviour)
        self._window = int(profile.window_days * DAY)
        self._cart = int(behaviour.cart_days * DAY)
        self._decay = 1 / (profile.half_life_days * DAY)
        self._intent = profile.buyer_views, profile.buyer_dwell_seconds, behaviour.dwell_seconds, profile.buyer_price_ratio
        self._shares = profile.focus_share, profile.brand_share, profile.brand_events

    def profile(self, user_id: str | None, history: History, now: int) -> Profile:
        """Read a history at `now` (microseconds); events later than that are not seen."""
        history = history.until(now)
        if not len(history.times):
            return _stranger(user_id, history)
        _, serious, _, focus, brand, carts = self._lean(history, now)
        owned = history.owned or owned_of(history)
        return Profile(
            user_id=user_id,
            history=history,
            intent="buyer" if serious[0] else "browser",
            exit_stage=STAGES.get(int(history.kinds[-1]), "other"),
            focus=focus[0] if focus[3] else -1,
            brand=brand[0] if brand[3] else -1,
            lifecycle=self._lifecycle(owned.orders, owned.last_order, now),
            dormant=self._dormant(owned.last_order, now),
            orders=owned.orders,
            last_order=owned.last_order,
            bought=owned.items,
            bought_at=owned.at,
            has_bought=frozenset(owned.items.tolist()),
            cart=in_cart(history, now, self.behaviour) if carts else _NO_ROWS,
        )

    def leanings(self, history: History, now: int) -> Leanings:
        """Return what the profile's intent, focus and brand affinity rest on."""
        seen, serious, of_session, focus, brand, _ = self._lean(history.until(now), now)
        return Leanings(seen, Seriousness(*serious), of_session, Leader(*focus), Leader(*brand))

    def affinities(self, history: History, now: int, code_of: Rows) -> tuple[Rows, NDArray[np.float64], NDArray[np.int64]]:
        """Weigh the window's events by a code of their item, -1 among them: distinct codes int32[c], the weight float64[c] of each
        and how many events gave it, int64[c]; only codes that weigh anything."""
        history = history.until(now)
        recent = int(history.times.searchsorted(now - self._window, side="right"))
        lately = history.items[recent:], history.kinds[recent:], history.times[recent:]
        codes, totals, events, _ = _totals(*lately, code_of, self._weights, now, self._decay)
        weighs = totals > 0
        return codes[weighs], totals[weighs], events[weighs]

    def _lean(self, history: History, now: int) -> _Leanings:
        catalog = self.catalog
        found: _Leanings = _lean(
            history.items,
            history.kinds,
            history.times,
            self.session_gap,
            now,
            now - self._window,
            now - self._cart,
            catalog.category,
            catalog.brand,
            catalog.price,
            self._weights,
            self._decay,
            *self._intent,
            *self._shares,
        )
        return found

    def _dormant(self, last_order: int | None, now: int) -> bool:
        months = self.settings.dormant_months
        if last_order is None or now - last_order < months * _SHORTEST_MONTH:
            return False
        return now - last_order > months * _LONGEST_MONTH or last_order <= months_before(now, months)

    def _lifecycle(self, orders: int, last_order: int | None, now: int) -> Lifecycle:
        if last_order is None:
            return "lead"
        age = now - last_order
        if age > self.settings.inactive_days * DAY:
            return "inactive"
        if age > self.settings.active_days * DAY:
            return "defecting"
        return "active" if orders > 1 else "first_time"


_Serious = tuple[int, int, int, int, float, float, float]
_Leader = tuple[int, int, float, bool]
_Leanings = tuple[bool, _Serious, bool, _Leader, _Leader, bool]
"""`Seriousness`, `Leader` and `Leanings` as compiled code makes them, naming them costs more than finding them; and whether anything
was put into the cart as lately as an item stays there."""


@compiled()
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
) -> _Serious:
    """A buyer put something into the cart, or looked hard enough at one leaf category; all of one session."""
    for place in range(len(kinds)):
        if kinds[place] == CART_ADD:
            return 1, place, -1, 0, 0.0, np.inf, 0.0
        if kinds[place] == CHECKOUT:
            return 2, place, -1, 0, 0.0, np.inf, 0.0
    most = (0, -1, -1, 0, 0.0, np.inf, 0.0)
    for start in range(len(items)):
        if kinds[start] != VIEW or items[start] < 0 or leaf_of[items[start]] < 0:
            continue
        leaf = int(leaf_of[items[start]])
        views, priced, dwell, low, high = 0, 0, 0.0, np.inf, 0.0
        for place in range(start, len(items)):
            if kinds[place] != VIEW or items[place] < 0 or leaf_of[items[place]] != leaf:
                continue
            views += 1
            if place + 1 < len(items):
                dwell += min((times[place + 1] - times[place]) / SECOND, most_dwell)
            price = price_of[items[place]]
            if price > 0:
                priced, low, high = priced + 1, min(low, price), max(high, price)
        compared = priced > 1 and high >= low * price_ratio * (1 - _ROUNDING)
        if views >= least_views and (dwell >= least_dwell or compared):
            return 3 if dwell >= least_dwell else 4, -1, leaf, views, dwell, low, high
        if views > most[3]:
            most = (0, -1, leaf, views, dwell, low, high)
    return most


@compiled(ROWS, KINDS, TIMES, ROWS, SCORES, INT, FLOAT)
def _totals(
    items: Rows, kinds: Kinds, times: Times, code_of: Rows, weight_of: Scores, now: int, decaying: float
) -> tuple[Rows, NDArray[np.float64], NDArray[np.int64], float]:
    """Distinct codes of the events' items ascending (-1: of no code), the decayed weight of each, how many events gave it, and the
    weight of them all."""
    codes, weights = np.empty(len(items), np.int32), np.empty(len(items), np.float64)
    for place in range(len(items)):
        codes[place] = code_of[items[place]] if items[place] >= 0 else -1
        weights[place] = weight_of[kinds[place]] * np.exp2((times[place] - now) * decaying)
    found, totals, events = np.empty(len(items), np.int32), np.empty(len(items), np.float64), np.empty(len(items), np.int64)
    count = 0
    for place in np.argsort(codes, kind="mergesort"):
        if count == 0 or found[count - 1] != codes[place]:
            found[count], totals[count], events[count] = codes[place], 0.0, 0
            count += 1
        totals[count - 1] += weights[place]
        events[count - 1] += weights[place] > 0
    return found[:count], totals[:count], events[:count], weights.sum()


@compiled()
def _leader(
    items: Rows,
    kinds: Kinds,
    times: Times,
    code_of: Rows,
    weight_of: Scores,
    now: int,
    decaying: float,
    least_share: float,
    least_events: int,
) -> tuple[_Leader, bool]:
    """The code with the largest weight, of equal ones the lowest; and whether any event weighed anything."""
    codes, totals, events, everything = _totals(items, kinds, times, code_of, weight_of, now, decaying)
    leader, counted, most = -1, 0, 0.0
    for place in range(len(codes)):
        if codes[place] >= 0 and totals[place] > most:
            leader, counted, most = int(codes[place]), int(events[place]), float(totals[place])
    enough = most > 0 and most >= least_share * everything * (1 - _ROUNDING) and counted >= least_events
    return (leader, counted, most / everything if everything > 0 else 0.0, enough), everything > 0


@compiled(
    ROWS, KINDS, TIMES, INT, INT, INT, INT, ROWS, ROWS, REALS, SCORES, FLOAT, INT, FLOAT, FLOAT, FLOAT, FLOAT, FLOAT, INT
)
def _lean(
    items: Rows,
    kinds: Kinds,
    times: Times,
    gap: int,
    now: int,
    window: int,
    cart: int,
    leaf_of: Rows,
    brand_of: Rows,
    price_of: NDArray[np.float64],
    weight_of: Scores,
    decaying: float,
    buyer_views: int,
    buyer_dwell: float,
    most_dwell: float,
    price_ratio: float,
    focus_share: float,
    brand_share: float,
    brand_events: int,
) -> _Leanings:
    """Intent, focus category and brand affinity in one go; a shopper not seen within the window has none."""
    carts = False
    for place in range(len(times) - 1, -1, -1):
        if times[place] <= cart:
            break
        carts |= kinds[place] == CART_ADD
    recent = np.searchsorted(times, window, side="right")
    nobody = (-1, 0, 0.0, False)
    if recent == len(times):
        return False, (0, -1, -1, 0, 0.0, np.inf, 0.0), False, nobody, nobody, carts
    session = last_session(times, gap)
    now_items, now_kinds, now_times = items[session:], kinds[session:], times[session:]
    serious = _buys(now_items, now_kinds, now_times, leaf_of, price_of, buyer_views, buyer_dwell, most_dwell, price_ratio)
    items, kinds, times = items[recent:], kinds[recent:], times[recent:]
    focus, of_session = _leader(now_items, now_kinds, now_times, leaf_of, weight_of, now, decaying, focus_share, 1)
    if not of_session:
        focus, _ = _leader(items, kinds, times, leaf_of, weight_of, now, decaying, focus_share, 1)
    brand, _ = _leader(items, kinds, times, brand_of, weight_of, now, decaying, brand_share, brand_events)
    return True, serious, of_session, focus, brand, carts


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
