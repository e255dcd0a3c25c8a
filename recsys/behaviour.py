"""The meaning of behaviour, defined once for training, evaluation and serving: weights, decay, sessions, carts.

Every function takes plain arrays in time order, so the same code reads one shopper's history and a whole shop's events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY, MINUTE
from recsys.jit import FLOAT, INT, KINDS, ROWS, SCORES, TIMES, compiled
from recsys.settings import BehaviourSettings
from recsys.types import CANCELLED, KIND_WORDS, Arrays, EventType, History, Rows, Scores, Times

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from recsys.snapshot.histories import Tables

Kinds = NDArray[np.int8]
Number = TypeVar("Number", np.int32, np.int64)

VIEW, CART_ADD, CHECKOUT, PURCHASE = (
    int(kind) for kind in (EventType.VIEW, EventType.CART_ADD, EventType.CHECKOUT, EventType.PURCHASE)
)
"""Plain codes for the hot path: looking a member of an enumeration up costs more than comparing a hundred events."""
_LEAVES_CART = (int(EventType.CART_REMOVE), PURCHASE, CANCELLED)
"""A refund leaves the cart alone: what was given back was bought before."""


def event_weights(settings: BehaviourSettings) -> Scores:
    """Weight float32[12] of each kind of event; all but view, cart_add and purchase are 0."""
    weights = np.zeros(len(KIND_WORDS), np.float32)
    weights[EventType.VIEW] = settings.view_weight
    weights[EventType.CART_ADD] = settings.cart_weight
    weights[EventType.PURCHASE] = settings.purchase_weight
    return weights


def ages_in_days(times: Times, now: int) -> NDArray[np.float32]:
    """Age float32[h] in days at `now`; what is not yet past counts as 0."""
    ages: NDArray[np.float32] = ((now - times) * (1 / DAY)).astype(np.float32)
    return np.maximum(ages, 0, out=ages)


def decay(ages: NDArray[np.float32], half_life_days: float) -> Scores:
    """Exponential decay: 0.5 ** (age / half-life); a half-life of 0 does not decay."""
    if half_life_days <= 0:
        return np.ones(len(ages), np.float32)
    decayed: Scores = np.exp2(ages * np.float32(-1 / half_life_days))
    return decayed


def item_weights(
    history: History, now: int, weights: Scores, half_life_days: float, max_n: int, half_life_steps: float = 0
) -> tuple[Rows, Scores]:
    """Return what one shopper cares for at `now`: up to `max_n` items and their decayed event weights summed, strongest first.

    Weights decay with age, and with the steps (`steps_of`) that the shopper has made since; a half-life of 0 does not decay.
    Items int32[u] are distinct, sums float32[u] above zero; of equal ones the lower row comes first.
    """
    decaying = decay_exponents(half_life_days, half_life_steps)
    weighed: tuple[Rows, Scores] = weigh_items(history.items, history.kinds, history.times, weights, now, *decaying, max_n)
    return weighed


def decay_exponents(half_life_days: float, half_life_steps: float) -> tuple[float, float]:
    """The exponents of 2 by which a weight decays in a microsecond, and in a step; a half-life of 0 does not decay."""
    by_time = -1 / (half_life_days * DAY) if half_life_days > 0 else 0.0
    return by_time, -1 / half_life_steps if half_life_steps > 0 else 0.0


@compiled(ROWS, KINDS, TIMES, SCORES)
def steps_of(items: Rows, kinds: Kinds, times: Times, weights: Scores) -> Rows:
    """Number the steps of one shopper's events in time order, int32[h] from 0: an event of another item than the last one's, later
    than the step's first, begins the next. Events without an item or a weight are in the step of the one before (-1: in none)."""
    steps = np.empty(len(items), np.int32)
    step, item, began = -1, -1, 0
    for event in range(len(items)):
        if items[event] >= 0 and weights[kinds[event]] > 0:
            if step < 0 or (times[event] > began and items[event] != item):
                step, began = step + 1, times[event]
            item = items[event]
        steps[event] = step
    return steps


@compiled(ROWS, ROWS, KINDS, TIMES, SCORES)
def steps_of_users(users: Rows, items: Rows, kinds: Kinds, times: Times, weights: Scores) -> Rows:
    """Number the steps of each user of a shop's events (by user, then time), int32[e]; see `steps_of`."""
    steps = np.empty(len(items), np.int32)
    start = 0
    for end in range(1, len(items) + 1):
        if end == len(items) or users[end] != users[start]:
            steps[start:end] = steps_of(items[start:end], kinds[start:end], times[start:end], weights)
            start = end
    return steps


@compiled(ROWS, KINDS, TIMES, SCORES, INT, FLOAT, FLOAT, INT)
def weigh_items(
    items: Rows, kinds: Kinds, times: Times, weights: Scores, now: int, by_time: float, by_step: float, max_n: int
) -> tuple[Rows, Scores]:
    """The loop of `item_weights`, for `decay_exponents`."""
    distinct, sums = np.empty(len(items), np.int32), np.empty(len(items), np.float32)
    steps = steps_of(items, kinds, times, weights)
    count = 0
    for event in np.argsort(items, kind="mergesort"):
        item, weight = items[event], weights[kinds[event]]
        if item < 0 or weight <= 0:
            continue
        if count == 0 or distinct[count - 1] != item:
            distinct[count], sums[count] = item, 0
            count += 1
        decaying = max(now - times[event], 0) * by_time + (steps[-1] - steps[event]) * by_step
        sums[count - 1] += weight * np.exp2(decaying)
    order = np.argsort(-sums[:count], kind="mergesort")[:max_n]
    return distinct[order], sums[order]


def interactions(tables: Tables, settings: BehaviourSettings, half_life_days: float) -> csr_array:
    """Return what collaborative filtering is fitted on: users × items, the decayed weights of each pair's events added up, float32."""
    from scipy.sparse import coo_array

    events = tables.events
    strengths = event_weights(settings)[events.kinds] * decay(ages_in_days(events.times, tables.as_of), half_life_days)
    counted = (strengths > 0) & (events.items >= 0)
    where = (events.users[counted], events.items[counted])
    return coo_array((strengths[counted], where), shape=(tables.n_users, tables.catalog.n_items)).tocsr()


def compact_rows(matrix: csr_array) -> Arrays:
    """The rows of a sparse matrix as arrays: lengths int32[u], items int32[m] and weights float32[m], 8 bytes for each entry."""
    return {
        "lengths": np.diff(matrix.indptr).astype(np.int32),
        "items": matrix.indices.astype(np.int32),
        "weights": matrix.data,
    }


def matrix_of(parts: Sequence[Arrays], n_items: int) -> csr_array:
    """The sparse matrix, rows × items, whose rows were made compact in parts, in their order."""
    from scipy.sparse import csr_array

    lengths, items, weights = (np.concatenate([part[name] for part in parts]) for name in ("lengths", "items", "weights"))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return csr_array((weights, items, offsets), shape=(len(lengths), n_items))


@compiled(TIMES, INT)
def last_session(times: Times, gap: int) -> int:
    """Index of the first event of the last session of one shopper's times, in order (0 without events); see `session_gap`."""
    first = max(len(times) - 1, 0)
    while first > 0 and times[first] - times[first - 1] <= gap:
        first -= 1
    return first


def session_gap(settings: BehaviourSettings) -> int:
    """Longest gap within a session, in microseconds."""
    return int(settings.session_minutes * MINUTE)


def sessions(users: Rows, times: Times, settings: BehaviourSettings) -> NDArray[np.int64]:
    """Number the sessions of a shop's events (by user, then time) from 0; int64[e]."""
    starts = np.ones(len(users), bool)
    starts[1:] = (users[1:] != users[:-1]) | (np.diff(times) > session_gap(settings))
    return np.cumsum(starts) - 1


def in_cart(history: History, now: int, settings: BehaviourSettings) -> Rows:
    """Items in the cart at `now`, ascending: added in the last days, not removed or bought since."""
    cart: Rows = _in_cart(history.items, history.kinds, history.times, now - int(settings.cart_days * DAY))
    return cart


@compiled(ROWS, KINDS, TIMES, INT)
def _in_cart(items: Rows, kinds: Kinds, times: Times, since: int) -> Rows:
    first = np.searchsorted(times, since, side="right")
    cart, filled = np.empty(len(items) - first, np.int32), 0
    for place in np.argsort(items[first:], kind="mergesort"):
        item, kind = items[first + place], kinds[first + place]
        inside = filled > 0 and cart[filled - 1] == item
        if kind == CART_ADD and item >= 0 and not inside:
            cart[filled] = item
            filled += 1
        elif kind in _LEAVES_CART and inside:
            filled -= 1
    return cart[:filled]


def last_of_each(items: NDArray[Number]) -> tuple[NDArray[Number], NDArray[np.int64]]:
    """Distinct items ascending and the position of the last occurrence of each."""
    order = items.argsort(kind="stable")
    ordered = items.take(order)
    ends = np.empty(len(items), bool)
    ends[-1:] = True
    np.not_equal(ordered[1:], ordered[:-1], out=ends[:-1])
    last = ends.nonzero()[0]
    return ordered.take(last), order.take(last)


def months_before(now: int, months: int) -> int:
    """The same time of day `months` calendar months earlier, the day clamped to the month's end; microseconds, UTC."""
    moment = np.datetime64(now, "us")
    month = moment.astype("datetime64[M]")
    day = int((moment.astype("datetime64[D]") - month.astype("datetime64[D]")).astype(int))
    target = month - months
    last = int(((target + 1).astype("datetime64[D]") - target.astype("datetime64[D]")).astype(int)) - 1
    start = target.astype("datetime64[D]") + min(day, last)
    time_of_day = now - int(moment.astype("datetime64[D]").astype("datetime64[us]").astype(np.int64))
    return int(start.astype("datetime64[us]").astype(np.int64)) + time_of_day
