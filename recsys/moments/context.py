"""Input of the moment rules: one shopper at one moment, and the values that all shoppers share then."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np

from recsys import clock
from recsys.behaviour import CART_ADD, PURCHASE, VIEW, last_session
from recsys.clock import DAY
from recsys.engine.pipeline import Engine
from recsys.live.item_changes import Change, ChangeKind, lowest_before
from recsys.locales import price_text, zone
from recsys.reasons import reason_locale, reason_text
from recsys.settings.moments import MomentsSettings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import NEVER
from recsys.snapshot.people import Person
from recsys.types import EventType, History, Mask, Profile, Reason, Times

FEWEST_SESSIONS = 3
"""Sessions from which on the hour in which most of them begin counts as usual."""
FOREVER = int(np.iinfo(np.int64).max)
"""A moment that does not come."""
MAX_EARLIER = 50
"""Most earlier changes of an item that its news is held against."""
_CART_REMOVE = int(EventType.CART_REMOVE)


class TriggerHit(NamedTuple):
    """A reason to write to a shopper.

    since: when it arose, in microseconds · key: what makes it one of its own among those of its kind and user: ids and event
    times, never rows · anchors: rows of the items that it is about, the first first · reason: why they stand on the slate; None:
    they do not · once_since: it is not due if one of its kind was found due from this moment on · category, brand: what the slate
    keeps to · content: row of the content, or -1 · price_before: what the first item cost before, if it got cheaper · said_by: keys
    of earlier ones that said the same, so that it is not due if one of them was found due.
    """

    since: int
    key: str
    anchors: tuple[int, ...] = ()
    reason: Reason | None = None
    once_since: int | None = None
    category: str | None = None
    brand: str | None = None
    content: int = -1
    price_before: float | None = None
    said_by: tuple[str, ...] = ()


class TriggerContext:
    """Context that is the same for every shopper at one moment: the engine that serves, the settings, and what changed of items,
    the newest first, in twice the days for which it is news.

    `runs_low` bool[n] marks the available items whose stock is at risk · `high_spend` is the revenue of a high spender.
    """

    def __init__(
        self,
        engine: Engine,
        now: int,
        changes: tuple[Change, ...] = (),
        runs_low: Mask | None = None,
        high_spend: float = np.inf,
    ) -> None:
        self.engine, self.now = engine, now
        self.settings: MomentsSettings = engine.settings.moments
        self.catalog: Catalog = engine.catalog
        self.news: dict[ChangeKind, dict[int, Change]] = {"back_in_stock": {}, "price_drop": {}, "price_rise": {}}
        """Row of an item = its newest change of a kind, the first given, if it is news yet; `before` of a drop is the lowest price
        that it had in the days before it, among the changes given."""
        self.earlier: defaultdict[tuple[ChangeKind, int], list[int]] = defaultdict(list)
        """Kind and row of an item = when it changed so in the days before its news, in microseconds, the latest first; the latest
        `MAX_EARLIER` alone."""
        days = int(self.settings.change_days * DAY)
        lowest = lowest_before(changes, days)
        for each in changes:
            if (
                row := self.catalog.row(each.item_id)
            ) < 0 or each.change not in self.news:  # a newer node's word is none here
                continue
            if (newest := self.news[each.change].get(row)) is not None:
                earlier = self.earlier[each.change, row]
                if each.at > newest.at - days and len(earlier) < MAX_EARLIER:
                    earlier.append(each.at)
            elif each.at > now - days:
                before = lowest.get(each.item_id) if each.change == "price_drop" else each.before
                self.news[each.change][row] = each._replace(before=before)
        self.runs_low: Mask = np.zeros(self.catalog.n_items, bool) if runs_low is None else runs_low
        self.high_spend = high_spend

    def is_on(self, kind: str) -> bool:
        """Tell whether the shop asks for moments of this kind."""
        return kind in self.settings.kinds


class UserContext:
    """One shopper at one moment; the history ends there."""

    def __init__(self, user_id: str, person: Person, history: History, trigger_context: TriggerContext) -> None:
        self.user_id, self.person, self.trigger_context = user_id, person, trigger_context
        engine, self.now = trigger_context.engine, trigger_context.now
        self.profile: Profile = engine.profiler.profile(user_id, history, self.now)
        later = history.times[len(self.profile.history) :]
        self.next_event = int(later[0]) if len(later) else FOREVER
        """When the first event took place that is later than this moment; `FOREVER`: none is known."""
        self.history = history = self.profile.history
        self._first = last_session(history.times, engine.profiler.session_gap)
        self.last_seen = int(history.times[-1]) if len(history) else NEVER
        self.visit_start = int(history.times[self._first]) if len(history) else NEVER
        """When the last visit began: the first event of the last session."""

    @property
    def quiet(self) -> int:
        """Microseconds since the last event."""
        return self.now - self.last_seen

    @property
    def visit_ended(self) -> bool:
        """Tell whether an event now would begin another session."""
        return self.quiet > self.trigger_context.engine.profiler.session_gap

    @cached_property
    def last_purchase(self) -> int:
        """Return when the latest event that is a purchase took place, in microseconds; `NEVER`: there is none."""
        return self._last_of(PURCHASE)

    @cached_property
    def cart_changed(self) -> int:
        """Return when something was last put into the cart or taken out, in microseconds; `NEVER`: never."""
        return max(self._last_of(CART_ADD), self._last_of(_CART_REMOVE))

    @property
    def carted_at(self) -> Times:
        """Return when anything was put into the cart, int64[c]."""
        times: Times = self.history.times[self.history.kinds == CART_ADD]
        return times

    @property
    def bought_on_visit(self) -> bool:
        """Tell whether there was a purchase on the last visit."""
        return self.last_purchase >= self.visit_start > NEVER

    def viewed_on_visit(self) -> list[int]:
        """Rows of the items viewed on the last visit, the last viewed first, without those that are owned and not bought twice."""
        items, kinds = self.history.items[self._first :], self.history.kinds[self._first :]
        viewed = dict.fromkeys(items[(kinds == VIEW) & (items >= 0)][::-1].tolist())
        again = self.trigger_context.catalog.replenishable
        return [row for row in viewed if row not in self.profile.has_bought or again[row]]

    def cart(self) -> list[int]:
        """Rows of the items in the cart, the last added first."""
        inside = set(self.profile.cart.tolist())
        added = dict.fromkeys(self.history.items[self.history.kinds == CART_ADD][::-1].tolist())
        return [row for row in added if row in inside]

    def interested_in(self) -> list[int]:
        """Distinct rows of the items that were viewed or carted, the last first."""
        items, kinds = self.history.items, self.history.kinds
        looks = ((kinds == VIEW) | (kinds == CART_ADD)) & (items >= 0)
        return list(dict.fromkeys(items[looks][::-1].tolist()))

    def interest(self, row: int, until: int) -> int:
        """Return when an item was last viewed or carted before a moment, in microseconds; `NEVER`: it was not, or was bought since."""
        history = self.history
        of_item = history.items == row
        looks = of_item & ((history.kinds == VIEW) | (history.kinds == CART_ADD)) & (history.times < until)
        last = int(history.times[looks][-1]) if looks.any() else NEVER
        return NEVER if (history.times[of_item & (history.kinds == PURCHASE)] >= last).any() else last

    def bought_at(self, row: int) -> int:
        """Return when an item was last bought and kept, in microseconds; `NEVER`: never."""
        times = self.history.times[(self.history.items == row) & (self.history.kinds == PURCHASE)]
        return int(times[-1]) if len(times) else NEVER

    def _last_of(self, kind: int) -> int:
        place = self.history.kinds.tobytes().rfind(kind)
        return int(self.history.times[place]) if place >= 0 else NEVER

    @property
    def timezone(self) -> str:
        """The name of the shopper's time zone, the shop's where it is not known."""
        return self.person.timezone or self.trigger_context.engine.settings.messages.timezone

    @property
    def locale(self) -> str:
        """The shopper's locale, the shop's where it is not known."""
        return self.person.locale or self.trigger_context.engine.settings.messages.locale

    def reason(self, code: str, *, because_item_id: str | None = None, **values: object) -> Reason:
        """Word a reason for the shopper, with what its text counts or names."""
        return Reason(code, reason_text(code, reason_locale(self.locale), **values), because_item_id=because_item_id)

    def price(self, amount: float) -> str:
        """A price as the shopper's locale writes it."""
        return price_text(amount, self.trigger_context.catalog.currency, self.locale)

    def usual_hour(self) -> int | None:
        """The hour of the day (0–23, theirs) in which most of their sessions begin, of several the earliest; None: too few."""
        times = self.history.times
        starts = np.ones(len(times), bool)
        starts[1:] = np.diff(times) > self.trigger_context.engine.profiler.session_gap
        if np.count_nonzero(starts) < FEWEST_SESSIONS:
            return None
        hours = Counter([local(moment, self.timezone).hour for moment in times[starts].tolist()])
        return min(hours, key=lambda hour: (-hours[hour], hour))


_LAST = clock.to_microseconds(datetime(9999, 12, 30, tzinfo=UTC))


def local(moment: int, timezone: str) -> datetime:
    """A moment in microseconds as a time zone's clocks show it; of the last day that there is, the one before."""
    return clock.to_datetime(min(moment, _LAST)).astimezone(zone(timezone))


def midnight(day: date, timezone: str) -> int:
    """The first moment of a day in a time zone, in microseconds, also where clocks are put forward over midnight."""
    first = datetime(day.year, day.month, day.day, tzinfo=zone(timezone))
    return clock.to_microseconds(first)


def day_of(moment: int, timezone: str) -> tuple[int, int]:
    """The first microsecond of the day in which a moment lies in a time zone, and the first of the next day."""
    day = local(moment, timezone).date()
    return midnight(day, timezone), midnight(day + timedelta(days=1), timezone)


def months_after(moment: int, months: int) -> int:
    """The first moment from which `behaviour.months_before` reaches this one: so many calendar months later, or, where that month
    has no such day, the next one's beginning."""
    at = np.datetime64(moment, "us")
    day = at.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    target = (month + months).astype("datetime64[D]") + (day - month.astype("datetime64[D]"))
    following = (month + months + 1).astype("datetime64[D]")
    reached = target + (at - day) if target < following else following
    return int(reached.astype("datetime64[us]").astype(np.int64))
